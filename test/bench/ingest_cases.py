"""What measurements cost on their way in, and out again: recording, draining, inserting, retention."""

import os
import statistics
import tempfile
import time

from harness import Sides, interleaved, pgbench

RECORD = """SELECT monitoring.record_metric('api_call', 42.5, '{"api": "stripe", "success": "true"}');
"""
INSERT = """INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
VALUES ('api_call', 42.5, '{"api": "stripe", "success": "true"}', clock_timestamp());
"""
COLUMNS = "(metric_name, metric_value, tags, \"timestamp\")"
# n lies spread over the last minutes; both sides get the very same rows.
ROWS = """SELECT 'metric_' || n %% 10, (hashint4(n) & 65535) / 64.0,
  jsonb_build_object('host', 'host-' || n / 10 %% 100, 'region', 'eu-west-1'),
  timestamptz '%s' + n * interval '1 millisecond' FROM generate_series(%d, %d) AS n"""


def document_index(sides):
    """The index that the comparison is with, instead of the one that roll-ups want."""
    sides.document.sql("DROP INDEX monitoring.pipeline_metrics_timestamp_idx")
    sides.document.sql("CREATE INDEX ON monitoring.pipeline_metrics (metric_name, timestamp)")


def recorded_rate(bench, sides):
    """Rows a second by two clients; only those that are in the table afterwards count."""
    count = "SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'api_call'"
    before = int(sides.ours.sql(count))
    calls, rate = pgbench(sides.names[0], RECORD, bench.seconds)
    sides.ours.sql("SELECT monitoring.flush_records()")
    found = int(sides.ours.sql(count)) - before
    bench.table.agree("record_metric: every call is a row", found, calls)
    return rate * found / calls


def recording(bench):
    """record_metric with the worker draining, a function that does nothing, a synchronous INSERT."""
    sides = Sides(bench.started_at, "record", worker=True, document=False)
    try:
        works = [lambda: recorded_rate(bench, sides),
                 lambda: pgbench(sides.names[0], INSERT, bench.seconds)[1]]
        if bench.noop:
            sides.ours.sql("CREATE FUNCTION public.bench_noop(text, float8, jsonb) RETURNS void"
                           " AS '%s', 'bench_noop' LANGUAGE C" % bench.noop)
            noop = RECORD.replace("monitoring.record_metric", "public.bench_noop")
            works.append(lambda: pgbench(sides.names[0], noop, bench.seconds)[1])
        rates = interleaved(bench.runs, *works)
        if bench.noop:
            bench.table.dearer("record_metric of a no-op function's rate, 2 clients", rates[0], rates[2], "/s", at_least=0.8)
        bench.table.dearer("record_metric of a synchronous INSERT's rate, 2 clients", rates[0], rates[1], "/s")
        bulk_calls(bench, sides)
        bench.table.agree("record_metric: none dropped",
                          sides.ours.sql("SELECT dropped + rejected + lost FROM monitoring.record_status"), "0")
    finally:
        sides.drop()


def bulk_calls(bench, sides):
    calls = min(bench.rows, 100000)
    statement = "SELECT count(%s('api_call', n, '{\"api\": \"stripe\"}')) FROM generate_series(1, %d) AS n"

    def record():
        milliseconds = sides.ours.time_ms(statement % ("monitoring.record_metric", calls))
        sides.ours.sql("SELECT monitoring.flush_records()")
        return milliseconds * 1e6 / calls

    works = [record]
    if bench.noop:
        works.append(lambda: sides.ours.time_ms(statement % ("public.bench_noop", calls)) * 1e6 / calls)
    figures = interleaved(bench.runs, *works)
    bench.table.single("record_metric in bulk, a call", figures[0], unit="ns", at_most=500)
    if bench.noop:
        bench.table.single("  the no-op function, a call", figures[1], unit="ns")


def draining(bench):
    """The ring into the table, and the same rows by INSERT ... SELECT unnest."""
    rows = min(bench.rows, 100000)
    sides = Sides(bench.started_at, "drain", document=False)
    try:
        drain_once(bench, sides, rows, "with the indexes", 1.3)
        for index in ("pkey", "metric_name_timestamp_idx"):
            drop_index(sides.ours, index)
        drain_once(bench, sides, rows, "without primary key and index of names", None)
    finally:
        sides.drop()


