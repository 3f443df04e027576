#!/usr/bin/env python3
"""A hostile caller: calls every function of the extension by random and extreme arguments, as each
level of access, as nobody and as the owner; in plain statements, inside of exception blocks and in
read-only transactions; puts its trigger functions on tables of its own and its access method on
indexes of its own.

A finding is a crash, an internal error (XX000), a call that a cancel does not end within two seconds,
or memory that a backend does not give back. The seed is printed; with the same seed the same calls
are made. The environment says where the server is (PGHOST, PGPORT, PGUSER: a superuser).
    FUZZ_SQL_SECONDS=60  FUZZ_SQL_SEED=1  test/fuzz/sql/fuzz_sql.py
The last line is "N functions without a finding, N with one"; the status is 1 if there is one.
"""

import os
import random
import sys
import threading
import time

from libpq import Connection, ConnectionLost
from values import Values, quoted

CANCEL_AFTER_S = 1.0
CANCEL_ENDS_WITHIN_S = 2.0
CALL_MEMORY_MB = 1024
KEPT_MEMORY_MB = 64
CALLS_PER_SESSION = 400
LEVELS = ["owner", "operator", "writer", "reader", "nobody"]
FRAMES = ["plain", "plain", "block", "read only"]
DATABASES = [("fuzz_utf8", "UTF8"), ("fuzz_ascii", "SQL_ASCII")]
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1024 / 1024

FUNCTIONS = """
SELECT p.oid::regprocedure::text, p.prokind, p.prorettype::regtype::text, p.pronargdefaults,
    coalesce((SELECT string_agg(t::regtype::text, '|' ORDER BY n)
              FROM unnest(p.proargtypes) WITH ORDINALITY AS a(t, n)), ''),
    p.pronamespace::regnamespace || '.' || p.proname
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'monitoring' AND d.deptype = 'e' ORDER BY 1"""

SETUP = """
CREATE EXTENSION monitoring;
SELECT monitoring.grant_access('fuzz_reader', 'reader'), monitoring.grant_access('fuzz_writer', 'writer'),
    monitoring.grant_access('fuzz_operator', 'operator');
GRANT USAGE ON SCHEMA monitoring TO fuzz_nobody;
CREATE SCHEMA fuzz;
GRANT ALL ON SCHEMA fuzz TO fuzz_operator, fuzz_nobody;
CREATE TABLE fuzz.odd (owner bigint, "timestamp" text);
"""

COLUMN_NAMES = ["owner", "rule_name", "labels", "annotations", "rule_id", "comparison", "url", "headers", "kind",
                "settings", "send_resolved", "metric_name", "metric_value", "tags", "recorded_at", "timestamp",
                "levels", "warning", "expect_body"]
COLUMN_TYPES = ["bigint", "integer", "text", "name", "jsonb", "double precision", "bytea", "boolean", "interval",
                "timestamp with time zone", "text[]", "uuid"]


