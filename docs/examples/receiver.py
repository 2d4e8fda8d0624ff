"""A webhook receiver: checks the signature, drops repeats, answers fast. Standard library only.

    WEBHOOK_SECRET=whsec_... python3 receiver.py 8000
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import sys
import time

TOLERANCE = 5 * 60  # seconds that a request may be old, or ahead of our clock
seen = set()  # in production: a table with a unique key, written with what the event changes


def key_of(secret):
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_"))
    return secret.encode()


def verify(secret, headers, body):
    """Whether the request comes from Ramal and is fresh."""
    event_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    signatures = headers["webhook-signature"]
    if not (event_id and timestamp and signatures and timestamp.isdigit()):
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    signed = f"{event_id}.{timestamp}.".encode() + body
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    # For a day after a rotation there are two, one with each secret.
    return any(hmac.compare_digest(expected, one.encode()) for one in signatures.split(" "))


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        if not verify(os.environ["WEBHOOK_SECRET"], self.headers, body):
            return self.answer(401)
        event_id = self.headers["webhook-id"]
        if event_id not in seen:
            seen.add(event_id)
            event = json.loads(body)
            print(event["event"], event["data"], flush=True)  # in production: put it on a queue
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
