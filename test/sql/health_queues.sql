-- Queues: job tables, pgmq's tables, broken ones, and who reads them.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
-- A worker of this database, if there is one, waits meanwhile.
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;

-- All of it in one transaction, so that no check by a worker comes between.
BEGIN;
DELETE FROM monitoring.queue_state;
SELECT count(*) FROM public.queue_monitoring_view;
SELECT monitoring.check_queues();

-- Document 000's table of jobs: 3 pending, one of them for an hour; 2 processing, one for a day.
CREATE SCHEMA app;
CREATE TABLE app.ingest_jobs (id serial, status text, created_at timestamptz DEFAULT now(),
                              completed_at timestamptz);
INSERT INTO app.ingest_jobs (status, created_at, completed_at)
VALUES ('pending', now(), NULL), ('pending', now() - interval '1 minute', NULL),
       ('pending', now() - interval '1 hour', NULL), ('processing', now(), NULL),
       ('processing', now() - interval '1 day', NULL), ('failed', now() - interval '2 days', NULL),
       ('done', now() - interval '3 days', now()), (NULL, now(), NULL);
INSERT INTO monitoring.queues (queue_name, source) VALUES ('imports', 'app.ingest_jobs');
SELECT queue_name, pending_messages, stuck_messages, last_check_time
FROM public.queue_monitoring_view;
SELECT monitoring.check_queues();
SELECT queue_name, pending_messages AS pending, processing_messages AS processing,
       stuck_messages AS stuck, dead_letter_messages AS dead,
       date_trunc('hour', oldest_message_age) AS oldest, last_check_time >= now() AS checked
FROM public.queue_monitoring_view;

-- The same through an enum without the default labels, a char(n) and a number, under odd names.
CREATE TYPE app.state AS ENUM ('pending', 'busy', 'completed');
CREATE TABLE app."Odd ""jobs""" ("the State" app.state, "Since" timestamptz, code char(8),
                                 number integer);
INSERT INTO app."Odd ""jobs""" VALUES ('pending', now(), 'wait', 1),
    ('busy', now() - interval '1 day', 'work', 2), ('completed', now(), 'over', 3);
INSERT INTO monitoring.queues (queue_name, source, status_column, since_column, pending_values,
                               processing_values, dead_values)
VALUES ('odd enum', 'app."Odd ""jobs"""', 'the State', 'Since', DEFAULT, '{busy,processing}',
        DEFAULT),
       ('odd char', 'app."Odd ""jobs"""', 'code', 'Since', '{wait}', '{work}', '{over}'),
       ('odd number', 'app."Odd ""jobs"""', 'number', 'Since', '{1,2}', '{}', '{3}');
SELECT monitoring.check_queues();
SELECT queue_name, pending_messages AS pending, processing_messages AS processing,
       stuck_messages AS stuck, dead_letter_messages AS dead
FROM public.queue_monitoring_view WHERE queue_name LIKE 'odd%' ORDER BY queue_name;

-- pgmq's layout: a message is visible from vt on, and a reader moves vt into the future.
CREATE SCHEMA pgmq;
CREATE TABLE pgmq.meta (queue_name varchar UNIQUE NOT NULL, is_partitioned boolean NOT NULL,
                        is_unlogged boolean NOT NULL, created_at timestamptz DEFAULT now());
CREATE TABLE pgmq.q_mail (msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                          read_ct int NOT NULL DEFAULT 0,
                          enqueued_at timestamptz NOT NULL DEFAULT now(),
                          vt timestamptz NOT NULL, message jsonb);
CREATE TABLE pgmq.a_mail (LIKE pgmq.q_mail);
CREATE TABLE pgmq.q_empty (LIKE pgmq.q_mail);
INSERT INTO pgmq.meta VALUES ('Mail', false, false), ('empty', false, false);
INSERT INTO pgmq.q_mail (read_ct, enqueued_at, vt)
VALUES (0, now(), now()), (0, now(), now() + interval '1 hour'),
       (1, now() - interval '2 hours', now() + interval '30 s'),
       (3, now() - interval '3 hours', now() - interval '1 hour');
