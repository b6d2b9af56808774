"""Serves the files of a folder at the address and port of the hosts' server of files, and throws away what is sent."""

import http.server
import sys
from functools import partial


class Files(http.server.SimpleHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(204)
        self.end_headers()

    do_PUT = do_POST

    def log_message(self, *_):
        pass


handler = partial(Files, directory=sys.argv[1])
http.server.ThreadingHTTPServer(("198.51.100.7", 8000), handler).serve_forever()
