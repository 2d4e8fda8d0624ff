"""Messages of a QR-paired number, as the unmodified SDK sends and reads them: every destination, every
mode, media, schedules, labels, repeats, the history, and what is refused."""

import datetime
import hashlib
import unittest
from concurrent.futures import ThreadPoolExecutor

import pilot_status
from pilot_status import types

from paired import FRIEND, NUMBER, OTHER, PNG, Case, moment, uri
from sandbox import Files, Webhook, until

# As the phone sees it, what is sent as such a `mediaType`, and the bytes.
MEDIA = {
    "image": ("image", "image/png", PNG),
    "video": ("video", "video/mp4", b"\0\0\0\x18ftypmp42" + bytes(64)),
    "document": ("document", "application/pdf", b"%PDF-1.4\n" + bytes(64)),
    "audio": ("audio", "audio/mpeg", b"ID3\x03" + bytes(64)),
    "voice": ("voice", "audio/ogg", b"OggS\0\x02" + bytes(22) + b"OpusHead" + bytes(32)),
    "sticker": ("sticker", "image/webp", b"RIFF\x24\0\0\0WEBPVP8 " + bytes(64)),
}
WORDLESS = {"audio", "voice", "sticker"}


class Sending(Case):
    def test_a_text_arrives_and_is_told_of_up_to_its_being_read(self):
        sent = self.send(text="Olá, world 👋")
        ours = lambda data: data["id"] == sent["id"]
        entry = self.arrived(sent)
        self.assertEqual((entry["text"], entry["from"]), ("Olá, world 👋", NUMBER))
        for event in ("message.sent", "message.delivered"):
            data = self.webhook.data(event, ours)
            self.assertEqual((data["to"], data["content"]), (FRIEND, "Olá, world 👋"))
            self.assertEqual(data["correlationId"], sent["correlationId"])
            self.assertEqual((data["type"], data["fromMe"]), ("text", True))
        self.sandbox.phone("POST", FRIEND, f"/messages/{entry['id']}/read")
        data = self.webhook.data("message.read", ours)
        self.assertEqual(data["messageId"], entry["id"])
        detail = self.own.messages.get(sent["correlationId"])
        self.conforms(detail, types.MessageDetails)
        self.assertEqual((detail["status"], detail["origin"]), ("READ", "API"))
        for key in ("sentAt", "deliveredAt", "readAt"):
            self.assertIsNotNone(detail[key])
        self.assertIsNone(detail["metaPricing"])
        self.assertNotIn("template", detail)

    def test_a_text_goes_to_a_group(self):
        members = [NUMBER, OTHER]
        wish = {"subject": "Family", "creator": FRIEND, "members": members}
        _, group = self.sandbox.call("POST", "/sandbox/groups", wish)

        sent = self.send(groupId=group["id"], text="Hello, all")

        for phone in (FRIEND, OTHER):
            entry = self.arrived(sent, phone)
            self.assertEqual((entry["text"], entry["chat"]), ("Hello, all", group["id"]))
        self.assertEqual(self.own.messages.get(sent["id"])["destinationNumber"], group["id"])
        told = self.webhook.data("message.sent", lambda data: data["id"] == sent["id"])
        self.assertEqual(told["to"], group["id"])
        media = self.send(groupId=group["id"], media=uri("image/png", PNG), text="us")
        self.assertEqual(self.arrived(media, OTHER)["media"]["state"], "ready")

    def test_a_text_goes_to_an_own_channel_and_media_do_not(self):
        _, channel = self.sandbox.call("POST", "/sandbox/channels", {"name": "News", "owner": NUMBER})
        follow = f"/sandbox/channels/{channel['id']}/followers"
        self.sandbox.call("POST", follow, {"number": FRIEND})

        self.send(newsletterId=channel["id"], text="Read all about it")

        log = lambda: self.sandbox.phone("GET", FRIEND, "/messages")
        posts = lambda: [one["text"] for one in log() if one.get("chat") == channel["id"]]
        until("the post", lambda: posts() == ["Read all about it"])
        self.refused(
            pilot_status.ValidationError, "FEATURE_NOT_SUPPORTED",
            newsletterId=channel["id"], media=uri("image/png", PNG),
        )

    def test_one_destination_and_one_mode(self):
        wrong = [
            {"destinationNumber": FRIEND, "groupId": "120363000000000000@g.us", "text": "x"},
            {"groupId": "120363000000000000@newsletter", "text": "x"},
            {"newsletterId": "120363000000000000@g.us", "text": "x"},
            {"groupId": "family", "text": "x"},
            {"destinationNumber": "12", "text": "x"},
            {"destinationNumber": "", "text": "x"},
            {"destinationNumber": "BR.13491208655302741918", "text": "x"},
            {"destinationNumber": FRIEND},
            {"destinationNumber": FRIEND, "text": ""},
            {"destinationNumber": FRIEND, "text": "a\0b"},
            {"destinationNumber": FRIEND, "text": "x" * 65_537},
            {"destinationNumber": FRIEND, "text": "x", "templateId": "t"},
            {"destinationNumber": FRIEND, "text": "x", "footer": "below nothing"},
            {"destinationNumber": FRIEND, "text": "x", "header": {"type": "text", "content": "x"}},
        ]
        for wish in wrong:
            with self.subTest(wish=str(wish)[:80]):
                self.refused(pilot_status.ValidationError, "VALIDATION_ERROR", **wish)
        with self.assertRaises(pilot_status.ValidationError):
            self.own.messages.send({"text": "to nobody"})

    def test_what_whatsapp_delivers_from_official_numbers_only_is_refused_by_name(self):
        button = {"type": "reply", "label": "Yes"}
        row = {"title": "Small", "rowId": "s", "description": "the small one"}
        menu = {"buttonText": "Choose", "sections": [{"title": "Sizes", "rows": [row]}]}
        card = {"media": {"url": "https://example.com/a.png"}, "body": "x", "buttons": []}
        wishes = [
            {"text": "Shall we?", "buttons": [button]},
            {"text": "Which one?", "list": menu},
            {"text": "Look", "carousel": {"cards": [card, card]}},
            {"text": "Fill in", "flow": {"flowId": "1", "cta": "Go"}},
        ]
        for wish in wishes:
            with self.subTest(wish=list(wish)):
                self.refused(pilot_status.ValidationError, "FEATURE_NOT_SUPPORTED", **wish)

    def test_a_template_is_filled_in(self):
        made = {"name": "sdk-mode", "text": "Oi {{name}}", "footer": "{{1}}"}
        status, template = self.sandbox.call("POST", "/v1/templates", made, self.key)
        self.assertEqual(status, 201, template)
        for name in (template["id"], "sdk-mode"):
            sent = self.send(
                templateId=name, variables={"name": "Ana", "1": "{{name}}"},
                marketingOptions={"aiRewriteEnabled": False},
            )
            self.assertEqual(self.arrived(sent)["text"], "Oi Ana\n\n{{name}}")
            self.assertEqual(self.own.messages.get(sent["id"])["template"], "sdk-mode")
        missing = self.refused(
            pilot_status.ValidationError, "MISSING_TEMPLATE_VARIABLES",
            templateId="sdk-mode", variables={"name": "Ana"},
        )
        self.assertTrue(str(missing).endswith(": 1"), missing)
        self.refused(pilot_status.NotFoundError, "TEMPLATE_NOT_FOUND", templateId="nobody's")

    def test_media_of_every_kind_go_as_bytes_and_by_address(self):
        files = Files({f"/{kind}": (200, mime, data) for kind, (_, mime, data) in MEDIA.items()})
        self.addCleanup(files.close)
        for kind, (seen, mime, data) in MEDIA.items():
            for media in (uri(mime, data), f"{files.url}/{kind}"):
                with self.subTest(kind=kind, media=media[:12]):
                    words = {} if kind in WORDLESS else {"text": f"a {kind}"}
                    sent = self.send(media=media, mediaType=kind, **words)
                    entry = self.arrived(sent)
                    self.assertEqual(entry["type"], seen)
                    self.assertEqual(entry["text"], words.get("text", ""))
                    self.assertEqual(entry["media"]["state"], "ready", entry)
                    self.assertEqual(entry["media"]["sha256"], hashlib.sha256(data).hexdigest())
                    self.assertTrue(entry["media"]["mime"].startswith(mime), entry)
                    told = self.webhook.data("message.sent", lambda it: it["id"] == sent["id"])
                    self.assertEqual(told["type"], "audio" if kind == "voice" else kind)

    def test_media_without_a_kind_are_an_image_to_the_sdk(self):
        self.assertEqual(self.arrived(self.send(media=uri("image/png", PNG)))["type"], "image")

    def test_media_that_cannot_be_are_refused_at_once(self):
        wrong = [
            "ftp://example.com/a.png", "a.png", "data:image/png,abc", "data:image/png;base64,***",
            "data:image/png;base64,", "http://example.com/a b.png",
        ]
        for media in wrong:
            with self.subTest(media=media):
                self.refused(pilot_status.ValidationError, "VALIDATION_ERROR", media=media)
        self.refused(
            pilot_status.ValidationError, "VALIDATION_ERROR",
            media=uri("image/png", PNG), mediaType="hologram",
        )
        self.refused(
            pilot_status.ValidationError, "VALIDATION_ERROR",
            media=uri("audio/mpeg", PNG), mediaType="audio", text="words below a sound",
        )
        large = uri("video/mp4", bytes(16 * 1024 * 1024 + 1))
        self.refused(
            pilot_status.ValidationError, "VALIDATION_ERROR", media=large, mediaType="video"
        )

    def test_an_address_that_gives_nothing_fails_the_message_and_no_other(self):
        files = Files({"/empty.png": (200, "image/png", b"")})
        self.addCleanup(files.close)
        lost = [self.send(media=f"{files.url}/{name}.png") for name in ("nothing", "empty")]
        after = self.send(text="still here")

        for sent in lost:
            data = self.webhook.data("message.failed", lambda data: data["id"] == sent["id"])
            self.assertEqual(data["errorCode"], "MEDIA_UNAVAILABLE")
            detail = self.own.messages.get(sent["id"])
            self.conforms(detail, types.MessageDetails)
            self.assertEqual((detail["status"], detail["errorCode"]), ("FAILED", "MEDIA_UNAVAILABLE"))
            self.assertTrue(detail["errorMessage"])
            self.assertIsNone(detail["externalMessageId"])
        self.assertEqual(self.arrived(after)["text"], "still here")

    def test_a_recipient_who_is_not_on_whatsapp_fails_the_message(self):
        absent = "+5511999990599"
        self.sandbox.phone("POST", absent, "/absent", {"absent": True})

        sent = self.send(destinationNumber=absent, text="Anybody?")

        data = self.webhook.data("message.failed", lambda data: data["id"] == sent["id"])
        self.assertEqual(data["errorCode"], "WHATSAPP_NOT_EXIST")

    def test_typing_is_shown(self):
        status, answer = self.call("POST", "/v1/messages/typing", {"destinationNumber": FRIEND})
        self.assertEqual((status, answer), (200, {"ok": True}))
        seen = lambda: self.sandbox.phone("GET", FRIEND, "/typing")
        typing = lambda: any(one["from"] == NUMBER and one["state"] == "composing" for one in seen())
        until("the typing", typing)

    def test_mark_read_is_taken_and_changes_nothing(self):
        self.assertEqual(self.arrived(self.send(text="marked", markRead=True))["text"], "marked")


