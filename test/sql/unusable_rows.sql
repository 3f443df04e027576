-- One bad row costs itself, never the pass: it is refused where it is written, or left out and named
-- in an issue. Rows that triggers would refuse are written as a restore or an upgrade may leave them.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
BEGIN;
LOCK TABLE monitoring_internal.alert_progress, monitoring.worker_issues IN EXCLUSIVE MODE;
\set ON_ERROR_ROLLBACK on
SET monitoring.allow_superuser_rules = on;
SELECT monitoring.create_receiver('ops', 'log', '{}');
SELECT monitoring.create_route('ops', parent => NULL, group_by => '{...}', group_wait => '0') >= 0 AS made;
SELECT monitoring.create_alert('Good', 'SELECT 1 AS value', for_duration => '2 min') >= 0 AS made;
SELECT monitoring.create_alert('Bad', 'SELECT 1 AS value') >= 0 AS made;

CREATE FUNCTION pg_temp.open_issues() RETURNS TABLE (worker text, kind text, said text)
LANGUAGE sql AS $$
    SELECT worker_name, issue_type, message FROM monitoring.worker_issues
    WHERE resolved IS NOT TRUE AND worker_name LIKE 'monitoring:%' OR worker_name LIKE 'alert rule/%'
      AND resolved IS NOT TRUE ORDER BY 1, 2, 3 $$;
CREATE FUNCTION pg_temp.told() RETURNS TABLE (rule text, said text) LANGUAGE sql AS $$
    SELECT d.group_key, d.reason FROM monitoring.notification_decisions AS d ORDER BY d.id $$;

-- What no table of configuration takes, and what is said of it: never the row.
\set VERBOSITY default
UPDATE monitoring.alert_rules SET for_duration = '300000 years';
UPDATE monitoring.alert_rules SET for_duration = '-1 s';
UPDATE monitoring.alert_rules SET no_data = 'maybe';
UPDATE monitoring.alert_rules SET severity = NULL;
UPDATE monitoring.routes SET matchers = ARRAY['a="b"', NULL];
UPDATE monitoring.routes SET matchers = ARRAY[['a="b"'], ['c="d"']];
UPDATE monitoring.routes SET group_by = '[5:5]={alertname}';
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('error_rate', 'NaN');
SELECT monitoring.heartbeat('evil', '292000 years');
INSERT INTO monitoring.worker_heartbeats VALUES ('evil', 'infinity', '292000 years');
SELECT monitoring.set_secret(repeat('x', 201), 'not to be seen');
CREATE TABLE of_mine (a int CHECK (a > 0));
CREATE TRIGGER x AFTER INSERT ON of_mine FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_values();
INSERT INTO of_mine VALUES (1);
DROP TABLE of_mine;
\set VERBOSITY terse

-- A rule.
SELECT monitoring.evaluate_alerts('2030-01-01 00:00Z');
SET session_replication_role = replica;
UPDATE monitoring.alert_rules SET labels = '[1, 2]' WHERE rule_name = 'Bad';
UPDATE monitoring.alert_rules SET for_duration = '178000000 years' WHERE rule_name = 'Bad';
RESET session_replication_role;
SELECT monitoring.evaluate_alerts('2030-01-01 00:02Z');
SELECT rule_name, state FROM monitoring.alerts ORDER BY 1, 2;
SELECT * FROM pg_temp.open_issues();

-- Rows of routing: the others go on.
SET session_replication_role = replica;
UPDATE monitoring.alert_rules SET labels = '{}', for_duration = '0' WHERE rule_name = 'Bad';
INSERT INTO monitoring.routes (sort_order, route_name, id, parent, receiver, matchers) VALUES
    (1, 'a', 11, 0, 'ops', '{"team=~\"[\""}'), (1, 'b', 12, 11, 'ops', '{}'), (1, 'c', 13, 99, 'ops', '{}'),
    (1, 'd', 14, 15, 'ops', '{}'), (1, 'e', 15, 14, 'ops', '{}');
INSERT INTO monitoring.inhibit_rules (rule_name, source_matchers, target_matchers)
VALUES ('all', '{"no matcher"}', '{"alertname=\"Good\""}');
INSERT INTO monitoring.time_intervals
VALUES ('abroad', '[{"location": "Atlantis/Capital"}]'), ('no list', '7');
INSERT INTO monitoring.silences (id, matchers) VALUES ('00000000-0000-0000-0000-000000000001', '{"="}');
INSERT INTO monitoring.escalations VALUES
    ('in order', 1, '{}', '[{"after": "1 min", "receiver": "ops"}]'),
    ('no steps', 0, '{}', '[]'), ('scalar', 0, '{}', '7'),
    ('words', 0, '{}', '[{"after": "soon", "receiver": "ops"}]'),
    ('nobody', 0, '{}', '[{"after": "1 min"}]'),
    ('long', 0, '{"alertname=\"None\""}', '[{"after": "200000 years", "receiver": "ops"}]');
RESET session_replication_role;
SELECT monitoring.evaluate_alerts('2030-01-01 00:04Z');
SELECT * FROM pg_temp.open_issues();
SELECT * FROM pg_temp.told();
SELECT receiver, route_id, reason FROM monitoring.explain_route('{"alertname": "Good"}');

