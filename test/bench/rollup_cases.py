"""Roll-ups: untouched hours, many series, late rows, nothing to do, an hour kept current."""

import statistics

from harness import Sides, interleaved

PASS = "SELECT monitoring.aggregate_hourly_metrics()"
ADVANCE = "SELECT monitoring_internal.rollup_advance()"
# Not what the extension records about the server.
MINE = " WHERE metric_name LIKE 'metric!_%' ESCAPE '!'"
# Values are multiples of 1/64, so that sums are exact whatever their order.
VALUE = "(hashint4(n) & 65535) / 64.0"

# What both sides know of the last hour.
GROUPS = """
SELECT count(*), md5(string_agg(concat_ws('|', metric_name, dimensions, count_value, min_value, max_value,
                                          sum_value, avg_value), E'\\n' ORDER BY metric_name, dimensions))
FROM monitoring.aggregated_metrics WHERE period = 'hourly'"""


def rows_of_hour(bench, name, tags, first=1, last=None):
    """An INSERT of rows spread over the last closed hour."""
    last = last or bench.rows
    return """
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT %s, %s, %s, timestamptz '%s' + n * interval '3599 seconds' / %d
FROM generate_series(%d, %d) AS n""" % (name, VALUE, tags, bench.last_hour, bench.rows, first, last)


