"""Nothing of the SDK that the server has goes without a test: this reads the tests beside it.

What is looked for is a call in a test's own text, so that a method is not counted because another one
calls it. A new release of the SDK with another method, parameter or event fails here."""

import ast
import inspect
import pathlib
import typing
import unittest

import pilot_status
from pilot_status import types
from pilot_status.webhooks import parse

HERE = pathlib.Path(__file__).resolve().parent
# Parts of the product that this server does not have (contract, section I).
ELSEWHERE = {"ads", "analytics", "calls", "lead_pages", "leads", "phone_lines", "referrals"}
ELSEWHERE_EVENTS = {"lead.received", *parse._CALL_EVENTS}


def resources():
    """The SDK's resources by their names on a client."""
    client = pilot_status.PilotStatusClient(api_key="ps_none")
    named = {name: it for name, it in vars(client).items() if not name.startswith("_")}
    return {name: type(it) for name, it in named.items() if name not in ELSEWHERE}


def methods(resource):
    found = inspect.getmembers(resource, inspect.isfunction)
    return {name: function for name, function in found if not name.startswith("_")}


class Tests(ast.NodeVisitor):
    """What the tests call, with which keywords, and what texts and keywords are in them."""

    def __init__(self):
        self.calls, self.texts = {}, set()
        for path in sorted(HERE.glob("test_*.py")):
            if path.name != pathlib.Path(__file__).name:
                self.visit(ast.parse(path.read_text(encoding="utf-8")))

    def visit_Call(self, node):
        function = node.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Attribute):
            called = f"{function.value.attr}.{function.attr}"
            keywords = {keyword.arg for keyword in node.keywords}
            self.calls.setdefault(called, set()).update(keywords)
        self.generic_visit(node)

    def visit_keyword(self, node):
        self.texts.add(node.arg)
        self.generic_visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            self.texts.add(node.value)


class Completeness(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tests = Tests()

    def test_every_method_is_called_and_with_every_keyword(self):
        seen = 0
        for resource, kind in resources().items():
            for name, function in methods(kind).items():
                seen += 1
                with self.subTest(method=f"{resource}.{name}"):
                    self.assertIn(f"{resource}.{name}", self.tests.calls)
                    parameters = inspect.signature(function).parameters.values()
                    wanted = {it.name for it in parameters if it.kind is it.KEYWORD_ONLY}
                    self.assertEqual(wanted - self.tests.calls[f"{resource}.{name}"], set())
        self.assertGreaterEqual(seen, 25, "the SDK is looked at wrongly")

    def test_what_the_sdk_can_do_with_messages_is_known(self):
        # By name as well: so that a method that goes away is noticed, too.
        known = {
            "messages": {"send", "get", "history", "cancel"},
            "templates": {"list", "get"},
            "groups": {"list"},
            "newsletters": {"list"},
            "media": {"download"},
        }
        found = {name: set(methods(kind)) for name, kind in resources().items() if name in known}
        self.assertEqual(found, known)

    def test_every_field_of_a_message_and_every_kind_of_media_and_button_is_sent(self):
        hints = typing.get_type_hints(types.SendMessageInput)
        header = typing.get_type_hints(types.SendMessageHeader)["type"]
        kinds = [hints["mediaType"], header, types.ButtonType]
        names = set(hints).union(*(typing.get_args(kind) for kind in kinds))
        self.assertEqual(names - self.tests.texts, set())

    def test_every_event_is_waited_for(self):
        events = set(parse._KNOWN_EVENTS) - ELSEWHERE_EVENTS
        self.assertEqual(events - self.tests.texts, set())
        self.assertEqual(set(parse._MESSAGE_TYPES) - self.tests.texts, set())


if __name__ == "__main__":
    unittest.main()