-- A schema of that name that is no extension's is somebody else's.
SELECT monitoring.check_queues();
SELECT queue_name FROM public.queue_monitoring_view WHERE queue_name IN ('Mail', 'empty');
SET LOCAL allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (99999999, 'pgmq', 10, 'pgmq'::regnamespace, false, '1.0');
ALTER EXTENSION pgmq ADD TABLE pgmq.meta;
SELECT monitoring.check_queues();
SELECT queue_name, pending_messages AS pending, processing_messages AS processing,
       stuck_messages AS stuck, dead_letter_messages AS dead,
       date_trunc('hour', oldest_message_age) AS oldest
FROM public.queue_monitoring_view WHERE queue_name IN ('Mail', 'empty') ORDER BY queue_name;
-- A row changes how a found queue is seen, or whether.
INSERT INTO monitoring.queues (queue_name, kind, stuck_after, enabled)
VALUES ('Mail', 'pgmq', '1 day', true), ('empty', 'pgmq', '1 day', false);
SELECT monitoring.check_queues();
SELECT queue_name, stuck_messages AS stuck
FROM public.queue_monitoring_view WHERE queue_name IN ('Mail', 'empty') ORDER BY queue_name;

-- How long jobs take, of those that were done within the last hour: 100 took 1 s to 100 s from start
-- to end, one more ended two hours ago; 25 failed. Without a column of the start, waiting counts.
CREATE TYPE app.task_state AS ENUM ('pending', 'running', 'done', 'dead');
CREATE TABLE app.tasks (state app.task_state, queued_at timestamptz, began_at timestamp NOT NULL
                        DEFAULT timezone('UTC', now()), ended_at timestamptz);
INSERT INTO app.tasks
SELECT CASE WHEN n <= 100 THEN 'done' ELSE 'dead' END::app.task_state, now() - interval '30 minutes',
       now() AT TIME ZONE 'UTC' - interval '10 minutes', now() - interval '10 minutes' + n * interval '1 s'
FROM generate_series(1, 125) AS n;
INSERT INTO app.tasks VALUES ('done', now() - interval '9 hours', now() - interval '9 hours',
                              now() - interval '2 hours');
INSERT INTO monitoring.queues (queue_name, source, status_column, since_column, started_column,
                               finished_column, processing_values)
VALUES ('tasks', 'app.tasks', 'state', 'queued_at', 'began_at', 'ended_at', '{running}'),
       ('tasks from the start', 'app.tasks', 'state', 'queued_at', NULL, 'ended_at', '{running}');
SELECT monitoring.check_queues();
SELECT queue_name, dead_letter_messages AS dead, finished_messages AS finished,
       failed_messages AS failed, processing_p50_seconds AS p50, processing_p95_seconds AS p95,
       processing_p99_seconds AS p99
FROM public.queue_monitoring_view WHERE queue_name LIKE 'tasks%' ORDER BY queue_name;
-- pgmq: from sending to archiving. Dead letters are in a queue of their own, which is not watched
-- itself, and among those that were read too often.
CREATE TABLE pgmq.q_orders (msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                            read_ct int NOT NULL DEFAULT 0,
                            enqueued_at timestamptz NOT NULL DEFAULT now(),
                            vt timestamptz NOT NULL, message jsonb, headers jsonb);
CREATE TABLE pgmq.a_orders (msg_id bigint PRIMARY KEY, read_ct int NOT NULL DEFAULT 0,
                            enqueued_at timestamptz NOT NULL DEFAULT now(),
                            archived_at timestamptz NOT NULL DEFAULT now(),
                            vt timestamptz NOT NULL, message jsonb, headers jsonb);
CREATE TABLE pgmq.q_orders_dlq (LIKE pgmq.q_orders INCLUDING IDENTITY INCLUDING DEFAULTS);
INSERT INTO pgmq.meta VALUES ('orders', false, false), ('orders_dlq', false, false);
INSERT INTO pgmq.a_orders (msg_id, enqueued_at, archived_at, vt)
SELECT n, now() - n * interval '1 s', now(), now() FROM generate_series(1, 20) AS n;
INSERT INTO pgmq.a_orders (msg_id, enqueued_at, archived_at, vt)
VALUES (21, now() - interval '1 day', now() - interval '61 minutes', now());
INSERT INTO pgmq.q_orders (read_ct, enqueued_at, vt, message)
VALUES (0, now(), now(), '1'), (6, now() - interval '1 day', now() - interval '1 hour', '2'),
       (6, now(), now() + interval '1 minute', '3');
