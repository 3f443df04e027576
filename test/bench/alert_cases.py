"""Alerts: a storm of them through rules, routes and courier to a receiver; many rules that change nothing."""

import json
import os
import statistics
import subprocess
import tempfile
import threading
import time

from harness import HERE, Session, Sides, interleaved

RULES = 10
ALERTS_OF_RULE = 1000
GROUPS = 100
RECEIVER = os.path.join(HERE, "..", "receivers", "http_receiver.py")
# An application that writes beside it, a hundred times a second.
ORDER = "INSERT INTO public.orders (placed_at) VALUES (clock_timestamp());\n"


class Receiver:
    """Takes what the courier sends, on loopback."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.log = os.path.join(self.folder.name, "log")
        self.process = subprocess.Popen(["python3", RECEIVER, "--log", self.log], stdout=subprocess.PIPE, text=True)
        self.url = "http://127.0.0.1:%s/" % self.process.stdout.readline().split()[1]

    def last_alerts(self, status):
        """(groups, alerts): those with that status in the last that was told of each group."""
        with open(self.log, encoding="utf-8") as file:
            bodies = [json.loads(json.loads(line)["body"]) for line in file]
        last = {body["groupKey"]: body["alerts"] for body in bodies}
        return len(last), sum(alert["status"] == status for alerts in last.values() for alert in alerts)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


class Writer:
    """The application: percentiles of its latency, and whether it ever waited for a lock."""

    def __init__(self, database, seconds):
        self.folder = tempfile.TemporaryDirectory()
        script = os.path.join(self.folder.name, "order.sql")
        with open(script, "w", encoding="ascii") as file:
            file.write(ORDER)
        self.process = subprocess.Popen(
            ["pgbench", "--no-vacuum", "--client=1", "--rate=100", "--time=%d" % seconds, "--file=" + script, "--log",
             "--log-prefix=" + os.path.join(self.folder.name, "order"), database],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def percentile_ms(self, part):
        """Of the time that the server took: without what the generator itself was late."""
        self.process.wait()
        times = []
        for name in os.listdir(self.folder.name):
            if name.startswith("order."):
                with open(os.path.join(self.folder.name, name), encoding="ascii") as file:
                    # client, number, latency in us (with the lag), file, second, us, lag in us
                    fields = [line.split() for line in file if len(line.split()) >= 7]
                    times += [(int(field[2]) - int(field[6])) / 1000 for field in fields]
        self.folder.cleanup()
        return statistics.quantiles(times, n=100)[part - 1]


class Watch:
    """Samples processes' own memory and lock waits until it is stopped."""

    def __init__(self, database):
        self.session = Session(database)
        self.peaks = {}
        self.lock_waits = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.stopping.wait(0.05):
            rows = self.session.sql(
                "SELECT backend_type, pid, wait_event_type = 'Lock' AND backend_type = 'client backend' FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()")
            for row in rows.splitlines():
                kind, pid, waits = row.split("|")
                self.lock_waits += waits == "t"
                self.peaks[kind] = max(self.peaks.get(kind, 0), own_memory(pid))

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.session.close()


