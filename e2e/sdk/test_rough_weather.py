"""What a customer does while WhatsApp is away, or twice at once, loses nothing."""

import threading
import unittest

import pilot_status

from sandbox import Sandbox, until


class RoughWeather(unittest.TestCase):
    def setUp(self):
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)
        self.client = self.sandbox.client(self.sandbox.ready["tenantKey"])

    def create(self, number):
        created = self.client.numbers.create({"name": "My WhatsApp", "number": number})
        return created["instance"]["id"], created

    def open_number(self, number):
        number_id, created = self.create(number)
        self.sandbox.phone("POST", number, "/scan", {"qrcodeBase64": created["qrcodeBase64"]})
        until("the number to open", lambda: self.state(number_id) == "OPEN", 10)
        return number_id

    def state(self, number_id):
        return self.client.numbers.get(number_id)["state"]

    def network(self, **fault):
        status, answer = self.sandbox.call("POST", "/sandbox/network", fault)
        self.assertEqual(status, 200, answer)

    def test_connects_at_once_all_get_a_code_that_works(self):
        number = "+5511999990001"
        number_id, _ = self.create(number)
        answers = []
        connects = [
            threading.Thread(target=lambda: answers.append(self.client.numbers.connect(number_id)))
            for _ in range(5)
        ]

        for connect in connects:
            connect.start()
        for connect in connects:
            connect.join()

        self.assertEqual(len(answers), 5)
        last = self.client.numbers.connect(number_id)
        self.sandbox.phone("POST", number, "/scan", {"qrcodeBase64": last["qrcodeBase64"]})
        until("the number to open", lambda: self.state(number_id) == "OPEN", 10)

    def test_connect_in_an_outage_keeps_the_credentials(self):
        number = "+5511999990002"
        number_id = self.open_number(number)
        companions = self.sandbox.phone("GET", number, "/companions")

        self.network(refuse=True, dropConnections=True)
        until("the outage to be seen", lambda: self.state(number_id) != "OPEN")
        with self.assertRaises(pilot_status.ServerError):
            self.client.numbers.connect(number_id)
        self.network(refuse=False)

        until("the number to come back", lambda: self.state(number_id) == "OPEN", 30)
        after = self.sandbox.phone("GET", number, "/companions")
        self.assertEqual([one["jid"] for one in after], [one["jid"] for one in companions])

    def test_a_number_deleted_in_an_outage_is_unlinked_afterwards(self):
        number = "+5511999990003"
        number_id = self.open_number(number)

        self.network(refuse=True, dropConnections=True)
        until("the outage to be seen", lambda: self.state(number_id) != "OPEN")
        self.assertTrue(self.client.numbers.delete(number_id)["ok"])
        self.assertEqual(len(self.sandbox.phone("GET", number, "/companions")), 1)
        self.network(refuse=False)

        unlinked = lambda: not self.sandbox.phone("GET", number, "/companions")
        until("the device to be unlinked", unlinked, 60)


if __name__ == "__main__":
    unittest.main()