INSERT INTO pgmq.q_orders_dlq (read_ct, enqueued_at, vt, message, headers)
VALUES (4, now() - interval '2 days', now() - interval '1 day', '4', '{"h": 1}');
SELECT monitoring.check_queues();
CREATE VIEW pg_temp.orders AS
SELECT queue_name, pending_messages AS pending, processing_messages AS processing,
       stuck_messages AS stuck, dead_letter_messages AS dead, finished_messages AS finished,
       processing_p50_seconds AS p50, processing_p95_seconds AS p95, processing_p99_seconds AS p99
FROM public.queue_monitoring_view WHERE queue_name LIKE 'orders%' ORDER BY queue_name;
SELECT * FROM pg_temp.orders;
INSERT INTO monitoring.queues (queue_name, kind, max_reads) VALUES ('orders', 'pgmq', 5);
SELECT monitoring.check_queues();
SELECT * FROM pg_temp.orders;

-- The first queue has brought its metrics.
SELECT collector_name, last_error FROM monitoring.collectors WHERE pack_name = 'queues'
ORDER BY collector_name;
SELECT metric_name, value, labels FROM monitoring.preview_collector('queues/state')
WHERE labels ->> 'queue' IN ('tasks', 'orders') AND metric_name <> 'queue_oldest_message_age_seconds'
ORDER BY labels ->> 'queue', metric_name COLLATE "C";
SELECT metric_name, value, labels FROM monitoring.preview_collector('queues/bullmq')
WHERE labels ->> 'queue' = 'orders' ORDER BY metric_name COLLATE "C";

-- Dead letters wait again.
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ': ' || sqlerrm;
END $$;
SELECT pg_temp.sqlstate_of($$SELECT monitoring.requeue_dead_letters('nobody''s')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.requeue_dead_letters('orders_dlq')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.requeue_dead_letters(NULL)$$);
-- A start cannot be NULL in this table: nothing is changed.
SELECT pg_temp.sqlstate_of($$SELECT monitoring.requeue_dead_letters('tasks')$$);
SELECT monitoring.requeue_dead_letters('tasks from the start'),
       monitoring.requeue_dead_letters('tasks from the start') AS again;
SELECT state, count(*), count(ended_at) AS ended, bool_and(queued_at = now()) AS anew
FROM app.tasks GROUP BY state ORDER BY state;
SELECT monitoring.requeue_dead_letters('imports'), monitoring.requeue_dead_letters('Mail'),
       monitoring.requeue_dead_letters('odd enum') AS none_there;
SELECT monitoring.requeue_dead_letters('orders'), monitoring.requeue_dead_letters('orders') AS again;
SELECT read_ct, enqueued_at = now() AS sent_now, vt = now() AS visible_now, message, headers
FROM pgmq.q_orders ORDER BY message;
SELECT count(*) FROM pgmq.q_orders_dlq;
SELECT details FROM public.monitoring_events
WHERE event_type = 'dead_letters_requeued' AND created_at = now() ORDER BY details::text COLLATE "C";
DELETE FROM monitoring.queues WHERE queue_name LIKE 'tasks%';

-- Broken queues: each is one issue however often it is checked, and the others are still checked.
CREATE FUNCTION app.fail() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of order'; END $$;
CREATE FUNCTION app.nap() RETURNS text LANGUAGE sql
AS $$ SELECT pg_sleep(60); SELECT 'pending' $$;
CREATE FUNCTION app.write() RETURNS text LANGUAGE plpgsql VOLATILE
AS $$ BEGIN INSERT INTO app.ingest_jobs (status) VALUES ('pending'); RETURN 'pending'; END $$;
CREATE VIEW app.failing AS SELECT app.fail() AS status, now() AS created_at;
CREATE VIEW app.slow AS SELECT app.nap() AS status, now() AS created_at;
CREATE VIEW app.writing AS SELECT app.write() AS status, now() AS created_at;
CREATE TABLE app.bad_types (status integer, created_at timestamptz);
INSERT INTO monitoring.queues (queue_name, source, check_timeout)
VALUES ('broken 1', 'app.nowhere', '5 s'), ('broken 2', 'app.failing', '5 s'),
       ('broken 3', 'app.slow', '50 ms'), ('broken 4', 'app.writing', '5 s'),
       ('broken 5', 'app.bad_types', '5 s'), ('broken 6', 'pg_catalog.pg_class', '5 s');
