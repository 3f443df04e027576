"""Counting in shared memory: a call over a function that does nothing, and the text for Prometheus.

Processor time of the backends, as the kernel counts it: a busy machine does not blur that.
"""

import threading

from harness import Session, Sides, interleaved

CALLS = 300000
SERIES = 10000
LABELS = "'{\"route\": \"/users\"}'"
COUNT = "SELECT count(%s('bench_total', 1, " + LABELS + ")) FROM generate_series(1, %d) AS n"
OBSERVE = "SELECT count(%s('bench_seconds', 1, " + LABELS + ")) FROM generate_series(1, %d) AS n"


class Backend:
    def __init__(self, database):
        self.session = Session(database)
        self.pid = int(self.session.sql("SELECT pg_backend_pid()"))

    def _used_ns(self):
        with open("/proc/%d/schedstat" % self.pid, encoding="ascii") as file:
            return int(file.read().split()[0])

    def cpu_ns(self, statement):
        before = self._used_ns()
        self.session.sql(statement)
        return self._used_ns() - before


def registry(bench):
    sides = Sides(bench.started_at, "registry", document=False)
    backends = [Backend(sides.names[0]) for _ in range(2)]
    try:
        counting(bench, sides, backends)
        rendering(bench, sides, backends[0])
    finally:
        for backend in backends:
            backend.session.close()
        sides.drop()


def call_ns(backends, statement, function):
    """Of one call, with all backends at it at the same time."""
    used = [0] * len(backends)

    def run(number):
        used[number] = backends[number].cpu_ns(statement % (function, CALLS))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(backends))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(used) / len(used) / CALLS


def counting(bench, sides, backends):
    if not bench.noop:
        return
    sides.ours.sql("CREATE FUNCTION public.bench_noop(text, float8, jsonb) RETURNS void"
                   " AS '%s', 'bench_noop' LANGUAGE C" % bench.noop)
    for some, who in ((backends[:1], "one backend"), (backends, "two backends on one series")):
        count, observe, noop = interleaved(
            3 * bench.runs,
            lambda some=some: call_ns(some, COUNT, "monitoring.counter_inc"),
            lambda some=some: call_ns(some, OBSERVE, "monitoring.histogram_observe"),
            lambda some=some: call_ns(some, COUNT, "public.bench_noop"))
        bench.table.single("counter_inc over a no-op, %s" % who, count - noop, unit="ns", at_most=123)
        bench.table.single("histogram_observe over a no-op, %s" % who, observe - noop, unit="ns", at_most=200)
        bench.table.single("  the no-op function, a call", noop, unit="ns")


def rendering(bench, sides, backend):
    sides.ours.sql("SET monitoring.max_series_per_metric = %d" % SERIES)
    sides.ours.sql("SELECT count(monitoring.counter_inc('render' || n %% 10 || '_total', n, jsonb_build_object("
                   "'route', '/route/' || n, 'status', n %% 5))) FROM generate_series(1, %d) AS n" % SERIES)
    for name, argument in (("Prometheus's text", "false"), ("OpenMetrics", "true")):
        statement = "SELECT length(monitoring.prometheus_metrics(%s))" % argument
        figure = interleaved(5 * bench.runs, lambda statement=statement: backend.cpu_ns(statement) / 1e6)[0]
        bench.table.single("%s of %d series" % (name, SERIES), figure, at_most=20)
    lines = sides.ours.sql("SELECT count(*) FROM regexp_split_to_table(monitoring.prometheus_metrics(), '\\n') AS line"
                           " WHERE line LIKE 'render%'")
    bench.table.agree("series in the text", lines, str(SERIES))


CASES = [("registry", registry)]