def drop_index(session, suffix):
    for name in session.sql("SELECT inhrelid::regclass::text FROM pg_inherits"
                            " WHERE inhparent = 'monitoring.pipeline_metrics'::regclass").split():
        if suffix == "pkey":
            session.sql("ALTER TABLE %s DROP CONSTRAINT %s_pkey" % (name, name.split(".")[1]))
        else:
            session.sql("DROP INDEX %s_%s" % (name, suffix))


def drain_once(bench, sides, rows, what, target):
    session = sides.ours
    call = "SELECT count(monitoring.record_metric('metric_' || n %% 10, n, '{\"host\": \"host-1\"}')) FROM generate_series(1, %d) AS n"
    arrays = """CREATE TEMP TABLE arrays AS SELECT array_agg('metric_' || n %% 10) AS names,
        array_agg(n::float8) AS numbers, array_agg('{"host": "host-1"}'::jsonb) AS tags,
        array_agg(clock_timestamp()) AS times FROM generate_series(1, %d) AS n"""
    insert = "INSERT INTO monitoring.pipeline_metrics %s SELECT r.* FROM arrays, unnest(names, numbers, tags, times) AS r" % COLUMNS
    session.sql("DROP TABLE IF EXISTS arrays")
    session.sql(arrays % rows)

    def drain():
        session.sql(call % rows)
        milliseconds = session.time_ms("SELECT monitoring.flush_records()")
        bench.table.agree("draining %s: rows" % what, empty(session), rows)
        return rows / milliseconds * 1000

    def plain():
        milliseconds = session.time_ms(insert)
        empty(session)
        return rows / milliseconds * 1000

    rates = interleaved(bench.runs, drain, plain)
    bench.table.dearer("draining %s, of INSERT ... SELECT unnest's rate" % what, rates[0], rates[1], "/s", at_least=target)


def empty(session):
    """Rows that were there; the table is empty and small again."""
    rows = int(session.sql("SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name LIKE 'metric!_%' ESCAPE '!'"))
    session.sql("TRUNCATE monitoring.pipeline_metrics")
    return rows


def inserting(bench):
    """Plain INSERT and COPY, beside the document's table with an index on (metric_name, timestamp)."""
    sides = Sides(bench.started_at, "insert")
    try:
        document_index(sides)
        single = interleaved(bench.runs, *[
            (lambda name=name: 1e6 / pgbench(name, INSERT, bench.seconds, clients=1)[1]) for name in sides.names])
        bench.table.dearer("INSERT of one row, against the document's table", *single, unit="us", at_most=1.1)
        sides.prepare("TRUNCATE monitoring.pipeline_metrics")
        batch = "INSERT INTO monitoring.pipeline_metrics %s " % COLUMNS + ROWS % (bench.last_hour, 1, 1000)
        thousand = interleaved(10 * bench.runs, *[(lambda side=side: side.time_ms(batch)) for side in sides.both()])
        bench.table.dearer("INSERT of 1,000 rows, against the document's table", *thousand, at_most=1.1)
        copying(bench, sides)
    finally:
        sides.drop()


def copying(bench, sides):
    rows = min(bench.rows, 100000)
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "rows.copy")
        sides.ours.sql("\\copy (%s) TO '%s'" % ((ROWS % (bench.last_hour, 1, rows)).replace("\n", " "), file))
        wal = [[], []]

        def copy(number):
            side = sides.both()[number]
            side.sql("TRUNCATE monitoring.pipeline_metrics")
            milliseconds, written = side.wal_bytes(
                lambda: side.time_ms("\\copy monitoring.pipeline_metrics %s FROM '%s'" % (COLUMNS, file)))
            wal[number].append(written / rows)
            return milliseconds

        # After a checkpoint so that neither pays for the other's full pages.
        sides.ours.sql("CHECKPOINT")
        times = interleaved(bench.runs, lambda: copy(0), lambda: copy(1))
    bench.table.dearer("COPY of %d rows, against the document's table" % rows, *times, at_most=1.1)
    bench.table.dearer("  WAL a row, against the document's table", *map(statistics.median, wal), unit="bytes", at_most=1.1)
    ours = int(sides.ours.sql("SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
                              " WHERE inhparent = 'monitoring.pipeline_metrics'::regclass"
                              " AND pg_relation_size(inhrelid) > 0"))
    document = int(sides.document.sql("SELECT pg_total_relation_size('monitoring.pipeline_metrics')"))
    bench.table.dearer("  disk a row, against the document's table", ours / rows, document / rows, "bytes", at_most=1.1)
    count = "SELECT count(*), sum(metric_value) FROM monitoring.pipeline_metrics WHERE metric_name LIKE 'metric!_%' ESCAPE '!'"
    bench.table.agree("COPY: rows and sum", sides.ours.sql(count), sides.document.sql(count))


