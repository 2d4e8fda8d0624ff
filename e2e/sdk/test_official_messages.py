"""Messages of an official number, as the unmodified SDK sends and reads them, at the offline Meta."""

import base64
import unittest
import urllib.request

import pilot_status
from pilot_status import types

from paired import FRIEND, PNG, moment, uri
from sandbox import Receiver, Sandbox, Webhook, until
from types_of import mistakes

NUMBER = "+5511999990601"
STRANGER = "+5511999990613"
TEMPLATE = "order_update:en_US"
VALUES = {"1": "Ana", "2": "today", "button_1": "A7"}


class Official(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.key = cls.sandbox.ready["tenantKey"]
        cls.tenant = cls.sandbox.client(cls.key)
        cls.number, cls.phone_id, cls.own = cls.sandbox.official(NUMBER)
        cls.webhook = Webhook(cls.sandbox, cls.receiver, cls.number)
        # Whoever writes first may be written to for 24 hours.
        cls.write(text="hello?")

    @classmethod
    def write(cls, sender=FRIEND, **what):
        """A person writes to the number; returns Meta's id of the message."""
        wish = {"from": sender, **what}
        return cls.sandbox.graph("POST", f"/numbers/{cls.phone_id}/messages", wish)["id"]

    def conforms(self, value, expected):
        self.assertEqual(mistakes(value, expected), [])

    def send(self, to=FRIEND, **wish):
        sent = self.own.messages.send({"destinationNumber": to, **wish})
        self.conforms(sent, types.SendMessageAccepted)
        return sent

    def seen(self, sent, to=FRIEND):
        """What the person sees of a message, once it is there."""
        told = self.webhook.data("message.sent", lambda data: data["id"] == sent["id"])
        log = self.sandbox.graph("GET", f"/contacts/{to}/messages")
        return next(one["message"] for one in log if one["id"] == told["messageId"])

    def refused(self, error, code, **wish):
        with self.assertRaises(error) as caught:
            self.send(**wish)
        self.assertEqual(caught.exception.body["code"], code, caught.exception.body)

    def test_a_text_is_told_of_up_to_its_being_read(self):
        sent = self.send(text="Olá", markRead=True)
        self.assertEqual(self.seen(sent)["text"]["body"], "Olá")
        ours = lambda data: data["id"] == sent["id"]
        self.webhook.data("message.delivered", ours)
        self.sandbox.graph("POST", f"/contacts/{FRIEND}/read", {})
        self.webhook.data("message.read", ours)
        for name in (sent["id"], sent["correlationId"]):
            detail = self.own.messages.get(name)
            self.conforms(detail, types.MessageDetails)
            self.assertEqual((detail["status"], detail["destinationNumber"]), ("READ", FRIEND))

    def test_every_mode_of_an_official_number(self):
        row = {"title": "Small", "rowId": "s", "description": "the small one"}
        menu = {"buttonText": "Choose", "sections": [{"title": "Sizes", "rows": [row]}]}
        yes = {"type": "reply", "label": "Yes"}
        site = {"type": "url", "label": "Open", "url": "https://example.com/"}
        header = {"type": "text", "content": "Today"}
        image = uri("image/png", PNG)
        modes = [
            ({"text": "Shall we?", "buttons": [yes], "header": header, "footer": "Acme"}, "interactive"),
            ({"text": "See", "buttons": [site]}, "interactive"),
            ({"text": "Look?", "buttons": [yes], "media": image}, "interactive"),
            ({"text": "Which?", "list": menu, "footer": "Acme"}, "interactive"),
            ({"templateId": TEMPLATE, "variables": VALUES}, "template"),
            ({"media": image, "text": "bytes"}, "image"),
            ({"media": "https://files.example/a.png", "mediaType": "image"}, "image"),
            ({"media": uri("application/pdf", b"%PDF-1.4 x"), "mediaType": "document"}, "document"),
            ({"media": uri("audio/ogg", b"OggS voice"), "mediaType": "voice"}, "audio"),
        ]
        for wish, kind in modes:
            with self.subTest(wish=str(wish)[:60]):
                self.assertEqual(self.seen(self.send(**wish))["type"], kind)

    def test_what_no_number_sends_is_refused_by_name(self):
        card = {"media": {"url": "https://example.com/a.png"}, "body": "x", "buttons": []}
        wishes = [
            {"text": "x", "carousel": {"cards": [card, card]}},
            {"text": "x", "flow": {"flowId": "1", "cta": "Go"}},
            {"text": "x", "buttons": [{"type": "call", "label": "Call", "phoneNumber": FRIEND}]},
            {"text": "x", "buttons": [{"type": "copy", "label": "Copy", "copyCode": "A7"}]},
        ]
        for wish in wishes:
            with self.subTest(wish=list(wish)):
                self.refused(pilot_status.ValidationError, "FEATURE_NOT_SUPPORTED", **wish)

    def test_groups_and_channels_are_not_for_official_numbers(self):
        for wish in ({"groupId": "120363000000000000@g.us"}, {"newsletterId": "120363@newsletter"}):
            with self.assertRaises(pilot_status.ValidationError) as caught:
                self.own.messages.send({"text": "x", **wish})
            self.assertEqual(caught.exception.body["code"], "NOT_SUPPORTED_FOR_META")
        for ask in (self.own.groups.list, self.own.newsletters.list):
            with self.assertRaises(pilot_status.ValidationError) as caught:
                ask()
            self.assertEqual(caught.exception.body["code"], "NOT_SUPPORTED_FOR_META")

    def test_templates_are_those_that_meta_has_approved(self):
        listed = self.own.templates.list()
        self.conforms(listed, list[types.TemplateListItem])
        self.assertIn(TEMPLATE, [one["id"] for one in listed])
        for name in (TEMPLATE, "order_update"):
            detail = self.own.templates.get(name)
            self.conforms(detail, types.TemplateDetail)
            self.assertEqual(detail["id"], TEMPLATE)
            self.assertTrue(detail["latestVersion"])
        with self.assertRaises(pilot_status.NotFoundError) as caught:
            self.own.templates.get("nothing")
        self.assertEqual(caught.exception.body["code"], "TEMPLATE_NOT_FOUND")
        self.refused(
            pilot_status.ValidationError, "MISSING_TEMPLATE_VARIABLES",
            templateId=TEMPLATE, variables={"1": "Ana"},
        )
        sent = self.send(templateId=TEMPLATE, variables=VALUES)
        self.assertEqual(self.seen(sent)["type"], "template")
        self.assertEqual(self.own.messages.get(sent["id"])["template"], "order_update")

    def test_who_has_not_written_is_reached_by_templates_only(self):
        sent = self.send(to=STRANGER, text="Hello, stranger")
        data = self.webhook.data("message.failed", lambda data: data["id"] == sent["id"])
        self.assertEqual(data["errorCode"], "META_OUTSIDE_24H_WINDOW")
        self.assertEqual(self.own.messages.get(sent["id"])["status"], "FAILED")
        sent = self.send(to=STRANGER, templateId=TEMPLATE, variables=VALUES)
        self.assertEqual(self.seen(sent, STRANGER)["type"], "template")

    def test_schedules_labels_and_repeats_are_those_of_every_number(self):
        sent = self.send(text="later", deliverAt=moment(hours=1), labels=["official"])
        _, found = self.sandbox.call("GET", "/v1/messages?label=official", None, self.key, self.number)
        self.assertEqual([one["id"] for one in found["messages"]], [sent["id"]])
        answer = self.own.messages.cancel([sent["id"]])
        self.conforms(answer, types.CancelMessagesResult)
        self.assertEqual(answer, {"cancelled": [sent["id"]], "failed": []})
        self.assertEqual(self.own.messages.get(sent["id"])["status"], "CANCELED")
        soon = self.send(text="soon", deliverAt=moment(seconds=1))
        self.assertEqual(self.seen(soon)["text"]["body"], "soon")
        wish = {"destinationNumber": FRIEND, "text": "once"}
        repeat = lambda: self.own.messages.send(wish, idempotency_key="order-9")
        self.assertEqual(repeat(), repeat())

    def test_media_come_in_and_are_had_by_link_and_by_download(self):
        image = {"type": "image", "image": {"mime_type": "image/png", "caption": "look"}}
        wire = self.write(**image, base64=base64.b64encode(PNG).decode())
        data = self.webhook.data("message.received", lambda data: data["messageId"] == wire)
        self.assertEqual((data["type"], data["mediaCaption"]), ("image", "look"))
        with urllib.request.urlopen(data["mediaLink"], timeout=15) as answer:
            self.assertEqual(answer.read(), PNG)
        rows = self.own.messages.history(page_size=100)["messages"]
        row = next(row for row in rows if row["externalMessageId"] == wire)
        self.conforms(row, types.HistoryMessage)
        self.assertEqual((row["providerKind"], row["media"]["provider"]), ("META", "META"))
        got = self.own.media.download(row["media"]["id"], self.phone_id)
        self.conforms(got, types.MediaDownloadResult)
        self.assertEqual((base64.b64decode(got["base64"]), got["mimeType"]), (PNG, "image/png"))

    def test_an_answer_is_a_reply(self):
        sent = self.send(text="Shall we?", buttons=[{"type": "reply", "label": "Yes"}])
        self.seen(sent)
        wire = self.own.messages.get(sent["id"])["externalMessageId"]
        answer = self.write(text="Yes", quote=wire)
        data = self.webhook.data("message.reply", lambda data: data["messageId"] == answer)
        self.assertEqual((data["quotedMessageId"], data["content"]), (wire, "Yes"))
        page = self.own.messages.history(page_size=100)
        self.conforms(page, types.MessageHistoryResult)
        row = next(row for row in page["messages"] if row["externalMessageId"] == answer)
        self.assertEqual(row["repliedToExternalId"], wire)

    def test_typing_is_shown(self):
        self.write(text="are you there?")
        body = {"destinationNumber": FRIEND}
        status, answer = self.sandbox.call(
            "POST", "/v1/messages/typing", body, self.key, self.number
        )
        self.assertEqual((status, answer), (200, {"ok": True}))
        log = lambda: self.sandbox.graph("GET", "/inbound")
        until("the typing", lambda: any(one.get("typingAt") for one in log()))

    def test_the_number_itself_is_no_recipient(self):
        self.refused(pilot_status.ValidationError, "VALIDATION_ERROR", to=NUMBER, text="me")


if __name__ == "__main__":
    unittest.main()