class Schedule(Case):
    def test_a_scheduled_message_waits_and_can_be_taken_back(self):
        at = moment(hours=1)
        sent = self.send(text="later", deliverAt=at)
        self.assertEqual(sent["status"], "QUEUED")
        # What is sent after it arrives before it.
        self.arrived(self.send(text="now"))
        _, waiting = self.call("GET", "/v1/messages?scheduled=1")
        self.assertEqual([(one["id"], one["deliverAt"]) for one in waiting["messages"]], [(sent["id"], at)])

        answer = self.own.messages.cancel([sent["id"], "msg_unknown", sent["correlationId"]])

        self.conforms(answer, types.CancelMessagesResult)
        self.assertEqual(answer["cancelled"], [sent["id"]])
        self.assertEqual([one["id"] for one in answer["failed"]], ["msg_unknown", sent["correlationId"]])
        self.assertEqual(self.status(sent), "CANCELED")
        detail = self.own.messages.get(sent["id"])
        self.assertEqual((detail["errorCode"], detail["externalMessageId"]), (None, None))
        texts = [one["text"] for one in self.sandbox.phone("GET", FRIEND, "/messages")]
        self.assertNotIn("later", texts)

    def test_a_scheduled_message_leaves_at_its_time(self):
        asked = datetime.datetime.now(datetime.timezone.utc)
        sent = self.send(text="in a moment", deliverAt=moment(seconds=2), deliverUntil=moment(minutes=5))
        self.assertEqual(self.arrived(sent)["text"], "in a moment")
        went = datetime.datetime.fromisoformat(self.own.messages.get(sent["id"])["sentAt"])
        self.assertGreaterEqual((went - asked).total_seconds(), 1.9)
        past = self.send(text="yesterday", deliverAt=moment(days=-1))
        self.assertEqual(self.arrived(past)["text"], "yesterday")

    def test_what_was_sent_is_not_taken_back(self):
        sent = self.send(text="gone")
        self.arrived(sent)
        answer = self.own.messages.cancel([sent["id"]])
        self.conforms(answer, types.CancelMessagesResult)
        self.assertEqual((answer["cancelled"], answer["failed"][0]["id"]), ([], sent["id"]))
        self.assertIn(self.status(sent), ("SENT", "DELIVERED"))

    def test_a_list_of_one_to_a_hundred_is_taken_back(self):
        for ids in ([], [f"msg_{count}" for count in range(101)]):
            with self.assertRaises(pilot_status.ValidationError) as caught:
                self.own.messages.cancel(ids)
            self.assertEqual(caught.exception.body["code"], "VALIDATION_ERROR")
        answer = self.own.messages.cancel([f"msg_{count}" for count in range(100)])
        self.assertEqual((answer["cancelled"], len(answer["failed"])), ([], 100))
        with self.assertRaises(pilot_status.ForbiddenError):
            self.tenant.messages.cancel(["msg_1"])

    def test_times_that_cannot_be_are_refused(self):
        wrong = [
            {"deliverAt": "tomorrow"},
            {"deliverAt": moment(days=367)},
            {"deliverUntil": moment(minutes=-1)},
            {"deliverAt": moment(hours=2), "deliverUntil": moment(hours=1)},
            {"deliverUntil": ""},
        ]
        for wish in wrong:
            with self.subTest(wish=wish):
                self.refused(pilot_status.ValidationError, "VALIDATION_ERROR", text="x", **wish)

    def test_a_message_that_comes_too_late_is_not_sent(self):
        number, own = self.sandbox.connected("+5511999990502")
        webhook = Webhook(self.sandbox, self.receiver, number)
        (companion,) = self.sandbox.phone("GET", "+5511999990502", "/companions")
        self.sandbox.phone("DELETE", "+5511999990502", f"/companions/{companion['device']}")
        until("the number to close", lambda: self.tenant.numbers.get(number)["state"] == "CLOSE")

        sent = own.messages.send(
            {"destinationNumber": FRIEND, "text": "too late", "deliverUntil": moment(seconds=1)}
        )

        # Told by the next sweep: there is one a minute, and one after each purge.
        asked = moment(seconds=1)
        until("its time to be over", lambda: moment() > asked)
        spare = self.tenant.numbers.create({"name": "Spare", "number": "+5511999990500"})
        self.tenant.numbers.purge(spare["instance"]["id"])
        data = webhook.data("message.failed", lambda data: data["id"] == sent["id"])
        self.assertEqual(data["errorCode"], "MESSAGE_EXPIRED")
        self.assertEqual(own.messages.get(sent["id"])["status"], "FAILED")

    def test_messages_are_found_by_their_labels(self):
        labels = ["order 7", "100%", "a_b"]
        sent = self.send(text="labelled", labels=labels)
        self.send(text="other", labels=["order 71", "1000", "axb"])
        for label in ("order%207", "100%25", "a_b"):
            status, found = self.call("GET", f"/v1/messages?label={label}")
            self.assertEqual(status, 200, found)
            self.assertEqual([one["id"] for one in found["messages"]], [sent["id"]], label)
        self.assertEqual(found["messages"][0]["labels"], labels)
        for wrong in ([""], ["x" * 65], ["x"] * 21, ["a\0b"]):
            self.refused(pilot_status.ValidationError, "VALIDATION_ERROR", text="x", labels=wrong)


