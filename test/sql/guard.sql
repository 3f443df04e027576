-- The boundary between C++ and the server: errors cross it whole, in both directions, and nothing
-- stays behind. The functions are those of test/modules.
CREATE SCHEMA guard;
SET search_path = guard, public;
CREATE FUNCTION guard.guard_fail(failure text, depth int) RETURNS void
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_run(sql text) RETURNS void AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_attempt(sql text) RETURNS text AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_attempt_then_fail(sql text, failure text) RETURNS text
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_surroundings(failure text, depth int) RETURNS text
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_fail_held_off(failure text) RETURNS void
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_held_off() RETURNS bigint AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_alive() RETURNS int AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_repeat(failure text, times int) RETURNS int
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_repeat_attempt(sql text, times int) RETURNS int
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_repeat_execute(sql text, times int) RETURNS bigint
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_heap_bytes() RETURNS bigint AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_no_memory_for_errors(times int) RETURNS text
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_spi_after_error() RETURNS text AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_read(sql text, type text) RETURNS text
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_scratch(times int) RETURNS int AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_leak(times int) RETURNS int AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_trigger() RETURNS trigger AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_series(row_count int, failure text) RETURNS SETOF int
    AS '$libdir/guard_test' LANGUAGE C;
CREATE FUNCTION guard.guard_worker() RETURNS void AS '$libdir/guard_test' LANGUAGE C;

-- What a client sees of the error of a statement.
CREATE FUNCTION guard.error_of(statement text, OUT code text, OUT message text,
                               OUT detail text, OUT hint text, OUT context text, OUT names text)
LANGUAGE plpgsql AS $$
DECLARE
    schema_name text; table_name text; column_name text; constraint_name text; type_name text;
BEGIN
    EXECUTE statement;
    message := 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS
        code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT, schema_name = SCHEMA_NAME,
        table_name = TABLE_NAME, column_name = COLUMN_NAME, constraint_name = CONSTRAINT_NAME,
        type_name = PG_DATATYPE_NAME;
    names := concat_ws(' ', schema_name, table_name, column_name, constraint_name, type_name);
END $$;

-- From the server through C++ to the server: every field, as if there was no C++ in between.
CREATE FUNCTION guard.raise_all() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'P0042', MESSAGE = 'the message', DETAIL = 'the detail',
        HINT = 'the hint', SCHEMA = 'a_schema', TABLE = 'a_table', COLUMN = 'a_column',
        CONSTRAINT = 'a_constraint', DATATYPE = 'a_type';
END $$;
\x on
SELECT * FROM guard.error_of('SELECT guard.guard_run(''SELECT guard.raise_all()'')');
SELECT guard.guard_attempt('SELECT guard.raise_all()');
-- Nested: server, C++, server, C++, server.
SELECT * FROM guard.error_of(
    $$SELECT guard.guard_run('SELECT guard.guard_run(''SELECT guard.raise_all()'')')$$);
-- A position inside the statement that C++ ran.
SELECT * FROM guard.error_of($$SELECT guard.guard_run('SELECT 1 + no_such_column')$$);
\x off
SELECT guard.guard_run('SELECT 1 + no_such_column');

-- From C++ to the server, from below no, one and seven guarded calls.
SELECT f.failure, d.depth, e.code, e.message, e.detail, e.hint
FROM (VALUES (1, 'server'), (2, 'sql'), (3, 'report'), (4, 'report with all'), (5, 'format'),
             (6, 'bad_alloc'), (7, 'new'), (8, 'palloc'), (9, 'palloc of a wrong size'),
             (10, 'std::exception'), (11, 'unknown'), (12, 'C++ inside a call'),
             (13, 'unknown inside a call')) AS f (n, failure),
     (VALUES (0), (1), (7)) AS d (depth),
     LATERAL guard.error_of(format('SELECT guard.guard_fail(%L, %s)', failure, depth)) AS e
ORDER BY f.n, d.depth;
-- Nothing is cut.
SELECT length(message), length(detail), length(hint), message = repeat('m', 50000) AS whole
FROM guard.error_of($$SELECT guard.guard_fail('long report', 2)$$);
-- Our own errors have the server's context, once.
SELECT context FROM guard.error_of($$SELECT guard.guard_run('SELECT guard.guard_fail(''report'', 1)')$$);
-- No memory even for the error's copy.
SELECT guard.guard_no_memory_for_errors(3);
-- All destructors ran.
SELECT guard.guard_alive();

