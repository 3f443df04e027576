-- What becomes of notifications before and after the courier, on a virtual clock: what is superseded,
-- what waits for what, receivers that fail, watchdogs, acknowledgements, and the trail of all of it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
-- Rules are made before whom they lead to, which is said each time.
\set VERBOSITY terse
SET TIME ZONE 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET monitoring.allow_superuser_rules = on;
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;

-- Rows of this table are alerts, from `since` until `until`.
CREATE FUNCTION pg_temp.minute(number float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE
RETURN '2032-01-01 00:00Z'::timestamptz + number * interval '1 minute';
CREATE FUNCTION pg_temp.set_up() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE;
    DELETE FROM monitoring.worker_issues;
    CREATE TABLE public.trouble (name text, severity text, since float8, until float8);
    PERFORM monitoring.create_alert(initcap(level), format(
        'SELECT name, 1 AS value FROM public.trouble WHERE severity = %L'
        ' AND ''2032-01-01 00:00Z''::timestamptz + since * interval ''1 minute'' <= $1'
        ' AND (until IS NULL OR $1 < ''2032-01-01 00:00Z''::timestamptz + until * interval ''1 minute'')',
        level), level) FROM unnest('{critical,warning}'::text[]) AS level;
END
$$;
CREATE FUNCTION pg_temp.evaluate(VARIADIC minutes float8[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. array_length(minutes, 1) LOOP
        PERFORM monitoring.evaluate_alerts(pg_temp.minute(minutes[i]));
    END LOOP;
END
$$;
CREATE FUNCTION pg_temp.minute_of(at timestamptz) RETURNS numeric LANGUAGE sql IMMUTABLE
RETURN round(extract(epoch FROM at - '2032-01-01 00:00Z'::timestamptz) / 60, 2);
-- Ids of notifications, counted from the first of the test.
CREATE FUNCTION pg_temp.outbox() RETURNS TABLE (n bigint, receiver text, minute numeric, alerts text,
                                                status text, last_error text)
LANGUAGE sql AS $$
    WITH first AS (SELECT min(id) - 1 AS id FROM monitoring.notifications)
    SELECT o.id - first.id, o.receiver || coalesce(nullif(' ' || o.address, ' '), ''),
           pg_temp.minute_of(o.created_at),
           coalesce(o.payload ->> 'event_action', o.payload ->> 'Body',
                    (SELECT string_agg(concat_ws(' ', a ->> 'status', coalesce(a #>> '{labels,name}',
                            concat_ws(' ', a #>> '{labels,alertname}', a #>> '{labels,receiver}'))), ', '
                            ORDER BY a #>> '{labels,name}')
                     FROM jsonb_array_elements(o.payload -> 'alerts') AS a)),
           o.status, regexp_replace(o.last_error, 'notification \d+', 'notification ' ||
                coalesce(substring(o.last_error FROM 'notification (\d+)')::bigint - first.id, 0))
    FROM monitoring.notifications AS o, first ORDER BY o.id;
$$;

-- Only what has not been tried, and only for something newer that tells all of it, too.
BEGIN;
SELECT pg_temp.set_up();
SELECT monitoring.create_receiver('ops', 'webhook', '{"url": "https://hooks.example.com/x"}');
SELECT monitoring.create_route('ops', parent => NULL, group_wait => '0', group_interval => '1 minute');
INSERT INTO trouble VALUES ('a', 'critical', 0, 3), ('b', 'critical', 1, NULL),
    ('c', 'critical', 4, NULL), ('d', 'critical', 5, NULL), ('e', 'critical', 6, NULL);
SELECT pg_temp.evaluate(0, 1, 2, 3, 4, 5);
SELECT * FROM pg_temp.outbox();
-- The courier has tried the last one: it stays.
UPDATE monitoring.notifications SET status = 'retrying', attempts = 1
WHERE id = (SELECT max(id) FROM monitoring.notifications);
SELECT pg_temp.evaluate(6);
SELECT * FROM pg_temp.outbox();
-- In the order of a group one waits for the other.
SELECT waits_for, earlier_id < id AS behind FROM monitoring.waiting_notifications ORDER BY id;
ROLLBACK;

-- Receivers without an interest in resolutions, and other groups.
BEGIN;
SELECT pg_temp.set_up();
SELECT monitoring.create_receiver('ops', 'webhook', '{"url": "https://hooks.example.com/x"}', false);
SELECT monitoring.create_route('ops', parent => NULL, group_wait => '0', group_interval => '1 minute',
    group_by => '{severity}');
INSERT INTO trouble VALUES ('a', 'critical', 0, 1), ('b', 'critical', 1, NULL), ('c', 'warning', 0, NULL);
SELECT pg_temp.evaluate(0, 1);
SELECT * FROM pg_temp.outbox() ORDER BY minute, alerts;
ROLLBACK;

-- What keeps a notification waiting.
BEGIN;
SELECT monitoring.create_receiver(name, 'webhook', '{"url": "https://hooks.example.com/x"}'),
       monitoring.send_test_alert(name) > 0 AS queued
FROM unnest('{off,paused,limited,failed,leased,free,gone}'::text[]) AS name;
UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'off';
DELETE FROM monitoring.receivers WHERE receiver_name = 'gone';
INSERT INTO monitoring_internal.receiver_pace (receiver_name, paused_until, limited_until) VALUES
    ('paused', now() + '1 hour', NULL), ('limited', NULL, now() + '1 hour'),
    ('free', now() - interval '1 hour', now() - interval '1 hour');
UPDATE monitoring.notifications SET status = 'retrying', next_attempt_at = now() + interval '2 hours'
WHERE receiver = 'failed';
UPDATE monitoring.notifications SET status = 'sending' WHERE receiver = 'leased';
SELECT receiver, status, waits_for,
       CASE WHEN not_before > now() + interval '1 minute' THEN not_before - now() END AS not_before
FROM monitoring.waiting_notifications ORDER BY receiver;
ROLLBACK;
SELECT monitoring.create_receiver('ops', 'log', '{"rate_limit": {"per_second": 0}}');
SELECT monitoring.create_receiver('ops', 'log', '{"rate_limit": {"per_fortnight": 1}}');

-- A receiver that lost a notification is an alert to others until it takes one again.
BEGIN;
SELECT pg_temp.set_up();
SELECT monitoring.create_receiver(name, 'webhook', '{"url": "https://hooks.example.com/x"}')
FROM unnest('{ops,pager}'::text[]) AS name;
SELECT monitoring.create_route('ops', parent => NULL, group_wait => '0', group_interval => '1 minute');
SELECT monitoring.create_route('pager', '{severity=critical}') > 0 AS made;
SELECT monitoring.log_worker_issue('courier', 'notification_dead', 'a notification was given up',
    details => '{"receiver": "pager", "reason": "clientError", "error": "unexpected HTTP status 404"}') AS pager \gset
SELECT pg_temp.evaluate(0, 1);
SELECT state, severity, labels, annotations FROM monitoring.alerts;
SELECT * FROM pg_temp.outbox();
SELECT receiver, reason FROM monitoring.explain_route(
    '{"alertname": "NotificationFailed", "receiver": "pager", "severity": "critical"}');
-- With both of them failing each is told of the other, and there it ends.
SELECT monitoring.log_worker_issue('courier', 'notification_dead', 'a notification was given up',
    details => '{"receiver": "ops", "reason": "expired", "error": "too late"}') AS ops \gset
SELECT pg_temp.evaluate(2, 3);
SELECT * FROM pg_temp.outbox();
SELECT monitoring.resolve_worker_issue(:'ops', 'the receiver takes notifications again');
SELECT monitoring.resolve_worker_issue(:'pager', 'the receiver takes notifications again');
SELECT pg_temp.evaluate(4);
SELECT * FROM pg_temp.outbox() WHERE minute = 4;
SELECT pg_temp.minute_of(at) AS minute, labels ->> 'receiver' AS receiver, to_state
FROM monitoring.alert_history ORDER BY id;
-- Nobody waits for a receiver that is disabled or gone.
SELECT monitoring.log_worker_issue('courier', 'notification_dead', 'a notification was given up',
    details => '{"receiver": "pager", "reason": "expired"}') IS NOT NULL AS logged;
SELECT pg_temp.evaluate(5);
SELECT count(*) FROM monitoring.alerts WHERE state = 'firing';
UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'pager';
SELECT pg_temp.evaluate(6);
SELECT count(*) FROM monitoring.alerts WHERE state = 'firing';
ROLLBACK;
SELECT monitoring.create_alert('NotificationFailed', 'SELECT 1 AS value');

-- Nor is a receiver escalated to with its own failure.
BEGIN;
SELECT pg_temp.set_up();
SELECT monitoring.create_receiver(name, 'webhook', '{"url": "https://hooks.example.com/x"}')
FROM unnest('{cto,deputy}'::text[]) AS name;
SELECT monitoring.create_escalation('all', '[{"after": "0", "receiver": "cto"}, {"after": "0", "receiver": "deputy"}]');
SELECT monitoring.log_worker_issue('courier', 'notification_dead', 'a notification was given up',
    details => '{"receiver": "cto", "reason": "expired"}') IS NOT NULL AS logged;
SELECT pg_temp.evaluate(0);
SELECT receiver, reason, status FROM monitoring.notification_trail ORDER BY receiver;
ROLLBACK;

-- A watchdog is pinged by passes that succeed, and by no others.
BEGIN;
SELECT pg_temp.set_up();
SELECT monitoring.create_receiver(name, 'webhook', '{"url": "https://hooks.example.com/x"}')
FROM unnest('{snitch,off}'::text[]) AS name;
SELECT monitoring.create_watchdog('snitch'), monitoring.create_watchdog('off', '1 hour');
UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'off';
SELECT pg_temp.evaluate(0, 4.9);
SELECT * FROM pg_temp.outbox();
SELECT expires_at - queued_at AS ping_lives_for FROM monitoring.notifications;
SELECT receiver, reason, detail FROM monitoring.notification_decisions ORDER BY receiver;
UPDATE monitoring.notifications SET status = 'sent';
SELECT pg_temp.evaluate(5);
-- The courier does not come: the older ping gives way.
SELECT pg_temp.evaluate(10.5);
SELECT * FROM pg_temp.outbox();
-- Routing fails: no ping.
SAVEPOINT broken;
ALTER TABLE monitoring.silences RENAME COLUMN matchers TO renamed;
INSERT INTO trouble VALUES ('a', 'critical', 0);
SELECT pg_temp.evaluate(16);
SELECT count(*) FROM pg_temp.outbox();
SELECT left(message, 60) FROM monitoring.worker_issues WHERE worker_name = 'monitoring: alerts';
ROLLBACK TO broken;
SELECT pg_temp.evaluate(16);
SELECT count(*) FROM pg_temp.outbox();
SELECT receiver, pg_temp.minute_of(last_ping_at) AS minute FROM monitoring.watchdogs ORDER BY receiver;
-- It goes with its receiver.
DELETE FROM monitoring.receivers WHERE receiver_name = 'snitch';
SELECT count(*) FROM monitoring.watchdogs;
ROLLBACK;
SELECT monitoring.create_watchdog('nobody');

-- PagerDuty: acknowledged and resolved wherever the alert went, under one key for each.
BEGIN;
SELECT pg_temp.set_up();
SELECT monitoring.create_receiver(name, 'pagerduty', '{"routing_key": {"secret": "pd"}}')
FROM unnest('{duty,head,cto}'::text[]) AS name;
SELECT monitoring.create_route('duty', parent => NULL, group_wait => '0', group_interval => '1 minute');
SELECT monitoring.create_escalation('all', '[{"after": "5 minutes", "receiver": "head"}, {"after": "15 minutes", "receiver": "cto"}]');
INSERT INTO trouble VALUES ('a', 'critical', 0, 20);
SELECT pg_temp.evaluate(0, 5);
SELECT monitoring.acknowledge(fingerprint, 'mine', pg_temp.minute(6)) FROM monitoring.alerts;
SELECT pg_temp.evaluate(7, 15, 20);
SELECT n, receiver, minute, alerts AS event FROM pg_temp.outbox() ORDER BY n;
SELECT receiver, count(DISTINCT payload ->> 'dedup_key') AS keys FROM monitoring.notifications GROUP BY 1 ORDER BY 1;
SELECT count(DISTINCT payload ->> 'dedup_key') AS keys,
       bool_or(payload ->> 'dedup_key' = encode(sha256(group_key::bytea), 'hex')) AS like_any_other_database
FROM monitoring.notifications;
SELECT pg_temp.minute_of(decided_at) AS minute, receiver, reason, replace(detail, current_user, '<me>') AS detail
FROM monitoring.notification_decisions WHERE reason ~ 'ack|stopped' ORDER BY decided_at, receiver, reason;
-- How long it took, against the limit of its severity.
SELECT severity, pg_temp.minute_of(fired_at) AS fired, pg_temp.minute_of(acknowledged_at) AS acknowledged,
       time_to_acknowledge, acknowledge_within, in_time
FROM monitoring.alert_acknowledgements;
ROLLBACK;

-- The clock of an acknowledgement is that of the evaluations where these are ahead.
BEGIN;
SELECT pg_temp.set_up();
INSERT INTO trouble VALUES ('a', 'warning', 0), ('b', 'warning', 0), ('c', 'warning', 0), ('d', 'warning', 0);
SELECT pg_temp.evaluate(0, 90);
SELECT monitoring.acknowledge(fingerprint) FROM monitoring.alerts WHERE labels ->> 'name' = 'a';
SELECT monitoring.mark_false_positive(fingerprint, 'noise', pg_temp.minute(30)) FROM monitoring.alerts WHERE labels ->> 'name' = 'b';
SELECT labels ->> 'name' AS name, pg_temp.minute_of(acknowledged_at) AS acknowledged FROM monitoring.alerts ORDER BY 1;
UPDATE trouble SET until = 100 WHERE name = 'd';
SELECT pg_temp.evaluate(150);
SELECT labels ->> 'name' AS name, time_to_acknowledge, pg_temp.minute_of(ended_at) AS ended, in_time
FROM monitoring.alert_acknowledgements AS k JOIN monitoring.alerts AS a ON a.id = k.alert_id ORDER BY 1;
ROLLBACK;
SELECT * FROM monitoring.effective_response_limits ORDER BY severity COLLATE "C";

-- Every number of an sms receiver has its own notification; one that fails delays no other.
BEGIN;
SELECT pg_temp.set_up();
SELECT monitoring.create_receiver('sms', 'sms', '{"account_sid": "AC1", "auth_token": {"secret": "t"},
    "from": "+15550001", "to": ["+15550002", "+15550003"]}');
SELECT monitoring.create_route('sms', parent => NULL, group_wait => '0', group_interval => '1 minute');
INSERT INTO trouble VALUES ('a', 'critical', 0), ('b', 'critical', 1), ('c', 'critical', 2);
SELECT pg_temp.evaluate(0);
UPDATE monitoring.notifications SET status = 'retrying', attempts = 1 WHERE address = '+15550002';
SELECT pg_temp.evaluate(1, 2);
SELECT n, receiver, minute, status, last_error FROM pg_temp.outbox();
SELECT address, count(*), min(waits_for) FROM monitoring.waiting_notifications GROUP BY address ORDER BY address;
SELECT receiver, address, reason, status FROM monitoring.notification_trail ORDER BY decided_at, address;
ROLLBACK;

-- The trail: who was told of what with which status, and why somebody was not.
BEGIN;
SELECT pg_temp.set_up();
SELECT monitoring.create_receiver(name, 'webhook', '{"url": "https://hooks.example.com/x"}')
FROM unnest('{ops,night}'::text[]) AS name;
SELECT monitoring.create_route('ops', parent => NULL, group_wait => '0', group_interval => '1 minute');
SELECT monitoring.create_time_interval('always', '[{"years": ["2032"]}]');
SELECT monitoring.create_route('night', '{name=muted}', mute_time_intervals => '{always}') > 0 AS made;
SELECT monitoring.create_inhibit_rule('{name=source}', '{name=inhibited}') > 0 AS made;
INSERT INTO monitoring.silences (matchers, starts_at, comment) VALUES ('{name=silenced}', pg_temp.minute(0), 'work');
INSERT INTO trouble VALUES ('source', 'critical', 0);
SELECT pg_temp.evaluate(0);
UPDATE monitoring.notifications SET status = 'sent', attempts = 1, sent_at = created_at;
INSERT INTO monitoring.notification_attempts (notification_id, attempt, attempted_at, duration_ms, outcome, http_status)
SELECT id, 1, created_at, 5, 'sent', 200 FROM monitoring.notifications;
INSERT INTO trouble VALUES ('muted', 'warning', 1), ('silenced', 'warning', 1), ('inhibited', 'warning', 1);
SELECT pg_temp.evaluate(1);
INSERT INTO trouble VALUES ('told', 'warning', 2);
SELECT pg_temp.evaluate(2);
INSERT INTO trouble VALUES ('later', 'warning', 3);
SELECT pg_temp.evaluate(3);
UPDATE monitoring.notifications SET status = 'dead', last_error = 'given up' WHERE status = 'queued';
UPDATE trouble SET until = 4 WHERE name = 'later';
SELECT pg_temp.evaluate(4);
SELECT labels ->> 'name' AS name, to_state, pg_temp.minute_of(decided_at) AS minute, receiver, reason,
       CASE WHEN notification_id IS NULL THEN
           regexp_replace(detail, '[0-9a-f]{16}|[0-9a-f-]{36}|\d+', '<id>', 'g') END AS why_not,
       coalesce(status || ': ' || waits_for, status) AS status, http_status,
       regexp_replace(error, '\d+', '<id>') AS error
FROM monitoring.alert_trail ORDER BY at, 1, 3;
-- What no alert is behind.
SELECT monitoring.send_test_alert('ops') > 0 AS queued;
SELECT receiver, reason, status, waits_for, payload #>> '{alerts,0,labels,alertname}' AS told
FROM monitoring.notification_trail WHERE reason IS NULL;
ROLLBACK;

DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
