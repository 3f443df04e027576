-- Alerts that end while nobody can be told and fire anew, ends that are told late, repeats, escalations that
-- wait, lists with NULL and zones: on a virtual clock, as in routing.sql.
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
            coalesce(alert_labels ->> 'severity', ''), alert_labels, '{"summary": "it is broken"}', 'firing', 'element',
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
CREATE FUNCTION pg_temp.receivers(VARIADIC names text[]) RETURNS void LANGUAGE sql AS $$
    SELECT monitoring.create_receiver(name, 'webhook', '{"url": "https://hooks.example.com/x"}')
    FROM unnest(names) AS name;
$$;

-- A route with short timers, and what happens to it: told at 10 s, then nothing for a minute.
CREATE FUNCTION pg_temp.tell_first() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_temp.receivers('ops', 'deputy');
    PERFORM monitoring.create_route('ops', parent => NULL, group_by => '{alertname}',
        group_wait => '10s', group_interval => '1 minute', repeat_interval => '4 hours');
    PERFORM pg_temp.fire('{"alertname": "A"}', '0');
    PERFORM pg_temp.told('0');
    RETURN QUERY SELECT * FROM pg_temp.told('10 seconds');
END
$$;
CREATE FUNCTION pg_temp.silence(ends interval) RETURNS void LANGUAGE sql AS $$
    INSERT INTO monitoring.silences (matchers, starts_at, ends_at)
    VALUES ('{alertname=A}', '2030-01-01 00:00:20Z', '2030-01-01 00:00Z'::timestamptz + ends);
$$;

-- It ends in a silence, and its group with it; after the silence it fires anew: that is news.
BEGIN;
SELECT * FROM pg_temp.tell_first();
SELECT pg_temp.silence('5 minutes');
SELECT pg_temp.clear('{"alertname": "A"}', '30 seconds');
SELECT * FROM pg_temp.told('2 minutes');
SELECT count(*) AS groups FROM monitoring.alert_groups;
SELECT pg_temp.fire('{"alertname": "A"}', '6 minutes');
SELECT * FROM pg_temp.told('6 minutes');
SELECT * FROM pg_temp.told('6 minutes 10 seconds');
SELECT * FROM pg_temp.told('10 minutes');
ROLLBACK;

-- It ends and fires anew in the silence, before its group is looked at: told after the silence.
BEGIN;
SELECT * FROM pg_temp.tell_first();
SELECT pg_temp.silence('5 minutes');
SELECT pg_temp.clear('{"alertname": "A"}', '30 seconds');
SELECT * FROM pg_temp.told('30 seconds');
SELECT pg_temp.fire('{"alertname": "A"}', '40 seconds');
SELECT * FROM pg_temp.told('40 seconds');
SELECT * FROM pg_temp.told('2 minutes');
SELECT * FROM pg_temp.told('6 minutes');
ROLLBACK;

-- It goes on firing through the silence: that was told.
BEGIN;
SELECT * FROM pg_temp.tell_first();
SELECT pg_temp.silence('5 minutes');
SELECT * FROM pg_temp.told('2 minutes');
SELECT * FROM pg_temp.told('6 minutes');
SELECT * FROM pg_temp.told('10 minutes');
ROLLBACK;

-- It ends and fires anew within a group_interval and nothing kept it back: as in Alertmanager nobody is
-- told, for to the receiver it fires, and it was never told otherwise.
BEGIN;
SELECT * FROM pg_temp.tell_first();
SELECT pg_temp.clear('{"alertname": "A"}', '30 seconds');
SELECT * FROM pg_temp.told('30 seconds');
SELECT pg_temp.fire('{"alertname": "A"}', '40 seconds');
SELECT * FROM pg_temp.told('2 minutes');
ROLLBACK;

