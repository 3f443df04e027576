-- System health: every figure, every reason, changes and who is told. All within transactions that
-- are rolled back, so that a worker's checks do not come between.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
-- A worker of this database, if there is one, waits meanwhile.
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;

CREATE VIEW pg_temp.health AS
SELECT h ->> 'overall_status' AS overall, h #>> '{queue_health,status}' AS queues,
       h #>> '{processing_health,status}' AS processing, h #>> '{worker_health,status}' AS workers,
       concat_ws(' ', h #>> '{queue_health,reasons}', h #>> '{processing_health,reasons}',
                 h #>> '{worker_health,reasons}') AS reasons
FROM public.get_system_health() AS h;

-- Nothing configured is healthy, with zero counts; the keys are those of the document.
BEGIN;
DELETE FROM monitoring.queue_state;
DELETE FROM monitoring.queues;
DELETE FROM monitoring.worker_issues;
DELETE FROM monitoring.worker_heartbeats;
DELETE FROM monitoring.health_state;
DELETE FROM monitoring.pipeline_metrics WHERE metric_name IN ('queue_processing', 'api_call');
SELECT jsonb_pretty(h - 'timestamp'), (h ->> 'timestamp')::timestamptz >= now() AS recent
FROM public.get_system_health() AS h;

-- Stuck messages: more than none is a warning, more than ten is critical.
SAVEPOINT s;
INSERT INTO monitoring.queue_state (queue_name, pending_messages, stuck_messages, last_check_time)
VALUES ('a', 5, 0, now()), ('b', 12, 10, now() - interval '1 minute');
SELECT * FROM pg_temp.health;
SELECT (h -> 'queue_health') - 'last_check_time',
       (h #>> '{queue_health,last_check_time}')::timestamptz = now() AS last
FROM public.get_system_health() AS h;
UPDATE monitoring.queue_state SET stuck_messages = 1 WHERE queue_name = 'a';
SELECT * FROM pg_temp.health;
-- The user's threshold in place of the default, and the default again.
INSERT INTO monitoring.health_thresholds (check_name, warning, critical)
VALUES ('stuck_messages', 20, NULL);
SELECT * FROM pg_temp.health;
SELECT check_name, warning, critical, inclusive FROM monitoring.effective_health_thresholds
ORDER BY check_name;
ROLLBACK TO s;

-- Queues that are not checked for three intervals are stale.
INSERT INTO monitoring.queue_state (queue_name, last_check_time)
VALUES ('a', now() - 3 * current_setting('monitoring.queue_check_interval')::interval + '30 s');
SELECT * FROM pg_temp.health;
UPDATE monitoring.queue_state SET last_check_time = last_check_time - interval '60 s';
SELECT * FROM pg_temp.health;
ROLLBACK TO s;
INSERT INTO monitoring.queues (queue_name, source, created_at)
VALUES ('new', 'public.jobs', now()), ('old', 'public.jobs', now() - interval '1 day');
SELECT * FROM pg_temp.health;
DELETE FROM monitoring.queues WHERE queue_name = 'old';
SELECT * FROM pg_temp.health;
ROLLBACK TO s;

-- Processing: 100 operations, 3 failed; the values' 95th percentile is percentile_cont's.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
VALUES ('queue_processing', 100, '{"queue": "a", "success_count": 94, "error_count": "2"}', now()),
       ('queue_processing', 200, '{"queue": "a"}', now() - interval '59 minutes'),
       ('api_call', 300, '{"api": "x", "success": "true"}', now() - interval '1 minute'),
       ('api_call', 400, '{"api": "x", "success": true}', now() - interval '2 minutes'),
       ('api_call', 500, '{"api": "x", "success": "true"}', now() - interval '2 minutes'),
       ('api_call', 'NaN', '{"api": "x", "success": "false"}', now() - interval '3 minutes'),
       -- Too old, of the future, of another name.
       ('api_call', 9e9, '{"success": "false"}', now() - interval '61 minutes'),
       ('api_call', 9e9, '{"success": "false"}', now() + interval '1 hour'),
       ('other', 9e9, '{"success": "false"}', now());
SELECT (h -> 'processing_health') - 'last_measurement_time',
       (h #>> '{processing_health,last_measurement_time}')::timestamptz = now() AS last
FROM public.get_system_health() AS h;
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY v) FROM unnest('{100,200,300,400,500}'::float8[]) v;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags)
VALUES ('queue_processing', 70000, '{"error_count": 4}');
SELECT * FROM pg_temp.health;
ROLLBACK TO s;

-- Malformed tags count as nothing and break nothing.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags)
VALUES ('queue_processing', 1, NULL), ('queue_processing', 1, '7'), ('queue_processing', 1, '[1]'),
       ('queue_processing', 1, '{"success_count": "many", "error_count": -1}'),
       ('queue_processing', 1, '{"success_count": 1e400, "error_count": {"a": 1}}'),
       ('queue_processing', 'Infinity', '{"error_count": "99999999999999999999999"}'),
       ('api_call', 1, '{"success": "yes"}'), ('api_call', '-Infinity', '"x"');
