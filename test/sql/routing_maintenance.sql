-- Silences that begin later, maintenance windows, what silences keep back and leave; acknowledging by matchers,
-- for a time, and taking it back.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
\set VERBOSITY terse
SET TIME ZONE 'UTC';
SET monitoring.allow_superuser_rules = on;
BEGIN;
LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE;
CREATE TABLE public.sick (host text);
\o /dev/null
SELECT monitoring.create_receiver('ops', 'log');
SELECT monitoring.create_route('ops', parent => NULL, group_by => '{alertname,host}', group_wait => '0', group_interval => '1 minute', repeat_interval => '10 minutes');
SELECT monitoring.create_alert('Sick', 'SELECT host, 1 AS value FROM public.sick');
\o
CREATE FUNCTION pg_temp.pass(at timestamptz) RETURNS TABLE (host text, silenced boolean, acknowledged boolean) LANGUAGE sql AS $$
    SELECT monitoring.evaluate_alerts(at);
    SELECT labels ->> 'host', silenced, acknowledged_at IS NOT NULL FROM monitoring.alerts WHERE state = 'firing' ORDER BY 1 $$;

-- Every Sunday (2100-01-03 is one) from two to four by the clocks of Berlin, which are an hour ahead.
SELECT monitoring.create_maintenance('patching', '{host=a}', '0 2 * * 0', '2 hours', 'Europe/Berlin', 'patches');
INSERT INTO public.sick VALUES ('a'), ('b');
SELECT '00:59' AS utc, * FROM pg_temp.pass('2100-01-03 00:59Z');
SELECT '01:00' AS utc, * FROM pg_temp.pass('2100-01-03 01:00Z');
SELECT '02:59' AS utc, * FROM pg_temp.pass('2100-01-03 02:59Z');
SELECT '03:00' AS utc, * FROM pg_temp.pass('2100-01-03 03:00Z');
SELECT 'Monday' AS utc, * FROM pg_temp.pass('2100-01-04 01:30Z');
-- In summer they are two hours ahead; another one takes its name with replace only.
SELECT 'July' AS utc, * FROM pg_temp.pass('2100-07-04 00:30Z');
SELECT monitoring.create_maintenance('patching', '{host=b}', '@hourly', '5 minutes', replace => true);
SELECT 'July' AS utc, * FROM pg_temp.pass('2100-07-04 01:04Z');
SELECT object_kind, object_name, before, after FROM monitoring.config_history WHERE object_kind = 'maintenances' ORDER BY id;
SELECT monitoring.dump_config() -> 'maintenances' AS document;
SELECT monitoring.drop_maintenance('patching'), monitoring.drop_maintenance('patching', if_exists => true);
SELECT 'July' AS utc, * FROM pg_temp.pass('2100-07-04 01:04:30Z');

-- A silence that begins later, and what it leaves when it ends.
SELECT monitoring.silence('{host=a}', '1 hour', 'later', starts_at => '2100-07-04 02:00Z') AS later \gset
SELECT starts_at, ends_at FROM monitoring.silences WHERE id = :'later';
SELECT '01:59' AS utc, * FROM pg_temp.pass('2100-07-04 01:59Z');
SELECT '02:00' AS utc, * FROM pg_temp.pass('2100-07-04 02:00Z');
INSERT INTO public.sick VALUES ('c');
SELECT '03:00' AS utc, * FROM pg_temp.pass('2100-07-04 03:00Z');
SELECT summed_up, jsonb_array_length(still_firing) AS alerts, still_firing #>> '{0,labels,host}' AS host FROM monitoring.silences WHERE id = :'later';
-- What a silence keeps back now.
SELECT monitoring.silence('{"host=~\"a|b\""}', '100 years', 'now') IS NOT NULL AS made;
SELECT comment, rule_name, labels ->> 'host' AS host, state FROM monitoring.silenced_alerts ORDER BY 3;
SELECT FROM monitoring.expire_silence((SELECT id FROM monitoring.silences WHERE comment = 'now'));
SELECT count(*) FROM monitoring.silenced_alerts;
-- A row that cannot be read costs itself.
ALTER TABLE monitoring.silences DISABLE TRIGGER USER;
INSERT INTO monitoring.silences (matchers, starts_at, ends_at) VALUES ('{"=~"}', '-infinity', '2100-07-04 03:01Z'), ('{NULL}', '-infinity', '2100-07-04 03:01Z');
ALTER TABLE monitoring.silences ENABLE TRIGGER USER;
SELECT '03:01' AS utc, * FROM pg_temp.pass('2100-07-04 03:01:30Z');
SELECT regexp_replace(message, '[0-9a-f-]{36}', '<id>') AS message FROM monitoring.worker_issues WHERE issue_type = 'unusable' AND NOT resolved ORDER BY 1;
DELETE FROM monitoring.silences;

-- Acknowledged by matchers, for a time; it ends by itself, or is taken back.
SELECT monitoring.acknowledge_matching('{"host=~\"a|b\""}', 'on it', until => '2100-07-04 03:30Z') AS acknowledged;
SELECT '03:29' AS utc, * FROM pg_temp.pass('2100-07-04 03:29Z');
SELECT '03:30' AS utc, * FROM pg_temp.pass('2100-07-04 03:30Z');
SELECT monitoring.acknowledge_matching('{host=a}') AS acknowledged, monitoring.acknowledge_matching('{host=nobody}') AS nothing;
SELECT FROM monitoring.unacknowledge((SELECT fingerprint FROM monitoring.alerts WHERE labels ->> 'host' = 'a' AND state = 'firing'), 'was wrong');
SELECT '03:31' AS utc, * FROM pg_temp.pass('2100-07-04 03:31Z');
SELECT kind, note FROM monitoring.alert_notes ORDER BY id;

-- Mistakes.
CREATE FUNCTION pg_temp.answer(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN
    EXECUTE 'SELECT monitoring.' || call;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(hint, ''));
END $$;
SELECT pg_temp.answer(call) FROM unnest(ARRAY[
    $$create_maintenance('x', '{a=b}', 'every day', '1 hour')$$, $$create_maintenance('x', '{a=b}', '10 seconds', '1 hour')$$,
    $$create_maintenance('x', '{}', '@daily', '1 hour')$$, $$create_maintenance('x', '{a=~.*}', '@daily', '1 hour')$$,
    $$create_maintenance('x', '{a=b,NULL}', '@daily', '1 hour')$$, $$create_maintenance('x', '{a=b}', '@daily', '1 hour', 'Mars/Olympus')$$,
    $$create_maintenance('x', '{a=b}', '@daily', '0')$$, $$create_maintenance('x', '{a=b}', '@daily', '300000 years')$$,
    $$create_maintenance('', '{a=b}', '@daily', '1 hour')$$, $$create_maintenance(NULL, '{a=b}', '@daily', '1 hour')$$,
    $$drop_maintenance('x')$$, $$silence('{a=b}', '1 hour', 'x', starts_at => 'infinity')$$, $$silence('{a=b}', '290000 years', 'x')$$,
    $$acknowledge_matching('{}')$$, $$acknowledge_matching('{a=~.*}')$$, $$acknowledge_matching('{NULL}')$$, $$acknowledge_matching(NULL)$$,
    $$unacknowledge('nobody')$$]) AS call;
ROLLBACK;