def series_rows(bench, series, **limits):
    """Ten metrics, the rest of the series by tags."""
    tags = """jsonb_build_object('host', 'host-' || n / 10 %% %d, 'region', 'eu-west-1')""" % max(1, series // 10)
    return rows_of_hour(bench, "'metric_' || n % 10", tags, **limits)


def pass_with(sides, workers):
    sides.ours.sql("SET max_parallel_maintenance_workers = %d" % workers)
    return sides.ours.time_rolled_back_ms(PASS)


def both_passes(bench, sides):
    """Medians of ours and the document's, rolled back."""
    return interleaved(bench.runs, lambda: sides.ours.time_rolled_back_ms(PASS),
                       lambda: sides.document.time_rolled_back_ms(PASS))


def check_groups(bench, sides, name):
    """The pass that stays; both sides made the same groups."""
    sides.prepare(PASS)
    bench.table.agree(name + ": groups", sides.ours.sql(GROUPS), sides.document.sql(GROUPS))


def bare_scan(bench, sides, workers):
    partition = sides.ours.sql("SELECT tableoid::regclass FROM monitoring.pipeline_metrics LIMIT 1")
    statement = "SELECT count(*), sum(metric_value) FROM " + partition
    sides.ours.sql("SET max_parallel_workers_per_gather = %d" % workers)
    sides.ours.sql("SET min_parallel_table_scan_size = 0")
    median = interleaved(bench.runs, lambda: sides.ours.time_ms(statement))[0]
    sides.ours.sql("RESET max_parallel_workers_per_gather")
    return median


def untouched_hour(bench):
    """An hour that nobody has looked at: everything is read, with percentiles."""
    sides = Sides(bench.started_at, "hour")
    try:
        sides.load(series_rows(bench, bench.series))
        sides.settle()
        label = "untouched hour, %s rows, %s series" % (bench.rows, bench.series)
        parallel, alone, document = interleaved(
            bench.runs, lambda: pass_with(sides, 2), lambda: pass_with(sides, 0),
            lambda: sides.document.time_rolled_back_ms(PASS))
        for workers, ours, at_most in ((2, parallel, None), (0, alone, 2)):
            bench.table.faster("%s, %d parallel workers, against the document" % (label, workers),
                               ours, document, at_least=8)
            bench.table.dearer("  against a bare count and sum, %d parallel workers" % workers,
                               ours, bare_scan(bench, sides, workers), at_most=at_most)
        full_ms, full_pages = sides.ours.explain(PASS)
        check_groups(bench, sides, label)
        late_rows(bench, sides, full_ms, full_pages)
        kept_current(bench, document)
    finally:
        sides.drop()


def late_rows(bench, sides, full_ms, full_pages):
    """A hundred rows come late to an hour that is rolled up; the rest of it is not read again."""
    sides.prepare(rows_of_hour(bench, "'metric_1'", "'{\"host\": \"late\"}'", last=100))
    sides.ours.explain(PASS)
    late = [sides.ours.explain(PASS) for _ in range(bench.runs)]
    bench.table.faster("a pass after 100 late rows, time against the full pass",
                       statistics.median(figures[0] for figures in late), full_ms, at_least=50)
    bench.table.faster("a pass after 100 late rows, pages against the full pass",
                       statistics.median(figures[1] for figures in late), full_pages, unit="pages", at_least=100)
    check_groups(bench, sides, "late rows")


def kept_current(bench, document_ms):
    """The worker took the rows in steps while they came in; what is timed is the close."""
    sides = Sides(bench.started_at, "kept", document=False)
    try:
        steps, spent, first = 20, 0.0, 1
        for step in range(1, steps + 1):
            last = bench.rows * step // steps
            sides.ours.sql(series_rows(bench, bench.series, first=first, last=last))
            first = last + 1
            spent += sides.ours.time_ms(ADVANCE)
        # What came since the last step, which the close itself finds.
        sides.ours.sql(series_rows(bench, bench.series, first=1, last=max(1, bench.rows // 1000)))
        close = interleaved(bench.runs, lambda: sides.ours.time_rolled_back_ms(PASS))[0]
        bench.table.faster("closing an hour kept current, against the document", close, document_ms, at_least=100)
        bench.table.single("  the %d steps before it together" % steps, spent)
        sides.ours.sql(PASS)
        bench.table.agree("kept current: rows counted",
                          sides.ours.sql("SELECT sum(count_value) FROM monitoring.aggregated_metrics" + MINE),
                          sides.ours.sql("SELECT count(*) FROM monitoring.pipeline_metrics" + MINE))
    finally:
        sides.drop()


def many_series(bench):
    """More series than fit a hash table of the planner's choosing."""
    series = min(bench.rows // 5, 62000)
    sides = Sides(bench.started_at, "series")
    try:
        sides.load(series_rows(bench, series))
        sides.settle()
        temp_before = [side.temp_files() for side in sides.both()]
        ours, document = both_passes(bench, sides)
        temp = [side.temp_files() - before for side, before in zip(sides.both(), temp_before)]
        label = "untouched hour, %d rows, %d series" % (bench.rows, series)
        bench.table.faster(label, ours, document, at_least=4)
        bench.table.single("  temporary files (the document: %d)" % temp[1], temp[0], unit="", at_most=0)
        bench.table.agree(label + ": no temporary files", temp[0], 0)
        check_groups(bench, sides, label)
    finally:
        sides.drop()


def varying_tags(bench):
    """Queue rows as the document tags them: counts are tags, so that every row is its own group there."""
    tags = """jsonb_build_object('queue', 'queue-' || n % 20, 'success_count', n % 997,
              'error_count', n % 7, 'batch_size', n % 997 + n % 7)"""
    sides = Sides(bench.started_at, "tags")
    try:
        sides.load(rows_of_hour(bench, "'queue_processing'", tags))
        sides.settle()
        ours, document = both_passes(bench, sides)
        groups = [int(side.sql("BEGIN; " + PASS + "; ROLLBACK")) for side in sides.both()]
        bench.table.faster("queue rows with varying measure tags, %d rows" % bench.rows, ours, document, at_least=8,
                           ours_suffix=" (%d groups)" % groups[0], other_suffix=" (%d groups)" % groups[1])
        bench.table.agree("varying tags: one group per queue", groups[0], 20)
        sides.ours.sql(PASS)
        bench.table.agree(
            "varying tags: sums",
            sides.ours.sql("""SELECT dimensions ->> 'queue', count_value, sum_value, measures ->> 'success_count',
                           measures ->> 'error_count', measures ->> 'batch_size'
                           FROM monitoring.aggregated_metrics ORDER BY 1"""),
            sides.document.sql("""SELECT tags ->> 'queue', count(*), sum(metric_value), sum((tags ->> 'success_count')::int),
                               sum((tags ->> 'error_count')::int), sum((tags ->> 'batch_size')::int)
                               FROM monitoring.pipeline_metrics GROUP BY 1 ORDER BY 1"""))
    finally:
        sides.drop()


def nothing_to_do(bench):
    """90 days of roll-ups, and no new row."""
    sides = Sides(bench.started_at, "idle", document=False)
    try:
        sides.ours.sql("""
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'metric', s, jsonb_build_object('host', s), timestamptz '%s' - h * interval '1 hour'
FROM generate_series(1, 90 * 24) AS h, generate_series(1, 10) AS s""" % bench.last_hour)
        sides.ours.sql(PASS)
        sides.settle()
        bench.table.agree("nothing to do: a second pass writes nothing", sides.ours.sql(PASS), "0")
        median, wal = sides.ours.wal_bytes(
            lambda: interleaved(5 * bench.runs, lambda: sides.ours.time_ms(PASS))[0])
        bench.table.single("a pass with nothing to do, 90 days of data", median, at_most=5)
        bench.table.single("  bytes of WAL of %d such passes" % (5 * bench.runs + 1), wal, unit="bytes", at_most=0)
    finally:
        sides.drop()


CASES = [("rollup_hour", untouched_hour), ("rollup_many_series", many_series),
         ("rollup_varying_tags", varying_tags), ("rollup_nothing", nothing_to_do)]