SELECT (h -> 'processing_health') - 'last_measurement_time' FROM public.get_system_health() AS h;
ROLLBACK TO s;

-- The newest 250 of each metric, however many there are; the last one even when it is old.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
SELECT 'api_call', i, now() - i * interval '1 s' FROM generate_series(0, 999) i;
SELECT h #> '{processing_health,measurements}' AS measurements, h #> '{processing_health,p95_ms}' AS p95
FROM public.get_system_health() AS h;
ROLLBACK TO s;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp")
VALUES ('api_call', 1, now() - interval '5 hours'), ('api_call', 1, now() - interval '7 hours');
SELECT h #> '{processing_health,measurements}' AS measurements,
       (h #>> '{processing_health,last_measurement_time}')::timestamptz = now() - interval '5 hours'
           AS last
FROM public.get_system_health() AS h;
ROLLBACK TO s;

-- Workers: issues by severity, of any name; heartbeats that are late by three intervals.
SELECT monitoring.log_worker_issue('w', 't', 'm', 'info') IS NOT NULL AS logged;
SELECT * FROM pg_temp.health;
INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity) VALUES ('w', 't', 'P3');
SELECT * FROM pg_temp.health;
INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity, resolved)
VALUES ('w', 't', 'critical', NULL);
SELECT * FROM pg_temp.health;
SELECT h -> 'worker_health' FROM public.get_system_health() AS h;
UPDATE monitoring.worker_issues SET resolved = true;
SELECT * FROM pg_temp.health;
ROLLBACK TO s;
INSERT INTO monitoring.worker_heartbeats
VALUES ('on time', now() - interval '29 minutes', '10 min'), ('late', now() - interval '2 hours', '30 min');
SELECT h -> 'worker_health' FROM public.get_system_health() AS h;
ROLLBACK TO s;
-- The monitoring worker itself, once it has been there.
INSERT INTO monitoring.health_state (status, since, checked_at)
VALUES ('healthy', now(), now() - 4 * current_setting('monitoring.health_check_interval')::interval);
SELECT * FROM pg_temp.health;
ROLLBACK TO s;
-- A copy of the database that was not activated.
DELETE FROM monitoring.instance;
SELECT * FROM pg_temp.health;
SELECT monitoring.readiness() - 'timestamp';
ROLLBACK TO s;

-- A receiver whose secret is missing.
SELECT monitoring.create_receiver('chat', 'slack', '{"url": {"secret": "slack_url"}}');
SELECT * FROM pg_temp.health;
SELECT monitoring.set_secret('slack_url', 'https://hooks.example.com/services/x');
SELECT * FROM pg_temp.health;
SELECT monitoring.set_secret('slack_url', NULL);
UPDATE monitoring.receivers SET enabled = false;
SELECT * FROM pg_temp.health;
ROLLBACK TO s;

-- Changes: the first look at a healthy system is none; then each is an event and a notification.
DELETE FROM monitoring.receivers;
SELECT monitoring.create_receiver('pager', 'webhook', '{"url": "http://127.0.0.1:1/"}');
SELECT monitoring.create_receiver('quiet', 'webhook', '{"url": "http://127.0.0.1:1/"}');
UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'quiet';
DELETE FROM public.monitoring_events;
DELETE FROM monitoring.notifications;
SELECT monitoring_internal.check_health();
SELECT monitoring_internal.check_health();
SELECT count(*) FROM public.monitoring_events;
INSERT INTO monitoring.queue_state (queue_name, stuck_messages, last_check_time)
VALUES ('imports', 1, now());
SELECT monitoring_internal.check_health();
SELECT monitoring_internal.check_health();
UPDATE monitoring.queue_state SET stuck_messages = 11;
SELECT monitoring_internal.check_health();
UPDATE monitoring.queue_state SET stuck_messages = 0;
SELECT monitoring_internal.check_health();
SELECT event_type, details -> 'from' AS was, details -> 'to' AS is,
       details #> '{health,queue_health,reasons}' AS reasons
