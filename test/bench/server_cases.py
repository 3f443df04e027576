"""What counting by the server itself costs a statement, and how fast the HTTP server answers."""

import socket
import time

from harness import MAINTENANCE, Session

# Per statement; pg_stat_statements is the neighbour that everybody knows.
VARIANTS = {"none": ("off", "none"), "ours": ("on", "none"), "pg_stat_statements": ("off", "top")}
STATEMENTS = {
    "SELECT 1": "SELECT 1;\n",
    "SELECT by primary key": "SELECT value FROM bench_one WHERE n = 7;\n",
}
# Of /trpc/health.liveness, .readiness, .check and .metrics in the document, in milliseconds.
BUDGETS = [("/live", 10), ("/ready", 50), ("/health", 100), ("/metrics", 20)]


def cpu_ns(pid):
    """Time that the process has run, in nanoseconds: what others do on the machine is not in it."""
    with open("/proc/%d/schedstat" % pid, encoding="ascii") as file:
        return int(file.read().split()[0])


def statement_ns(session, pid, script, count):
    begin = cpu_ns(pid)
    session.sql(script * count)
    return (cpu_ns(pid) - begin) / count


def hooks(bench):
    """CPU time of a backend for a statement, the least of many runs, in turns."""
    session = Session(MAINTENANCE)
    pid = int(session.sql("SELECT pg_backend_pid()"))
    session.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    session.sql("CREATE TEMP TABLE bench_one (n int PRIMARY KEY, value int)")
    session.sql("INSERT INTO bench_one SELECT n, n FROM generate_series(1, 100) AS n")
    for name, script in STATEMENTS.items():
        least = {variant: float("inf") for variant in VARIANTS}
        for _ in range(10 * bench.runs):
            for variant, (track_queries, track) in VARIANTS.items():
                session.sql("SET monitoring.track_queries = %s" % track_queries)
                session.sql("SET pg_stat_statements.track = '%s'" % track)
                least[variant] = min(least[variant], statement_ns(session, pid, script, 2000))
        ours, theirs = (least[variant] - least["none"] for variant in ("ours", "pg_stat_statements"))
        bench.table.single("hooks: %s without, CPU time" % name, least["none"], unit="ns")
        bench.table.single("hooks: timing it", ours, unit="ns", at_most=200)
        bench.table.dearer("hooks: timing it, of what pg_stat_statements costs", ours, theirs, unit="ns", at_most=1)
    session.sql("DROP EXTENSION pg_stat_statements")
    session.close()


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


CASES = [("hooks", hooks), ("http", http)]