SELECT monitoring.check_queues();
SELECT monitoring.check_queues();
SELECT worker_name, issue_type, severity, message, count(*)
FROM monitoring.worker_issues WHERE worker_name LIKE 'queue_monitor%' AND NOT resolved
GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT queue_name, last_error IS NOT NULL AS failed, last_check_time IS NULL AS never_checked
FROM monitoring.queue_state WHERE queue_name LIKE 'broken%' ORDER BY queue_name;
SELECT status, count(*) FROM app.ingest_jobs GROUP BY status ORDER BY status;
-- Mended, removed.
CREATE TABLE app.nowhere (status text, created_at timestamptz);
DELETE FROM monitoring.queues WHERE queue_name LIKE 'broken%' AND queue_name <> 'broken 1';
SELECT monitoring.check_queues();
SELECT worker_name, resolution_details FROM monitoring.worker_issues
WHERE worker_name LIKE 'queue_monitor%' ORDER BY 1;
SELECT queue_name FROM public.queue_monitoring_view ORDER BY queue_name;
SELECT details FROM public.monitoring_events WHERE event_type = 'queue_monitoring_run'
AND created_at = now() AND details->>'queues_failed' = '6' LIMIT 1;

-- Who reads: the owner of the row; in place of a superuser the owner of the relation.
CREATE ROLE regress_monitoring_app;
CREATE ROLE regress_monitoring_other;
GRANT ALL ON SCHEMA app TO regress_monitoring_app;
CREATE TABLE app.readers (who name);
CREATE FUNCTION app.whoami() RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RAISE 'read as %, %', current_user, current_setting('search_path'); END $$;
CREATE VIEW app.reveal AS SELECT app.whoami() AS status, now() AS created_at;
ALTER VIEW app.reveal OWNER TO regress_monitoring_app;
GRANT USAGE ON SCHEMA app TO regress_monitoring_other;
INSERT INTO monitoring.queues (queue_name, source, owner)
VALUES ('who 1', 'app.reveal', current_user), ('who 2', 'app.reveal', 'regress_monitoring_other'),
       ('who 3', 'app.ingest_jobs', 'regress_monitoring_other'), ('who 4', 'app.reveal', 'nobody');
SELECT monitoring.check_queues();
SELECT queue_name, last_error FROM monitoring.queue_state
WHERE queue_name LIKE 'who%' ORDER BY queue_name;
-- Who writes: the same.
CREATE TABLE app.writers (status text, created_at timestamptz);
INSERT INTO app.writers VALUES ('dead', now());
CREATE FUNCTION app.witness() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE 'written as %', current_user; END $$;
CREATE TRIGGER witness BEFORE UPDATE ON app.writers FOR EACH ROW EXECUTE FUNCTION app.witness();
ALTER TABLE app.writers OWNER TO regress_monitoring_app;
INSERT INTO monitoring.queues (queue_name, source, owner)
VALUES ('who 5', 'app.writers', current_user), ('who 6', 'app.writers', 'regress_monitoring_other');
SELECT pg_temp.sqlstate_of($$SELECT monitoring.requeue_dead_letters('who 5')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.requeue_dead_letters('who 6')$$);
SELECT current_user = session_user AS user_restored,
       current_setting('transaction_read_only') AS read_only,
       current_setting('lock_timeout') AS lock_timeout;

-- Nobody makes a row that runs as a role they are not a member of.
GRANT USAGE ON SCHEMA monitoring TO regress_monitoring_app;
GRANT SELECT, INSERT, UPDATE ON monitoring.queues TO regress_monitoring_app;
SET LOCAL ROLE regress_monitoring_app;
INSERT INTO monitoring.queues (queue_name, source) VALUES ('mine', 'app.reveal');
SELECT owner FROM monitoring.queues WHERE queue_name = 'mine';
SAVEPOINT s;
INSERT INTO monitoring.queues (queue_name, source, owner)
VALUES ('theirs', 'app.reveal', 'regress_monitoring_other');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
UPDATE monitoring.queues SET source = 'app.ingest_jobs' WHERE queue_name = 'who 2';
ROLLBACK TO s;
INSERT INTO monitoring.queues (queue_name, source, owner) VALUES ('theirs', 'app.reveal', 'nobody');
ROLLBACK TO s;
RESET ROLE;
SAVEPOINT s;

