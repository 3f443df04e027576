"""500 collectors in the worker, of which 110 do what a collector should not."""

import time

from alert_cases import Watch, wait_for
from harness import Sides

EVERY_S = 20
WINDOW_S = 45
BUDGET = 0.02
# name, how many, time limit, query
COLLECTORS = (
    ("good", 390, "5 seconds", "SELECT 1 AS value, ''x'' AS part"),
    ("fails", 50, "5 seconds", "SELECT 1 / 0 AS value"),
    ("hangs", 50, "200 milliseconds", "SELECT 1 AS value FROM pg_sleep(600)"),
    ("floods", 10, "5 seconds", "SELECT i AS value, i AS part FROM generate_series(1, 1000000) AS i"),
)
ERRORS = {"fails": "division by zero", "hangs": "timed out after 200 ms", "floods": "the result has more than 1000 rows"}
BUSY = """SELECT sum(value) FROM monitoring.metrics WHERE metric_name = 'monitoring_duty_seconds_total'
AND labels ->> 'duty' = 'collectors'"""
# The longest time between two runs of a good one, from here on.
GAP = """SELECT coalesce(max(gap), 0) FROM (SELECT extract(epoch FROM "timestamp" - lag("timestamp") OVER
(PARTITION BY metric_name ORDER BY "timestamp")) AS gap, "timestamp" FROM monitoring.pipeline_metrics
WHERE metric_name LIKE 'good%%') AS g WHERE "timestamp" > '%s'"""


def add_collectors(session):
    session.sql("CREATE ROLE bench_author")
    session.sql("BEGIN")
    for name, count, timeout, query in COLLECTORS:
        session.sql("INSERT INTO monitoring.collectors (collector_name, query, every, timeout, owner)"
                    " SELECT '%s' || n, '%s', '%d seconds', '%s', 'bench_author' FROM generate_series(1, %d) AS n"
                    % (name, query, EVERY_S, timeout, count))
    session.sql("COMMIT")


def crowd(bench):
    """What becomes of the good ones, and of the worker."""
    sides = Sides(bench.started_at, "collectors", worker=True, document=False)
    session, table = sides.ours, bench.table
    watch = Watch(sides.names[0])
    total = sum(count for _, count, _, _ in COLLECTORS)
    good = COLLECTORS[0][1]
    try:
        add_collectors(session)
        started = time.monotonic()
        wait_for(session, "SELECT count(*) FROM monitoring.collectors WHERE last_run_at IS NOT NULL", str(total))
        first = time.monotonic() - started
        # The interval of those that take long is known now; what was counted is published every 15 s.
        time.sleep(EVERY_S)
        at, busy = session.sql("SELECT clock_timestamp()"), float(session.sql(BUSY))
        began = time.monotonic()
        time.sleep(WINDOW_S)
        share = (float(session.sql(BUSY)) - busy) / (time.monotonic() - began)
        gap = float(session.sql(GAP % at))
        watch.stop()
        table.single("%d collectors, 110 of them bad, until each was run once" % total, first * 1000)
        table.single("  longest pass: one collector with its rows", float(session.sql(
            "SELECT max(last_duration_ms) FROM monitoring.collectors")))
        table.single("  longest time between two runs of a good one, that asks for %d s" % EVERY_S, gap * 1000,
                     at_most=2000 * EVERY_S)
        table.single("  part of the time that all took, over %d s" % WINDOW_S, 100 * share, unit="%", at_most=100 * BUDGET)
        table.single("  part that they would take as often as they ask for", 100 * float(session.sql(
            "SELECT sum(average_duration_ms) / 1000 / %d FROM monitoring.collectors" % EVERY_S)), unit="%")
        table.single("  collectors that run less often for that", float(session.sql(
            "SELECT count(*) FROM monitoring.collectors WHERE stretched_every IS NOT NULL")), unit="")
        table.single("  own memory of the worker, peak", watch.peaks.get("monitoring worker", 0), unit="bytes",
                     at_most=64e6)
        table.agree("collectors: every good one works, and has no error", session.sql(
            "SELECT count(*) FROM monitoring.collectors WHERE collector_name LIKE 'good%' AND last_error IS NULL"
            " AND last_series = 1 AND consecutive_failures = 0"), str(good))
        for name, error in ERRORS.items():
            table.agree("collectors: each that %s says why" % name, session.sql(
                "SELECT string_agg(DISTINCT last_error, ' / ') FROM monitoring.collectors"
                " WHERE collector_name LIKE '%s%%'" % name), error)
        table.agree("collectors: and has one issue", session.sql(
            "SELECT count(*) FROM monitoring.worker_issues WHERE worker_name LIKE 'collector/%' AND NOT resolved"),
            str(total - good))
        table.agree("collectors: the worker had no error", session.sql(
            "SELECT errors FROM monitoring.worker_status WHERE role = 'worker' AND database = current_database()"), "0")
    finally:
        watch.stop()
        session.sql("DROP ROLE IF EXISTS bench_author")
        sides.drop()


CASES = [("collectors", crowd)]