-- Inhibition.
BEGIN;
SELECT * FROM pg_temp.tell_first();
SELECT monitoring.create_inhibit_rule('{alertname=Site}', '{alertname=A}') > 0 AS made;
SELECT pg_temp.fire('{"alertname": "Site"}', '20 seconds');
SELECT pg_temp.clear('{"alertname": "A"}', '30 seconds');
SELECT * FROM pg_temp.told('2 minutes');
SELECT pg_temp.clear('{"alertname": "Site"}', '3 minutes');
SELECT pg_temp.fire('{"alertname": "A"}', '6 minutes');
SELECT * FROM pg_temp.told('6 minutes');
SELECT * FROM pg_temp.told('6 minutes 10 seconds');
ROLLBACK;

-- The times of the route.
BEGIN;
SELECT monitoring.create_time_interval('lunch', '[{"times": [{"start_time": "00:01", "end_time": "00:05"}]}]');
SELECT * FROM pg_temp.tell_first();
SELECT monitoring.create_route('ops', '{alertname=A}', mute_time_intervals => '{lunch}', group_wait => '20s') > 0 AS made;
SELECT * FROM pg_temp.told('20 seconds');
SELECT * FROM pg_temp.told('40 seconds');
SELECT pg_temp.clear('{"alertname": "A"}', '70 seconds');
SELECT * FROM pg_temp.told('2 minutes');
SELECT pg_temp.fire('{"alertname": "A"}', '4 minutes');
SELECT * FROM pg_temp.told('4 minutes 30 seconds');
SELECT * FROM pg_temp.told('6 minutes');
ROLLBACK;

-- Whoever acknowledged the first firing did not acknowledge the second.
BEGIN;
SELECT * FROM pg_temp.tell_first();
SELECT monitoring.acknowledge(fingerprint) FROM monitoring.alerts WHERE rule_name = 'A';
SELECT pg_temp.clear('{"alertname": "A"}', '30 seconds');
SELECT * FROM pg_temp.told('30 seconds');
SELECT pg_temp.fire('{"alertname": "A"}', '40 seconds');
SELECT * FROM pg_temp.told('2 minutes');
ROLLBACK;

-- The route goes and comes back: what was told is not told again, what fires anew is.
BEGIN;
SELECT * FROM pg_temp.tell_first();
UPDATE monitoring.routes SET receiver = NULL WHERE id = 0;
SELECT * FROM pg_temp.told('30 seconds');
UPDATE monitoring.routes SET receiver = 'ops' WHERE id = 0;
SELECT * FROM pg_temp.told('2 minutes');
UPDATE monitoring.routes SET receiver = NULL WHERE id = 0;
SELECT pg_temp.clear('{"alertname": "A"}', '3 minutes');
SELECT * FROM pg_temp.told('3 minutes');
UPDATE monitoring.routes SET receiver = 'ops' WHERE id = 0;
SELECT pg_temp.fire('{"alertname": "A"}', '4 minutes');
SELECT * FROM pg_temp.told('4 minutes');
SELECT * FROM pg_temp.told('5 minutes');
ROLLBACK;

-- A receiver that is renamed is the one who was told, with its routes and escalations; one that is made
-- anew was told of nothing.
BEGIN;
SELECT * FROM pg_temp.tell_first();
SELECT monitoring.create_escalation('late', '[{"after": "1 minute", "receiver": "deputy"}, {"after": "1 hour", "receiver": "ops"}]');
SELECT * FROM pg_temp.told('1 minute');
UPDATE monitoring.receivers SET receiver_name = 'operations' WHERE receiver_name = 'ops';
UPDATE monitoring.receivers SET receiver_name = 'second' WHERE receiver_name = 'deputy';
SELECT receiver FROM monitoring.routes;
SELECT steps FROM monitoring.escalations;
SELECT reached FROM monitoring.alert_escalations;
SELECT * FROM pg_temp.told('3 minutes');
SELECT pg_temp.clear('{"alertname": "A"}', '4 minutes');
SELECT * FROM pg_temp.told('5 minutes');
ROLLBACK;
BEGIN;
SELECT * FROM pg_temp.tell_first();
UPDATE monitoring.routes SET receiver = 'deputy';
DELETE FROM monitoring.receivers WHERE receiver_name = 'ops';
SELECT monitoring.create_receiver('ops', 'webhook', '{"url": "https://hooks.example.com/new"}');
UPDATE monitoring.routes SET receiver = 'ops';
SELECT * FROM pg_temp.told('2 minutes');
ROLLBACK;

