# SPDX-License-Identifier: Apache-2.0
"""Answers HTTP on port 8080: / is this program's own page, /wasm and /docker are what the other two
programs have written, once they have run."""
import functools
import http.server
import pathlib

RESULTS = pathlib.Path("/run/hello")
PORT = 8080


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/":
            super().do_GET()
            return
        page = b"hello from Python\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


http.server.ThreadingHTTPServer(
    ("", PORT), functools.partial(Handler, directory=RESULTS)).serve_forever()
