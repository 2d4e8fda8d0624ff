"""First light, as a customer sees it: the unmodified official SDK against the sandbox."""

import hashlib
import hmac
import re
import unittest

import pilot_status

from sandbox import Receiver, Sandbox, until

SECRET = "a-secret-of-the-customers-own-choice"


class FirstLight(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.tenant = cls.sandbox.client(cls.sandbox.ready["tenantKey"])
        # number.created goes to the tenant's webhooks, and a webhook belongs to a number.
        first = cls.tenant.numbers.create({"name": "First", "number": "+5511999990000"})
        cls.subscribe(first["instance"]["id"])

    @classmethod
    def subscribe(cls, number_id):
        body = {
            "url": cls.receiver.url,
            "events": ["*"],
            "whatsappNumberId": number_id,
            "secret": SECRET,
        }
        status, webhook = cls.sandbox.call(
            "POST", "/v1/webhooks", body, cls.sandbox.ready["tenantKey"]
        )
        assert status == 201, (status, webhook)
        assert webhook["secret"] == SECRET

    def event(self, name, matches=lambda data: True):
        """Waits for an event, checks its signature, and has the SDK parse it."""
        headers, body, payload = self.receiver.wait(name, matches)
        expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        self.assertEqual(headers["x-pilot-status-signature"], expected)
        parsed = pilot_status.parse_customer_webhook(payload)
        self.assertEqual(parsed["event"], name)
        self.assertNotIn("type", parsed, "the SDK does not know this event")
        return parsed["data"]

    def test_by_qr_code(self):
        def scan(number, created):
            linked = self.sandbox.phone(
                "POST", number, "/scan", {"qrcodeBase64": created["qrcodeBase64"]}
            )
            self.assertTrue(linked["linked"])

        self.walk("+5511999990001", "+5511999990101", scan)

    def test_by_pairing_code(self):
        def enter(number, created):
            self.sandbox.phone("POST", number, "/pairing-code", {"code": created["pairingCode"]})

        self.walk("+5511999990002", "+5511999990102", enter)

    def walk(self, number, friend, link):
        created = self.tenant.numbers.create({"name": "My WhatsApp", "number": number})
        number_id = created["instance"]["id"]
        self.assertTrue(created["qrcodeBase64"].startswith("data:image/png;base64,"))
        self.assertRegex(created["pairingCode"], re.compile(r"^[0-9A-Z]{4}-[0-9A-Z]{4}$"))
        self.assertIsNone(created["linkedApiKeyId"])
        self.assertEqual(len(created["pairing"]["qrText"].split(",")), 5)
        self.event("number.created", lambda data: data["numberId"] == number_id)

        self.subscribe(number_id)
        link(number, created)
        is_open = lambda: self.tenant.numbers.get_status(number_id)["state"] == "OPEN"
        until("the number to open", is_open, 10)
        self.assertEqual(self.event("number.connected")["phone"], number)

        keys = {item["numberId"]: item["key"] for item in self.tenant.api_keys.list()}
        client = self.sandbox.client(keys[number_id])
        self.send(client, number, friend)
        self.receive(number, friend)

        with self.assertRaises(pilot_status.ConflictError):
            self.tenant.numbers.connect(number_id)
        self.assertTrue(self.tenant.numbers.delete(number_id)["ok"])
        self.assertEqual(self.sandbox.phone("GET", number, "/companions"), [])
        self.event("number.removed", lambda data: data["numberId"] == number_id)
        with self.assertRaises(pilot_status.AuthenticationError):
            client.numbers.list()

    def send(self, client, number, friend):
        sent = client.messages.send({"destinationNumber": friend, "text": "Hello, world"})
        self.assertEqual(sent["status"], "QUEUED")
        inbox = lambda: [
            message
            for message in self.sandbox.phone("GET", friend, "/messages")
            if message["direction"] == "in"
        ]
        arrived = until("the text to arrive", inbox)
        self.assertEqual([message["text"] for message in arrived], ["Hello, world"])
        self.assertEqual(arrived[0]["from"], number)
        ours = lambda data: data["id"] == sent["id"]
        self.event("message.sent", ours)
        self.event("message.delivered", ours)
        self.sandbox.phone("POST", friend, f"/messages/{arrived[0]['id']}/read")
        self.event("message.read", ours)
        stored = client.messages.get(sent["id"])
        self.assertEqual(stored["status"], "READ")

    def receive(self, number, friend):
        self.sandbox.phone("POST", friend, "/messages", {"to": number, "text": "Olá!"})
        data = self.event("message.received")
        self.assertEqual((data["content"], data["from"], data["to"]), ("Olá!", friend, number))


if __name__ == "__main__":
    unittest.main()