-- Tried again at each pass: it resolves by itself.
SET session_replication_role = replica;
DELETE FROM monitoring.routes WHERE id > 10;
DELETE FROM monitoring.inhibit_rules;
DELETE FROM monitoring.time_intervals;
DELETE FROM monitoring.silences;
DELETE FROM monitoring.escalations WHERE policy_name NOT IN ('in order', 'long');
RESET session_replication_role;
SELECT monitoring.evaluate_alerts('2030-01-01 00:05Z');
SELECT * FROM pg_temp.open_issues();

-- Many are counted, not named.
SET session_replication_role = replica;
INSERT INTO monitoring.silences (matchers) SELECT '{"="}' FROM generate_series(1, 100);
RESET session_replication_role;
SELECT monitoring.evaluate_alerts('2030-01-01 00:06Z');
SELECT count(*) FROM pg_temp.open_issues();
SELECT said FROM pg_temp.open_issues() WHERE said NOT LIKE 'silence %';
DELETE FROM monitoring.silences;
SELECT monitoring.evaluate_alerts('2030-01-01 00:07Z');
SELECT count(*) FROM pg_temp.open_issues();

-- A text that decodes to a zero byte: the page goes out without it.
SELECT monitoring.set_secret('hook', 'http://127.0.0.1:1/');
SELECT monitoring.create_receiver('nul', 'slack',
    '{"url": {"secret": "hook"}, "text": "a{{ printf \"%c\" 0 }}b\\\\u0000c"}');
SELECT monitoring.create_route('nul', ARRAY['alertname="Good"'], group_by => '{team}', group_wait => '0') >= 0 AS made;
SELECT monitoring.evaluate_alerts('2030-01-01 00:08Z');
SELECT count(*), bool_or(payload::text LIKE '%a' || chr(65533) || 'b%') FROM monitoring.notifications WHERE receiver = 'nul';
SELECT * FROM pg_temp.open_issues();

-- Jobs whose time is in no calendar: counted, and named as such; the other queues are not touched.
CREATE SCHEMA app;
CREATE TABLE app.jobs (status text, created_at timestamptz, done_at timestamptz);
CREATE TABLE app.others (status text, created_at timestamptz);
INSERT INTO app.jobs SELECT 'pending', t FROM unnest('{infinity,-infinity,294276-12-31 23:00Z,now}'::timestamptz[]) AS t;
INSERT INTO app.jobs VALUES ('done', '-infinity', now()), ('done', now(), now());
INSERT INTO app.others VALUES ('pending', now());
INSERT INTO monitoring.queues (queue_name, source, finished_column) VALUES ('jobs', 'app.jobs', 'done_at');
INSERT INTO monitoring.queues (queue_name, source) VALUES ('others', 'app.others');
SELECT monitoring.check_queues();
SELECT queue_name, pending_messages, stuck_messages, oldest_message_age < '1 day' AS is_young, finished_messages
FROM monitoring.queue_state JOIN monitoring.queues USING (queue_name) ORDER BY 1;
SELECT message FROM monitoring.worker_issues WHERE issue_type = 'unusable_times' AND NOT resolved;
DELETE FROM app.jobs WHERE NOT isfinite(created_at) OR created_at > '9000-01-01';
SELECT monitoring.check_queues();
SELECT count(*) FROM monitoring.worker_issues WHERE issue_type = 'unusable_times' AND NOT resolved;

-- Counts beyond a bigint, and batches of a half: the same before a pass and after it.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'queue_processing', 1, '{"queue": "huge", "success_count": 999999999999999999}', date_trunc('hour', now()) - interval '1 hour'
FROM generate_series(1, 12)
UNION ALL SELECT 'queue_processing', 1, jsonb_build_object('queue', 'half', 'batch_size', size), date_trunc('hour', now()) - interval '1 hour'
FROM unnest('{3,2.5}'::numeric[]) AS size;
CREATE VIEW pg_temp.shown AS SELECT queue_name, success_count, total_messages_processed FROM monitoring.queue_metrics
WHERE queue_name IN ('huge', 'half');
SELECT * FROM pg_temp.shown;
SELECT monitoring.aggregate_hourly_metrics() > 0 AS rolled_up;
SELECT * FROM pg_temp.shown;

-- What keeps rows of one kind keeps no others.
CREATE TABLE app.mine (id bigint REFERENCES monitoring.alert_notes);
INSERT INTO monitoring.alert_notes (alert_id, generation, fingerprint, kind, note, created_at)
SELECT 1, 1, 'f', 'note', 'text', '2000-01-01';
INSERT INTO app.mine SELECT id FROM monitoring.alert_notes;
INSERT INTO public.monitoring_events (event_type, created_at) VALUES ('old', '2000-01-01');
SELECT kind, removed FROM monitoring.apply_retention() WHERE removed > 0;
SELECT left(message, 80) AS message FROM monitoring.worker_issues WHERE worker_name = 'retention' AND NOT resolved;

-- A pass at a time that nothing could be added to.
SELECT monitoring.evaluate_alerts('infinity');
SELECT monitoring.evaluate_alerts('294276-12-31');
SELECT monitoring.evaluate_alerts('1969-12-31');
ROLLBACK;
