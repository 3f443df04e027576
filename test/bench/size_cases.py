"""What grows with the amount of data and what does not, and what a measurement takes on disk."""

import sys

from harness import Session, Sides, at_once, indexes_later, interleaved

PASS = "SELECT monitoring.aggregate_hourly_metrics()"
DAYS = 7
SERIES = 1000
# Rows of one INSERT of the history.
PART = 2000000
# Not what the extension records about the server.
MINE = " WHERE metric_name LIKE 'metric!_%' ESCAPE '!'"


def history(bench, first, last, rows):
    """Rows first to last of a history of so many over seven days: a thousand series, of which some are
    API calls and batches of queues, as the views want them."""
    return """
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT CASE n %% 10 WHEN 0 THEN 'api_call' WHEN 1 THEN 'queue_processing' ELSE 'metric_' || n %% 10 END,
  (hashint4(n) & 65535) / 64.0,
  CASE n %% 10 WHEN 0 THEN jsonb_build_object('api', 'api-' || n / 10 %% 20, 'success', 'true')
  WHEN 1 THEN jsonb_build_object('queue', 'queue-' || n / 10 %% 5, 'success_count', n %% 97, 'error_count', n %% 3)
  ELSE jsonb_build_object('host', 'host-' || n / 10 %% %d) END,
  timestamptz '%s' - (%d - n) * (interval '%d hours' / %d)
FROM generate_series(%d, %d) AS n""" % (SERIES // 10, bench.last_hour, rows, DAYS * 24 - 1, rows, first, last)


def new_rows(bench, count):
    """Rows of the hour that the history ends before."""
    return """
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'metric_' || n %% 10, n, jsonb_build_object('host', 'host-' || n / 10 %% %d),
  timestamptz '%s' + n * interval '3599 seconds' / %d FROM generate_series(1, %d) AS n""" % (
        SERIES // 10, bench.last_hour, count, count)


def load(bench, sides, rows):
    """The history, its two halves at the same time: not what is measured."""
    other = Session(sides.names[0])
    middle = rows // 2

    def half(session, begin, end):
        for first in range(begin, end + 1, PART):
            session.sql(history(bench, first, min(end, first + PART - 1), rows))
            if rows > PART:
                print(".", end="", file=sys.stderr, flush=True)

    with indexes_later(sides.ours):
        at_once(lambda: half(sides.ours, 1, middle), lambda: half(other, middle + 1, rows))
    other.close()


def measured(bench, rows):
    """Milliseconds of each step over a history of so many rows."""
    sides = Sides(bench.started_at, "size", document=False)
    session = sides.ours
    try:
        load(bench, sides, rows)
        first = session.time_ms(PASS)
        sides.settle()
        ingest = interleaved(bench.runs, lambda: session.time_rolled_back_ms(new_rows(bench, 10000)))[0]
        session.sql(new_rows(bench, 10000))
        took = interleaved(bench.runs, lambda: session.time_rolled_back_ms(PASS))[0]
        session.sql(PASS)
        idle, queues, apis = interleaved(
            bench.runs, lambda: session.time_ms(PASS),
            lambda: session.time_ms("WITH v AS MATERIALIZED (TABLE monitoring.queue_metrics) SELECT count(*) FROM v"),
            lambda: session.time_ms("WITH v AS MATERIALIZED (TABLE monitoring.api_metrics) SELECT count(*) FROM v"))
        bench.table.agree("size %d: rows counted" % rows,
                          session.sql("SELECT sum(count_value) FROM monitoring.aggregated_metrics" + MINE),
                          session.sql("SELECT count(*) FROM monitoring.pipeline_metrics" + MINE))
        session.sql("INSERT INTO monitoring.retention VALUES ('raw', '5 days')")
        session.sql("BEGIN")
        retention = session.time_ms("SELECT * FROM monitoring.apply_retention()")
        commit = session.time_ms("COMMIT")
        return first, ingest, took, idle, queues, apis, retention, commit
    finally:
        sides.drop()


def scaling(bench):
    """The same steps over histories of several sizes."""
    steps = ("the first pass over all of them", "INSERT of 10,000 rows", "a pass over these", "a pass with nothing to do",
             "queue_metrics", "api_metrics", "retention of the oldest days, up to COMMIT", "its COMMIT, which removes the files")
    columns = [measured(bench, rows) for rows in bench.sizes]
    bench.table.several("scaling: rows over %d days, %d series" % (DAYS, SERIES), bench.sizes, unit="")
    for step, figures in zip(steps, zip(*columns)):
        bench.table.several("  " + step, figures)


def disk(bench):
    """Bytes of one measurement: raw with what makes it up, and rolled up."""
    rows = max(1000, bench.rows // 4)
    sides = Sides(bench.started_at, "disk", document=False)
    session = sides.ours
    try:
        session.sql(history(bench, 1, rows, rows))
        session.sql(PASS)
        sides.settle()
        partitions = "(SELECT inhrelid AS oid FROM pg_inherits WHERE inhparent = 'monitoring.pipeline_metrics'::regclass)"
        heap = float(session.sql("SELECT sum(pg_table_size(oid)) FROM %s AS p" % partitions))
        payload = float(session.sql("SELECT sum(pg_column_size(m.*) - 24) FROM monitoring.pipeline_metrics m"))
        bench.table.single("disk: a raw measurement", (heap + float(session.sql(
            "SELECT sum(pg_indexes_size(oid)) FROM %s AS p" % partitions))) / rows, unit="bytes")
        bench.table.single("  its columns", payload / rows, unit="bytes")
        bench.table.single("  row headers, line pointers, free space", (heap - payload) / rows, unit="bytes")
        for index, size in pairs(session.sql(
                "SELECT regexp_replace(c.relname, '^pipeline_metrics_[0-9a-z]+_', ''), sum(pg_relation_size(c.oid))"
                " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN %s AS p ON p.oid = i.indrelid"
                " GROUP BY 1 ORDER BY 2 DESC" % partitions)):
            bench.table.single("  index " + index, size / rows, unit="bytes")
        hours = float(session.sql("SELECT count(*) FROM monitoring.aggregated_metrics"))
        for table in ("monitoring.aggregated_metrics", "monitoring_internal.rollup_state"):
            heap, indexes = map(float, session.sql(
                "SELECT pg_table_size(r), pg_indexes_size(r) FROM (SELECT '%s'::regclass AS r) AS t" % table).split("|"))
            bench.table.single("disk: a series and hour in %s (%.0f of it indexes)" % (table, indexes / hours),
                               (heap + indexes) / hours, unit="bytes")
        bench.table.single("  values in each of them", rows / hours, unit="")
        bench.table.agree("disk: rows counted",
                          session.sql("SELECT sum(count_value) FROM monitoring.aggregated_metrics" + MINE),
                          session.sql("SELECT count(*) FROM monitoring.pipeline_metrics" + MINE))
    finally:
        sides.drop()


def pairs(text):
    return [(line.split("|")[0], float(line.split("|")[1])) for line in text.splitlines()]


CASES = [("scaling", scaling), ("disk", disk)]
