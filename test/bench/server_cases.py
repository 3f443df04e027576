"""What counting by the server itself costs a statement, and how fast the HTTP server answers."""

import socket
import time

from harness import MAINTENANCE, Session, pgbench_times

# What is switched on: timing by us, pg_stat_statements, which everybody knows, or neither. The first is thrown away.
VARIANTS = {"warming": ("off", "none"), "neither": ("off", "none"), "ours": ("on", "none"), "theirs": ("off", "top")}
STATEMENTS = {"SELECT 1": "SELECT 1", "pgbench -S": "SELECT abalance FROM bench_accounts WHERE aid = 77"}
IN_A_ROW = 200
# The processor time of the backend, up to the last time that it waited for us.
CPU_NS = "split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint"
# Of /trpc/health.liveness, .readiness, .check and .metrics in the document, in milliseconds.
BUDGETS = [("/live", 10), ("/ready", 50), ("/health", 100), ("/metrics", 20)]


def in_a_row(statement, prepared):
    """Many of them without a wait for the client: one message, or a pipeline."""
    if prepared:
        return "\\startpipeline\n%s\\endpipeline\n" % ((statement + ";\n") * IN_A_ROW)
    return "%s;\n" % " \\; ".join([statement] * IN_A_ROW)


def turn(statement, prepared):
    """A script of pgbench that takes the time with each of VARIANTS."""
    script = ""
    for variant, (track_queries, track) in VARIANTS.items():
        script += ("SET monitoring.track_queries = %s;\nSET pg_stat_statements.track = '%s';\n"
                   "SELECT %s AS before \\gset\n%s" % (track_queries, track, CPU_NS, in_a_row(statement, prepared)))
        script += "SELECT %s - :before AS %s \\gset\n" % (CPU_NS, variant)
    return script + "INSERT INTO bench_costs VALUES (:%s);\n" % ", :".join(VARIANTS)


def hooks(bench):
    """CPU time of a backend for a statement: the least of many runs, in turns, on one connection."""
    session = Session(MAINTENANCE)
    session.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    session.sql("CREATE TABLE bench_costs (%s bigint)" % " bigint, ".join(VARIANTS))
    session.sql("CREATE TABLE bench_accounts (aid int PRIMARY KEY, abalance int)")
    session.sql("INSERT INTO bench_accounts SELECT n, 0 FROM generate_series(1, 1000) AS n")
    for name, statement in STATEMENTS.items():
        for protocol, prepared in (("simple", False), ("prepared", True)):
            session.sql("TRUNCATE bench_costs")
            pgbench_times(MAINTENANCE, turn(statement, prepared), 100 * bench.runs, prepared)
            neither, ours, theirs = (
                float(session.sql("SELECT min(%s) / %d.0 FROM bench_costs" % (variant, IN_A_ROW)))
                for variant in ("neither", "ours", "theirs"))
            bench.table.single("%s, %s protocol: CPU time" % (name, protocol), neither, unit="ns")
            bench.table.single("  timing it adds", ours - neither, unit="ns", at_most=200)
            bench.table.dearer("  beside pg_stat_statements", ours - neither, theirs - neither, unit="ns", at_most=0.5)
    session.sql("DROP TABLE bench_costs, bench_accounts")
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
