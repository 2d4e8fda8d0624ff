"""Webhooks against the public Standard Webhooks library, through the sandbox."""

import unittest

from standardwebhooks import Webhook, WebhookVerificationError

from sandbox import Receiver, Sandbox, until


class Webhooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.key = cls.sandbox.ready["tenantKey"]
        tenant = cls.sandbox.client(cls.key)
        created = tenant.numbers.create({"name": "Hooks", "number": "+5511999990003"})
        cls.number = created["instance"]["id"]

    def call(self, method, path, body=None, status=200):
        found, answer = self.sandbox.call(method, path, body, self.key)
        self.assertEqual(found, status, answer)
        return answer

    def subscribe(self):
        body = {"url": self.receiver.url, "events": ["*"], "whatsappNumberId": self.number}
        return self.call("POST", "/v1/webhooks", body, 201)

    def test_the_library_verifies_before_and_after_a_rotation(self):
        webhook = self.subscribe()
        path = f"/v1/webhooks/{webhook['id']}"
        for_us = lambda data: data.get("webhookId") == webhook["id"]

        sent = self.call("POST", f"{path}/test", status=202)
        headers, body, _ = self.receiver.wait("webhook.test", for_us)
        self.assertEqual(headers["webhook-id"], sent["eventId"])
        verified = Webhook(webhook["secret"]).verify(body, lower(headers))
        self.assertEqual(verified["event"], "webhook.test")
        with self.assertRaises(WebhookVerificationError):
            Webhook(webhook["secret"]).verify(body + b" ", lower(headers))

        rotated = self.call("POST", f"{path}/rotate-secret")
        self.assertNotEqual(rotated["secret"], webhook["secret"])
        self.call("POST", f"{path}/test", status=202)
        headers, body, _ = self.receiver.wait("webhook.test", for_us)
        for secret in (rotated["secret"], webhook["secret"]):
            Webhook(secret).verify(body, lower(headers))

    def test_a_delivery_comes_again_under_the_same_id(self):
        webhook = self.subscribe()
        path = f"/v1/webhooks/{webhook['id']}"
        for_us = lambda data: data.get("webhookId") == webhook["id"]
        sent = self.call("POST", f"{path}/test", status=202)
        first, _, _ = self.receiver.wait("webhook.test", for_us)
        until("the log", lambda: self.call("GET", f"{path}/logs"))

        self.call("POST", f"{path}/logs/{sent['deliveryId']}/redeliver", status=202)

        again, _, _ = self.receiver.wait("webhook.test", for_us)
        self.assertEqual(again["webhook-id"], first["webhook-id"])

    def test_what_happened_before_the_webhook_was_there_is_replayed(self):
        webhook = self.subscribe()
        path = f"/v1/webhooks/{webhook['id']}"

        body = {"since": "2026-01-01T00:00:00Z", "events": ["number.created"]}
        replayed = self.call("POST", f"{path}/replay", body, 202)

        self.assertEqual(replayed, {"replayed": 1, "more": False})
        headers, body, _ = self.receiver.wait("number.created")
        Webhook(webhook["secret"]).verify(body, lower(headers))
        again = self.call("POST", f"{path}/replay", {"since": "2026-01-01T00:00:00Z"}, 202)
        self.assertEqual(again["replayed"], 0)


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


if __name__ == "__main__":
    unittest.main()
