"""Starts the sandbox for a test, drives its virtual phones, and receives its webhooks."""

import hashlib
import hmac
import http.server
import json
import pathlib
import queue
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pilot_status
import pilot_status.http
import standardwebhooks

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "debug" / "ramal-sandbox"
OFFICIAL = "https://pilotstatus.com.br"


def until(what, condition, seconds=15.0):
    """Returns the first truthy answer of `condition`; fails when the deadline passes."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out waiting for {what}")
        time.sleep(0.02)


class Receiver:
    """A webhook endpoint on a free port: keeps every event with its headers."""

    def __init__(self):
        self.events = queue.Queue()
        self.seen = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.events.put((dict(self.headers.items()), body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, name, matches=lambda data: True, seconds=15.0):
        """Returns headers, raw body and payload of the first unclaimed event that matches."""

        def claimed():
            while not self.events.empty():
                headers, body = self.events.get()
                self.seen.append((headers, body, json.loads(body)))
            for index, (headers, body, payload) in enumerate(self.seen):
                if payload["event"] == name and matches(payload["data"]):
                    return self.seen.pop(index)
            return None

        return until(name, claimed, seconds)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Webhook:
    """A webhook of one number: what it gets is verified by both signatures, and read by the SDK."""

    def __init__(self, sandbox, receiver, number, events=("*",)):
        wish = {"url": receiver.url, "events": list(events), "whatsappNumberId": number}
        status, webhook = sandbox.call("POST", "/v1/webhooks", wish, sandbox.ready["tenantKey"])
        if status != 201:
            raise AssertionError(f"no webhook: {status} {webhook}")
        self.id, self.secret = webhook["id"], webhook["secret"]
        self.receiver, self.number = receiver, number

    def event(self, name, matches=lambda data: True, seconds=15.0):
        """What the SDK makes of the first unclaimed event of this name."""
        ours = lambda data: data.get("numberId") == self.number and matches(data)
        headers, body, _ = self.receiver.wait(name, ours, seconds)
        headers = {key.lower(): value for key, value in headers.items()}
        payload = standardwebhooks.Webhook(self.secret).verify(body, headers)
        simple = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        if headers["x-pilot-status-signature"] != simple:
            raise AssertionError(f"{name}: the simple signature is wrong")
        return pilot_status.parse_customer_webhook(payload)

    def data(self, name, matches=lambda data: True, seconds=15.0):
        """The data of an event that the SDK knows, by the SDK's own strict judgement."""
        event = self.event(name, matches, seconds)
        if not pilot_status.is_customer_webhook_event(event):
            raise AssertionError(f"the SDK does not know {event}")
        return event["data"]


class Files:
    """A host of files, as a customer has one. Remembers what was asked for."""

    def __init__(self, files):
        host, self.files, self.asked = self, dict(files), []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host.asked.append(self.path)
                status, kind, body = host.files.get(self.path, (404, "text/plain", b"no"))
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Sandbox:
    """A running sandbox on free ports."""

    def __init__(self):
        if not BINARY.exists():
            raise RuntimeError(
                f"{BINARY} is missing: cargo build --manifest-path sandbox/Cargo.toml -p ramal-sandbox"
            )
        self.folder = tempfile.TemporaryDirectory()
        ready = pathlib.Path(self.folder.name) / "ready.json"
        self.log = open(pathlib.Path(self.folder.name) / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [BINARY, "--port", "0", "--ready-file", ready], stdout=self.log, stderr=self.log
        )
        until("the sandbox", lambda: ready.exists() or self.process.poll() is not None, 30)
        if self.process.poll() is not None:
            raise RuntimeError("the sandbox did not start:\n" + self.output())
        self.ready = json.loads(ready.read_text(encoding="utf-8"))

    def output(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.log.close()
        self.folder.cleanup()
        if code != 0:
            raise AssertionError(f"the sandbox ended with {code}")

    def client(self, key, **options):
        """The official SDK, unmodified, sent to the sandbox by its own `transport` argument."""
        base = self.ready["apiUrl"]

        def transport(request, timeout):
            local = urllib.request.Request(
                request.full_url.replace(OFFICIAL, base),
                data=request.data,
                method=request.get_method(),
                headers=dict(request.header_items()),
            )
            return pilot_status.http._default_transport(local, timeout)

        return pilot_status.PilotStatusClient(api_key=key, transport=transport, **options)

    def connected(self, phone, **wish):
        """A QR-paired number, scanned and open: its id, and the SDK with the number's own key."""
        tenant = self.client(self.ready["tenantKey"])
        created = tenant.numbers.create({"name": "Sales", "number": phone, **wish})
        number = created["instance"]["id"]
        self.phone("POST", phone, "/scan", {"qrcodeBase64": created["qrcodeBase64"]})
        opened = lambda: tenant.numbers.get_status(number)["state"] == "OPEN"
        until("the number to open", opened)
        return number, self.client(self.key_of(number))

    def official(self, phone):
        """An official number at the offline Meta: its id, Meta's id of it, and the SDK with its own key."""
        business = self.graph("POST", "/businesses", {"number": phone})
        wish = {"name": "Official", "number": phone}
        wish |= {f"meta{key[0].upper()}{key[1:]}": business[key] for key in ("phoneId", "wabaId")}
        wish |= {"metaAccessToken": business["token"], "metaAppSecret": business["appSecret"]}
        status, made = self.call("POST", "/v1/numbers/meta", wish, self.ready["tenantKey"])
        if status != 201:
            raise AssertionError(f"no official number: {status} {made}")
        return made["numberId"], business["phoneId"], self.client(self.key_of(made["numberId"]))

    def key_of(self, number):
        """A number's own key."""
        keys = self.client(self.ready["tenantKey"]).api_keys.list()
        return next(item["key"] for item in keys if item["numberId"] == number)

    def call(self, method, path, body=None, key=None, number=None):
        """A plain call, for what the SDK has no method for. Returns status and JSON."""
        headers = {"content-type": "application/json"}
        if key:
            headers["x-api-key"] = key
        if number:
            headers["x-whatsapp-number-id"] = number
        request = urllib.request.Request(
            self.ready["apiUrl"] + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers=headers,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def phone(self, method, number, path, body=None):
        """A call to a virtual phone; it must succeed."""
        status, answer = self.call(method, f"/sandbox/phones/{number}{path}", body)
        if status not in (200, 201):
            raise AssertionError(f"{method} {number}{path}: {status} {answer}")
        return answer

    def graph(self, method, path, body=None):
        """A call to the offline Meta; it must succeed."""
        status, answer = self.call(method, f"/sandbox/graph{path}", body)
        if status not in (200, 201):
            raise AssertionError(f"{method} {path}: {status} {answer}")
        return answer
