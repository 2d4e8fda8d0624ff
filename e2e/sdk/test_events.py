"""Every event that a webhook gets is one that the SDK's own parser accepts."""

import json
import unittest

from pilot_status import parse_customer_webhook

from sandbox import Receiver, Sandbox, until

FRIEND = "+5511999990302"
ABSENT = "+5511999990303"


class Events(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.key = cls.sandbox.ready["tenantKey"]
        cls.tenant = cls.sandbox.client(cls.key)

    def create(self, phone):
        created = self.tenant.numbers.create({"name": "Events", "number": phone})
        number = created["instance"]["id"]
        body = {"url": self.receiver.url, "events": ["*"], "whatsappNumberId": number}
        self.sandbox.call("POST", "/v1/webhooks", body, self.key)
        return number, created

    def parsed(self, name, matches):
        """Waits for an event, and returns what the SDK makes of it."""
        _, body, _ = self.receiver.wait(name, matches)
        return parse_customer_webhook(json.loads(body))

    def test_the_life_of_a_number_and_its_messages(self):
        phone = "+5511999990209"
        number, created = self.create(phone)
        ours = lambda data: data["numberId"] == number
        client = self.sandbox.client(self.key, whatsapp_number_id=number)

        # A webhook of an earlier number hears of the next one's creation (H9).
        later, _ = self.create("+5511999990210")
        theirs = self.parsed("number.created", lambda data: data["numberId"] == later)
        self.assertEqual(theirs["event"], "number.created")
        self.sandbox.phone("POST", phone, "/scan", {"qrcodeBase64": created["qrcodeBase64"]})
        connected = self.parsed("number.connected", ours)
        self.assertEqual((connected["event"], connected["data"]["phone"]), ("number.connected", phone))
        sent = client.messages.send({"destinationNumber": FRIEND, "text": "Hello"})
        event = self.parsed("message.sent", ours)
        self.assertEqual((event["data"]["id"], event["data"]["to"]), (sent["id"], FRIEND))
        event = self.parsed("message.delivered", ours)
        self.assertEqual(event["data"]["id"], sent["id"])
        message = {"to": phone, "text": "Hi"}
        self.sandbox.phone("POST", FRIEND, "/messages", message)
        event = self.parsed("message.received", ours)
        self.assertEqual((event["data"]["from"], event["data"]["content"]), (FRIEND, "Hi"))
        self.sandbox.phone("POST", ABSENT, "/absent", {"absent": True})
        client.messages.send({"destinationNumber": ABSENT, "text": "Anybody?"})
        event = self.parsed("message.failed", ours)
        self.assertEqual(event["data"]["errorCode"], "WHATSAPP_NOT_EXIST")
        self.tenant.numbers.delete(number)
        self.assertEqual(self.parsed("number.removed", ours)["event"], "number.removed")
        self.tenant.numbers.restore(number)
        self.assertEqual(self.parsed("number.restored", ours)["event"], "number.restored")

    def test_an_unlinked_number_is_disconnected_with_a_code(self):
        phone = "+5511999990211"
        number, created = self.create(phone)
        self.sandbox.phone("POST", phone, "/scan", {"qrcodeBase64": created["qrcodeBase64"]})
        status = lambda: self.tenant.numbers.get_status(number)["state"]
        until("the number to open", lambda: status() == "OPEN")

        (companion,) = self.sandbox.phone("GET", phone, "/companions")
        self.sandbox.phone("DELETE", phone, f"/companions/{companion['device']}")

        event = self.parsed("number.disconnected", lambda data: data["numberId"] == number)
        self.assertEqual(event["data"]["errorCode"], "LOGGED_OUT")

    def test_what_the_sdk_does_not_know_is_unknown_to_it_and_no_error(self):
        number, _ = self.create("+5511999990212")
        _, webhooks = self.sandbox.call("GET", "/v1/webhooks", None, self.key)
        webhook = next(item for item in webhooks if item["whatsappNumberIds"] == [number])
        self.sandbox.call("POST", f"/v1/webhooks/{webhook['id']}/test", None, self.key)

        event = self.parsed("webhook.test", lambda data: data["webhookId"] == webhook["id"])

        self.assertEqual(event["type"], "unknown")


if __name__ == "__main__":
    unittest.main()
