"""What comes in and what is looked back at, as the unmodified SDK reads it: every kind of message event,
media, answers, groups, channels, the history with its pages, and what is not kept."""

import base64
import hashlib
import unittest
import urllib.error
import urllib.request

import pilot_status
from pilot_status import types

from paired import FRIEND, NUMBER, OTHER, PNG, Case, moment
from sandbox import Webhook, until


class Inbound(Case):
    def write(self, phone=FRIEND, to=NUMBER, **what):
        return self.sandbox.phone("POST", phone, "/messages", {"to": to, **what})

    def told(self, name, wire):
        return self.webhook.data(name, lambda data: data["messageId"] == wire["id"])

    def test_a_text_comes_in(self):
        wire = self.write(text="Oi 👋")
        data = self.told("message.received", wire)
        self.assertEqual((data["from"], data["to"], data["content"]), (FRIEND, NUMBER, "Oi 👋"))
        self.assertEqual((data["type"], data["fromMe"]), ("text", False))
        # Any of its ids finds it.
        for name in (data["id"], wire["id"]):
            detail = self.own.messages.get(name)
            self.conforms(detail, types.MessageDetails)
            self.assertEqual((detail["id"], detail["destinationNumber"]), (data["id"], NUMBER))

    def test_media_come_in_with_a_link_and_by_download(self):
        data64 = base64.b64encode(PNG).decode()
        kinds = {
            "image": {"data": data64, "mime": "image/png", "caption": "look"},
            "video": {"data": data64, "mime": "video/mp4", "caption": "look"},
            "document": {"data": data64, "mime": "application/pdf", "fileName": "bill.pdf"},
            "audio": {"data": data64, "mime": "audio/mpeg"},
            "voice": {"data": data64},
            "sticker": {"data": data64, "mime": "image/webp"},
        }
        for kind, media in kinds.items():
            with self.subTest(kind=kind):
                wire = self.write(**{kind: media})
                data = self.told("message.received", wire)
                self.assertEqual(data["type"], "audio" if kind == "voice" else kind)
                self.assertEqual(data.get("mediaCaption"), media.get("caption"))
                self.assertEqual(data.get("mediaFilename"), media.get("fileName"))
                if "mime" in media:
                    self.assertEqual(data["mediaType"], media["mime"])
                with urllib.request.urlopen(data["mediaLink"], timeout=15) as answer:
                    self.assertEqual(answer.read(), PNG)
                    self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
                    self.assertEqual(answer.headers["content-type"], data["mediaType"])
                row = self.row(data["id"])
                self.assertEqual(row["externalMessageId"], wire["id"])
                self.assertEqual(row["media"]["url"], data["mediaLink"])
                for name in (row["media"]["id"], wire["id"]):
                    got = self.own.media.download(name, self.number)
                    self.conforms(got, types.MediaDownloadResult)
                    self.assertEqual(base64.b64decode(got["base64"]), PNG)
                    self.assertEqual(got["mimeType"], data["mediaType"])
                    self.assertEqual((got["fileName"], got["mediaId"]), (media.get("fileName"), name))

    def test_a_large_file_comes_in_whole(self):
        size = 20 * 1024 * 1024
        wire = self.write(document={"size": size, "seed": 7, "fileName": "large.bin"})
        link = self.told("message.received", wire)["mediaLink"]
        digest = hashlib.sha256()
        with urllib.request.urlopen(link, timeout=60) as answer:
            while chunk := answer.read(1 << 16):
                digest.update(chunk)
        log = self.sandbox.phone("GET", FRIEND, "/messages")
        sent = next(one for one in log if one["id"] == wire["id"])
        self.assertEqual(digest.hexdigest(), sent["media"]["sha256"])

    def test_media_that_are_not_there_are_not_found(self):
        text = self.told("message.received", self.write(text="no media"))
        with self.assertRaises(pilot_status.NotFoundError) as caught:
            self.own.media.download(text["id"], self.number)
        self.assertEqual(caught.exception.body["code"], "MEDIA_NOT_FOUND")
        gone = self.write(image={"data": base64.b64encode(PNG).decode()})
        data = self.told("message.received", gone)
        self.sandbox.phone("DELETE", FRIEND, f"/messages/{gone['id']}/media")
        with self.assertRaises(pilot_status.NotFoundError) as caught:
            self.own.media.download(data["id"], self.number)
        self.assertEqual(caught.exception.body["code"], "MEDIA_NOT_FOUND")
        guessed = f"{self.sandbox.ready['apiUrl']}/media/{'0' * 48}"
        for link in (data["mediaLink"], guessed):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(link, timeout=15)
            self.assertEqual(caught.exception.code, 404)
            caught.exception.close()

    def test_a_media_host_that_is_unwell_is_a_server_error(self):
        wire = self.write(image={"data": base64.b64encode(PNG).decode()})
        data = self.told("message.received", wire)
        fault = {"on": "download", "status": 503}
        self.sandbox.call("POST", "/sandbox/media/faults", fault)
        self.addCleanup(self.sandbox.call, "DELETE", "/sandbox/media/faults")
        with self.assertRaises(pilot_status.ServerError) as caught:
            self.own.media.download(data["id"], self.number)
        self.assertEqual(caught.exception.body["code"], "UPSTREAM_TIMEOUT")
        self.sandbox.call("DELETE", "/sandbox/media/faults")
        got = self.own.media.download(data["id"], self.number)
        self.assertEqual(base64.b64decode(got["base64"]), PNG)

    def test_places_people_and_reactions_come_in(self):
        place = {"latitude": -23.5, "longitude": -46.6, "name": "Sé"}
        kinds = {
            "location": ({"location": place}, "Sé (-23.5, -46.6)"),
            "contacts": ({"contacts": [{"name": "Ana"}]}, "Ana"),
        }
        for kind, (what, content) in kinds.items():
            data = self.told("message.received", self.write(**what))
            self.assertEqual((data["type"], data["content"]), (kind, content))
        sent = self.send(text="react to this")
        entry = self.arrived(sent)
        for emoji in ("👍", ""):
            wire = self.write(reaction={"to": entry["id"], "emoji": emoji})
            data = self.told("message.received", wire)
            self.assertEqual((data["type"], data.get("content", "")), ("reaction", emoji))

    def test_an_answer_is_a_reply_that_names_what_it_answers(self):
        sent = self.send(text="Shall we?")
        entry = self.arrived(sent)
        wire = self.write(text="Yes", quote=entry["id"])
        data = self.told("message.reply", wire)
        self.assertEqual((data["content"], data["from"]), ("Yes", FRIEND))
        self.assertEqual((data["quotedMessageId"], data["contentReplied"]), (entry["id"], "Shall we?"))
        self.assertEqual(self.row(data["id"])["repliedToExternalId"], entry["id"])

    def test_a_group_names_itself(self):
        wish = {"subject": "Family", "creator": FRIEND, "members": [NUMBER, OTHER]}
        _, group = self.sandbox.call("POST", "/sandbox/groups", wish)
        for what, content in (({"text": "Boa"}, "Boa"), ({"image": {"size": 900, "caption": "us"}}, "us")):
            wire = self.write(phone=OTHER, to=group["id"], **what)
            data = self.told("message.group", wire)
            self.assertEqual((data["groupId"], data["groupName"]), (group["id"], "Family"))
            self.assertEqual((data["from"], data["to"], data["content"]), (OTHER, NUMBER, content))
        self.assertIn("mediaLink", data)
        row = self.row(data["id"])
        self.assertEqual((row["groupId"], row["participantPhone"]), (group["id"], OTHER))

    def test_a_channel_names_itself(self):
        _, channel = self.sandbox.call("POST", "/sandbox/channels", {"name": "News", "owner": FRIEND})
        follow = f"/sandbox/channels/{channel['id']}/followers"
        self.sandbox.call("POST", follow, {"number": NUMBER})
        self.sandbox.call("POST", f"/sandbox/channels/{channel['id']}/posts", {"text": "Read all"})
        data = self.webhook.data("message.newsletter")
        self.assertEqual((data["newsletterId"], data["content"]), (channel["id"], "Read all"))
        self.assertEqual((data["newsletterName"], data["to"]), ("News", NUMBER))

    def test_what_is_changed_and_deleted_is_told_to_those_who_hear_everything(self):
        wire = self.write(text="frist")
        first = self.told("message.received", wire)
        of_it = lambda data: data["id"] == first["id"]
        self.write(edit={"of": wire["id"], "text": "first"})
        edited = self.webhook.event("message.edited", of_it)
        # Not of the contract: the SDK says that it does not know it, and takes it.
        self.assertEqual((edited["type"], edited["data"]["content"]), ("unknown", "first"))
        row = self.row(first["id"])
        self.assertEqual((row["text"], row["deletedAt"]), ("first", None))
        self.assertIsNotNone(row["editedAt"])
        self.write(delete=wire["id"])
        deleted = self.webhook.event("message.deleted", of_it)
        self.assertEqual((deleted["type"], deleted["data"].get("content")), ("unknown", None))
        row = self.row(first["id"])
        self.assertIsNone(row["text"])
        self.assertIsNotNone(row["deletedAt"])
        for name in ("message.edited", "message.deleted"):
            wish = {"url": self.receiver.url, "events": [name], "whatsappNumberId": self.number}
            status, answer = self.sandbox.call("POST", "/v1/webhooks", wish, self.key)
            self.assertEqual((status, answer["code"]), (400, "VALIDATION_ERROR"))