def kept_mb(pid):
    """Memory of a process that is its own, in MB; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            fields = file.read().split()
        return (int(fields[1]) - int(fields[2])) * PAGE_MB
    except (OSError, IndexError):
        return 0


class Findings:
    """What was found, each once."""

    def __init__(self):
        self.functions, self._seen = set(), set()

    def add(self, function, what, statement):
        self.functions.add(function)
        if (function, what[:60]) in self._seen:
            return
        self._seen.add((function, what[:60]))
        print(f"FOUND {what}\n  in {statement[:600]}", flush=True)


class Watch:
    """Cancels a statement that takes long, and says whether that ended it."""

    def __init__(self, connection):
        self._connection, self._done = connection, threading.Event()
        self.cancelled_at, self.most_mb = None, 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        started = time.monotonic()
        while not self._done.wait(0.1):
            self.most_mb = max(self.most_mb, kept_mb(self._connection.pid))
            late = time.monotonic() - started > CANCEL_AFTER_S
            if self.cancelled_at is None and (late or self.most_mb > CALL_MEMORY_MB):
                self.cancelled_at = time.monotonic()
                self._connection.cancel()
            elif self.cancelled_at and time.monotonic() - self.cancelled_at > 30:
                os._exit(self._give_up())

    @staticmethod
    def _give_up():
        print("FOUND a call that nothing ends; giving up", flush=True)
        return 1

    def finish(self):
        """How long the cancelled statement went on, in seconds; None if it was not cancelled."""
        self._done.set()
        self._thread.join()
        return time.monotonic() - self.cancelled_at if self.cancelled_at else None


class Caller:
    """One session of one level in one database."""

    def __init__(self, database, level, findings):
        self._connection = Connection(database)
        self.level, self._findings, self.calls = level, findings, 0
        self._must("SET statement_timeout = 0; SET lock_timeout = '500ms'")
        if level != "owner":
            self._must(f"SET SESSION AUTHORIZATION fuzz_{level}")
        self._baseline_mb = None

    def _must(self, statement):
        outcome = self._connection.run(statement)
        if outcome.sqlstate:
            raise RuntimeError(f"{statement}: {outcome.message}")

    def call(self, function, statement, frame):
        """Runs one statement in its frame and looks at what came of it."""
        self.calls += 1
        if frame == "read only":
            self._connection.run("BEGIN READ ONLY")
        elif frame == "rolled back":
            self._connection.run("BEGIN")
        elif frame == "block":
            statement = ("DO " + quoted("BEGIN EXECUTE " + quoted(statement) + "; EXCEPTION WHEN internal_error"
                                        " THEN RAISE; WHEN OTHERS THEN NULL; END"))
        watch = Watch(self._connection)
        try:
            outcome = self._connection.run(statement)
        except ConnectionLost as lost:
            watch.finish()
            self._findings.add(function, f"as {self.level}: the session is gone: {lost}", statement)
            raise
        self._judge(function, statement, outcome, watch.finish(), watch.most_mb)
        if frame in ("read only", "rolled back"):
            self._connection.run("ROLLBACK")

    def _judge(self, function, statement, outcome, went_on_s, most_mb):
        if outcome.sqlstate and outcome.sqlstate[:2] == "XX":
            self._findings.add(function, f"as {self.level}: {outcome.sqlstate} {outcome.message.strip()[:300]}", statement)
        if went_on_s and went_on_s > CANCEL_ENDS_WITHIN_S:
            self._findings.add(function, f"as {self.level}: went on {went_on_s:.1f} s after a cancel", statement)
        if most_mb > CALL_MEMORY_MB:
            self._findings.add(function, f"as {self.level}: {most_mb:.0f} MB in one call", statement)

    def end(self, functions):
        """What the session has kept, beyond what it had after its first calls."""
        grown = kept_mb(self._connection.pid) - (self._baseline_mb or 0)
        if self._baseline_mb is not None and grown > KEPT_MEMORY_MB:
            self._findings.add("memory", f"as {self.level}: {grown:.0f} MB kept after {self.calls} calls",
                               " ".join(sorted(set(functions))))
        self._connection.close()

    def note_baseline(self):
        """After a first round, when catalogs, plans and libraries are loaded."""
        if self._baseline_mb is None:
            self._baseline_mb = kept_mb(self._connection.pid)


class Calls:
    """Makes statements."""

    def __init__(self, functions, rng, values):
        self._random, self._values = rng, values
        self._plain = [f for f in functions if f["returns"] != "trigger"]
        self._triggers = [f for f in functions if f["returns"] == "trigger"]
        self._turn = []

    def next(self):
        """(function, statement, frame or None): every function in turn, in random order."""
        if not self._turn:
            self._turn = self._plain + self._triggers + [None]
            self._random.shuffle(self._turn)
        function = self._turn.pop()
        if function is None:
            return "monitoring_changes", self._index(), "rolled back"
        if function["returns"] == "trigger":
            return function["signature"], self._trigger(function), "rolled back"
        if function["kind"] == "a":
            return function["signature"], self._aggregate(function), None
        return function["signature"], self._call(function), None

    def _arguments(self, function):
        count = len(function["types"]) - self._random.choice([0, self._random.randint(0, function["defaults"])])
        return [self._values.value(t) for t in function["types"][:count]]

    def _call(self, function):
        call = f"{function['name']}({', '.join(self._arguments(function))})"
        return self._random.choice([f"SELECT {call}", f"SELECT {call}", f"SELECT * FROM {call} LIMIT 5",
                                    f"SELECT count(*) FROM (SELECT {call}) AS c"])

    def _aggregate(self, function):
        rows = ", ".join("(" + ", ".join(self._values.value(t) for t in function["types"]) + ")"
                         for _ in range(self._random.randint(1, 12)))
        columns = ", ".join(f"c{i}" for i in range(len(function["types"])))
        over = self._random.choice(["", "", " OVER ()", " FILTER (WHERE c0 IS NOT NULL)"])
        return f"SELECT {function['name']}({columns}){over} FROM (VALUES {rows}) AS v({columns})"

    def _trigger(self, function):
        columns = {name: self._random.choice(COLUMN_TYPES) for name in self._random.sample(COLUMN_NAMES, 6)}
        columns.setdefault("owner", self._random.choice(COLUMN_TYPES))
        table = ", ".join(f'"{name}" {sql_type}' for name, sql_type in columns.items())
        values = ", ".join(self._values.value(sql_type) for sql_type in columns.values())
        level = self._random.choice(["ROW", "STATEMENT"])
        time_of = self._random.choice(["BEFORE", "AFTER"])
        return (f"CREATE TABLE fuzz.t ({table}); CREATE TRIGGER t {time_of} INSERT OR UPDATE OR DELETE ON fuzz.t"
                f" FOR EACH {level} EXECUTE FUNCTION {function['name']}('postgres', 'x');"
                f" INSERT INTO fuzz.t VALUES ({values}); UPDATE fuzz.t SET owner = owner; DELETE FROM fuzz.t")

    def _index(self):
        column = self._random.choice(["at", "(at + interval '1 day')", "at, at", "at DESC", "id"])
        clause = self._random.choice(["", " WHERE id > 5", " WITH (fillfactor = 10)", " WITH (x = 1)", " INCLUDE (id)"])
        kind = self._random.choice(["", "UNLOGGED", "TEMP"])
        name = "t" if kind == "TEMP" else "fuzz.t"
        return (f"CREATE {kind} TABLE {name} (id integer, at timestamptz);"
                f" INSERT INTO {name} SELECT i, now() FROM generate_series(1, 1000) AS i;"
                f" CREATE INDEX ON {name} USING monitoring_changes ({column}){clause};"
                f" INSERT INTO {name} SELECT i, NULL FROM generate_series(1, 1000) AS i; ANALYZE {name};"
                f" UPDATE {name} SET at = 'infinity'; DELETE FROM {name} WHERE id % 2 = 0;"
                f" SELECT count(*) FROM {name} WHERE at = now(); SELECT * FROM {name} ORDER BY at LIMIT 1; TRUNCATE {name};"
                f" REINDEX TABLE {name}; INSERT INTO {name} VALUES (1, now())")


def prepare():
    """Makes the databases and roles anew; returns the functions and some valid sketches."""
    admin = Connection("postgres")
    for database, encoding in DATABASES:
        admin.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    for level in LEVELS[1:]:
        admin.run(f"DROP ROLE IF EXISTS fuzz_{level}")
        admin.run(f"CREATE ROLE fuzz_{level}")
    functions, sketches = [], []
    for database, encoding in DATABASES:
        made = admin.run(f"CREATE DATABASE {database} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        if made.sqlstate:
            raise RuntimeError(made.message)
        there = Connection(database)
        done = there.run(SETUP)
        if done.sqlstate:
            raise RuntimeError(done.message)
        functions = [{"signature": row[0], "kind": row[1], "returns": row[2], "defaults": int(row[3]),
                      "types": row[4].split("|") if row[4] else [], "name": row[5]}
                     for row in there.run(FUNCTIONS).rows]
        sketches = [row[0] for row in there.run(
            "SELECT encode(monitoring_internal.sketch_agg(v), 'hex') FROM (SELECT n, n * power(-1.1, i) AS v"
            " FROM generate_series(1, 5) AS n, generate_series(1, 40) AS i) AS s GROUP BY n").rows]
        there.close()
    admin.close()
    return functions, sketches


def wait_for_server():
    """After a crash: until the server has recovered."""
    for _ in range(300):
        try:
            Connection("postgres").close()
            return
        except ConnectionLost:
            time.sleep(0.2)
    raise RuntimeError("the server does not come back")


def run_session(rng, functions, sketches, findings, deadline):
    """One session's calls; returns how many."""
    database, encoding = rng.choice(DATABASES + DATABASES[:1])
    caller = Caller(database, rng.choice(LEVELS), findings)
    calls = Calls(functions, rng, Values(rng, sketches, encoding == "SQL_ASCII"))
    called = []
    while caller.calls < CALLS_PER_SESSION and time.monotonic() < deadline:
        function, statement, frame = calls.next()
        called.append(function)
        try:
            caller.call(function, statement, frame or rng.choice(FRAMES))
        except ConnectionLost:
            wait_for_server()
            return caller.calls
        if caller.calls == CALLS_PER_SESSION // 2:
            caller.note_baseline()
    caller.end(called)
    return caller.calls


def main():
    seconds = float(os.environ.get("FUZZ_SQL_SECONDS") or 60)
    seed = int(os.environ.get("FUZZ_SQL_SEED") or random.SystemRandom().randrange(2**32))
    print(f"seed {seed}, {seconds:.0f} s", flush=True)
    functions, sketches = prepare()
    findings, calls, sessions = Findings(), 0, 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        # Each session has a generator of its own: it is the same whatever the ones before have seen.
        calls += run_session(random.Random(seed + sessions), functions, sketches, findings, deadline)
        sessions += 1
    print(f"{calls} calls in {sessions} sessions")
    print(f"{len(functions) - len(findings.functions)} functions without a finding, {len(findings.functions)} with one")
    return 1 if findings.functions else 0


if __name__ == "__main__":
    sys.exit(main())
