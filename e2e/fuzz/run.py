"""Fuzzes a running sandbox with schemathesis, as its own OpenAPI document describes it: all checks, all
phases, repeatable.

Nothing is excluded but the stream of all events, which has no end; three passes keep operations from sawing off what others stand on:

1. every operation, with whatever ids come to mind, but for the one that replaces the calling key, and for
   the streams, which of a number that is being paired last as long as its codes;
2. those that leave things in place, on a connected number, its webhook, its messages and media, its group
   and channel, and a template;
3. those that do not, and the one that replaces the calling key last.

Creating numbers starts sessions against the offline WhatsApp; the number of examples bounds them.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "sdk"))

from sandbox import Sandbox, until  # noqa: E402

NUMBER = "+5511999990401"
FRIEND = "+5511999990402"
DESTROY = ["deleteWebhook", "deleteTemplate", "deleteNumber", "purgeNumber", "regenerateNumberKey"]
OWN_KEY = "regenerateOwnKey"
STREAMS = ["followPairing", "followPairingLink"]
ENDLESS = ["followEvents"]


def things(sandbox):
    """A connected number with a webhook, a group and a channel, a message that was sent, one that waits, one
    with media that came in, and a template: what the operations may act on."""
    key = sandbox.ready["tenantKey"]

    def call(method, path, body=None):
        status, answer = sandbox.call(method, path, body, key)
        assert status < 300, (path, status, answer)
        return answer

    created = call("POST", "/v1/numbers", {"name": "Fuzzed", "number": NUMBER})
    number = created["instance"]["id"]
    sandbox.phone("POST", NUMBER, "/scan", {"qrcodeBase64": created["qrcodeBase64"]})
    until("the number", lambda: call("GET", f"/v1/numbers/{number}/status")["state"] == "OPEN")
    hook = {"url": "http://127.0.0.1:9/", "events": ["*"], "whatsappNumberId": number}
    webhook = call("POST", "/v1/webhooks", hook)["id"]
    client = sandbox.client(key, whatsapp_number_id=number)
    message = client.messages.send({"destinationNumber": FRIEND, "text": "Hello"})["id"]
    tomorrow = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
    later = {"text": "Later", "deliverAt": tomorrow, "labels": ["later"]}
    client.messages.send({"destinationNumber": FRIEND, **later})
    crowd = {"subject": "Fuzzed", "creator": FRIEND, "members": [NUMBER]}
    for path, wish in (("groups", crowd), ("channels", {"name": "Fuzzed", "owner": NUMBER})):
        status, answer = sandbox.call("POST", f"/sandbox/{path}", wish)
        assert status == 201, (path, answer)
    image = {"to": NUMBER, "image": {"size": 1_000, "caption": "look"}}
    media = sandbox.phone("POST", FRIEND, "/messages", image)["id"]
    # What waits was not said yet.
    until("the media", lambda: client.messages.history()["total"] == 2)
    wish = {"name": "fuzzed", "text": "Hello {{name}}"}
    template = call("POST", "/v1/templates", wish)["id"]
    acted_on = {"numbers": number, "webhooks": webhook, "messages": message, "templates": template}
    return acted_on | {"media": media, "groups": None, "newsletters": None}


def config_with(ids):
    """The committed configuration, and real ids for every operation of each kind."""
    text = (HERE / "schemathesis.toml").read_text(encoding="utf-8")
    number = ids["numbers"]
    for tag, known in ids.items():
        text += f'\n[[operations]]\ninclude-tag = "{tag}"\n[operations.parameters]\n'
        text += f'"header.x-whatsapp-number-id" = "{number}"\n'
        if known is not None:
            text += f'"path.id" = "{known}"\n'
    return text


def main():
    sandbox = Sandbox()
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(config_with(things(sandbox)))
            file.flush()

            def run(config, *options):
                schemathesis = pathlib.Path(sys.executable).with_name("schemathesis")
                command = [schemathesis, "--no-color", "--config-file", config, "run"]
                command += [sandbox.ready["apiUrl"] + "/openapi.json"]
                command += ["--checks", "all", "--warnings", "off"]
                command += ["--header", "x-api-key: " + sandbox.ready["tenantKey"]]
                return subprocess.run(command + list(options), check=False).returncode

            def each(option, names):
                return [part for name in names for part in (option, name)]

            first = each("--exclude-operation-id", [*STREAMS, *ENDLESS, OWN_KEY])
            failed = run(HERE / "schemathesis.toml", *first)
            kept = each("--exclude-operation-id", [*DESTROY, *ENDLESS, OWN_KEY])
            failed |= run(file.name, *kept)
            failed |= run(file.name, *each("--include-operation-id", DESTROY))
            failed |= run(file.name, "--include-operation-id", OWN_KEY)
            return failed
    finally:
        sandbox.close()


if __name__ == "__main__":
    sys.exit(main())
