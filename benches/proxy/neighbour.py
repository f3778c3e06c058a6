"""A WebSocket's echo, and a stream of events that has no end."""

import http.server
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            while data := self.rfile.read1(4096):
                self.wfile.write(data)
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            while True:
                self.wfile.write(b"data: tick\n\n")
                time.sleep(0.2)

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("", 9000), Handler).serve_forever()