-- Bad definitions.
\set VERBOSITY terse
INSERT INTO monitoring.queues (queue_name, source) VALUES ('bad', 'jobs');
ROLLBACK TO s;
INSERT INTO monitoring.queues (queue_name, source) VALUES ('bad', 'a..b');
ROLLBACK TO s;
INSERT INTO monitoring.queues (queue_name) VALUES ('bad');
ROLLBACK TO s;
INSERT INTO monitoring.queues (queue_name, kind, source) VALUES ('bad', 'kafka', 'a.b');
ROLLBACK TO s;
INSERT INTO monitoring.queues (queue_name, source, stuck_after) VALUES ('bad', 'a.b', '0');
ROLLBACK TO s;

\set VERBOSITY default

-- A check can use a partial index, and never looks at what is done.
CREATE TABLE app.many (status text, created_at timestamptz);
INSERT INTO app.many SELECT 'done', now() FROM generate_series(1, 20000);
INSERT INTO app.many SELECT 'pending', now() FROM generate_series(1, 5);
CREATE INDEX many_active ON app.many (status, created_at)
    WHERE status IN ('pending', 'processing');
CREATE INDEX many_dead ON app.many (status) WHERE status IN ('dead', 'failed');
ANALYZE app.many;
INSERT INTO monitoring.queues (queue_name, source) VALUES ('many', 'app.many');
SELECT pg_stat_get_xact_numscans('app.many'::regclass) AS scans_before \gset
SELECT monitoring.check_queues() > 0 AS checked;
SELECT pending_messages FROM public.queue_monitoring_view WHERE queue_name = 'many';
SELECT pg_stat_get_xact_numscans('app.many'::regclass) - :scans_before AS sequential_scans,
       pg_stat_get_xact_numscans('app.many_active'::regclass) AS active_scans,
       pg_stat_get_xact_numscans('app.many_dead'::regclass) AS dead_scans;

-- A user's own limit is passed on, not taken for the queue's.
INSERT INTO monitoring.queues (queue_name, source, check_timeout)
VALUES ('patient', 'app.slow', '1 hour');
-- No context: the time may be over while another queue is looked at.
\set VERBOSITY terse
SET LOCAL statement_timeout = '100 ms';
SELECT monitoring.check_queues();
\set VERBOSITY default
ROLLBACK;

SELECT monitoring_internal.check_owner();

DO $$
BEGIN
    PERFORM monitoring.resume_worker();
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    NULL;
END
$$;

-- A queue behind row level security is not counted short; timestamps without time zone are UTC.
CREATE ROLE regress_queue_owner;
CREATE ROLE regress_queue_reader;
CREATE TABLE public.hidden_jobs (id bigint, status text, created_at timestamp);
ALTER TABLE public.hidden_jobs OWNER TO regress_queue_owner;
GRANT SELECT ON public.hidden_jobs TO regress_queue_reader;
INSERT INTO public.hidden_jobs SELECT n, 'pending', now() AT TIME ZONE 'UTC' FROM generate_series(1, 3) AS n;
ALTER TABLE public.hidden_jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON public.hidden_jobs USING (id = 1);
INSERT INTO monitoring.queues (queue_name, kind, source, stuck_after, owner) VALUES
    ('hidden', 'table', 'public.hidden_jobs', '1 hour', 'regress_queue_reader');
SET TimeZone = 'Pacific/Kiritimati';
SELECT monitoring.check_queues() >= 0 AS checked;
SELECT last_error FROM monitoring.queue_state WHERE queue_name = 'hidden';
UPDATE monitoring.queues SET owner = 'regress_queue_owner' WHERE queue_name = 'hidden';
SELECT monitoring.check_queues() >= 0 AS checked;
SELECT pending_messages, stuck_messages, oldest_message_age < interval '1 minute' AS is_new, last_error
FROM monitoring.queue_state WHERE queue_name = 'hidden';
SET TimeZone = 'Pacific/Pago_Pago';
SELECT monitoring.check_queues() >= 0 AS checked;
SELECT pending_messages, stuck_messages, oldest_message_age < interval '1 minute' AS is_new
FROM monitoring.queue_state WHERE queue_name = 'hidden';
-- Not even for its owner, where it says FORCE.
ALTER TABLE public.hidden_jobs FORCE ROW LEVEL SECURITY;
SELECT monitoring.check_queues() >= 0 AS checked;
SELECT last_error FROM monitoring.queue_state WHERE queue_name = 'hidden';
RESET TimeZone;
DELETE FROM monitoring.queues WHERE queue_name = 'hidden';
DROP TABLE public.hidden_jobs;
DROP ROLE regress_queue_owner, regress_queue_reader;
