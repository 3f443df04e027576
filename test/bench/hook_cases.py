"""What counting by the server itself costs a statement, beside pg_stat_statements."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from harness import MAINTENANCE, Session, SqlError, pgbench_times

# What is switched on, in turns: nothing, timing by us, and pg_stat_statements, which everybody knows.
VARIANTS = ("neither", "ours", "theirs")
STATEMENTS = {"SELECT 1": "SELECT 1", "pgbench -S": "SELECT abalance FROM bench_accounts WHERE aid = 77"}
PROTOCOLS = (("simple", False), ("prepared", True))
IN_A_ROW = 200
# The processor time of the backend, up to the last time that it waited for us.
CPU_NS = "split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint"
# Two runs of pgbench, whose difference has neither the start nor the end of a connection.
FEW, MANY = 100, 350


def in_a_row(statement, prepared):
    """Many of them without a wait for the client: one message, or a pipeline."""
    if prepared:
        return "\\startpipeline\n%s\\endpipeline\n" % ((statement + ";\n") * IN_A_ROW)
    return "%s;\n" % " \\; ".join([statement] * IN_A_ROW)


def turn(statement, prepared):
    """A script of pgbench that takes the time with one of VARIANTS after the other: the statements are the same."""
    return ("\\set variant (:variant + 1) %% %d\n"
            "SELECT set_config('monitoring.track_queries', (:variant::int = 1)::text, false),"
            " set_config('pg_stat_statements.track', CASE :variant::int WHEN 2 THEN 'top' ELSE 'none' END, false);\n"
            "SELECT %s AS before \\gset\n%sINSERT INTO bench_costs SELECT :variant::int, %s - :before;\n"
            % (len(VARIANTS), CPU_NS, in_a_row(statement, prepared), CPU_NS))


def hooks(bench):
    """CPU time of a backend for a statement: the least of many runs, in turns, on one connection."""
    session = Session(MAINTENANCE)
    session.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    session.sql("CREATE TABLE bench_costs (variant int, ns bigint)")
    session.sql("CREATE TABLE bench_accounts (aid int PRIMARY KEY, abalance int)")
    session.sql("INSERT INTO bench_accounts SELECT n, 0 FROM generate_series(1, 1000) AS n")
    for name, statement in STATEMENTS.items():
        for protocol, prepared in PROTOCOLS:
            session.sql("TRUNCATE bench_costs")
            pgbench_times(MAINTENANCE, turn(statement, prepared), 300 * bench.runs, prepared, "--define=variant=0")
            neither, ours, theirs = (
                float(session.sql("SELECT min(ns) / %d.0 FROM bench_costs WHERE variant = %d" % (IN_A_ROW, number)))
                for number in range(len(VARIANTS)))
            bench.table.single("%s, %s protocol: CPU time" % (name, protocol), neither, unit="ns")
            bench.table.single("  timing it adds", ours - neither, unit="ns", at_most=200)
            bench.table.dearer("  beside pg_stat_statements", ours - neither, theirs - neither, unit="ns", at_most=0.5)
    session.sql("DROP TABLE bench_costs, bench_accounts")
    session.sql("DROP EXTENSION pg_stat_statements")
    session.close()


def wait_for_server(process, limit_s=120):
    deadline = time.monotonic() + limit_s
    while subprocess.run(["pg_isready", "--quiet"], check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise SqlError("the server under callgrind does not start")
        time.sleep(0.1)


@contextlib.contextmanager
def counted_server(folder, libraries):
    """A server under callgrind, for whoever connects meanwhile."""
    process = subprocess.Popen(
        ["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=%s/count.%%p" % folder,
         shutil.which("postgres"), "-D", folder + "/data", "-k", folder, "-h", "", "-c", "autovacuum=off",
         "-c", "jit=off", "-c", "shared_preload_libraries=" + libraries],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_server(process)
        yield
    finally:
        process.terminate()
        process.wait()


def backend_instructions(folder, session, statement, times, prepared):
    """Of the backend that runs it so many times, and says first who it is."""
    session.sql("TRUNCATE bench_backend")
    pgbench_times(MAINTENANCE, "\\if :n = 0\nINSERT INTO bench_backend SELECT pg_backend_pid();\n\\endif\n\\set n 1\n"
                  + statement + ";\n", times, prepared, "--define=n=0")
    pid = session.sql("SELECT pid FROM bench_backend")
    while os.path.exists("/proc/" + pid):
        time.sleep(0.05)
    with open("%s/count.%s" % (folder, pid), encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("summary:"))


def all_instructions(folder, libraries):
    """For a statement, by statement and protocol."""
    counts = {}
    with counted_server(folder, libraries):
        session = Session(MAINTENANCE)
        session.sql("CREATE TABLE IF NOT EXISTS bench_backend (pid int)")
        session.sql("CREATE TABLE IF NOT EXISTS bench_accounts AS SELECT n AS aid, 0 AS abalance FROM generate_series(1, 1000) AS n")
        session.sql("CREATE UNIQUE INDEX IF NOT EXISTS bench_aid ON bench_accounts (aid)")
        for name, statement in STATEMENTS.items():
            for protocol, prepared in PROTOCOLS:
                few, many = (backend_instructions(folder, session, statement, times, prepared) for times in (FEW, MANY))
                counts[name, protocol] = (many - few) / (MANY - FEW)
        session.close()
    return counts


def instructions(bench):
    """Instructions of a backend for a statement, over a server that loads no library: the same on any day."""
    if not shutil.which("valgrind"):
        return
    host = os.environ["PGHOST"]
    with tempfile.TemporaryDirectory(dir=os.environ.get("WORK")) as folder:
        subprocess.run(["initdb", "--pgdata=%s/data" % folder, "--username=postgres", "--auth=trust", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL)
        os.environ["PGHOST"] = folder
        none, ours, theirs = (all_instructions(folder, name) for name in ("", "monitoring", "pg_stat_statements"))
    os.environ["PGHOST"] = host
    for case, count in none.items():
        bench.table.single("%s, %s protocol: instructions" % case, count, unit="")
        bench.table.dearer("  hooks add, beside pg_stat_statements", ours[case] - count, theirs[case] - count, unit="",
                           at_most=0.5)


CASES = [("hooks", hooks), ("hooks_instructions", instructions)]
