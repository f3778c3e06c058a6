"""Answers every request with a greeting: change it, save, and reload the page."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GREETING = "Hello over TLS"


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{GREETING}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", 8000), Hello).serve_forever()
