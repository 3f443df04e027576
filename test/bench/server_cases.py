"""How fast the HTTP server answers."""

import socket
import time

from harness import MAINTENANCE, Session

# Of /trpc/health.liveness, .readiness, .check and .metrics in the document, in milliseconds.
BUDGETS = [("/live", 10), ("/ready", 50), ("/health", 100), ("/metrics", 20)]


def read_answer(connection, buffer):
    """One answer off the buffer; returns (status, the rest of the buffer)."""
    while b"\r\n\r\n" not in buffer:
        buffer += connection.recv(1 << 20)
    head, _, body = buffer.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields[b"content-length"])
    while len(body) < length:
        body += connection.recv(1 << 20)
    return int(head.split()[1]), body[length:]


def http(bench):
    """Requests on one kept connection, one after the other."""
    session = Session(MAINTENANCE)
    port = int(session.sql("SHOW monitoring.http_port"))
    session.close()
    requests = max(200, min(bench.rows // 100, 5000))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for path, budget_ms in BUDGETS:
            request = ("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path).encode()
            times, buffer, good = [], b"", 0
            for _ in range(requests):
                begin = time.perf_counter()
                connection.sendall(request)
                status, buffer = read_answer(connection, buffer)
                times.append((time.perf_counter() - begin) * 1000)
                good += status == 200
            bench.table.agree("http %s: all answers are 200" % path, good, requests)
            times.sort()
            bench.table.single("http %s: requests on one connection" % path, requests / sum(times) * 1000, unit="/s")
            bench.table.single("http %s: 99th percentile" % path, times[int(len(times) * 0.99)], at_most=budget_ms)


CASES = [("http", http)]
