"""What tests of a QR-paired number's messages share."""

import base64
import datetime
import unittest

from pilot_status import types

from sandbox import Receiver, Sandbox, Webhook, until
from types_of import mistakes

NUMBER = "+5511999990501"
FRIEND = "+5511999990511"
OTHER = "+5511999990512"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def uri(mime, data):
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def moment(**ahead):
    """A time in the form of the contract, so far ahead of now."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**ahead)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Case(unittest.TestCase):
    """A connected QR-paired number with a webhook, and what its tests ask for."""

    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.key = cls.sandbox.ready["tenantKey"]
        cls.tenant = cls.sandbox.client(cls.key)
        cls.number, cls.own = cls.sandbox.connected(NUMBER)
        cls.webhook = Webhook(cls.sandbox, cls.receiver, cls.number)

    def conforms(self, value, expected):
        self.assertEqual(mistakes(value, expected), [])

    def send(self, **wish):
        """Sends to the friend, unless the wish names another destination; returns the answer."""
        elsewhere = {"groupId", "newsletterId", "destinationNumber"} & set(wish)
        sent = self.own.messages.send(wish if elsewhere else {"destinationNumber": FRIEND, **wish})
        self.conforms(sent, types.SendMessageAccepted)
        return sent

    def refused(self, error, code, **wish):
        with self.assertRaises(error) as caught:
            self.send(**wish)
        self.assertEqual(caught.exception.body["code"], code, caught.exception.body)
        self.assertEqual(str(caught.exception), caught.exception.body["error"])
        return caught.exception

    def status(self, sent):
        return self.own.messages.get(sent["id"])["status"]

    def arrived(self, sent, phone=FRIEND):
        """What the phone has of a message, once it is there and its attachment is fetched."""

        def found():
            wire = self.own.messages.get(sent["id"])["externalMessageId"]
            log = self.sandbox.phone("GET", phone, "/messages")
            entry = next((one for one in log if one["id"] == wire), None)
            ready = entry and entry.get("media", {}).get("state") != "pending"
            return entry if ready else None

        return until("the message to arrive", found)

    def row(self, id):
        """A message as the history has it."""
        rows = self.own.messages.history(page_size=100)["messages"]
        row = next(row for row in rows if row["id"] == id)
        self.conforms(row, types.HistoryMessage)
        return row

    def call(self, method, path, body=None):
        """What the SDK has no method for."""
        return self.sandbox.call(method, path, body, self.key, self.number)