def own_memory(pid):
    """Bytes that are the process's own: not shared buffers, not the program."""
    try:
        with open("/proc/%s/status" % pid, encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:"))
    except (OSError, StopIteration):
        return 0


def wait_for(session, query, wanted, limit_s=120):
    deadline = time.monotonic() + limit_s
    while session.sql(query) != wanted:
        if time.monotonic() > deadline:
            raise RuntimeError("%s is still %s" % (query, session.sql(query)))
        time.sleep(0.02)


def set_up_storm(session, url):
    session.sql("CREATE TABLE public.sick (part integer, service text, host text)")
    session.sql("CREATE TABLE public.orders (id bigserial PRIMARY KEY, placed_at timestamptz)")
    session.sql("SELECT monitoring.create_receiver('loopback', 'webhook', '{\"url\": \"%s\"}')" % url)
    session.sql("SELECT monitoring.create_route('loopback', parent => NULL, group_by => '{service}', group_wait => '0',"
                " group_interval => '1 second')")
    session.sql("SET monitoring.allow_superuser_rules = on")
    session.sql("SELECT monitoring.create_alert('Sick' || part, 'SELECT service, host, 1 AS value FROM public.sick WHERE part = '"
                " || part, evaluate_every => '1 second', annotations => '{\"summary\": \"{{ $labels.host }} of {{ $labels.service }} is sick\"}')"
                " FROM generate_series(1, %d) AS part" % RULES)


STATEMENTS = """SELECT COALESCE(sum(s.calls), 0) FROM pg_stat_statements AS s
JOIN pg_database AS d ON d.oid = s.dbid AND d.datname = current_database()
WHERE s.query !~ 'public.orders|pg_stat_activity|_queue_done'"""
# Alerts that the receiver was told of, and what is on its way.
DONE = """SELECT /* _queue_done */ COALESCE(sum(cardinality(firing)), 0) || ' ' || (SELECT count(*) FROM monitoring.notifications
WHERE status IN ('queued', 'sending', 'retrying')) FROM monitoring.notification_log"""


def storm(bench):
    """10,000 alerts in 100 groups begin, and end, while an application writes."""
    sides = Sides(bench.started_at, "alerts", worker=True, document=False)
    receiver = Receiver()
    session = sides.ours
    total = RULES * ALERTS_OF_RULE
    watch = None
    try:
        session.sql("CREATE EXTENSION pg_stat_statements SCHEMA public")
        session.sql("ALTER SYSTEM SET monitoring.allow_superuser_rules = on")
        session.sql("ALTER SYSTEM SET pg_stat_statements.track = 'all'")
        session.sql("SELECT pg_reload_conf()")
        set_up_storm(session, receiver.url)
        alone = Writer(sides.names[0], bench.seconds).percentile_ms(99)
        before = int(session.sql(STATEMENTS))
        watch = Watch(sides.names[0])
        beside = Writer(sides.names[0], bench.seconds + 5)
        started = time.monotonic()
        session.sql("INSERT INTO public.sick SELECT 1 + n / %d, 'service-' || n %% %d, 'host-' || n FROM generate_series(0, %d) AS n"
                    % (ALERTS_OF_RULE, GROUPS, total - 1))
        wait_for(session, DONE, "%d 0" % total)
        begun = time.monotonic() - started
        told = int(session.sql("SELECT extract(epoch FROM max(sent_at) - min(queued_at)) * 1000 FROM monitoring.notifications").split(".")[0])
        statements = int(session.sql(STATEMENTS)) - before
        begun_told = receiver.last_alerts("firing")
        slowed = beside.percentile_ms(99)
        started = time.monotonic()
        session.sql("DELETE FROM public.sick")
        wait_for(session, DONE, "0 0")
        ended = time.monotonic() - started
        watch.stop()
        table = bench.table
        table.single("alerts: %d in %d groups, from the row to the last receipt" % (total, GROUPS), begun * 1000)
        table.single("  of it from the first in the outbox to the last receipt", told)
        table.single("  and from their end to its last receipt", ended * 1000)
        table.single("  statements, in all", statements, unit="")
        table.single("  own memory of the worker, peak", watch.peaks.get("monitoring worker", 0), unit="bytes")
        table.single("  own memory of the courier, peak", watch.peaks.get("monitoring courier", 0), unit="bytes")
        table.dearer("  99th percentile of INSERTs beside it", slowed, alone)
        table.single("  samples in which one of them waited for a lock", watch.lock_waits, unit="", at_most=0)
        table.agree("alerts: every group was told of every alert", begun_told, (GROUPS, total))
        table.agree("alerts: and that none is left", receiver.last_alerts("firing"), (GROUPS, 0))
    finally:
        if watch:
            watch.stop()
        receiver.close()
        session.sql("ALTER SYSTEM RESET ALL")
        session.sql("SELECT pg_reload_conf()")
        sides.drop()


def quiet_rules(bench):
    """1,000 rules whose alerts stay as they are, and whose values change."""
    rules = 1000
    sides = Sides(bench.started_at, "rules", document=False)
    session = sides.ours
    at = "timestamptz '2051-01-01 00:00Z' + interval '%d seconds'"
    try:
        session.sql("SET monitoring.allow_superuser_rules = on")
        session.sql("SELECT monitoring.create_alert('r' || i, CASE WHEN i %% 2 = 0 THEN 'SELECT 1 AS value'"
                    " ELSE 'SELECT extract(epoch FROM $1) AS value' END) FROM generate_series(1, %d) AS i" % rules)

        def evaluate(second):
            return session.wal_bytes(lambda: session.time_ms("SELECT monitoring.evaluate_alerts(%s)" % (at % second)))

        first_ms, first_bytes = evaluate(0)
        session.sql("CHECKPOINT")
        evaluate(1)
        unchanged = [evaluate(second) for second in range(2, 2 + 3 * bench.runs)]
        values_ms, values_bytes = evaluate(60)
        after_ms, after_bytes = evaluate(61)
        table = bench.table
        table.single("%d rules, the pass in which they fire" % rules, first_ms)
        table.single("  WAL of it", first_bytes, unit="bytes")
        table.single("  a pass in which no state changes", statistics.median(ms for ms, _ in unchanged))
        # The pass's time is written, and the commit of it.
        table.single("  WAL of it", statistics.median(count for _, count in unchanged), unit="bytes", at_most=8192)
        table.single("  the pass that writes half of their values, once a minute", values_ms)
        table.single("  WAL of it", values_bytes, unit="bytes")
        table.single("  WAL of the pass after it, whose values have changed too", after_bytes, unit="bytes", at_most=8192)
        table.agree("rules: values are written once a minute", session.sql(
            "SELECT count(*) FROM monitoring.alerts WHERE written_at = " + at % 60), "%d" % (rules // 2))
    finally:
        sides.drop()
    quiet_worker(bench, rules)


def quiet_worker(bench, rules):
    """The same rules in the worker: what the server writes while nothing changes."""
    sides = Sides(bench.started_at, "rules", worker=True, document=False)
    session = sides.ours
    try:
        session.sql("ALTER SYSTEM SET monitoring.allow_superuser_rules = on")
        session.sql("SELECT pg_reload_conf()")
        session.sql("SET monitoring.allow_superuser_rules = on")
        session.sql("SELECT monitoring.create_alert('r' || i, 'SELECT 1 AS value', evaluate_every => '1 second')"
                    " FROM generate_series(1, %d) AS i" % rules)
        wait_for(session, "SELECT count(*) FROM monitoring.alerts WHERE state = 'firing'", str(rules))
        # Past what the first pass and the extension's making left to do.
        session.sql("CHECKPOINT")
        time.sleep(2)
        amounts = []
        for _ in range(bench.runs):
            amounts.append(session.wal_bytes(lambda: time.sleep(2))[1])
        bench.table.single("  WAL of the server in 2 s, the worker evaluating them each second (least of %d)" % bench.runs,
                           min(amounts), unit="bytes", at_most=0)
    finally:
        session.sql("ALTER SYSTEM RESET ALL")
        session.sql("SELECT pg_reload_conf()")
        sides.drop()


SAMPLES = """INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'metric_' || s %% 50, s + n, jsonb_build_object('host', 'h' || s / 50), timestamptz '%s' - n * interval '1 minute'
FROM generate_series(1, %d) AS s, generate_series(0, 59) AS n"""
# What a threshold looks at, as somebody would write it by hand.
WATCHED = """SELECT tags ->> ''host'' AS host, avg(metric_value) AS value FROM monitoring.pipeline_metrics WHERE metric_name = %L
AND "timestamp" > $1 - interval ''5 minutes'' AND "timestamp" <= $1 AND tags @> %L GROUP BY 1 HAVING avg(metric_value) > 500"""
RULES_OF_SERIES = "FROM generate_series(1, %d) AS s, jsonb_build_object('host', 'h' || s / 50) AS host, format('metric_%%s', s %% 50) AS metric"
# Without state, labels, annotations or history: how many are above their bound.
BY_HAND = """CREATE FUNCTION public.count_above(at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE rule record; above bigint; total bigint := 0;
BEGIN
  FOR rule IN SELECT * FROM public.rules LOOP
    EXECUTE rule.expr USING at;
    GET DIAGNOSTICS above = ROW_COUNT;
    total := total + above;
  END LOOP;
  RETURN total;
END $$"""


def thresholds(bench):
    """A threshold for each series, against a query for each: as alert rules, and by hand."""
    sides = Sides(bench.started_at, "thresholds")
    queries = Sides(bench.started_at, "queries", document=False)
    samples = SAMPLES % (bench.last_hour, bench.series)
    rules = RULES_OF_SERIES % bench.series
    expr = "format('%s', metric, host)" % WATCHED
    try:
        for side in (sides, queries):
            side.prepare(samples)
        sides.ours.sql("SELECT monitoring.create_threshold(metric, 500, NULL, matching => host, rule_name => 'r' || s) " + rules)
        queries.ours.sql("SET monitoring.allow_superuser_rules = on")
        queries.ours.sql("SELECT monitoring.create_alert('r' || s, %s) %s" % (expr, rules))
        sides.document.sql("CREATE TABLE public.rules AS SELECT %s AS expr %s" % (expr, rules))
        sides.document.sql(BY_HAND)
        for side in (sides, queries):
            side.settle()
        second = iter(range(1000))

        def evaluate(session):
            return session.time_ms("SELECT monitoring.evaluate_alerts(timestamptz '%s' + interval '1 second' * %d)"
                                   % (bench.last_hour, next(second)))

        count = "SELECT public.count_above('%s')" % bench.last_hour
        together, each, by_hand = interleaved(
            bench.runs, lambda: evaluate(sides.ours), lambda: evaluate(queries.ours),
            lambda: sides.document.time_ms(count))
        table = bench.table
        table.faster("%d thresholds, one for each series, against a query for each as alert rule" % bench.series,
                     together, each, at_least=5)
        table.faster("  against these queries in a PL/pgSQL loop, without alerts", together, by_hand)
        firing = "SELECT count(*) FROM monitoring.alerts WHERE state = 'firing'"
        table.agree("thresholds: and queries fire alike", sides.ours.sql(firing), queries.ours.sql(firing))
        table.agree("thresholds: and those by hand", sides.ours.sql(firing), sides.document.sql(count))
    finally:
        sides.drop()
        queries.drop()


CASES = [("alerts storm", storm), ("alerts rules", quiet_rules), ("alerts thresholds", thresholds)]