class Repeats(Case):
    def send_with(self, key, text, client=None, **wish):
        wish = {"destinationNumber": FRIEND, "text": text, **wish}
        return (client or self.own).messages.send(wish, idempotency_key=key)

    def test_a_repeat_is_answered_again_and_sent_once(self):
        with ThreadPoolExecutor(6) as pool:
            tries = [pool.submit(self.send_with, "order-1", "once") for _ in range(6)]
            errors = [one.exception() for one in tries]
        answers = [one.result() for one, error in zip(tries, errors) if error is None]
        for error in filter(None, errors):
            self.assertIsInstance(error, pilot_status.ConflictError)
            self.assertEqual(error.body["code"], "IDEMPOTENCY_KEY_IN_USE")
        self.assertEqual(answers[1:], answers[:-1])
        self.assertEqual(self.send_with("order-1", "once"), answers[0])
        self.arrived(answers[0])
        texts = [one["text"] for one in self.sandbox.phone("GET", FRIEND, "/messages")]
        self.assertEqual(texts.count("once"), 1)

    def test_another_message_under_the_same_key_is_refused(self):
        self.send_with("order-2", "first")
        for wish in ({"text": "second"}, {"text": "first", "labels": ["x"]}):
            with self.assertRaises(pilot_status.ConflictError) as caught:
                self.send_with("order-2", **wish)
            self.assertEqual(caught.exception.body["code"], "IDEMPOTENCY_KEY_REUSED")

    def test_a_key_belongs_to_its_number(self):
        _, other = self.sandbox.connected("+5511999990503")
        first, second = self.send_with("order-3", "ours"), self.send_with("order-3", "theirs", other)
        self.assertNotEqual(first["id"], second["id"])
        # The tenant's key acts on the number, and so under its keys.
        scoped = self.tenant.with_number(self.number)
        self.assertEqual(self.send_with("order-3", "ours", scoped)["id"], first["id"])

    def test_only_what_was_accepted_is_remembered(self):
        with self.assertRaises(pilot_status.ValidationError):
            self.send_with("order-4", "x", media="nonsense")
        self.conforms(self.send_with("order-4", "right now"), types.SendMessageAccepted)

    def test_keys_that_cannot_be_are_refused(self):
        self.send_with("k" * 255, "long")
        for key in ("k" * 256, "a\tb"):
            with self.assertRaises(pilot_status.ValidationError) as caught:
                self.send_with(key, "x")
            self.assertEqual(caught.exception.body["code"], "IDEMPOTENCY_KEY_INVALID")