class History(Case):
    def test_pages_go_from_the_newest_to_the_oldest_and_repeat_nothing(self):
        number, own = self.sandbox.connected("+5511999990506")
        webhook = Webhook(self.sandbox, self.receiver, number)
        for count in range(4):
            wire = self.sandbox.phone(
                "POST", FRIEND, "/messages", {"to": "+5511999990506", "text": f"in {count}"}
            )
            webhook.data("message.received", lambda data: data["messageId"] == wire["id"])
            sent = own.messages.send({"destinationNumber": FRIEND, "text": f"out {count}"})
            webhook.data("message.sent", lambda data: data["id"] == sent["id"])

        pages = [own.messages.history(page=page, page_size=3) for page in (1, 2, 3, 4)]

        for page in pages:
            self.conforms(page, types.MessageHistoryResult)
            self.assertEqual((page["total"], page["totalPages"], page["pageSize"]), (8, 3, 3))
            self.assertNotIn("notice", page)
        self.assertEqual([len(page["messages"]) for page in pages], [3, 3, 2, 0])
        rows = [row for page in pages for row in page["messages"]]
        self.assertEqual(len({row["id"] for row in rows}), 8)
        times = [row["providerTimestamp"] for row in rows]
        self.assertEqual({row["direction"] for row in rows}, {"INBOUND", "OUTBOUND"})
        self.assertEqual({row["providerKind"] for row in rows}, {"PILOT_STATUS"})
        self.assertEqual(len({row["conversationId"] for row in rows}), 1)
        for row in rows:
            self.assertEqual(row["participantPhone"], FRIEND)
            self.assertNotIn("redacted", row)
            outbound = row["direction"] == "OUTBOUND"
            self.assertEqual(row["origin"], "API" if outbound else None)
        self.assertEqual(own.messages.history()["pageSize"], 30)
        # A range of time, both ends included.
        middle = sorted(times)[3]
        early, late = own.messages.history(end_date=middle), own.messages.history(start_date=middle)
        self.assertGreaterEqual(early["total"] + late["total"], 8)
        self.assertTrue(all(row["providerTimestamp"] <= middle for row in early["messages"]))
        self.assertTrue(all(row["providerTimestamp"] >= middle for row in late["messages"]))
        future = own.messages.history(start_date=moment(hours=1), end_date=moment(hours=2))
        self.assertEqual((future["messages"], future["total"], future["totalPages"]), ([], 0, 0))

    def test_questions_that_cannot_be_are_refused(self):
        ranges = [
            {"start_date": moment(hours=1), "end_date": moment()},
            {"start_date": "yesterday"},
            {"end_date": "2026-13-01T00:00:00Z"},
        ]
        pages = [{"page": 0}, {"page": -1}, {"page_size": 0}, {"page_size": 101}, {"page": 10_001}]
        for code, wishes in (("INVALID_DATE_RANGE", ranges), ("VALIDATION_ERROR", pages)):
            for wish in wishes:
                with self.subTest(wish=wish):
                    with self.assertRaises(pilot_status.ValidationError) as caught:
                        self.own.messages.history(**wish)
                    self.assertEqual(caught.exception.body["code"], code)

    def test_what_was_written_on_the_phone_and_before_is_there(self):
        phone, old = "+5511999990507", 1_700_000_000
        chats = [{"with": FRIEND, "name": "Bob", "messages": [
            {"text": "are you there?", "at": old},
            {"fromMe": True, "text": "yes", "at": old + 60},
        ]}]
        self.sandbox.phone("POST", phone, "/history", {"chats": chats})
        _, own = self.sandbox.connected(phone)
        self.sandbox.phone("POST", phone, "/messages", {"to": FRIEND, "text": "typed"})

        until("all of it", lambda: own.messages.history()["total"] == 3)
        page = own.messages.history()
        self.conforms(page, types.MessageHistoryResult)
        found = [(row["text"], row["direction"], row["origin"]) for row in page["messages"]]
        self.assertEqual(
            found,
            [("typed", "OUTBOUND", None), ("yes", "OUTBOUND", None), ("are you there?", "INBOUND", None)],
        )
        self.assertEqual(page["messages"][-1]["providerTimestamp"], "2023-11-14T22:13:20.000Z")
        past = own.messages.history(end_date="2023-11-14T22:13:20.000Z")
        self.assertEqual([row["text"] for row in past["messages"]], ["are you there?"])


