"""pywa, a Cloud API library that is not ours, as a judge of the offline Graph server."""

import unittest

from pywa import errors, types
from pywa.types import templates

from graph import VERIFY_TOKEN, Graph, Receiver, until

PERSON = "+5511999990001"


class Judged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.graph = Graph()
        cls.addClassCleanup(cls.graph.close)

    def setUp(self):
        self.business = self.graph.control("/businesses", {"name": "Zoë's Shop"})
        self.client = self.graph.client(self.business)
        self.addCleanup(self.client.api._session.close)

    def inbound(self, message, **more):
        """A person writes. Returns the id of the message."""
        body = {"from": PERSON, "name": "Ana Lima", **message, **more}
        return self.graph.control(f"/numbers/{self.business['phoneId']}/messages", body)["id"]

    def last_sent(self):
        return self.graph.control("/messages", method="GET")[-1]["message"]


class AsClient(Judged):
    def test_the_number_and_the_account(self):
        number = self.client.get_business_phone_number()
        self.assertEqual(number.id, self.business["phoneId"])
        self.assertEqual(number.verified_name, "Zoë's Shop")
        self.assertEqual((number.status, number.platform_type), ("CONNECTED", "CLOUD_API"))
        self.assertTrue(number.is_pin_enabled)
        listed = list(self.client.get_business_phone_numbers())
        self.assertEqual([it.id for it in listed], [self.business["phoneId"]])
        account = self.client.get_business_account()
        self.assertEqual(account.id, self.business["wabaId"])

    def test_registering(self):
        self.assertTrue(self.client.deregister_phone_number())
        with self.assertRaises(errors.WhatsAppError) as caught:
            self.client.register_phone_number(pin="654321")
        self.assertEqual(caught.exception.code, 133005)
        self.assertTrue(self.client.register_phone_number(pin=self.business["pin"]))

    def test_sending(self):
        self.inbound({"text": "hi"})
        sent = self.client.send_message(PERSON, "Olá", tracker="t-1")
        self.assertTrue(sent.id.startswith("wamid."))
        self.assertEqual(self.last_sent()["text"]["body"], "Olá")
        self.client.send_message(
            PERSON,
            "Choose",
            header="H",
            footer="F",
            buttons=[types.Button("Yes", callback_data="y"), types.Button("No", callback_data="n")],
        )
        buttons = self.last_sent()["interactive"]["action"]["buttons"]
        self.assertEqual([it["reply"]["title"] for it in buttons], ["Yes", "No"])
        rows = [types.SectionRow(title="R", callback_data="r", description="d")]
        sections = [types.Section(title="S", rows=rows)]
        self.client.send_message(
            PERSON, "Pick", buttons=types.SectionList(button_title="Menu", sections=sections)
        )
        self.assertEqual(self.last_sent()["interactive"]["type"], "list")
        self.client.send_location(PERSON, latitude=37.4, longitude=-122.1, name="n", address="a")
        self.client.send_reaction(PERSON, emoji="👍", message_id=sent.id)
        self.assertEqual(self.last_sent()["reaction"]["emoji"], "👍")

    def test_templates(self):
        language = templates.TemplateLanguage.ENGLISH_US
        self.client.send_template(PERSON, "hello_world", language, params=[])
        body = templates.BodyText.params(customer_name="Ana", day="Monday")
        sent = self.client.send_template(
            PERSON, "appointment_reminder", language, params=[body]
        )
        self.assertTrue(sent.id.startswith("wamid."))
        with self.assertRaises(errors.TemplateNotExists):
            self.client.send_template(PERSON, "no_such", language, params=[])
        with self.assertRaises(errors.TemplateParamCountMismatch):
            self.client.send_template(PERSON, "order_update", language, params=[])
        found = list(self.client.get_templates(name="hello_world"))
        self.assertEqual([it.name for it in found], ["hello_world"])

    def test_media(self):
        self.inbound({"text": "hi"})
        media = self.client.upload_media(b"the bytes", mime_type="image/png", filename="a.png")
        self.client.send_image(PERSON, media, caption="c")
        self.assertEqual(self.last_sent()["image"]["id"], media.id)
        found = self.client.get_media_url(media.id)
        self.assertEqual(found.mime_type, "image/png")
        self.assertEqual(self.client.get_media_bytes(found.url), b"the bytes")
        self.assertTrue(self.client.delete_media(media.id))

    def test_receipts_and_typing(self):
        message = self.inbound({"text": "hi"})
        self.assertTrue(self.client.mark_message_as_read(message))
        self.assertTrue(self.client.indicate_typing(message))
        shown = self.graph.control("/inbound", method="GET")[-1]
        self.assertTrue(shown["readAt"] and shown["typingAt"])

    def test_profile(self):
        self.assertTrue(self.client.update_business_profile(about="We sell", email="a@b.example"))
        profile = self.client.get_business_profile()
        self.assertEqual((profile.about, profile.email), ("We sell", "a@b.example"))

    def test_errors_are_typed(self):
        with self.assertRaises(errors.RecipientCannotBeSender):
            self.client.send_message(self.business["number"], "hi")
        self.graph.control("/settings", {"windowErrors": "sync"})
        self.addCleanup(self.graph.control, "/settings", {"windowErrors": "async"})
        with self.assertRaises(errors.ReEngagementMessage) as caught:
            self.client.send_message("+5511999990077", "hi")
        self.assertIn("24 hours", caught.exception.details)
        self.graph.control("/faults", {"route": "messages", "code": 130429})
        with self.assertRaises(errors.RateLimitHit):
            self.client.send_message(PERSON, "hi")
        self.graph.control("/tokens/revoke", {"token": self.business["token"]})
        with self.assertRaises(errors.ExpiredAccessToken):
            self.client.get_business_phone_number()