class Errors(Case):
    def test_each_refusal_is_of_the_sdks_own_type(self):
        nobody = self.sandbox.client("ps_" + "x" * 43)
        foreign = self.sandbox.client(self.key, whatsapp_number_id="wa_00000000000000000000000000")
        for client, error, code in (
            (nobody, pilot_status.AuthenticationError, "UNAUTHORIZED"),
            (self.tenant, pilot_status.ForbiddenError, "TENANT_SCOPE_NOT_ALLOWED"),
            (foreign, pilot_status.NotFoundError, "NUMBER_NOT_FOUND"),
        ):
            asks = {
                "send": lambda: client.messages.send({"destinationNumber": FRIEND, "text": "x"}),
                "get": lambda: client.messages.get("msg_1"),
                "history": lambda: client.messages.history(),
                "cancel": lambda: client.messages.cancel(["msg_1"]),
                "groups": lambda: client.groups.list(),
                "newsletters": lambda: client.newsletters.list(),
                "media": lambda: client.media.download("msg_1", "any"),
            }
            for name, ask in asks.items():
                with self.subTest(error=error.__name__, ask=name):
                    with self.assertRaises(error) as caught:
                        ask()
                    self.assertEqual(caught.exception.body["code"], code)
        for ask in (self.own.messages.get, lambda it: self.own.media.download(it, "any")):
            with self.assertRaises(pilot_status.NotFoundError) as caught:
                ask("msg_nobody")
            self.assertEqual(caught.exception.body["code"], "MESSAGE_NOT_FOUND")

    def test_too_many_requests_are_a_rate_limit_with_a_time(self):
        number = self.tenant.numbers.create({"name": "Busy", "number": "+5511999990504"})
        client = self.sandbox.client(self.sandbox.key_of(number["instance"]["id"]))

        def ask(_):
            try:
                client.messages.get("msg_nobody")
            except pilot_status.PilotStatusHttpError as error:
                return error

        with ThreadPoolExecutor(16) as pool:
            errors = list(pool.map(ask, range(1500)))
        limited = [one for one in errors if isinstance(one, pilot_status.RateLimitError)]
        others = {type(one) for one in errors} - {pilot_status.RateLimitError}
        self.assertEqual(others, {pilot_status.NotFoundError})
        self.assertTrue(limited, "500 at once, and 100 a second")
        self.assertEqual(limited[0].body["code"], "RATE_LIMITED")
        self.assertGreaterEqual(limited[0].body["retryAfterSeconds"], 1)
        self.assertEqual(limited[0].headers["retry-after"], str(limited[0].body["retryAfterSeconds"]))