class Private(Case):
    def test_a_number_that_only_relays_tells_everything_and_keeps_nothing(self):
        phone = "+5511999990508"
        number, own = self.sandbox.connected(phone)
        webhook = Webhook(self.sandbox, self.receiver, number)
        kept = own.messages.send({"destinationNumber": FRIEND, "text": "before"})
        webhook.data("message.delivered", lambda data: data["id"] == kept["id"])
        self.tenant.numbers.update(number, {"piiMode": "RELAY_ONLY"})

        image = {"data": base64.b64encode(PNG).decode(), "mime": "image/png", "caption": "secret"}
        self.sandbox.phone("POST", FRIEND, "/messages", {"to": phone, "image": image})
        data = webhook.data("message.received")
        self.assertEqual((data["content"], data["mediaCaption"]), ("secret", "secret"))
        sent = own.messages.send({"destinationNumber": FRIEND, "text": "hush"})
        told = webhook.data("message.delivered", lambda data: data["id"] == sent["id"])
        self.assertEqual(told["to"], FRIEND)

        page = own.messages.history()
        self.conforms(page, types.MessageHistoryResult)
        self.assertEqual((page["notice"], page["total"]), ("PII_RELAY_ONLY", 3))
        # What was kept before is forgotten by a sweep; what is new was never kept.
        for row in (row for row in page["messages"] if row["id"] != kept["id"]):
            self.assertIs(row["redacted"], True)
            hidden = ("text", "participantName", "participantPhone", "participantUserId", "media")
            self.assertEqual([row[key] for key in hidden], [None] * 5)
            self.assertIsNotNone(row["externalMessageId"])
        # The link was told, and is good for its week.
        with urllib.request.urlopen(data["mediaLink"], timeout=15) as answer:
            self.assertEqual(answer.read(), PNG)
        self.conforms(own.messages.get(sent["id"]), types.MessageDetails)

    def test_groups_and_channels_that_are_ignored_are_neither_told_nor_kept(self):
        phone = "+5511999990509"
        settings = {"ignoreGroups": True, "ignoreNewsletters": True}
        number, own = self.sandbox.connected(phone, settings=settings)
        webhook = Webhook(self.sandbox, self.receiver, number)
        wish = {"subject": "Noise", "creator": FRIEND, "members": [phone]}
        _, group = self.sandbox.call("POST", "/sandbox/groups", wish)
        _, channel = self.sandbox.call("POST", "/sandbox/channels", {"name": "Ads", "owner": FRIEND})
        follow = f"/sandbox/channels/{channel['id']}/followers"
        self.sandbox.call("POST", follow, {"number": phone})
        self.sandbox.phone("POST", FRIEND, "/messages", {"to": group["id"], "text": "noise"})
        self.sandbox.call("POST", f"/sandbox/channels/{channel['id']}/posts", {"text": "buy"})
        wire = self.sandbox.phone("POST", FRIEND, "/messages", {"to": phone, "text": "to you"})

        webhook.data("message.received", lambda data: data["messageId"] == wire["id"])
        self.assertEqual([row["text"] for row in own.messages.history()["messages"]], ["to you"])
        # They are still there to be written to.
        self.assertEqual([one["id"] for one in own.groups.list()], [group["id"]])


if __name__ == "__main__":
    unittest.main()
