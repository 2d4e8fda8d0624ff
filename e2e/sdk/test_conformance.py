"""Every method of the unmodified SDK that the server has, with results held against the SDK's own
types, and the wire shapes that the SDK's own test suite describes."""

import unittest

import pilot_status
from pilot_status import types

from sandbox import Sandbox, until
from types_of import mistakes

NUMBER = "+5511999990201"
FRIEND = "+5511999990301"


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.close)
        cls.tenant = cls.sandbox.client(cls.sandbox.ready["tenantKey"])
        cls.created = cls.tenant.numbers.create(
            {"name": "Conformance", "number": NUMBER, "settings": {"ignoreGroups": True}}
        )
        cls.id = cls.created["instance"]["id"]
        cls.sandbox.phone("POST", NUMBER, "/scan", {"qrcodeBase64": cls.created["qrcodeBase64"]})
        until(
            "the number to open",
            lambda: cls.tenant.numbers.get_status(cls.id)["state"] == "OPEN",
        )
        keys = {item["numberId"]: item["key"] for item in cls.tenant.api_keys.list()}
        cls.own = cls.sandbox.client(keys[cls.id])

    def conforms(self, value, expected):
        self.assertEqual(mistakes(value, expected), [])

    def fresh(self, last):
        """A number of a test's own, not scanned."""
        number = f"+551199999{last:04}"
        return number, self.tenant.numbers.create({"name": "Fresh", "number": number})

    def test_create(self):
        self.conforms(self.created, types.CreateNumberResult)
        self.assertEqual(
            self.created["primaryLink"],
            {key: self.created[key] for key in ("qrcodeBase64", "pairingCode")},
        )
        self.assertIsNone(self.created["linkedApiKeyId"])
        self.assertIsNone(self.created["secondaryLink"])
        self.assertEqual(self.created["instance"]["state"], "CONNECTING")

    def test_list(self):
        items = self.tenant.numbers.list()
        self.conforms(items, list[types.WhatsAppNumberListItem])
        item = next(item for item in items if item["id"] == self.id)
        # "Wire shape of GET /v1/numbers" of the SDK's tests: flat, and nulls that are always there.
        self.assertEqual((item["provider"], item["state"]), ("PILOT_STATUS", "OPEN"))
        self.assertIs(item["isFullyConnected"], True)
        self.assertIsNone(item["extraChargeUnpaidSince"])
        self.assertIsNone(item["extraChargeDisconnectAt"])
        self.assertNotIn("coexistence", item)
        for key in item["apiKeys"]:
            self.assertEqual(set(key), {"name", "keyPrefix", "keyLast4"})

    def test_get(self):
        for refresh in (False, True):
            detail = self.tenant.numbers.get(self.id, refresh=refresh)
            self.conforms(detail, types.NumberDetail)
            self.assertIsNone(detail["coexistence"])
            self.assertIsNone(detail["meta"])
            self.assertNotIn("extraChargeUnpaidSince", detail["health"])
            self.assertIs(detail["settings"]["ignoreGroups"], True)
            applies = {"history": "all", "advanced": "evolution-go", "sending": "none"}
            self.assertEqual(detail["settings"]["appliesTo"], applies)

    def test_get_status(self):
        status = self.tenant.numbers.get_status(self.id)
        self.conforms(status, types.NumberStatusResult)
        self.assertIs(status["stale"], False)
        self.assertNotIn("lastKnownAt", status)

    def test_a_second_link_is_not_offered(self):
        for ask in (self.tenant.numbers.get_status, self.tenant.numbers.connect):
            with self.assertRaises(pilot_status.ValidationError) as caught:
                ask(self.id, "secondary")
            self.assertEqual(caught.exception.body["code"], "FEATURE_NOT_SUPPORTED")

    def test_an_unknown_number_has_a_status_without_a_code(self):
        with self.assertRaises(pilot_status.NotFoundError) as caught:
            self.tenant.numbers.get_status("wa_none")
        self.assertEqual(set(caught.exception.body), {"error"})
        self.assertEqual(str(caught.exception), caught.exception.body["error"])

    def test_connect(self):
        with self.assertRaises(pilot_status.ConflictError):
            self.tenant.numbers.connect(self.id)
        _, fresh = self.fresh(202)
        codes = self.tenant.numbers.connect(fresh["instance"]["id"])
        self.conforms(codes, types.NumberConnectResult)

    def test_delete_and_purge(self):
        number, fresh = self.fresh(203)
        removed = self.tenant.numbers.delete(fresh["instance"]["id"])
        self.conforms(removed, types.DeleteNumberResult)
        self.assertNotIn("success", removed)
        with self.assertRaises(pilot_status.NotFoundError):
            self.tenant.numbers.get(fresh["instance"]["id"])
        with self.assertRaises(pilot_status.ConflictError) as caught:
            self.tenant.numbers.create({"name": "Again", "number": number})
        self.assertEqual(caught.exception.body["code"], "NUMBER_SOFT_DELETED")
        purged = self.tenant.numbers.purge(fresh["instance"]["id"])
        self.conforms(purged, types.NumberPurgeResult)
        self.assertEqual(set(purged), {"ok"})
        again = self.tenant.numbers.create({"name": "Again", "number": number})
        self.conforms(again, types.CreateNumberResult)

    def test_update(self):
        _, fresh = self.fresh(220)
        number = fresh["instance"]["id"]
        changes = [
            ({"piiMode": "STORE_X_DAYS", "piiRetentionDays": 30}, ("STORE_X_DAYS", 30)),
            ({"piiMode": "RELAY_ONLY", "piiRetentionDays": None}, ("RELAY_ONLY", None)),
        ]
        for change, expected in changes:
            updated = self.tenant.numbers.update(number, change)
            self.conforms(updated, types.UpdateNumberResult)
            self.assertEqual((updated["piiMode"], updated["piiRetentionDays"]), expected)
            self.assertNotIn("settingsSync", updated)
        updated = self.tenant.numbers.update(number, {"settings": {"rejectCall": None}})
        self.assertIsNone(updated["settings"]["rejectCall"])
        with self.assertRaises(pilot_status.ValidationError) as caught:
            self.tenant.numbers.update(number, {})
        self.assertEqual(caught.exception.body["code"], "EMPTY_PATCH")

    def test_an_update_of_a_connected_number_says_what_became_of_it(self):
        updated = self.tenant.numbers.update(self.id, {"settings": {"alwaysOnline": True}})
        self.conforms(updated, types.UpdateNumberResult)
        self.assertEqual(updated["settingsSync"], {"applied": 1, "failed": 0, "skipped": 0})

    def test_update_settings(self):
        _, fresh = self.fresh(223)
        updated = self.tenant.numbers.update_settings(
            fresh["instance"]["id"], {"ignoreGroups": True}
        )
        self.conforms(updated, types.UpdateNumberResult)
        self.assertIs(updated["settings"]["ignoreGroups"], True)

    def test_restore(self):
        number, fresh = self.fresh(221)
        self.tenant.numbers.delete(fresh["instance"]["id"])
        restored = self.tenant.numbers.restore(fresh["instance"]["id"])
        self.conforms(restored, types.NumberRestoreResult)
        self.assertEqual(restored, {"ok": True, "requiresReconnect": True})
        self.assertEqual(self.tenant.numbers.get(fresh["instance"]["id"])["state"], "CLOSE")
        with self.assertRaises(pilot_status.NotFoundError):
            self.tenant.numbers.restore("wa_none")
        self.assertEqual(self.tenant.numbers.get(fresh["instance"]["id"])["number"], number[1:])

    def test_pay(self):
        self.assertEqual(self.tenant.numbers.pay(self.id), {"ok": True, "status": "not_required"})
        with self.assertRaises(pilot_status.ForbiddenError) as caught:
            self.own.numbers.pay(self.id)
        self.conforms(caught.exception.body, types.NumberPayErrorBody)
        self.assertEqual(caught.exception.body["code"], "NUMBER_SCOPE_NOT_ALLOWED")
        with self.assertRaises(pilot_status.NotFoundError):
            self.tenant.numbers.pay("n 9/restore?x=1")

    def test_upgrade_to_dual_is_refused_with_a_code(self):
        with self.assertRaises(pilot_status.ValidationError) as caught:
            self.tenant.numbers.upgrade_to_dual(self.id)
        self.assertEqual(caught.exception.body["code"], "FEATURE_NOT_SUPPORTED")

    def test_api_keys(self):
        self.conforms(self.tenant.api_keys.list(), list[types.NumberApiKeyReveal])
        _, fresh = self.fresh(204)
        new = self.tenant.api_keys.regenerate_number(fresh["instance"]["id"])
        self.conforms(new, types.RegeneratedNumberKey)
        client = self.sandbox.client(new["key"])
        listed = client.api_keys.list()
        # H6: a number's key sees itself, masked. `retentionDays` is null for "without a limit",
        # where the SDK's type says int.
        self.conforms([{**key, "retentionDays": 0} for key in listed], list[types.ApiKeyListItem])
        self.assertNotIn("key", listed[0])
        with self.assertRaises(pilot_status.ForbiddenError):
            client.api_keys.regenerate_number(fresh["instance"]["id"])

    def test_messages(self):
        sent = self.own.messages.send({"destinationNumber": FRIEND, "text": "Hello"})
        self.conforms(sent, types.SendMessageAccepted)
        # The exact key sets of the SDK's tests/test_types.py.
        keys = {"id", "correlationId", "status", "createdAt", "origin", "sourceNumber"}
        self.assertEqual(set(sent), keys)
        delivered = lambda: self.own.messages.get(sent["id"])["status"] in ("DELIVERED", "READ")
        until("the delivery", delivered)
        for name in (sent["id"], sent["correlationId"]):
            detail = self.own.messages.get(name)
            self.conforms(detail, types.MessageDetails)
            hints = set(types.MessageDetails.__annotations__) - {"template"}
            self.assertEqual(set(detail), hints)
            self.assertEqual(detail["destinationNumber"], FRIEND)
        by_whatsapp = self.own.messages.get(detail["externalMessageId"])
        self.assertEqual(by_whatsapp["id"], sent["id"])

    def test_messages_with_the_tenants_key_name_their_number(self):
        with self.assertRaises(pilot_status.ForbiddenError):
            self.tenant.messages.send({"destinationNumber": FRIEND, "text": "Hello"})
        scoped = self.sandbox.client(
            self.sandbox.ready["tenantKey"], whatsapp_number_id=self.id
        )
        sent = scoped.messages.send({"destinationNumber": FRIEND, "text": "Hello"})
        self.conforms(sent, types.SendMessageAccepted)

    def test_a_send_is_idempotent(self):
        send = lambda text: self.own.messages.send(
            {"destinationNumber": FRIEND, "text": text}, idempotency_key="order-42"
        )
        self.assertEqual(send("once")["id"], send("once")["id"])
        with self.assertRaises(pilot_status.ConflictError) as caught:
            send("twice")
        self.assertEqual(caught.exception.body["code"], "IDEMPOTENCY_KEY_REUSED")

    def test_mark_read_is_a_truth_value(self):
        for mark in (True, False):
            message = {"destinationNumber": FRIEND, "text": "Hello", "markRead": mark}
            self.conforms(self.own.messages.send(message), types.SendMessageAccepted)
        with self.assertRaises(pilot_status.ValidationError):
            self.own.messages.send({"destinationNumber": FRIEND, "text": "x", "markRead": "yes"})

    def test_remote_pairing(self):
        phone = "+5511999990222"
        created = self.tenant.numbers.remote_pairing({"name": "Maria", "number": phone})
        self.conforms(created, types.RemotePairingResult)
        self.assertEqual(created["instance"]["state"], "CLOSE")
        self.assertIsNone(created["linkedApiKeyId"])
        token = created["remotePairingToken"]
        links = self.tenant.remote_pairing
        info = self.tenant.remote_pairing.get_info(token)
        self.conforms(info, types.RemotePairingInfo)
        self.assertEqual(info["maskedNumber"], "+551199****0222")
        self.conforms(self.tenant.remote_pairing.get_status(token), types.RemotePairingStatus)
        codes = self.tenant.remote_pairing.connect(token)
        self.conforms(codes, types.RemotePairingConnectResult)
        self.sandbox.phone("POST", phone, "/scan", {"qrcodeBase64": codes["qrcodeBase64"]})
        until("the link to have paired", lambda: links.get_status(token)["isFullyConnected"])
        self.conforms(links.get_status(token), types.RemotePairingStatus)
        with self.assertRaises(pilot_status.ConflictError):
            links.connect(token)
        with self.assertRaises(pilot_status.NotFoundError) as caught:
            links.get_info("0b7f6c3e-0d0e-4e58-9b0a-1f1a5d8f0c11")
        self.conforms(caught.exception.body, types.RemotePairingInfo)
        with self.assertRaises(pilot_status.ConflictError):
            self.tenant.numbers.remote_pairing({"name": "Maria", "number": phone})

    def test_projects(self):
        created = self.tenant.projects.create({"name": "Sales & Support", "description": "Both"})

        self.conforms(created, types.Project)
        self.assertEqual((created["slug"], created["description"]), ("sales-support", "Both"))
        listed = self.tenant.projects.list()
        self.conforms(listed, list[types.Project])
        self.assertIn(created, listed)

    def test_templates(self):
        # Made by our extension of the API: the SDK only reads them, and sends them.
        wish = {"name": "sdk-order", "text": "Hi {{name}}, {{1}}", "category": "UTILITY"}
        key = self.sandbox.ready["tenantKey"]
        status, made = self.sandbox.call("POST", "/v1/templates", wish, key)
        self.assertEqual(status, 201, made)
        for client in (self.own, self.tenant):
            listed = client.templates.list()
            self.conforms(listed, list[types.TemplateListItem])
            self.assertIn(made, listed)
            for name in (made["id"], "sdk-order"):
                detail = client.templates.get(name)
                self.conforms(detail, types.TemplateDetail)
                self.assertEqual(detail, made)
        with self.assertRaises(pilot_status.NotFoundError) as caught:
            self.tenant.templates.get("none")
        self.assertEqual(caught.exception.body["code"], "TEMPLATE_NOT_FOUND")
        message = {"destinationNumber": FRIEND, "templateId": made["id"]}
        with self.assertRaises(pilot_status.ValidationError) as caught:
            self.own.messages.send(message)
        self.assertEqual(caught.exception.body["code"], "MISSING_TEMPLATE_VARIABLES")
        sent = self.own.messages.send({**message, "variables": {"name": "Ana", "1": "ten"}})
        self.conforms(sent, types.SendMessageAccepted)
        texts = lambda: [one["text"] for one in self.sandbox.phone("GET", FRIEND, "/messages")]
        until("the filled in text", lambda: "Hi Ana, ten" in texts())

    def test_a_number_key_moves_to_the_number_that_it_creates(self):
        _, first = self.fresh(205)
        key = self.tenant.api_keys.regenerate_number(first["instance"]["id"])
        client = self.sandbox.client(key["key"])
        stays = client.numbers.create(
            {"name": "Stays", "number": "+5511999990206", "linkToApiKey": False}
        )
        self.assertIsNone(stays["linkedApiKeyId"])
        moves = client.numbers.create({"name": "Moves", "number": "+5511999990207"})
        self.assertEqual(moves["linkedApiKeyId"], key["keyId"])


if __name__ == "__main__":
    unittest.main()
