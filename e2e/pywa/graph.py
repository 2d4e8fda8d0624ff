"""Starts the offline Graph server for a test, and receives its webhooks the way pywa does."""

import http.server
import json
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import pywa

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target" / "debug" / "graph-server"
VERIFY_TOKEN = "a verify token of our own"


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


class Graph:
    """A running Graph server on a free port."""

    def __init__(self):
        if not BINARY.exists():
            raise RuntimeError(
                f"{BINARY} is missing: cargo build --manifest-path sandbox/Cargo.toml -p graph-server"
            )
        self.folder = tempfile.TemporaryDirectory()
        ready = pathlib.Path(self.folder.name) / "ready.json"
        self.process = subprocess.Popen(
            [BINARY, "--ready-file", ready], stdout=subprocess.DEVNULL
        )
        until("the server", lambda: ready.exists() or self.process.poll() is not None, 30)
        self.ready = json.loads(ready.read_text(encoding="utf-8"))

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.folder.cleanup()
        if code != 0:
            raise AssertionError(f"the server ended with {code}")

    def control(self, path, body=None, method="POST"):
        """A call of the control API; it must succeed."""
        request = urllib.request.Request(
            self.ready["controlUrl"] + path, data=json.dumps(body or {}).encode(), method=method
        )
        with urllib.request.urlopen(request, timeout=15) as answer:
            return json.loads(answer.read())

    def client(self, business, **options):
        """pywa, unmodified, sent here by the base address of its session."""
        client = pywa.WhatsApp(
            phone_id=business["phoneId"],
            token=business["token"],
            waba_id=business["wabaId"],
            server=None,
            app_id=business["appId"],
            app_secret=business["appSecret"],
            verify_token=VERIFY_TOKEN,
            **options,
        )
        session = client.api._session
        version = str(session.base_url).rstrip("/").rsplit("/", 1)[-1]
        session.base_url = f"{self.ready['graphUrl']}/{version}"
        return client


class Receiver:
    """A callback that leaves challenge, signature and parsing to pywa."""

    def __init__(self, client):
        self.answers = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
                challenge, status = client.webhook_challenge_handler(
                    vt=query.get(pywa.utils.HUB_VT), ch=query.get(pywa.utils.HUB_CH)
                )
                self.answer(challenge, status)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                refused = client.webhook_update_validator(body, self.headers.get(pywa.utils.HUB_SIG))
                text, status = refused or client.webhook_update_handler(body)
                receiver.answers.append(status)
                self.answer(text, status)

            def answer(self, text, status):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
