"""Sessions, clocks and the table of `make bench`."""

import concurrent.futures
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MAINTENANCE = "postgres"


class SqlError(Exception):
    """psql said no."""


class Session:
    """One psql that stays connected, so that what is timed is warm."""

    END = "-- end of answer --"

    def __init__(self, database):
        self.process = subprocess.Popen(
            ["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--dbname", database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.written = []
        self.sql("SET client_min_messages = warning")

    def _ask(self, text):
        self.process.stdin.write("%s\n\\echo '%s' :ERROR\n" % (text, self.END))
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith(self.END):
                if line.split()[-1] == "true":
                    raise SqlError("%s\n%s" % (text[:2000], "".join(lines)))
                return lines
            lines.append(line)
        raise SqlError("psql ended: %s\n%s" % (text[:2000], "".join(lines)))

    def sql(self, statement):
        """The answer as text, its lines joined."""
        return "".join(self._ask(statement + ";")).strip("\n")

    def time_ms(self, statement):
        """How long the statement took, as psql's \\timing sees it."""
        lines = self._ask("\\timing on\n%s;\n\\timing off" % statement)
        times = [line for line in lines if line.startswith("Time: ")]
        return float(times[-1].split()[1])

    def begin_clean(self):
        """BEGIN, without the dead rows of what was rolled back before, through which both sides'
        unique indexes would have to look."""
        for table in self.written:
            self.sql("VACUUM " + table)
        self.sql("BEGIN")

    def time_rolled_back_ms(self, statement):
        """The same in a transaction that is rolled back: it can be repeated. Without the commit."""
        self.begin_clean()
        try:
            return self.time_ms(statement)
        finally:
            self.sql("ROLLBACK")

    def explain(self, statement):
        """(milliseconds, 8 kB pages touched) of a statement that is rolled back."""
        self.begin_clean()
        try:
            plan = json.loads(self.sql("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement))[0]
        finally:
            self.sql("ROLLBACK")
        pages = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        return plan["Execution Time"], pages

    def wal_bytes(self, work):
        """(what work() returned, bytes of WAL that the server wrote meanwhile)."""
        before = self.sql("SELECT pg_current_wal_insert_lsn()")
        result = work()
        written = self.sql("SELECT pg_current_wal_insert_lsn() - '%s'" % before)
        return result, int(written)

    def temp_files(self):
        self.sql("SELECT pg_stat_force_next_flush()")
        return int(self.sql("SELECT temp_files FROM pg_stat_database WHERE datname = current_database()"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def wait_for_worker(session, limit_s=30):
    """A new database's worker comes a moment after CREATE EXTENSION."""
    deadline = time.monotonic() + limit_s
    while session.sql("SELECT count(*) FROM monitoring.worker_status WHERE role = 'worker'"
                      " AND database = current_database() AND pid IS NOT NULL") != "1":
        if time.monotonic() > deadline:
            raise SqlError("no worker after %d s" % limit_s)
        time.sleep(0.05)


def at_once(*works):
    """Runs together what is not timed."""
    with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
        for work in [pool.submit(work) for work in works]:
            work.result()


# What drops the indexes by id, name and time of the measurements, and what makes them again.
INDEXES = """
SELECT CASE WHEN k.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass)
    ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, k.conname) END,
  CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
    ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) END
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS a ON a.oid = c.relam AND a.amname = 'btree'
LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.contype = 'p'
WHERE i.indrelid = 'monitoring.pipeline_metrics'::regclass OR i.indrelid IN (SELECT inhrelid FROM pg_inherits
  WHERE inhparent = 'monitoring.pipeline_metrics'::regclass AND inhrelid::regclass::text NOT LIKE '%default')"""


@contextlib.contextmanager
def indexes_later(session):
    """Many rows come in quicker, and in the end there is the same; the map of changes is kept meanwhile."""
    drops, creations = zip(*[line.split("|") for line in session.sql(INDEXES).splitlines()])
    session.sql("SET maintenance_work_mem = '256MB'")
    session.sql("; ".join(("BEGIN",) + drops + ("COMMIT",)))
    yield
    session.sql("; ".join(("BEGIN",) + creations + ("COMMIT",)))


class Sides:
    """Two fresh databases on one server: the extension, and the document's SQL."""

    def __init__(self, started_at, name, worker=False, document=True):
        self.names = ["bench_%s_ours" % name] + (["bench_%s_document" % name] if document else [])
        admin = Session(MAINTENANCE)
        for database in self.names:
            admin.sql('DROP DATABASE IF EXISTS "%s"' % database)
            admin.sql('CREATE DATABASE "%s"' % database)
        admin.close()
        self.ours = Session(self.names[0])
        self.ours.sql("CREATE EXTENSION monitoring")
        self.ours.written = ["monitoring.aggregated_metrics"] + ["monitoring_internal." + name for name in (
            "rollup_state", "rollup_pending", "rollup_periods", "rollup_progress")]
        wait_for_worker(self.ours)
        if not worker:
            self.ours.sql("SELECT monitoring.pause_worker()")
        self.document = None
        if document:
            subprocess.run(
                ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--set=started_at=%s" % started_at,
                 "--output=/dev/null", "--dbname", self.names[1], "--file", os.path.join(HERE, "document_001.sql")],
                check=True)
            self.document = Session(self.names[1])
            self.document.written = ["monitoring.aggregated_metrics"]

    def both(self):
        return [side for side in (self.ours, self.document) if side]

    def prepare(self, *statements):
        """On both sides at the same time: nothing here is timed."""
        at_once(*[lambda side=side: [side.sql(statement) for statement in statements] for side in self.both()])

    def load(self, *statements):
        """Measurements of the past, on both sides at the same time."""
        def one(side):
            with indexes_later(side):
                for statement in statements:
                    side.sql(statement)

        at_once(*[lambda side=side: one(side) for side in self.both()])

    def settle(self):
        """Hint bits, statistics and dirty pages are nobody's fault: before anything is timed."""
        self.prepare("VACUUM (ANALYZE)", "SELECT count(*) FROM monitoring.pipeline_metrics")
        self.ours.sql("CHECKPOINT")

    def drop(self):
        for side in self.both():
            side.close()
        admin = Session(MAINTENANCE)
        for database in self.names:
            admin.sql('DROP DATABASE "%s" WITH (FORCE)' % database)
        admin.close()


def interleaved(runs, *works):
    """Medians of each work's figures: all are warmed once, then take turns."""
    figures = [[] for _ in works]
    for work in works:
        work()
    for _ in range(runs):
        for taken, work in zip(figures, works):
            taken.append(work())
    return [statistics.median(taken) for taken in figures]


def run_pgbench(database, script, *arguments, prepared=True):
    """What pgbench prints after it has run a script's text."""
    answer = subprocess.run(
        ["pgbench", "--no-vacuum", "--protocol=" + ("prepared" if prepared else "simple"),
         "--file=/dev/stdin", *arguments, database],
        input=script, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise SqlError(answer.stderr)
    return answer.stdout


def pgbench(database, script, seconds, clients=2, prepared=True, rate=None):
    """(transactions, transactions per second) of a script's text; `rate` limits the latter."""
    throttle = ["--rate=%d" % rate] if rate else []
    answer = run_pgbench(database, script, "--client=%d" % clients, "--jobs=%d" % clients, "--time=%d" % seconds,
                         *throttle, prepared=prepared)
    count = re.search(r"transactions actually processed: (\d+)", answer)
    rate = re.search(r"tps = ([0-9.]+)", answer)
    return int(count.group(1)), float(rate.group(1))


def pgbench_times(database, script, times, prepared, *arguments):
    """Runs a script's text so many times, on one connection."""
    run_pgbench(database, script, "--transactions=%d" % times, *arguments, prepared=prepared)


class Table:
    """What `make bench` prints."""

    HEAD = ("name", "ours", "other", "ratio", "target", "")

    def __init__(self):
        self.rows = []
        self.checks = 0
        self.failures = []

    def faster(self, name, ours, other, unit="ms", at_least=None, ours_suffix="", other_suffix=""):
        """The other's figure divided by ours: how many times cheaper ours is."""
        ratio = other / ours if ours else float("inf")
        self._row(name, (ours, other, unit), "%s x less", ratio, at_least, None, (ours_suffix, other_suffix))

    def dearer(self, name, ours, other, unit="ms", at_most=None, at_least=None):
        """Our figure divided by the other's: what ours costs, or yields, of it."""
        self._row(name, (ours, other, unit), "%s of it", ours / other, at_least, at_most)

    def single(self, name, ours, unit="ms", at_most=None, at_least=None):
        """A figure that is its own target."""
        met, target = None, ""
        if at_most is not None:
            met, target = ours <= at_most, "<= %s" % figure(at_most, unit)
        if at_least is not None:
            met, target = ours >= at_least, ">= %s" % figure(at_least, unit)
        self._add(name, figure(ours, unit), "", "", target, met)

    def several(self, name, figures, unit="ms"):
        """Figures of the same at several sizes."""
        self._add(name, "%s %s" % (", ".join("%.3g" % one if one < 1000 else "%.0f" % one for one in figures), unit), "", "", "", None)

    def agree(self, name, ours, other):
        """Both sides gave the same answer; never about time."""
        self.checks += 1
        if ours == other:
            return
        self.failures.append("%s: ours %.300r, other %.300r" % (name, ours, other))

    def _row(self, name, figures, wording, ratio, at_least, at_most, suffixes=("", "")):
        target, met = "", None
        if at_least is not None:
            target, met = ">= %g" % at_least, ratio >= at_least
        if at_most is not None:
            target, met = "<= %g" % at_most, ratio <= at_most
        ours, other, unit = figures
        self._add(name, figure(ours, unit) + suffixes[0], figure(other, unit) + suffixes[1],
                  wording % ("%.3g" % ratio if ratio < 100 else "%.0f" % ratio), target, met)

    def _add(self, name, ours, other, ratio, target, met):
        verdict = "" if met is None else "met" if met else "MISSED"
        self.rows.append((name, ours, other, ratio, target, verdict))

    def text(self):
        rows = [self.HEAD] + self.rows
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.HEAD))]
        lines = []
        for row in rows:
            cells = [row[0].ljust(widths[0])] + [row[i].rjust(widths[i]) for i in range(1, 4)]
            cells += [row[i].ljust(widths[i]) for i in range(4, 6)]
            lines.append("  ".join(cells).rstrip())
        lines.insert(1, "-" * max(map(len, lines)))
        return "\n".join(lines)


def figure(value, unit):
    if unit == "ms" and value >= 10000:
        return "%.3g s" % (value / 1000)
    if unit == "bytes" and value >= 100000:
        return "%.4g MB" % (value / 1e6)
    if unit == "/s" and value >= 1000:
        return "%.4g k/s" % (value / 1000)
    return "%.4g %s" % (value, unit) if value < 1e5 else "%.0f %s" % (value, unit)


def machine():
    """One line about where the figures are from."""
    model, memory = platform.machine(), ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
        with open("/proc/meminfo", encoding="utf-8") as file:
            memory = ", %.0f GB" % (int(file.readline().split()[1]) / 2**20)
    except OSError:
        pass
    load = os.getloadavg()[0]
    return "%s, %d cores%s, Linux %s; load average %.1f at the end; %s" % (
        model, os.cpu_count(), memory, platform.release(), load, time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
