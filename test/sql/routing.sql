-- Routing on a virtual clock: alerts are put into monitoring.alerts, a pass is run at an instant, and
-- what it queued is listed.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
\set VERBOSITY terse
SET TIME ZONE 'UTC';
SET datestyle = 'ISO';
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
ALTER SEQUENCE monitoring.routes_id_seq RESTART;
ALTER SEQUENCE monitoring.inhibit_rules_id_seq RESTART;

CREATE FUNCTION pg_temp.fire(alert_labels jsonb, after_start interval) RETURNS void LANGUAGE sql AS $$
    DELETE FROM monitoring.alerts
    WHERE labels = alert_labels;
    INSERT INTO monitoring.alerts (fingerprint, rule_id, rule_name, severity, labels, annotations,
                                   state, origin, active_at, fired_at, written_at)
    VALUES (left(md5(alert_labels::text), 16), 1, alert_labels ->> 'alertname',
            coalesce(alert_labels ->> 'severity', ''), alert_labels, '{}', 'firing', 'element',
            '2030-01-01 00:00Z'::timestamptz + after_start,
            '2030-01-01 00:00Z'::timestamptz + after_start, now());
$$;
CREATE FUNCTION pg_temp.clear(alert_labels jsonb, after_start interval) RETURNS void LANGUAGE sql AS $$
    UPDATE monitoring.alerts
    SET state = 'resolved', resolved_at = '2030-01-01 00:00Z'::timestamptz + after_start
    WHERE labels = alert_labels;