FROM public.monitoring_events ORDER BY details #>> '{health,timestamp}';
SELECT receiver, kind, group_key, status FROM monitoring.notifications ORDER BY id;
SELECT payload -> 'status' AS status, payload -> 'groupKey' AS group_key, a ->> 'status' AS alert,
       a #>> '{labels,alertname}' AS alertname, a #>> '{labels,severity}' AS severity,
       a #>> '{labels,database}' = current_database() AS here,
       a #>> '{annotations,description}' AS description
FROM monitoring.notifications, jsonb_array_elements(payload -> 'alerts') WITH ORDINALITY AS e(a, n)
ORDER BY id, n;
-- An alert keeps its fingerprint and its start from the first to the last notification of it.
SELECT a #>> '{labels,severity}' AS severity, count(*), count(DISTINCT a ->> 'fingerprint') AS fingerprints,
       count(DISTINCT a ->> 'startsAt') AS starts,
       bool_and(length(a ->> 'fingerprint') = 16) AS hex
FROM monitoring.notifications, jsonb_array_elements(payload -> 'alerts') AS a GROUP BY 1 ORDER BY 1;
ROLLBACK;

-- The other two, and the shape of document 004.
SELECT jsonb_object_keys(monitoring.health_check()) ORDER BY 1;
SELECT jsonb_typeof(h -> 'uptime') AS uptime, h -> 'version' AS version,
       h #> '{services,database,status}' AS database,
       jsonb_typeof(h #> '{services,database,latency_ms}') AS latency,
       (h #>> '{metrics,active_connections}')::integer > 0 AS connections,
       h #> '{metrics,job_queue_size}' AS jobs
FROM monitoring.health_check() AS h;
-- Services that are probed, with the latency of the last probe; one that is down is a warning. A
-- probe cannot take the name of what is there anyway.
BEGIN;
DELETE FROM monitoring.worker_issues;
DELETE FROM monitoring.queue_state;
DELETE FROM monitoring.queues;
DELETE FROM monitoring.health_state;
DELETE FROM monitoring.worker_heartbeats;
INSERT INTO monitoring.probes (probe_name, url, every, timeout, enabled)
SELECT n, 'tcp://127.0.0.1:1', '1 minute', '10 s', n <> 'off'
FROM unnest('{redis,s3,late,new,off,database}'::text[]) AS n;
INSERT INTO monitoring.probe_state (probe_name, next_probe_at, probed_at, success, duration_ms, error)
VALUES ('redis', now(), now() - interval '150 s', true, 3, NULL),
       ('s3', now(), now(), true, 45.5, NULL), ('off', now(), now(), false, 1, 'no'),
       ('late', now(), now() - interval '4 minutes', false, 1, 'no'),
       ('database', now(), now(), true, 7, NULL);
CREATE VIEW pg_temp.services AS
SELECT h ->> 'status' AS status, (h -> 'services') - '{worker,queues,processing,database}'::text[]
       AS services, h #>> '{services,database,latency_ms}' = '7' AS taken
FROM monitoring.health_check() AS h;
SELECT * FROM pg_temp.services;
UPDATE monitoring.probe_state SET success = false, error = 'timeout: 10 s' WHERE probe_name = 's3';
SELECT * FROM pg_temp.services;
ROLLBACK;
SELECT monitoring.liveness() ->> 'status', monitoring.readiness() ->> 'status';

-- SECURITY DEFINER: nothing on the caller's path is called, temporary objects included.
BEGIN;
CREATE SCHEMA trap;
CREATE FUNCTION trap.text(text, text) RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION trap.bigint(bigint, integer) RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION trap.times(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql
AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.text);
CREATE OPERATOR trap.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.text);
CREATE OPERATOR trap.> (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = trap.bigint);
CREATE OPERATOR trap.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.times);
CREATE OPERATOR trap.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.times);
CREATE TEMP TABLE pipeline_metrics (metric_name text);
SET LOCAL search_path = trap, pg_temp, pg_catalog;
SAVEPOINT s;
\set SHOW_CONTEXT never
SELECT 'a'::text = 'a'::text AS trap_works;
ROLLBACK TO s;
SELECT public.get_system_health() IS NOT NULL AS health,
       public.purge_old_monitoring_events() IS NOT NULL AS purge,
       monitoring_internal.check_health() IS NOT NULL AS check,
       monitoring.health_check() IS NOT NULL AS health_check,
       monitoring.readiness() IS NOT NULL AS readiness,
       monitoring.check_queues() IS NOT NULL AS queues;
ROLLBACK;

DO $$
BEGIN
    PERFORM monitoring.resume_worker();
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    NULL;
END
$$;
