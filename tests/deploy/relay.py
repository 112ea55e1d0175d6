"""A relay between the function and cargo-lambda's runtime API: `relay.py PORT PORT-OF-CARGO-LAMBDA`.

cargo-lambda gives each invocation a deadline in the year 1970, and a function that respects its deadline does nothing. The
relay replaces the deadline with one in a minute. It also adds the path of cargo-lambda's runtime API, because Lambda's own
has none.
"""

import http.client
import http.server
import sys
import time

HOP_BY_HOP = {"connection", "content-length", "host", "transfer-encoding"}


def forwarded(headers):
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream_port = None

    def relay(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream_port)
        upstream.request(self.command, "/.rt/wafsync" + self.path, body, forwarded(self.headers))
        answer = upstream.getresponse()
        content = answer.read()
        headers = forwarded(answer.headers)
        if "lambda-runtime-deadline-ms" in headers:
            headers["lambda-runtime-deadline-ms"] = str(int((time.time() + 60) * 1000))
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = relay


if __name__ == "__main__":
    port, Relay.upstream_port = map(int, sys.argv[1:])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Relay).serve_forever()