class Crowds(Case):
    def test_groups_and_channels_are_listed_as_whatsapp_has_them(self):
        wish = {"subject": "Zoo", "creator": NUMBER, "members": [FRIEND]}
        _, zoo = self.sandbox.call("POST", "/sandbox/groups", wish)
        wish = {"subject": "Art", "creator": FRIEND, "members": [NUMBER, OTHER]}
        _, art = self.sandbox.call("POST", "/sandbox/groups", wish)
        wish = {"subject": "Not ours", "creator": FRIEND, "members": [OTHER]}
        self.sandbox.call("POST", "/sandbox/groups", wish)
        _, own = self.sandbox.call("POST", "/sandbox/channels", {"name": "Own", "owner": NUMBER})
        _, followed = self.sandbox.call("POST", "/sandbox/channels", {"name": "Far", "owner": FRIEND})
        follow = f"/sandbox/channels/{followed['id']}/followers"
        self.sandbox.call("POST", follow, {"number": NUMBER})
        self.sandbox.call("POST", "/sandbox/channels", {"name": "Unknown", "owner": FRIEND})

        for client in (self.own, self.tenant.with_number(self.number)):
            groups = client.groups.list()
            self.conforms(groups, list[types.GroupListItem])
            named = [(group["id"], group["subject"]) for group in groups]
            self.assertEqual(named, [(art["id"], "Art"), (zoo["id"], "Zoo")])
            self.assertEqual([group["size"] for group in groups], [3, 2])
            self.assertEqual([group["writable"] for group in groups], [True, True])
            channels = client.newsletters.list()
            self.conforms(channels, list[types.NewsletterListItem])
            named = [(channel["id"], channel["name"]) for channel in channels]
            self.assertEqual(named, [(followed["id"], "Far"), (own["id"], "Own")])
            self.assertEqual([channel["writable"] for channel in channels], [False, True])

    def test_a_number_that_is_not_connected_has_none_to_show(self):
        created = self.tenant.numbers.create({"name": "Fresh", "number": "+5511999990505"})
        client = self.tenant.with_number(created["instance"]["id"])
        for ask in (client.groups.list, client.newsletters.list):
            with self.assertRaises(pilot_status.ConflictError) as caught:
                ask()
            self.assertEqual(caught.exception.body["code"], "WHATSAPP_INSTANCE_NOT_CONNECTED")


if __name__ == "__main__":
    unittest.main()
