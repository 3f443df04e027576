#!/usr/bin/env python3
"""A scriptable HTTP(S) receiver for tests.

It prints "port N" once it listens, answers by a script, and appends every request that it has read
completely to a log, one JSON object per line:

    {"number": 1, "time": 1731000000.123, "connection": 1, "method": "POST", "path": "/hook",
     "headers": {"content-type": "application/json"}, "body": "...", "answer": "status 200"}

The script is a JSON file, read again whenever it has changed: {path: [step, ...]}. The n-th request
to a path gets the n-th step, later ones the last step; "*" stands for all paths that are not named;
a path without a script answers 200 "ok". Keys of a step, all optional:

    status       answer with this status (default 200)
    headers      more response headers, such as {"Retry-After": "2"} or {"Location": "..."}
    body         response body (default "ok")
    body_bytes   a body of this many bytes instead
    delay_ms     wait before the answer
    hold         answer when the script has been replaced, not before
    hang         read the request and never answer
    reset        read the request and close the connection with a TCP reset
    endless      answer 200 with a body that never ends, 64 kB every 10 ms
"""

import argparse
import datetime
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

CHUNK = b"x" * 65536
MAX_REQUEST_BYTES = 64 * 1024 * 1024


class Script:
    """Steps by path; the counters start again when the file changes."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.stamp = None
        self.steps = {}
        self.served = {}

    def next_step(self, url_path):
        """The step, and the stamp of the script that it is of."""
        with self.lock:
            self._reload()
            steps = self.steps.get(url_path, self.steps.get("*", [{}]))
            number = self.served.get(url_path, 0)
            self.served[url_path] = number + 1
            return steps[min(number, len(steps) - 1)], self.stamp

    def wait_until_replaced(self, stamp):
        while self._current_stamp() == stamp:
            time.sleep(0.02)

    def _current_stamp(self):
        if self.path is None:
            return None
        status = os.stat(self.path)
        return (status.st_mtime_ns, status.st_ino)

    def _reload(self):
        stamp = self._current_stamp()
        if stamp == self.stamp:
            return
        with open(self.path, encoding="utf-8") as file:
            self.steps = json.load(file)
        self.stamp = stamp
        self.served = {}


class Log:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.lock = threading.Lock()
        self.number = 0

    def write(self, entry):
        with self.lock:
            self.number += 1
            self.file.write(json.dumps({"number": self.number, **entry}) + "\n")
            self.file.flush()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is one segment: no waiting for the acknowledgement of its headers.
    wbufsize = -1
    disable_nagle_algorithm = True
    connections = 0
    connections_lock = threading.Lock()

    def setup(self):
        super().setup()
        with Handler.connections_lock:
            Handler.connections += 1
            self.connection_number = Handler.connections

    def log_message(self, format, *args):
        pass

    def answer(self):
        body = self._read_body()
        step, stamp = self.server.script.next_step(self.path.split("?")[0])
        self.server.log.write(
            {
                "time": time.time(),
                "connection": self.connection_number,
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": body.decode("utf-8", "replace"),
                "answer": self._describe(step),
            }
        )
        time.sleep(step.get("delay_ms", 0) / 1000)
        if step.get("hold"):
            self.server.script.wait_until_replaced(stamp)
        if step.get("hang"):
            self._hang()
        elif step.get("reset"):
            self._reset()
        elif step.get("endless"):
            self._send_endless()
        else:
            self._send(step)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def _read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunked()
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(min(length, MAX_REQUEST_BYTES))

    def _read_chunked(self):
        body = b""
        while len(body) < MAX_REQUEST_BYTES:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                break
        return body

    @staticmethod
    def _describe(step):
        for way in ("hang", "reset", "endless"):
            if step.get(way):
                return way
        return "status %d" % step.get("status", 200)

    def _hang(self):
        self.close_connection = True
        # Returns when the client has gone; what it still sends is thrown away.
        while self.connection.recv(4096):
            pass

    def _reset(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _send_endless(self):
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(CHUNK)
            self.wfile.flush()
            time.sleep(0.01)

    def _send(self, step):
        body = step.get("body", "ok").encode()
        size = step.get("body_bytes", len(body))
        self.send_response(step.get("status", 200))
        for name, value in step.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command == "HEAD":
            return
        if "body_bytes" not in step:
            self.wfile.write(body)
            return
        while size > 0:
            self.wfile.write(CHUNK[:size])
            size -= len(CHUNK)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    tls = None

    def finish_request(self, request, client_address):
        """Runs in the connection's thread, so that a slow handshake holds up nobody else."""
        try:
            if self.tls:
                request = self.tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        except (OSError, ValueError):
            pass  # The client went away, or speaks something that is no HTTP: both are its business.


def certificate_time(moment):
    return moment.strftime("%Y%m%d%H%M%SZ")


def make_certificates(folder, names, days):
    """A CA and a server certificate signed by it: ca.pem, server.pem, server.key."""
    os.makedirs(folder, exist_ok=True)

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    if not os.path.exists(os.path.join(folder, "ca.pem")):
        openssl("req", "-x509", *key, "-subj", "/CN=test CA", "-days", "2",
                "-keyout", "ca.key", "-out", "ca.pem")
    alternatives = ",".join(
        ("IP:" if name.replace(".", "").isdigit() or ":" in name else "DNS:") + name for name in names
    )
    with open(os.path.join(folder, "server.ext"), "w", encoding="ascii") as file:
        file.write("subjectAltName=%s\n" % alternatives)
    openssl("req", *key, "-subj", "/CN=%s" % names[0], "-keyout", "server.key", "-out", "server.csr")
    # By `openssl ca`, because `openssl x509 -days` takes no negative number since version 3.4.
    with open(os.path.join(folder, "ca.conf"), "w", encoding="ascii") as file:
        file.write("[ca]\ndefault_ca = test\n[test]\ndatabase = index\nnew_certs_dir = .\n"
                   "default_md = sha256\npolicy = any\nrand_serial = yes\nunique_subject = no\n[any]\ncommonName = supplied\n")
    open(os.path.join(folder, "index"), "a", encoding="ascii").close()
    now = datetime.datetime.now(datetime.timezone.utc)
    openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key",
            "-in", "server.csr", "-extfile", "server.ext", "-out", "server.pem",
            "-startdate", certificate_time(now - datetime.timedelta(days=30)),
            "-enddate", certificate_time(now + datetime.timedelta(days=days)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
    return context


def leave_with(parent):
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", required=True, help="file that gets one JSON line per request")
    parser.add_argument("--script", help="JSON file of answers by path")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--tls", metavar="FOLDER", help="serve HTTPS; makes ca.pem and a certificate there")
    parser.add_argument("--name", action="append", help="name in the certificate (localhost, 127.0.0.1)")
    parser.add_argument("--days", type=int, default=2, help="until the certificate expires; may be negative")
    parser.add_argument("--outlive-parent", action="store_true", help="stay when the parent exits")
    options = parser.parse_args()

    if not options.outlive_parent:
        threading.Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    server = Server(("127.0.0.1", options.port), Handler)
    server.script = Script(options.script)
    server.log = Log(options.log)
    if options.tls:
        names = options.name or ["localhost", "127.0.0.1"]
        server.tls = make_certificates(options.tls, names, options.days)
    print("port %d" % server.server_port, flush=True)
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