class AsCallback(Judged):
    def setUp(self):
        super().setUp()
        self.receiver = Receiver(self.client)
        self.addCleanup(self.receiver.close)
        self.got = {"message": [], "status": [], "button": [], "account": []}
        keep = lambda kind: lambda _, update: self.got[kind].append(update)
        self.client.on_message(keep("message"))
        self.client.on_message_status(keep("status"))
        self.client.on_callback_button(keep("button"))
        self.client.on_account_update(keep("account"))

    def wait(self, kind, count=1):
        return until(kind, lambda: len(self.got[kind]) >= count and self.got[kind])

    def test_the_challenge(self):
        with self.assertRaises(errors.WhatsAppError) as caught:
            self.client.override_waba_callback_url(self.receiver.url, "wrong")
        self.assertEqual(caught.exception.code, 2200)
        self.assertTrue(self.client.override_waba_callback_url(self.receiver.url, VERIFY_TOKEN))
        self.assertTrue(self.client.override_phone_callback_url(self.receiver.url, VERIFY_TOKEN))
        self.assertTrue(self.client.delete_phone_callback_url())
        self.assertTrue(self.client.delete_waba_callback_url())

    def test_messages_and_statuses(self):
        self.client.override_waba_callback_url(self.receiver.url, VERIFY_TOKEN)
        self.inbound({"text": "Olá / café"})
        message = self.wait("message")[0]
        self.assertEqual(message.text, "Olá / café")
        self.assertEqual((message.from_user.name, message.from_user.wa_id), ("Ana Lima", PERSON[1:]))
        sent = message.reply("Oi")
        self.assertTrue(sent.id.startswith("wamid."))
        statuses = [it.status for it in self.wait("status", 2)]
        kinds = types.MessageStatusType
        self.assertEqual(statuses, [kinds.SENT, kinds.DELIVERED])
        self.graph.control(f"/contacts/{PERSON}/read")
        self.assertEqual(self.wait("status", 3)[2].status, kinds.READ)

    def test_files_and_buttons(self):
        self.client.override_waba_callback_url(self.receiver.url, VERIFY_TOKEN)
        self.inbound({"type": "image", "image": {"caption": "c"}, "base64": "aGVsbG8="})
        message = self.wait("message")[0]
        self.assertEqual(message.caption, "c")
        self.assertEqual(message.image.get_bytes(), b"hello")
        reply = {"type": "button_reply", "button_reply": {"id": "y", "title": "Yes"}}
        self.inbound({"interactive": reply}, quote="wamid.x")
        button = self.wait("button")[0]
        self.assertEqual((button.data, button.title), ("y", "Yes"))

    def test_hidden_people(self):
        self.client.override_waba_callback_url(self.receiver.url, VERIFY_TOKEN)
        self.graph.control("/settings", {"bsuidOnly": True})
        self.addCleanup(self.graph.control, "/settings", {"bsuidOnly": False})
        self.inbound({"text": "guess who"})
        message = self.wait("message")[0]
        self.assertIsNone(message.from_user.wa_id)
        self.assertTrue(message.from_user.bsuid.startswith("BR."))
        message.reply("found you")
        self.assertEqual(self.last_sent()["text"]["body"], "found you")

    def test_the_apps_own_callback(self):
        app, secret = self.business["appId"], self.business["appSecret"]
        token = self.client.get_app_access_token(app_id=app, app_secret=secret)
        done = self.client.set_app_callback_url(
            app_id=app,
            app_access_token=token,
            callback_url=self.receiver.url,
            verify_token=VERIFY_TOKEN,
            fields=["messages", "account_update"],
        )
        self.assertTrue(done)
        self.client.override_waba_callback_url(self.receiver.url, VERIFY_TOKEN)
        ban = {"waba_ban_state": "SCHEDULE_FOR_DISABLE", "waba_ban_date": "December 24, 2026"}
        self.graph.control(
            f"/wabas/{self.business['wabaId']}/account-update",
            {"event": "DISABLED_UPDATE", "ban_info": ban},
        )
        update = self.wait("account")[0]
        self.assertEqual(update.event.value, "DISABLED_UPDATE")

    def test_a_bad_signature_is_refused_and_comes_again(self):
        self.client.override_waba_callback_url(self.receiver.url, VERIFY_TOKEN)
        self.graph.control("/settings", {"signature": "bad"})
        self.addCleanup(self.graph.control, "/settings", {"signature": "good"})
        self.inbound({"text": "forged"})
        until("two tries", lambda: self.receiver.answers[:2] == [403, 403])
        self.assertEqual(self.got["message"], [])


if __name__ == "__main__":
    unittest.main()