-- An end is told late, when monitoring.alerts has lost it: with its texts and times.
BEGIN;
SELECT * FROM pg_temp.tell_first();
UPDATE monitoring.routes SET group_interval = '1 hour';
SELECT * FROM pg_temp.told('1 minute 10 seconds');
SELECT pg_temp.clear('{"alertname": "A"}', '5 minutes');
SELECT * FROM pg_temp.told('5 minutes');
DELETE FROM monitoring.alerts;
SELECT * FROM pg_temp.told('70 minutes');
SELECT a ->> 'status' AS status, a -> 'annotations' AS annotations, a ->> 'startsAt' AS starts_at, a ->> 'endsAt' AS ends_at
FROM (SELECT payload #> '{alerts,0}' AS a FROM monitoring.notifications ORDER BY id DESC LIMIT 1) AS last;
ROLLBACK;
-- The same through the worker's own way of forgetting.
BEGIN;
SET LOCAL monitoring.allow_superuser_rules = on;
LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE;
SELECT pg_temp.receivers('ops');
SELECT monitoring.create_route('ops', parent => NULL, group_wait => '10s', group_interval => '1 hour') AS root;
CREATE TABLE public.firing_anew (since timestamptz, until timestamptz);
INSERT INTO public.firing_anew VALUES ('2061-01-01 00:00Z', '2061-01-01 00:10Z');
SELECT monitoring.create_alert('Late', 'SELECT 1 AS value FROM public.firing_anew WHERE since <= $1 AND $1 < until',
    annotations => '{"summary": "value {{ $value }}"}') > 0 AS made;
SELECT monitoring.evaluate_alerts('2061-01-01 00:00Z'::timestamptz + n * interval '1 minute') FROM unnest('{0,1,10,20,30,61}'::int[]) AS n;
SELECT count(*) AS known_alerts FROM monitoring.alerts WHERE rule_name = 'Late';
SELECT a ->> 'status' AS status, a -> 'annotations' AS annotations, a ->> 'startsAt' AS starts_at, a ->> 'endsAt' AS ends_at
FROM (SELECT id, payload #> '{alerts,0}' AS a FROM monitoring.notifications) AS told ORDER BY id;
ROLLBACK;

-- A repeat_interval that is the group_interval, or a multiple of it, is kept, also where looks come late.
BEGIN;
SELECT pg_temp.receivers('ops');
SELECT monitoring.create_route('ops', parent => NULL, group_wait => '10s', group_interval => '5 minutes', repeat_interval => '5 minutes') AS root;
SELECT pg_temp.fire('{"alertname": "A"}', '0');
SELECT * FROM pg_temp.told('0');
SELECT * FROM pg_temp.told('10.9 seconds');
SELECT * FROM pg_temp.told('5 minutes 10.1 seconds');
SELECT * FROM pg_temp.told('10 minutes 10.5 seconds');
UPDATE monitoring.routes SET repeat_interval = '12 minutes';
SELECT * FROM pg_temp.told('15 minutes 10 seconds');
SELECT * FROM pg_temp.told('20 minutes 10 seconds');
SELECT * FROM pg_temp.told('25 minutes 10 seconds');
ROLLBACK;

-- Steps of an escalation are counted from when somebody can be told: after a silence, from the look at the
-- group that tells its receiver.
BEGIN;
SELECT pg_temp.receivers('ops', 'head', 'cto');
SELECT monitoring.create_route('ops', parent => NULL, group_wait => '10s', group_interval => '5 minutes') AS root;
SELECT monitoring.create_escalation('p', '[{"after": "2 minutes", "receiver": "head"}, {"after": "10 minutes", "receiver": "cto"}]');
SELECT pg_temp.silence('12 minutes');
SELECT pg_temp.fire('{"alertname": "A"}', '20 seconds');
SELECT * FROM pg_temp.told('20 seconds');
SELECT * FROM pg_temp.told('30 seconds');
SELECT * FROM pg_temp.told('10 minutes 30 seconds');
SELECT * FROM pg_temp.told('12 minutes');
SELECT * FROM pg_temp.told('15 minutes 30 seconds');
SELECT counted_from FROM monitoring.alert_escalations;
SELECT * FROM pg_temp.told('17 minutes 29 seconds');
SELECT * FROM pg_temp.told('17 minutes 30 seconds');
-- A silence in between: the head is not told again, and the steps are counted anew.
INSERT INTO monitoring.silences (matchers, starts_at, ends_at)
VALUES ('{alertname=A}', '2030-01-01 00:18Z', '2030-01-01 01:00Z');
SELECT * FROM pg_temp.told('19 minutes');
SELECT * FROM pg_temp.told('60 minutes');
SELECT * FROM pg_temp.told('60 minutes 30 seconds');
SELECT * FROM pg_temp.told('70 minutes');
SELECT * FROM pg_temp.told('70 minutes 30 seconds');
SELECT pg_temp.clear('{"alertname": "A"}', '71 minutes');
SELECT * FROM pg_temp.told('71 minutes');
ROLLBACK;

-- The times of routes hold for escalations; an alert that goes another way, too, is escalated.
BEGIN;
SELECT monitoring.create_time_interval('night', '[{"times": [{"start_time": "00:00", "end_time": "06:00"}]}]');
SELECT pg_temp.receivers('ops', 'head', 'always');
SELECT monitoring.create_route('ops', parent => NULL, group_wait => '10s', group_interval => '5 minutes') AS root;
SELECT monitoring.create_route('ops', '{alertname=~A|B}', continue_matching => true, mute_time_intervals => '{night}') > 0 AS made;
SELECT monitoring.create_route('always', '{alertname=B}') > 0 AS made;
SELECT monitoring.create_escalation('p', '[{"after": "2 minutes", "receiver": "head"}]');
SELECT pg_temp.fire('{"alertname": "A"}', '0');
SELECT pg_temp.fire('{"alertname": "B"}', '0');
SELECT * FROM pg_temp.told('10 seconds');
SELECT * FROM pg_temp.told('2 minutes');
SELECT * FROM pg_temp.told('5 hours 59 minutes');
SELECT * FROM pg_temp.told('6 hours');
SELECT * FROM pg_temp.told('6 hours 2 minutes');
SELECT * FROM pg_temp.told('6 hours 4 minutes');
SELECT * FROM pg_temp.told('6 hours 6 minutes');
ROLLBACK;

-- A policy that is renamed, edited or replaced goes on: nobody is told twice, and all hear of the end under
-- the name that they know.
BEGIN;
SELECT pg_temp.receivers('head', 'cto', 'board');
SELECT monitoring.create_escalation('old', '[{"after": "0", "receiver": "head"}, {"after": "5 minutes", "receiver": "cto"}]');
SELECT pg_temp.fire('{"alertname": "A"}', '0');
SELECT * FROM pg_temp.told('0');
UPDATE monitoring.escalations SET policy_name = 'new';
SELECT * FROM pg_temp.told('1 minute');
SELECT * FROM pg_temp.told('5 minutes');
UPDATE monitoring.escalations SET steps = '[{"after": "1 minute", "receiver": "board"}, {"after": "1 minute", "receiver": "cto"}]';
SELECT * FROM pg_temp.told('6 minutes');
DELETE FROM monitoring.escalations;
SELECT * FROM pg_temp.told('7 minutes');
SELECT pg_temp.clear('{"alertname": "A"}', '8 minutes');
SELECT * FROM pg_temp.told('8 minutes');
SELECT DISTINCT group_key FROM monitoring.notifications;
ROLLBACK;

-- A NULL among matchers would make them match more than they say: refused in every list.
\set SHOW_CONTEXT never
\set VERBOSITY default
SELECT monitoring.create_inhibit_rule(ARRAY['alertname="A"', 'team="' || NULL || '"'], '{a=b}', rule_name => 'x');
\set VERBOSITY sqlstate
SELECT monitoring.silence(ARRAY['alertname="A"', 'team="' || NULL || '"'], '1 hour', 'x');
SELECT monitoring.silence(ARRAY['alertname="A"', ''], '1 hour', 'x');
SELECT monitoring.silence(ARRAY[['alertname="A"', 'team="x"']], '1 hour', 'x');
INSERT INTO monitoring.silences (matchers) VALUES (ARRAY['alertname="A"', NULL]);
SELECT monitoring.create_inhibit_rule('{"a=\"b\"",NULL}', '{"c=\"d\""}');
SELECT monitoring.create_inhibit_rule('{"a=\"b\""}', '{"c=\"d\"",NULL}');
SELECT monitoring.create_inhibit_rule('{"a=\"b\""}', '{"c=\"d\""}', '{e,NULL}');
SELECT monitoring.create_escalation('p', '[{"after": "0", "receiver": "a"}]', '{"c=\"d\"",NULL}');
BEGIN;
SELECT pg_temp.receivers('ops');
SAVEPOINT s;
SELECT monitoring.create_route('ops', '{"c=\"d\"",NULL}');
ROLLBACK TO s;
SELECT monitoring.create_route('ops', group_by => '{c,NULL}');
ROLLBACK TO s;
SELECT monitoring.create_route('ops', mute_time_intervals => '{NULL}');
ROLLBACK TO s;
SELECT monitoring.create_route('ops', active_time_intervals => '{NULL}');
ROLLBACK TO s;
INSERT INTO monitoring.routes (receiver, mute_time_intervals) VALUES ('ops', '{NULL}');
ROLLBACK;
\set VERBOSITY default

-- Zones have names; a formula would be read with its sign turned round.
SELECT monitoring.create_time_interval('x', '[{"location": "UTC+2"}]');
\set VERBOSITY sqlstate
SELECT monitoring.create_time_interval('x', '[{"location": "<+02>-2"}]');
SELECT monitoring.create_time_interval('x', '[{"location": "GMT+5"}]');
SELECT monitoring.create_time_interval('x', '[{"location": "CET-1CEST"}]');
SELECT monitoring.create_time_interval('x', '[{"location": "Etc/GMT+13"}]');
BEGIN;
SELECT monitoring.create_time_interval('z' || n, jsonb_build_array(jsonb_build_object('location', zone)))
FROM unnest('{UTC,Etc/GMT+5,Etc/GMT-14,EST5EDT,GMT0,Europe/Berlin,America/Port-au-Prince}'::text[]) WITH ORDINALITY AS u(zone, n);
SELECT monitoring.create_time_interval('capitals', '[{"weekdays": ["Saturday", "MONDAY:friday"], "months": ["May:August", "+3"]}]');
ROLLBACK;
\set VERBOSITY default

-- A rule that has too many instances, or fails otherwise, is told to those whom its alerts go to.
BEGIN;
SET LOCAL monitoring.allow_superuser_rules = on;
LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE;
SELECT pg_temp.receivers('pager', 'mail');
SELECT monitoring.create_route('mail', parent => NULL, group_wait => '0') AS root;
SELECT monitoring.create_route('pager', '{"severity=\"critical\"","team=\"db\""}') > 0 AS made;
SELECT monitoring.create_alert('Down', $$SELECT n AS host, 1 AS value FROM generate_series(1, 1001) AS n WHERE $1 > '2061-01-01'$$,
    'critical', labels => '{"team": "db", "note": "{{ $value }}"}') > 0 AS made;
SELECT monitoring.create_alert('Low', $$SELECT 1 / (CASE WHEN $1 > '2061-01-01' THEN 0 ELSE 1 END) AS value$$,
    'info', labels => '{"team": "db"}') > 0 AS made;
SELECT monitoring.evaluate_alerts('2061-01-02 00:00Z');
SELECT monitoring.evaluate_alerts('2061-01-02 00:01Z');
SELECT n.receiver, a -> 'labels' AS labels FROM monitoring.notifications AS n, jsonb_array_elements(n.payload -> 'alerts') AS a ORDER BY 2;
ROLLBACK;
