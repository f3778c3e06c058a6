"""Two small services in one: tells what it was asked, on each of the ports given.

One that is given as `8443:CERTIFICATE` speaks TLS.
"""

import base64
import hashlib
import json
import os
import re
import socket
import ssl
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = 0
    go = threading.Event()

    def parse_request(self):
        Handler.seen += 1
        return super().parse_request()

    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket":
            self.echo()
        elif self.path.endswith("/events"):
            self.events()
        elif self.path.endswith("/silent"):
            time.sleep(60)
        elif self.path.endswith("/pieces"):
            self.pieces()
        elif self.path.endswith("/go"):
            Handler.go.set()
            self.answer(200, b"gone")
        elif self.path.endswith("/ranged"):
            self.ranged(b"0123456789")
        elif "/zeros/" in self.path:
            self.answer(200, bytes(int(self.path.rsplit("/", 1)[1])))
        elif self.path.startswith("/api/status/"):
            self.answer(int(self.path.rsplit("/", 1)[1]), b"the application's own words")
        else:
            self.tell()

    def do_POST(self):
        if self.path.endswith("/silent"):
            time.sleep(60)
        elif self.path.endswith("/first"):
            self.close_connection = True
            self.answer(200, b"got " + self.rfile.read(1))
        else:
            self.tell()

    def do_DELETE(self):
        self.tell()

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "12345")
        self.end_headers()

    def pieces(self):
        """The second piece comes once somebody has asked for it elsewhere."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\none\r\n")
        Handler.go.wait(60)
        self.wfile.write(b"3\r\ntwo\r\n0\r\n\r\n")

    def ranged(self, whole):
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not asked:
            return self.answer(200, whole)
        first, last = int(asked[1]), int(asked[2])
        part = whole[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(whole)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def tell(self):
        left = int(self.headers.get("Content-Length", 0))
        digest, size = hashlib.sha256(), 0
        while left:
            piece = self.rfile.read(min(left, 1 << 20))
            digest.update(piece)
            size += len(piece)
            left -= len(piece)
        if "/fall" in self.path:
            self.fall()
        told = {
            "port": self.server.server_port,
            "host": socket.gethostname(),
            "method": self.command,
            "path": self.path,
            "size": size,
            "seen": Handler.seen,
            "sha256": digest.hexdigest(),
            "asked_for": getattr(self.connection, "asked_for", None),
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        self.answer(200, json.dumps(told).encode())

    def fall(self):
        _, once, name = self.path.partition("once=")
        mark = f"/tmp/fell-{name}"
        if not once or not os.path.exists(mark):
            open(mark, "w").close()
            os._exit(1)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        time.sleep(60)

    def echo(self):
        key = self.headers["Sec-WebSocket-Key"] + GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.send_header("Sec-WebSocket-Protocol", self.headers["Sec-WebSocket-Protocol"])
        self.end_headers()
        while data := self.rfile.read1(4096):
            self.wfile.write(data.upper())
        self.close_connection = True

    def log_message(self, *_):
        pass


def by_tls(listener, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(certificate)
        file.flush()
        context.load_cert_chain(file.name)

    def asked(connection, name, _):
        connection.asked_for = name

    context.sni_callback = asked
    return context.wrap_socket(listener, server_side=True, do_handshake_on_connect=False)


for word in sys.argv[1:]:
    port, _, certificate = word.partition(":")
    server = ThreadingHTTPServer(("", int(port)), Handler)
    if certificate:
        server.socket = by_tls(server.socket, certificate)
    threading.Thread(target=server.serve_forever).start()
print("listening", flush=True)
