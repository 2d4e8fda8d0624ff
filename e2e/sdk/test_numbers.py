"""Numbers beyond first light: change, restore, check, follow a pairing, guards. As a customer sees it."""

import json
import threading
import time
import unittest
import urllib.request

import pilot_status

from sandbox import Receiver, Sandbox, until

NOBODY = "wa_00000000000000000000000000"


class Stream:
    """Server-sent events, read by a thread of its own."""

    def __init__(self, url, key):
        request = urllib.request.Request(url, headers={"x-api-key": key})
        self.answer = urllib.request.urlopen(request, timeout=60)
        self.events = []
        self.ended = False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        name = None
        for line in self.answer:
            line = line.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[len("event: ") :]
            elif line.startswith("data: "):
                self.events.append((name, json.loads(line[len("data: ") :])))
        self.ended = True

    def wait(self, name, seconds=15.0):
        def found():
            return next((data for event, data in self.events if event == name), None)

        return until(f"the event {name}", lambda: found() is not None and [found()], seconds)[0]

    def wait_end(self, seconds=15.0):
        until("the end of the stream", lambda: self.ended, seconds)
        return [name for name, _ in self.events]


class Numbers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        cls.key = cls.sandbox.ready["tenantKey"]
        cls.tenant = cls.sandbox.client(cls.key)
        cls.count = 0

    def call(self, method, path, body=None, key=None):
        return self.sandbox.call(method, path, body, key or self.key)

    def create(self):
        type(self).count += 1
        phone = f"+55119888800{self.count:02}"
        created = self.tenant.numbers.create({"name": "Sales", "number": phone})
        return created["instance"]["id"], phone, created

    def connected(self):
        number, phone, created = self.create()
        self.sandbox.phone("POST", phone, "/scan", {"qr": created["pairing"]["qrText"]})
        self.until_open(number)
        return number, phone

    def state(self, number):
        return self.tenant.numbers.get_status(number)["state"]

    def until_open(self, number, seconds=15.0):
        until("the number to open", lambda: self.state(number) == "OPEN", seconds)

    def key_of(self, number):
        _, keys = self.call("GET", "/v1/api-keys")
        text = json.dumps(keys)
        found = [row for row in self.rows(keys) if row["numberId"] == number]
        self.assertEqual(len(found), 1, text)
        return found[0]["key"]

    @staticmethod
    def rows(answer):
        if isinstance(answer, list):
            return answer
        return next(value for value in answer.values() if isinstance(value, list))

    # -- change

    def test_settings_and_retention_change_in_part(self):
        number, _, _ = self.create()

        changed = self.tenant.numbers.update(number, {"settings": {"rejectCall": True}})
        self.assertEqual(changed["settings"]["rejectCall"], True)
        self.assertEqual(changed["settings"]["historyImportEnabled"], True)
        self.assertNotIn("settingsSync", changed, "it is not connected")
        changed = self.tenant.numbers.update(
            number, {"piiMode": "STORE_X_DAYS", "piiRetentionDays": 30}
        )
        self.assertEqual((changed["piiMode"], changed["piiRetentionDays"]), ("STORE_X_DAYS", 30))
        self.assertEqual(changed["settings"]["rejectCall"], True)
        changed = self.tenant.numbers.update(
            number, {"piiMode": "RELAY_ONLY", "settings": {"rejectCall": None}}
        )
        self.assertIsNone(changed["piiRetentionDays"])
        self.assertIsNone(changed["settings"]["rejectCall"])
        self.assertEqual(self.call("GET", f"/v1/numbers/{number}")[1], changed)

    def test_a_wrong_change_is_refused_and_changes_nothing(self):
        number, _, _ = self.create()
        _, before = self.call("GET", f"/v1/numbers/{number}")
        cases = [
            ({}, "EMPTY_PATCH"),
            ({"settings": {}}, "EMPTY_PATCH"),
            ({"fromTheFuture": 1}, "EMPTY_PATCH"),
            ({"piiMode": "STORE_X_DAYS"}, "VALIDATION_ERROR"),
            ({"piiMode": "STORE_X_DAYS", "piiRetentionDays": 0}, "VALIDATION_ERROR"),
            ({"piiMode": "STORE_X_DAYS", "piiRetentionDays": 3651}, "VALIDATION_ERROR"),
            ({"piiMode": "NEVER"}, "VALIDATION_ERROR"),
            ({"settings": {"historyImportEnabled": None}}, "VALIDATION_ERROR"),
            ({"settings": {"msgRejectCall": "x" * 1001}}, "VALIDATION_ERROR"),
        ]
        for body, code in cases:
            with self.subTest(body=body):
                status, answer = self.call("PATCH", f"/v1/numbers/{number}", body)
                self.assertEqual((status, answer["code"]), (400, code))
        self.assertEqual(self.call("GET", f"/v1/numbers/{number}")[1], before)

    def test_settings_take_effect_on_a_connected_number(self):
        number, phone = self.connected()
        friend = "+5511977770001"

        def shows():
            return self.sandbox.phone("GET", phone, "/companions")[0]["available"]

        def status_of(message):
            log = self.sandbox.phone("GET", friend, "/messages")
            return next(entry["status"] for entry in log if entry["id"] == message["id"])

        # Long before the settings say that messages are read.
        unread = self.sandbox.phone("POST", friend, "/messages", {"to": phone, "text": "one"})
        until("its delivery", lambda: status_of(unread) == "delivered")
        # To the phone, that is; the number hears of it by itself.
        own = self.sandbox.client(self.key_of(number))
        until("its arrival", lambda: own.messages.history()["messages"])
        changed = self.tenant.numbers.update(number, {"settings": {"alwaysOnline": False}})
        self.assertEqual(changed["settingsSync"], {"applied": 1, "failed": 0, "skipped": 0})
        until("the number to show as offline", lambda: shows() is False)
        self.tenant.numbers.update(number, {"settings": {"alwaysOnline": True}})
        until("the number to show as online", lambda: shows() is True)
        changed = self.tenant.numbers.update(number, {"settings": {"rejectCall": True}})
        self.assertEqual(changed["settingsSync"], {"applied": 1, "failed": 0, "skipped": 0})
        self.assertEqual(status_of(unread), "delivered")
        self.tenant.numbers.update(number, {"settings": {"readMessages": True}})
        read = self.sandbox.phone("POST", friend, "/messages", {"to": phone, "text": "two"})
        until("the read receipt", lambda: status_of(read) == "read")
        self.assertEqual(status_of(unread), "delivered")

    # -- restore

    def test_a_deleted_number_is_restored_disconnected_and_with_a_new_key(self):
        number, phone = self.connected()
        old_key = self.key_of(number)
        receiver = Receiver()
        self.addCleanup(receiver.close)
        hook = {"url": receiver.url, "events": ["number.restored"], "whatsappNumberId": number}
        self.assertEqual(self.call("POST", "/v1/webhooks", hook)[0], 201)
        self.tenant.numbers.delete(number)
        self.assertEqual(self.call("GET", f"/v1/numbers/{number}")[0], 404)

        restored = self.tenant.numbers.restore(number)

        self.assertEqual(restored, {"ok": True, "requiresReconnect": True})
        _, _, payload = receiver.wait("number.restored")
        self.assertEqual(payload["data"]["numberId"], number)
        parsed = pilot_status.parse_customer_webhook(payload)
        self.assertNotIn("type", parsed, "the SDK does not know this event")
        self.assertEqual(self.state(number), "CLOSE")
        self.assertEqual(self.sandbox.phone("GET", phone, "/companions"), [], "no ghost")
        self.assertEqual(self.call("GET", "/v1/numbers", key=old_key)[0], 401)
        new_key = self.key_of(number)
        self.assertEqual(self.call("GET", "/v1/numbers", key=new_key)[0], 200)
        codes = self.tenant.numbers.connect(number)
        self.sandbox.phone("POST", phone, "/scan", {"qrcodeBase64": codes["qrcodeBase64"]})
        self.until_open(number)
        self.assertEqual(self.call("POST", f"/v1/numbers/{number}/restore")[0], 404)

    def test_what_was_purged_is_not_restored(self):
        number, _, _ = self.create()
        self.tenant.numbers.purge(number)

        status, answer = self.call("POST", f"/v1/numbers/{number}/restore")
        self.assertEqual((status, answer["code"]), (404, "NUMBER_NOT_FOUND"))
        self.assertEqual(self.call("POST", f"/v1/numbers/{NOBODY}/restore")[0], 404)

    # -- pairing

    def test_a_pairing_is_followed_to_its_end_and_remembered(self):
        number, phone, created = self.create()
        self.assertGreater(created["pairing"]["windowEndsAt"], created["pairing"]["expiresAt"])
        stream = Stream(f"{self.sandbox.ready['apiUrl']}/v1/numbers/{number}/pairing/events", self.key)

        qr = stream.wait("qr")
        self.assertEqual(qr["qrText"], created["pairing"]["qrText"])
        self.assertEqual(qr["sequence"], 1)
        self.assertTrue(qr["qrcodeBase64"].startswith("data:image/png;base64,"))
        self.assertEqual(stream.wait("code")["pairingCode"], created["pairingCode"])
        self.sandbox.phone("POST", phone, "/scan", {"qr": qr["qrText"]})
        self.assertEqual(stream.wait_end(), ["qr", "code", "scanned", "open"])

        _, answer = self.call("GET", f"/v1/numbers/{number}/pairing")
        (attempt,) = answer["attempts"]
        self.assertEqual((attempt["outcome"], attempt["reason"]), ("open", None))
        self.assertEqual(attempt["qrCodes"], 1)
        for field in ["startedAt", "qrIssuedAt", "pairingCodeIssuedAt", "scannedAt", "endedAt"]:
            self.assertRegex(attempt[field], r"^2\d{3}-.*Z$")
        again = Stream(f"{self.sandbox.ready['apiUrl']}/v1/numbers/{number}/pairing/events", self.key)
        self.assertEqual(again.wait_end(), ["open"], "nothing to follow: one event")

    def test_a_refused_and_a_superseded_attempt_name_their_reasons(self):
        number, phone, _ = self.create()
        url = f"{self.sandbox.ready['apiUrl']}/v1/numbers/{number}/pairing/events"
        first = Stream(url, self.key)
        first.wait("qr")

        codes = self.tenant.numbers.connect(number)

        self.assertEqual(first.wait_end()[-1], "failed")
        self.assertEqual(first.wait("failed")["code"], "SUPERSEDED")
        second = Stream(url, self.key)
        second.wait("qr")
        wrong = "+5511966660001"
        self.sandbox.phone("POST", wrong, "/scan", {"qrcodeBase64": codes["qrcodeBase64"]})
        self.assertEqual(second.wait_end()[-1], "failed")
        self.assertEqual(second.wait("failed")["code"], "WRONG_PHONE")
        _, answer = self.call("GET", f"/v1/numbers/{number}/pairing")
        outcomes = [(attempt["outcome"], attempt["reason"]) for attempt in answer["attempts"]]
        self.assertEqual(outcomes, [("refused", "WRONG_PHONE"), ("failed", "SUPERSEDED")])

    def test_open_streams_do_not_hold_up_the_server_s_stopping(self):
        sandbox = Sandbox()
        try:
            key = sandbox.ready["tenantKey"]
            number = {"name": "Sales", "number": "+5511955550001"}
            _, created = sandbox.call("POST", "/v1/numbers", number, key)
            path = f"/v1/numbers/{created['instance']['id']}/pairing/events"
            stream = Stream(sandbox.ready["apiUrl"] + path, key)
            stream.wait("qr")
        finally:
            started = time.monotonic()
            sandbox.close()
        self.assertLess(time.monotonic() - started, 10)
        stream.wait_end()

    # -- check

    def test_numbers_are_looked_up(self):
        number, _ = self.connected()
        for absent in ["+5511984440002", "+5511967435133"]:
            self.sandbox.phone("POST", absent, "/absent", {"absent": True})
        key = self.key_of(number)

        asked = ["+55 (11) 94444-0001", "5511984440002", "+5511967435133"]
        status, answer = self.call("POST", "/v1/numbers/check", {"numbers": asked}, key)

        self.assertEqual(status, 200, answer)
        self.assertEqual([row["input"] for row in answer["results"]], asked)
        found, other, brazilian = answer["results"]
        self.assertEqual((found["exists"], found["number"]), (True, "5511944440001"))
        # Taken off with its ninth digit, the line is known without it.
        self.assertEqual((other["exists"], other["number"]), (True, "551184440002"))
        self.assertEqual((brazilian["exists"], brazilian["number"]), (True, "551167435133"))
        self.sandbox.phone("POST", "+551167435133", "/absent", {"absent": True})
        status, answer = self.call("POST", "/v1/numbers/check", {"number": "+5511967435133"}, key)
        expected = {"input": "+5511967435133", "exists": False, "number": None, "name": None}
        self.assertEqual((status, answer), (200, {"results": [expected]}))

    def test_a_message_to_a_number_that_is_not_on_whatsapp_fails(self):
        number, _ = self.connected()
        absent = "+351912345678"
        self.sandbox.phone("POST", absent, "/absent", {"absent": True})
        key = self.key_of(number)
        body = {"destinationNumber": absent, "text": "hello"}
        status, sent = self.call("POST", "/v1/messages/send", body, key)
        self.assertEqual(status, 202)
        path = f"/v1/messages/{sent['id']}"

        until("the failure", lambda: self.call("GET", path, key=key)[1]["status"] == "FAILED")
        self.assertEqual(self.call("GET", path, key=key)[1]["errorCode"], "WHATSAPP_NOT_EXIST")

    def test_a_look_up_needs_a_connected_number_and_one_to_twenty_inputs(self):
        number, _, _ = self.create()
        key = self.key_of(number)
        ask = lambda body, key: self.call("POST", "/v1/numbers/check", body, key)

        status, answer = ask({"number": "+5511944440001"}, key)
        self.assertEqual((status, answer["code"]), (409, "WHATSAPP_INSTANCE_NOT_CONNECTED"))
        status, answer = ask({"number": "+5511944440001"}, self.key)
        self.assertEqual((status, answer["code"]), (403, "TENANT_SCOPE_NOT_ALLOWED"))
        many = ["+5511944440001"] * 21
        wrong = [{}, {"numbers": []}, {"numbers": many}, {"numbers": ["x"]}, {"number": "1", "numbers": []}]
        for body in wrong:
            status, answer = ask(body, key)
            self.assertEqual((status, answer["code"]), (400, "VALIDATION_ERROR"), body)

    # -- honesty

    def test_a_silent_socket_leaves_open_within_a_minute_and_comes_back(self):
        sandbox = Sandbox()
        self.addCleanup(sandbox.close)
        client = sandbox.client(sandbox.ready["tenantKey"])
        created = client.numbers.create({"name": "Sales", "number": "+5511933330001"})
        number = created["instance"]["id"]
        sandbox.phone("POST", "+5511933330001", "/scan", {"qr": created["pairing"]["qrText"]})
        row = lambda: client.numbers.get(number)["state"]
        until("the number to open", lambda: row() == "OPEN")

        sandbox.call("POST", "/sandbox/network", {"silent": True})
        started = time.monotonic()
        until("the number to leave OPEN", lambda: row() != "OPEN", 60)
        self.assertGreater(time.monotonic() - started, 5, "a short silence is no outage")
        self.assertNotEqual(client.numbers.get_status(number)["state"], "OPEN")
        sandbox.call("POST", "/sandbox/network", {"silent": False})
        until("the number to come back", lambda: row() == "OPEN", 90)

    # -- who may

    def test_numbers_of_nobody_and_keys_of_nobody_are_refused(self):
        number, _, _ = self.create()
        operations = [
            ("PATCH", "", {"settings": {"rejectCall": True}}),
            ("POST", "/restore", None),
            ("GET", "/pairing", None),
            ("GET", "/pairing/events", None),
        ]
        for method, path, body in operations:
            with self.subTest(method=method, path=path):
                status, answer = self.call(method, f"/v1/numbers/{NOBODY}{path}", body)
                self.assertEqual((status, answer["code"]), (404, "NUMBER_NOT_FOUND"))
                key = "ps_" + "x" * 43
                status, answer = self.call(method, f"/v1/numbers/{number}{path}", body, key)
                self.assertEqual((status, answer["code"]), (401, "UNAUTHORIZED"))
        header = {"number": "+5511944440001"}
        status, _ = self.call("POST", "/v1/numbers/check", header, "ps_" + "x" * 43)
        self.assertEqual(status, 401)


if __name__ == "__main__":
    unittest.main()