$$;
-- What a pass tells whom: "receiver: firing name, resolved name".
CREATE FUNCTION pg_temp.told(after_start interval) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    before bigint := coalesce((SELECT max(id) FROM monitoring.notifications), 0);
BEGIN
    PERFORM monitoring_internal.route_alerts('2030-01-01 00:00Z'::timestamptz + after_start);
    RETURN QUERY
        SELECT n.receiver || ': ' || (
            SELECT string_agg(concat_ws(' ', a ->> 'status', a #>> '{labels,alertname}',
                                        a #>> '{labels,n}'), ', ')
            FROM jsonb_array_elements(n.payload -> 'alerts') AS a)
        FROM monitoring.notifications AS n WHERE n.id > before ORDER BY n.id;
    -- As if the courier had delivered them at once.
    UPDATE monitoring.notifications SET status = 'sent' WHERE status = 'queued';
END
$$;
CREATE FUNCTION pg_temp.decisions() RETURNS TABLE (at time, receiver text, reason text, detail text)
LANGUAGE sql AS $$
    SELECT decided_at::time, receiver, reason, detail
    FROM monitoring.notification_decisions ORDER BY decided_at, receiver, reason, detail;
$$;
CREATE FUNCTION pg_temp.receivers(VARIADIC names text[]) RETURNS void LANGUAGE sql AS $$
    SELECT monitoring.create_receiver(name, 'webhook', '{"url": "https://hooks.example.com/x"}')
    FROM unnest(names) AS name;
$$;

-- Without a receiver and a route nothing happens.
BEGIN;
SELECT pg_temp.fire('{"alertname": "A"}', '0');
SELECT * FROM pg_temp.told('1 hour');
SELECT count(*) FROM monitoring.alert_groups;
SELECT * FROM monitoring.explain_route('{"alertname": "A"}');
ROLLBACK;

-- The life of a group: group_wait, group_interval, repeat_interval, resolution.
BEGIN;
SELECT pg_temp.receivers('ops');
SELECT monitoring.create_route('ops', parent => NULL);
SELECT pg_temp.fire('{"alertname": "A", "n": "1"}', '0');
SELECT * FROM pg_temp.told('0');
SELECT * FROM pg_temp.told('29 seconds');
SELECT * FROM pg_temp.told('30 seconds');
-- Another alert waits for group_interval.
SELECT pg_temp.fire('{"alertname": "A", "n": "2"}', '40 seconds');
SELECT * FROM pg_temp.told('2 minutes');
SELECT * FROM pg_temp.told('5 minutes 30 seconds');
-- Nothing new.
SELECT * FROM pg_temp.told('10 minutes 30 seconds');
SELECT pg_temp.clear('{"alertname": "A", "n": "2"}', '11 minutes');
SELECT * FROM pg_temp.told('15 minutes 30 seconds');
-- repeat_interval is 4 hours, a multiple of group_interval.
SELECT * FROM pg_temp.told('4 hours 15 minutes 30 seconds');
SELECT * FROM pg_temp.told('4 hours 20 minutes 30 seconds');
SELECT pg_temp.clear('{"alertname": "A", "n": "1"}', '4 hours 21 minutes');
SELECT * FROM pg_temp.told('4 hours 25 minutes 30 seconds');
SELECT count(*) AS alive FROM monitoring.alert_groups;
SELECT * FROM pg_temp.decisions();
-- The log is kept for 120 hours.
SELECT count(*) FROM monitoring.notification_log;
SELECT * FROM pg_temp.told('124 hours 25 minutes 29 seconds');
SELECT count(*) FROM monitoring.notification_log;
SELECT * FROM pg_temp.told('124 hours 25 minutes 30 seconds');
SELECT count(*) FROM monitoring.notification_log;
ROLLBACK;

-- Resolved before the first flush: nobody is told. An old alert does not wait for group_wait.
BEGIN;
SELECT pg_temp.receivers('ops');
SELECT monitoring.create_route('ops', parent => NULL);
SELECT pg_temp.fire('{"alertname": "A"}', '0');
SELECT * FROM pg_temp.told('1 second');
SELECT pg_temp.clear('{"alertname": "A"}', '10 seconds');
SELECT * FROM pg_temp.told('31 seconds');
SELECT * FROM pg_temp.decisions();
SELECT pg_temp.fire('{"alertname": "B"}', '0');
SELECT * FROM pg_temp.told('10 minutes');
-- A repeat waits while the last notification is on its way; a resolution does not.
UPDATE monitoring.notifications SET status = 'retrying';
SELECT * FROM pg_temp.told('5 hours');
SELECT pg_temp.clear('{"alertname": "B"}', '5 hours');
SELECT * FROM pg_temp.told('6 hours');
SELECT at, reason FROM pg_temp.decisions();
-- An alert that is gone when the group is looked at has resolved.
SELECT pg_temp.fire('{"alertname": "C", "n": "1"}', '6 hours');
SELECT pg_temp.fire('{"alertname": "C", "n": "2"}', '6 hours');
SELECT * FROM pg_temp.told('7 hours');
DELETE FROM monitoring.alerts;
SELECT * FROM pg_temp.told('8 hours');
ROLLBACK;

-- The tree: continue, inheritance, group_by, explain_route.
BEGIN;
SELECT pg_temp.receivers('ops', 'db', 'audit', 'db-critical');
SELECT monitoring.create_route('ops', parent => NULL, group_by => '{alertname}', group_wait => '0');
SELECT monitoring.create_route('audit', continue_matching => true, group_by => '{...}') AS audit \gset
SELECT monitoring.create_route('db', '{"team=~\"db|sql\""}') AS db \gset
SELECT monitoring.create_route('db-critical', '{severity=critical}', parent => :db) AS critical \gset
SELECT receiver, route_id - :audit AS route, path, group_key, reason
FROM monitoring.explain_route('{"alertname": "A", "team": "db", "severity": "warning"}');
SELECT receiver, route_id - :audit AS route, group_key
FROM monitoring.explain_route('{"alertname": "A", "team": "sql", "severity": "critical"}')
WHERE receiver IS NOT NULL;
SELECT pg_temp.fire('{"alertname": "A", "n": "1", "team": "db"}', '0');
SELECT pg_temp.fire('{"alertname": "A", "n": "2", "team": "sql"}', '0');
SELECT pg_temp.fire('{"alertname": "B", "n": "3", "team": "db", "severity": "critical"}', '0');
SELECT * FROM pg_temp.told('1 second') AS told ORDER BY told COLLATE "C";
-- An alert follows a change of the routes.
UPDATE monitoring.routes SET matchers = '{team=web}' WHERE id = :db;
SELECT * FROM pg_temp.told('2 seconds') AS told ORDER BY told COLLATE "C";
SELECT route_id - :audit AS route, count(*) FROM monitoring.alert_groups GROUP BY 1 ORDER BY 1;
-- A receiver that is disabled or gone. One that is used is not deleted; a restore may lack it.
UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'ops';
\set VERBOSITY sqlstate
SAVEPOINT used;
DELETE FROM monitoring.receivers WHERE receiver_name = 'audit';
ROLLBACK TO used;
\set VERBOSITY terse
ALTER TABLE monitoring.receivers DISABLE TRIGGER keep_used;
DELETE FROM monitoring.receivers WHERE receiver_name = 'audit';
SELECT monitoring.create_route('ops', '{alertname=C}') > 0 AS made;
SELECT pg_temp.fire('{"alertname": "C"}', '10 seconds');
SELECT * FROM pg_temp.told('10 seconds');
SELECT receiver, reason FROM pg_temp.decisions() WHERE reason ~ 'receiver' ORDER BY 1;
SELECT receiver, reason FROM monitoring.explain_route('{"alertname": "C"}') WHERE receiver IS NOT NULL;
ROLLBACK;

-- Inhibition and silences.
BEGIN;
SELECT pg_temp.receivers('ops');
SELECT monitoring.create_route('ops', parent => NULL, group_by => '{...}', group_wait => '0');
SELECT monitoring.create_inhibit_rule('{severity=critical}', '{severity=warning}', '{host}', 'ladder') > 0 AS made;
SELECT pg_temp.fire('{"alertname": "Down", "severity": "critical", "host": "a"}', '0');
SELECT pg_temp.fire('{"alertname": "Slow", "severity": "warning", "host": "a"}', '0');
SELECT pg_temp.fire('{"alertname": "Slow", "severity": "warning", "host": "b"}', '0');
SELECT * FROM pg_temp.told('1 second') AS told ORDER BY told COLLATE "C";
SELECT labels ->> 'host' AS host, severity, inhibited, silenced FROM monitoring.alerts ORDER BY 1, 2;
SELECT regexp_replace(reason, '[0-9a-f]{16}', '<fingerprint>') AS reason
FROM monitoring.explain_route('{"alertname": "X", "severity": "warning", "host": "a"}');
-- It ends with its source.
SELECT pg_temp.clear('{"alertname": "Down", "severity": "critical", "host": "a"}', '1 minute');
SELECT * FROM pg_temp.told('6 minutes') AS told ORDER BY told COLLATE "C";
SELECT receiver, reason, suppressed #>> '{0,cause}' AS cause,
       regexp_replace(suppressed #>> '{0,reason}', '[0-9a-f]{16}', '<fingerprint>') AS why
FROM monitoring.notification_trail WHERE suppressed IS NOT NULL;
ROLLBACK;

BEGIN;
SELECT pg_temp.receivers('ops');
SELECT monitoring.create_route('ops', parent => NULL, group_by => '{...}', group_wait => '0');
INSERT INTO monitoring.silences (matchers, starts_at, ends_at, comment) VALUES
    ('{alertname=A}', '2030-01-01 00:00Z', '2030-01-01 00:20Z', 'maintenance');
INSERT INTO monitoring.silences (matchers, starts_at, until_resolved) VALUES
    ('{alertname=B}', '2030-01-01 00:00Z', true);
SELECT pg_temp.fire('{"alertname": "A"}', '0');
SELECT pg_temp.fire('{"alertname": "B"}', '0');
SELECT * FROM pg_temp.told('1 second');
SELECT labels ->> 'alertname' AS alertname, silenced FROM monitoring.alerts ORDER BY 1;
SELECT pg_temp.clear('{"alertname": "B"}', '10 minutes');
SELECT * FROM pg_temp.told('10 minutes');
SELECT matchers, matched, ends_at FROM monitoring.silences WHERE until_resolved;
-- Both are told of from now on.
SELECT pg_temp.fire('{"alertname": "B"}', '30 minutes');
SELECT * FROM pg_temp.told('30 minutes') AS told ORDER BY told COLLATE "C";
SELECT labels ->> 'alertname' AS alertname, silenced FROM monitoring.alerts ORDER BY 1;
-- By function: from now on, for a time or for good.
SELECT monitoring.silence('{alertname=C}', '1 hour', 'work') AS silence \gset
SELECT monitoring.silence(matchers => '{alertname=D}', duration => NULL, comment => 'until fixed',
                          until_resolved => true) IS NOT NULL AS made;
SELECT matchers, ends_at = starts_at + interval '1 hour' AS one_hour, ends_at = 'infinity' AS open_end,
       comment, created_by = current_user AS mine, until_resolved
FROM monitoring.silences WHERE comment IN ('work', 'until fixed') ORDER BY matchers;
SELECT replace(reason, :'silence', '<id>') AS reason FROM monitoring.explain_route('{"alertname": "C"}');
SELECT monitoring.expire_silence(:'silence');
SELECT ends_at = now() AS ended FROM monitoring.silences WHERE id = :'silence';
ROLLBACK;

-- Times: Berlin is one hour ahead of UTC in January. 2030-01-01 is a Tuesday.
BEGIN;
SELECT pg_temp.receivers('day', 'night');
SELECT monitoring.create_time_interval('office',
    '[{"times": [{"start_time": "09:00", "end_time": "17:00"}], "weekdays": ["monday:friday"],
       "location": "Europe/Berlin"}]');
SELECT monitoring.create_route('night', parent => NULL, group_wait => '0');
SELECT monitoring.create_route('day', '{n=1}', active_time_intervals => '{office}') > 0 AS made;
SELECT monitoring.create_route('night', '{n=2}', mute_time_intervals => '{office}') > 0 AS made;
SELECT pg_temp.fire('{"alertname": "A", "n": "1"}', '7 hours');
SELECT pg_temp.fire('{"alertname": "A", "n": "2"}', '7 hours');
SELECT * FROM pg_temp.told('7 hours 59 minutes');
SELECT * FROM pg_temp.told('8 hours 5 minutes');
SELECT pg_temp.fire('{"alertname": "B", "n": "2"}', '8 hours');
SELECT * FROM pg_temp.told('15 hours 59 minutes');
SELECT * FROM pg_temp.told('16 hours 5 minutes');
SELECT at, receiver, reason FROM pg_temp.decisions();
SELECT DISTINCT suppressed #>> '{0,cause}' AS cause, suppressed #>> '{0,reason}' AS why
FROM monitoring.notification_decisions WHERE suppressed IS NOT NULL ORDER BY 1;
-- A time interval that is gone mutes nobody, and shows.
DELETE FROM monitoring.time_intervals;
SELECT pg_temp.fire('{"alertname": "C", "n": "1"}', '20 hours');
SELECT * FROM pg_temp.told('21 hours');
SELECT regexp_replace(message, 'route [0-9]+', 'route N') AS message
FROM monitoring.worker_issues WHERE issue_type = 'time_interval' AND NOT resolved ORDER BY 1;
SELECT monitoring.create_time_interval('office', '{"weekdays": ["sunday"]}');
SELECT * FROM pg_temp.told('22 hours');
SELECT count(*) AS open FROM monitoring.worker_issues WHERE issue_type = 'time_interval' AND NOT resolved;
ROLLBACK;

-- Escalation: 15 minutes without acknowledgement; the CTO learns of the end, whatever the receiver
-- says of resolved alerts.
BEGIN;
SELECT pg_temp.receivers('ops', 'head', 'cto');
UPDATE monitoring.receivers SET send_resolved = false WHERE receiver_name = 'cto';
SELECT monitoring.create_route('ops', parent => NULL, group_wait => '0', group_by => '{...}');
SELECT monitoring.create_escalation('critical', '[{"after": "5 minutes", "receiver": "head"},
    {"after": "15 minutes", "receiver": "cto"}]', '{severity=critical}');
SELECT pg_temp.fire('{"alertname": "A", "severity": "critical"}', '0');
SELECT pg_temp.fire('{"alertname": "B", "severity": "critical"}', '0');
SELECT pg_temp.fire('{"alertname": "C", "severity": "warning"}', '0');
SELECT * FROM pg_temp.told('1 second') AS told ORDER BY told COLLATE "C";
SELECT * FROM pg_temp.told('4 minutes 59 seconds');
SELECT * FROM pg_temp.told('5 minutes') AS told ORDER BY told COLLATE "C";
UPDATE monitoring.alerts SET acknowledged_by = 'me', acknowledged_at = now() WHERE rule_name = 'B';
SELECT * FROM pg_temp.told('15 minutes');
SELECT steps_taken, reached, labels ->> 'alertname' AS alertname FROM monitoring.alert_escalations ORDER BY 3;
-- An acknowledged alert is not repeated.
SELECT * FROM pg_temp.told('5 hours') AS told ORDER BY told COLLATE "C";
SELECT pg_temp.clear('{"alertname": "A", "severity": "critical"}', '6 hours');
DELETE FROM monitoring.alerts WHERE rule_name = 'B';
SELECT * FROM pg_temp.told('6 hours') AS told ORDER BY told COLLATE "C";
SELECT count(*) FROM monitoring.alert_escalations;
SELECT DISTINCT receiver, reason, detail FROM pg_temp.decisions() WHERE reason ~ 'escalat|acknow' ORDER BY 1, 2, 3;
ROLLBACK;

-- A receiver that keeps incidents learns, once, that all alerts of its group are acknowledged.
BEGIN;
SELECT monitoring.create_receiver('duty', 'pagerduty', '{"routing_key": {"secret": "pd"}}');
SELECT monitoring.create_route('duty', parent => NULL, group_wait => '0');
SELECT pg_temp.fire('{"alertname": "A", "n": "1"}', '0');
SELECT pg_temp.fire('{"alertname": "A", "n": "2"}', '0');
SELECT monitoring_internal.route_alerts('2030-01-01 00:00:01Z');
SELECT monitoring.acknowledge(fingerprint, 'mine') FROM monitoring.alerts WHERE labels ->> 'n' = '1';
SELECT monitoring_internal.route_alerts('2030-01-01 00:00:02Z');
SELECT monitoring.acknowledge(fingerprint, 'mine') FROM monitoring.alerts WHERE labels ->> 'n' = '2';
SELECT monitoring_internal.route_alerts('2030-01-01 00:00:03Z');
SELECT monitoring_internal.route_alerts('2030-01-01 00:00:04Z');
SELECT payload ->> 'event_action' AS action, n.group_key, reason,
       replace(detail, current_user, '<me>') AS detail
FROM monitoring.notifications AS n
JOIN monitoring.notification_decisions AS d ON d.notification_id = n.id ORDER BY n.id;
ROLLBACK;

-- A pass in which nothing changes writes nothing.
BEGIN;
SELECT pg_temp.receivers('ops');
SELECT monitoring.create_route('ops', parent => NULL, group_by => '{n}');
SELECT pg_temp.fire(jsonb_build_object('alertname', 'A', 'n', n::text), '0') FROM generate_series(1, 3) AS n;
SELECT * FROM pg_temp.told('1 second');
SELECT * FROM pg_temp.told('2 seconds');
COMMIT;
BEGIN;
SELECT monitoring_internal.route_alerts('2030-01-01 00:00:10Z');
SELECT pg_current_xact_id_if_assigned() IS NULL AS nothing_written;
ROLLBACK;
DELETE FROM monitoring.alerts;
DELETE FROM monitoring.routes;
SELECT monitoring_internal.route_alerts('2030-01-01 00:00:10Z');
SELECT count(*) FROM monitoring.alert_groups;
DELETE FROM monitoring.receivers;

-- What cannot be used is refused, with the row's name.
SELECT monitoring.create_route('nobody');
SELECT monitoring.create_route(NULL, '{"a=~("}');
SELECT monitoring.create_route(NULL, parent => 4711);
SELECT monitoring.create_route(NULL, '{a=b}', parent => NULL);
SELECT monitoring.create_route(NULL, group_by => '{a,...}');
SELECT monitoring.create_route(NULL, group_interval => '0');
SELECT monitoring.create_route(NULL, mute_time_intervals => '{never}');
SELECT monitoring.create_inhibit_rule('{a}', '{b=c}');
SELECT monitoring.create_time_interval('x', '[{"location": "Mars/Olympus"}]');
SELECT monitoring.create_time_interval('x', '[{"times": [{"start_time": "22:00", "end_time": "06:00"}]}]');
SELECT monitoring.create_escalation('x', '[]');
SELECT monitoring.create_escalation('x', '[{"after": "soon", "receiver": "a"}]');
SELECT monitoring.create_escalation('x', '[{"after": "1 hour"}]');
SELECT monitoring.create_escalation('x', '[{"after": "1 hour", "receiver": "a"}, {"after": "1 minute", "receiver": "b"}]');
\set VERBOSITY sqlstate
SELECT monitoring.silence('{}', '1 hour', 'everything');
SELECT monitoring.silence('{"a=~.*"}', '1 hour', 'everything');
SELECT monitoring.silence('{a=b}', '0', 'never');
SELECT monitoring.expire_silence('00000000-0000-0000-0000-000000000000');
SELECT monitoring.explain_route('[]');

\set VERBOSITY terse
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
