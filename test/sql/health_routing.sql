-- Who is told of system health: through routes, silences and inhibition like any alert, and where no
-- route leads to a receiver, everybody but the receivers of watchdogs.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
-- A worker of this database, if there is one, waits meanwhile.
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;

-- One check of health; then what each receiver was told by it.
CREATE FUNCTION pg_temp.told() RETURNS TABLE (receiver text, part text, severity text, status text)
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM monitoring.notifications;
    PERFORM monitoring_internal.check_health();
    RETURN QUERY SELECT n.receiver, a #>> '{labels,part}', a #>> '{labels,severity}', a ->> 'status'
        FROM monitoring.notifications AS n, jsonb_array_elements(n.payload -> 'alerts') AS a
        WHERE a #>> '{labels,alertname}' = 'SystemHealth' ORDER BY 1, 2, 4;
END
$$;

BEGIN;
DELETE FROM monitoring.receivers;
DELETE FROM monitoring.queues;
DELETE FROM monitoring.queue_state;
DELETE FROM monitoring.worker_issues;
DELETE FROM monitoring.worker_heartbeats;
DELETE FROM monitoring_internal.health_told;
DELETE FROM monitoring.pipeline_metrics WHERE metric_name IN ('queue_processing', 'api_call');
SELECT monitoring.create_receiver(name, 'webhook', '{"url": "http://127.0.0.1:1/"}')
FROM unnest('{chat,pager,switch}'::text[]) AS name;
SELECT monitoring.create_watchdog('switch');
SELECT * FROM pg_temp.told();
INSERT INTO monitoring.queue_state (queue_name, stuck_messages, last_check_time) VALUES ('imports', 1, now());
INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity) VALUES ('importer', 'lost', 'critical');

-- No route: everybody, once; a watchdog's receiver would take it for a ping.
SAVEPOINT s;
SELECT * FROM pg_temp.told();
SELECT * FROM pg_temp.told();
ROLLBACK TO s;

-- By the labels: a page for what is critical, the chat for the rest, and nobody else.
SELECT monitoring.create_route('pager', '{severity=critical}') > 0 AS made;
SELECT monitoring.create_route('chat', parent => NULL) AS root;
SAVEPOINT routed;
SELECT * FROM pg_temp.told();
UPDATE monitoring.worker_issues SET resolved = true;
SELECT * FROM pg_temp.told();
ROLLBACK TO routed;
-- By the part's name.
SELECT monitoring.create_route('pager', '{alertname=SystemHealth,part=queue_health}', sort_order => -1) > 0 AS made;
SELECT * FROM pg_temp.told();
ROLLBACK TO routed;
-- At times when its route is mute, nothing is said; after them it is.
SELECT monitoring.create_time_interval('always', '[{}]');
UPDATE monitoring.routes SET mute_time_intervals = '{always}' WHERE receiver = 'pager';
SELECT * FROM pg_temp.told();
UPDATE monitoring.routes SET mute_time_intervals = '{}';
SELECT * FROM pg_temp.told();
ROLLBACK TO routed;

-- Silenced: nothing of that part, also not its end; the silence over, it is told.
SELECT monitoring.silence('{alertname=SystemHealth,part=worker_health}', '1 hour', 'planned') AS id \gset
SELECT * FROM pg_temp.told();
SAVEPOINT silenced;
UPDATE monitoring.worker_issues SET resolved = true;
SELECT * FROM pg_temp.told();
ROLLBACK TO silenced;
SELECT monitoring.expire_silence(:'id');
SELECT * FROM pg_temp.told();
ROLLBACK TO routed;
-- Told, and silenced then: its end is kept quiet, too.
SELECT * FROM pg_temp.told();
SELECT monitoring.silence('{part=worker_health}', '1 hour', 'planned') IS NOT NULL AS silenced;
UPDATE monitoring.worker_issues SET resolved = true;
SELECT * FROM pg_temp.told();
ROLLBACK TO routed;

-- Inhibited while an alert fires that explains it.
DELETE FROM monitoring.alert_rules;
DELETE FROM monitoring_internal.alert_progress;
CREATE ROLE regress_maintainer;
INSERT INTO monitoring.alert_rules (rule_name, expr, owner) VALUES ('Maintenance', 'SELECT 1 AS value', 'regress_maintainer');
SELECT monitoring.create_inhibit_rule('{alertname=Maintenance}', '{alertname=SystemHealth,part=worker_health}') > 0 AS made;
SELECT monitoring.evaluate_alerts() > 0 AS changed;
SELECT labels ->> 'alertname' AS alertname, state FROM monitoring.alerts WHERE rule_name = 'Maintenance';
SELECT * FROM pg_temp.told();
-- When it is over, what it explained is told.
DELETE FROM monitoring.alert_rules;
SELECT monitoring.evaluate_alerts() > 0 AS changed;
SELECT * FROM pg_temp.told();
ROLLBACK;
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