def retention(bench):
    """One day after the other: dropped here, deleted and vacuumed there."""
    rows = max(1000, bench.rows // 4)
    sides = Sides(bench.started_at, "retention")
    days = list(range(12, 12 - bench.runs - 1, -1))
    try:
        sides.load(*["INSERT INTO monitoring.pipeline_metrics %s SELECT 'metric', n, '{\"host\": \"host-1\"}',"
                     " date_trunc('day', timestamptz '%s', 'UTC') - %d * interval '24 hours' + n * interval '86399 seconds' / %d"
                     " FROM generate_series(1, %d) AS n" % (COLUMNS, bench.started_at, day, rows, rows) for day in days])
        sides.ours.sql("SELECT monitoring.aggregate_hourly_metrics()")
        # Empty partitions of other days, and a first look at everything else, are not this day's cost.
        keep(sides.ours, days[0] + 1)
        sides.ours.sql("SELECT * FROM monitoring.apply_retention()")
        sides.settle()
        size = day_size(sides.ours)
        figures = [retain_day(sides, day) for day in days][1:]
        removal_ms, commit_ms, ours_wal, document_ms, document_wal = map(statistics.median, zip(*figures))
        label = "retention of a day of %d rows" % rows
        bench.table.faster(label + ", against DELETE and VACUUM", removal_ms + commit_ms, document_ms, at_least=20)
        bench.table.single("  of it up to COMMIT", removal_ms)
        bench.table.single("  of it COMMIT, which removes files when it has released all locks", commit_ms)
        bench.table.single("  a file of their size (%.0f MB) truncated without Postgres" % (size / 1e6),
                           statistics.median(truncation_ms(sides.ours, size) for _ in range(bench.runs)))
        bench.table.single("  its WAL (the document: %.0f MB)" % (document_wal / 1e6), ours_wal, unit="bytes", at_most=100000)
        idle = interleaved(5 * bench.runs, lambda: sides.ours.time_ms("SELECT * FROM monitoring.apply_retention()"))[0]
        bench.table.single("retention with nothing to do", idle, at_most=1)
        left = "SELECT count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'metric'"
        bench.table.agree(label + ": rows left", sides.ours.sql(left), sides.document.sql(left))
    finally:
        sides.drop()


def keep(session, days):
    session.sql("INSERT INTO monitoring.retention VALUES ('raw', interval '24 hours' * %d)"
                " ON CONFLICT (kind) DO UPDATE SET keep = excluded.keep" % days)


def day_size(session):
    """Bytes of the biggest partition, with its indexes."""
    return int(session.sql("SELECT max(pg_total_relation_size(inhrelid)) FROM pg_inherits"
                           " WHERE inhparent = 'monitoring.pipeline_metrics'::regclass"))


def truncation_ms(session, size):
    """What the file system under the server takes to free so many bytes that are on disk."""
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(session.sql("SHOW data_directory"))) as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())
        begin = time.perf_counter()
        os.truncate(file.name, 0)
        return (time.perf_counter() - begin) * 1000


def retain_day(sides, day):
    """(ms up to COMMIT, ms of COMMIT, bytes of WAL) of ours, then (ms, bytes of WAL) of the document's."""
    keep(sides.ours, day - 1)
    sides.ours.sql("BEGIN")
    (removal, commit), wal = sides.ours.wal_bytes(
        lambda: (sides.ours.time_ms("SELECT * FROM monitoring.apply_retention()"), sides.ours.time_ms("COMMIT")))
    delete = ("DELETE FROM monitoring.pipeline_metrics"
              " WHERE timestamp < date_trunc('day', now(), 'UTC') - %d * interval '24 hours'" % (day - 1))
    document, document_wal = sides.document.wal_bytes(
        lambda: sides.document.time_ms(delete) + sides.document.time_ms("VACUUM monitoring.pipeline_metrics"))
    return removal, commit, wal, document, document_wal


CASES = [("record", recording), ("drain", draining), ("insert", inserting), ("retention", retention)]
