"""A small web application. It makes a report with a shell, and passes it what the browser sent: that is its hole."""

import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = urlparse(self.path)
        if asked.path.endswith("/report"):
            number = parse_qs(asked.query).get("number", ["1"])[0]
            command = f"head -n 5 /srv/data/orders-{number}.csv"
            body = subprocess.run(command, shell=True, capture_output=True, timeout=60).stdout
        else:
            with open("/srv/www/page-1.html", "rb") as page:
                body = page.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", 8080), App).serve_forever()