-- After a caught error the memory context, the callbacks, the handler and the counters that decide
-- whether a backend can be cancelled are as before.
SELECT failure, depth, guard.guard_surroundings(failure, depth)
FROM unnest('{server,report,bad_alloc,unknown,C++ inside a call}'::text[]) AS failure,
     unnest('{0,1,3}'::int[]) AS depth ORDER BY failure, depth;
SELECT (guard.error_of(format('SELECT guard.guard_fail_held_off(%L)', failure))).code,
       guard.guard_held_off()
FROM unnest('{server,report,bad_alloc}'::text[]) AS failure;
SELECT guard.guard_held_off();

-- attempt: the transaction goes on, without what the attempt did.
CREATE TABLE guard.rows (n int PRIMARY KEY);
BEGIN;
INSERT INTO guard.rows VALUES (1);
SELECT guard.guard_attempt('INSERT INTO guard.rows VALUES (2)');
SELECT guard.guard_attempt('INSERT INTO guard.rows VALUES (3), (1)');
SELECT guard.guard_attempt('INSERT INTO guard.rows VALUES (4); SELECT 1 / 0');
SELECT guard.guard_attempt($$SELECT guard.guard_attempt('INSERT INTO guard.rows VALUES (5), (5)');
                             INSERT INTO guard.rows VALUES (6)$$);
SELECT guard.guard_attempt('SELECT');
INSERT INTO guard.rows VALUES (7);
COMMIT;
SELECT n FROM guard.rows ORDER BY n;
-- Exceptions of our own pass through it; what it did is rolled back all the same.
BEGIN;
SELECT (guard.error_of($$SELECT guard.guard_attempt_then_fail('INSERT INTO guard.rows VALUES (8)',
                                                              'report')$$)).message;
SELECT guard.guard_attempt_then_fail('INSERT INTO guard.rows VALUES (9)', 'server');
INSERT INTO guard.rows VALUES (10);
COMMIT;
SELECT n FROM guard.rows WHERE n > 7 ORDER BY n;
-- A cancel is never swallowed. It is told by who raises it: SQL may raise any SQLSTATE.
\set VERBOSITY terse
SET statement_timeout = '50 ms';
SELECT guard.guard_attempt('SELECT pg_sleep(60)');
RESET statement_timeout;
SELECT count(*) AS swallowed
FROM unnest('{57014,57P01,57P02,57000,40P01,25P02,53200,XX000}'::text[]) AS state
WHERE guard.guard_attempt(format('DO $do$BEGIN RAISE EXCEPTION USING ERRCODE = %L; END$do$', state)) IS NOT NULL;
\set VERBOSITY default
-- SPI: the outer connection outlives an error of the inner ones.
SELECT guard.guard_spi_after_error();
SELECT guard.guard_alive();

-- Values of SPI: a wrong type, a missing row and a missing column are errors, not garbage.
SELECT q.sql, q.type, guard.guard_read(q.sql, q.type)
FROM (VALUES (1, 'SELECT 1::int2', 'int8'), (2, 'SELECT -1', 'int8'),
             (3, 'SELECT -9223372036854775808', 'int8'), (4, 'SELECT 4294967295::oid', 'int8'),
             (5, 'SELECT NULL::int', 'int8'), (6, 'SELECT 0.5::float8', 'float8'),
             (7, 'SELECT true', 'boolean'), (8, 'SELECT NULL::bool', 'boolean'),
             (9, 'SELECT ''2000-01-01Z''::timestamptz', 'timestamptz'),
             (10, 'SELECT 1.50', 'text'), (11, 'SELECT NULL', 'text')) AS q (n, sql, type)
ORDER BY q.n;
SELECT q.sql, q.type, e.code, e.message
FROM (VALUES (1, 'SELECT 1.5', 'int8'), (2, 'SELECT 1.5', 'float8'), (3, 'SELECT 1', 'boolean'),
             (4, 'SELECT NULL::text', 'int8'), (5, 'SELECT now()::timestamp', 'timestamptz'),
             (6, 'SELECT 1 WHERE false', 'int8'), (7, 'SELECT', 'text')) AS q (n, sql, type),
     LATERAL guard.error_of(format('SELECT guard.guard_read(%L, %L)', sql, type)) AS e
ORDER BY q.n;

-- In a trigger.
CREATE TABLE guard.watched (n int);
CREATE TRIGGER pass BEFORE INSERT ON guard.watched
    FOR EACH ROW EXECUTE FUNCTION guard.guard_trigger('none');
CREATE TRIGGER refuse BEFORE INSERT ON guard.watched
    FOR EACH ROW WHEN (new.n = 2) EXECUTE FUNCTION guard.guard_trigger('report with all');
CREATE TRIGGER stumble BEFORE INSERT ON guard.watched
    FOR EACH ROW WHEN (new.n = 3) EXECUTE FUNCTION guard.guard_trigger('sql');
