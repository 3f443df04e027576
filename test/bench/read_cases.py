"""What people look at: the views over seven days, and health."""

import json

from harness import Sides, interleaved

QUEUE_VIEW = "SELECT * FROM monitoring.queue_metrics"
API_VIEW = "SELECT * FROM monitoring.api_metrics"


def week_of_rows(bench):
    """Half the rows are API calls of 20 APIs, half are batches of 5 queues, over almost seven days."""
    return """
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT CASE n %% 2 WHEN 0 THEN 'api_call' ELSE 'queue_processing' END, (hashint4(n) & 65535) / 64.0,
  CASE n %% 2 WHEN 0 THEN jsonb_build_object('api', 'api-' || n / 2 %% 20, 'success', CASE n %% 7 WHEN 0 THEN 'false' ELSE 'true' END)
  ELSE jsonb_build_object('queue', 'queue-' || n / 2 %% 5, 'success_count', n %% 97, 'error_count', n %% 3, 'batch_size', 100) END,
  timestamptz '%s' - n * interval '590000 seconds' / %d
FROM generate_series(1, %d) AS n""" % (bench.last_hour, bench.rows, bench.rows)


def reads(bench):
    """Both over the same week."""
    sides = Sides(bench.started_at, "reads")
    try:
        sides.load(week_of_rows(bench))
        sides.ours.sql("SELECT monitoring.aggregate_hourly_metrics()")
        sides.settle()
        views(bench, sides)
        health(bench, sides)
    finally:
        sides.drop()


def views(bench, sides):
    for name, statement in (("queue_metrics", QUEUE_VIEW), ("api_metrics", API_VIEW)):
        times = interleaved(bench.runs, *[
            (lambda side=side: side.time_ms("WITH v AS MATERIALIZED (%s) SELECT count(*) FROM v" % statement))
            for side in sides.both()])
        bench.table.faster("%s over 7 days, %d rows" % (name, bench.rows), *times, at_least=200)
    sides.prepare("CREATE TEMP TABLE queues AS TABLE monitoring.queue_metrics", "CREATE TEMP TABLE apis AS TABLE monitoring.api_metrics")
    exact = ("SELECT queue_name, hour, total_batches, success_count, error_count, avg_processing_time_ms,"
             " total_messages_processed FROM queues")
    bench.table.agree("queue_metrics", sides.ours.sql(exact), sides.document.sql(exact))
    exact = ("SELECT api_name, hour, total_calls, success_count, error_count, avg_success_time_ms"
             " FROM apis")
    bench.table.agree("api_metrics", sides.ours.sql(exact), sides.document.sql(exact))
    quantiles = [list(map(float, side.sql("SELECT p95_time_ms FROM apis").split()))
                 for side in sides.both()]
    apart = [abs(a - b) > 0.011 * b for a, b in zip(*quantiles)]
    bench.table.agree("api_metrics: 95th percentiles more than 1 % apart", sum(apart), 0)


def health(bench, sides):
    """Health with raw rows and a table of jobs, of which twelve are stuck."""
    sides.ours.sql("CREATE TABLE public.jobs (id bigserial PRIMARY KEY, queue text NOT NULL,"
                   " status text NOT NULL, started_at timestamptz NOT NULL)")
    sides.prepare("""INSERT INTO public.jobs (queue, status, started_at)
SELECT 'queue-' || n %% 5, CASE WHEN n <= 12 THEN 'processing' ELSE 'done' END,
  timestamptz '%s' - interval '1 hour' FROM generate_series(1, %d) AS n""" % (bench.started_at, bench.rows))
    sides.ours.sql("INSERT INTO monitoring.queues (queue_name, source, since_column, stuck_after)"
                   " VALUES ('jobs', 'public.jobs', 'started_at', '10 minutes')")
    sides.settle()
    sides.ours.sql("SELECT monitoring.check_queues()")
    statement = "SELECT public.get_system_health()"
    times = interleaved(5 * bench.runs, *[(lambda side=side: side.time_ms(statement)) for side in sides.both()])
    bench.table.faster("get_system_health, %d rows and as many jobs" % bench.rows, *times, at_least=100)
    bench.table.single("  in itself", times[0], at_most=1)
    check = interleaved(bench.runs, lambda: sides.ours.time_ms("SELECT monitoring.check_queues()"))[0]
    bench.table.single("  check_queues() behind it, which the worker calls", check)
    stuck = [json.loads(side.sql(statement))["queue_health"] for side in sides.both()]
    for key in ("status", "total_stuck_messages"):
        bench.table.agree("get_system_health: " + key, stuck[0][key], stuck[1][key])


CASES = [("views and health", reads)]
