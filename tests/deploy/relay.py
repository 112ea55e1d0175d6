"""Between the function and cargo-lambda's runtime API: `relay.py PORT PORT-OF-CARGO-LAMBDA`.

cargo-lambda gives each invocation a deadline in the year 1970, and a function that keeps to its deadline does nothing.
Here it gets a minute. The path of cargo-lambda's runtime API is put in front too, for Lambda's own has none.
"""

import http.client
import http.server
import sys
import time

PORT, UPSTREAM = map(int, sys.argv[1:])
OF_THE_CONNECTION = {"connection", "content-length", "host", "transfer-encoding"}


def further(headers):
    return {name: value for name, value in headers.items() if name.lower() not in OF_THE_CONNECTION}


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def relay(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = http.client.HTTPConnection("127.0.0.1", UPSTREAM)
        upstream.request(self.command, "/.rt/wafsync" + self.path, body, further(self.headers))
        answer = upstream.getresponse()
        content = answer.read()
        headers = further(answer.headers)
        if "lambda-runtime-deadline-ms" in headers:
            headers["lambda-runtime-deadline-ms"] = str(int((time.time() + 60) * 1000))
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = relay


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Relay).serve_forever()