INSERT INTO guard.watched VALUES (1);
INSERT INTO guard.watched VALUES (1), (2);
INSERT INTO guard.watched VALUES (1), (3);
COPY guard.watched FROM stdin;
1
2
\.
SELECT count(*) FROM guard.watched;
DO 'BEGIN PERFORM guard.guard_trigger(); END';

-- In a set-returning function, early and late; also where the rest of the rows is not wanted.
SELECT guard.guard_series(0, 'report');
SELECT n FROM guard.guard_series(1000, 'server') AS n LIMIT 1;
SELECT guard.guard_series(2, 'unknown') AS n LIMIT 1;
SELECT guard.guard_alive();

-- Transactions of a background worker.
CREATE TABLE public.guard_worker_log (step text, outcome text,
                                      UNIQUE (step) DEFERRABLE INITIALLY DEFERRED);
SELECT guard.guard_worker();
SELECT step, outcome FROM public.guard_worker_log ORDER BY step;

-- 100,000 times each, and then nothing is left behind: neither in the server's memory contexts, of
-- which those called "monitoring error" hold caught errors, nor on the heap. Before it is measured
-- each loop runs a little, to fill the caches.
CREATE FUNCTION guard.caught_in_sql(failure text, times int) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
    caught int := 0;
BEGIN
    FOR i IN 1 .. times LOOP
        BEGIN
            PERFORM guard.guard_fail(failure, 1);
        EXCEPTION WHEN OTHERS THEN
            caught := caught + 1;
        END;
    END LOOP;
    RETURN caught;
END $$;
CREATE FUNCTION guard.measure(OUT contexts bigint, OUT errors bigint, OUT heap bigint)
LANGUAGE sql AS $$
    SELECT sum(used_bytes), coalesce(sum(used_bytes) FILTER (WHERE name LIKE 'monitoring error%'), 0),
           guard.guard_heap_bytes()
    FROM pg_backend_memory_contexts
$$;
CREATE FUNCTION guard.left_behind(repetition text, times int, OUT done bigint,
                                  OUT left_in_contexts text, OUT left_as_errors text,
                                  OUT left_on_heap text)
LANGUAGE plpgsql AS $$
DECLARE
    before record; after record;
    statement text := 'SELECT ' || repetition;
BEGIN
    -- The first round is the warm-up.
    FOR round IN 1 .. 2 LOOP
        before := guard.measure();
        EXECUTE statement INTO done USING CASE round WHEN 1 THEN 50 ELSE times END;
        after := guard.measure();
        -- Well under a byte for each repetition.
        left_in_contexts := CASE WHEN after.contexts - before.contexts < 32768 THEN 'nothing'
                                 ELSE (after.contexts - before.contexts)::text END;
        left_as_errors := CASE WHEN after.errors = before.errors THEN 'nothing'
                               ELSE (after.errors - before.errors)::text END;
        left_on_heap := CASE WHEN after.heap - before.heap < 65536 THEN 'nothing'
                             ELSE (after.heap - before.heap)::text END;
    END LOOP;
END $$;
SELECT r.repetition, l.*
FROM (VALUES (1, $$guard.guard_repeat('server', $1)$$),
             (2, $$guard.guard_repeat('report with all', $1)$$),
             (3, $$guard.guard_repeat('unknown inside a call', $1)$$),
             (4, $$guard.caught_in_sql('server', $1)$$),
             (5, $$guard.caught_in_sql('report with all', $1)$$),
             (6, $$guard.caught_in_sql('sql', $1)$$),
             (7, $$guard.caught_in_sql('bad_alloc', $1)$$),
             (8, $$guard.caught_in_sql('unknown', $1)$$),
             (9, $$guard.guard_repeat_attempt('SELECT 1 / 0', $1)$$),
             (10, $$guard.guard_repeat_attempt('SELECT 1', $1)$$),
             (11, $$guard.guard_repeat_execute('SELECT 1', $1)$$),
             (12, $$guard.guard_scratch($1)$$)) AS r (n, repetition),
     LATERAL guard.left_behind(r.repetition, 100000) AS l
ORDER BY r.n;
-- The measure sees a leak where there is one.
SELECT done, left_in_contexts <> 'nothing' AS context_seen, left_on_heap <> 'nothing' AS heap_seen
FROM guard.left_behind('guard.guard_leak($1)', 100000);
SELECT guard.guard_alive(), guard.guard_held_off();

SET client_min_messages = warning;
DROP TABLE public.guard_worker_log;
DROP SCHEMA guard CASCADE;
