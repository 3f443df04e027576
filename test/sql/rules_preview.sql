-- Before it hurts: preview_alert() and preview_notification() show what would follow, and write nothing.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
\set VERBOSITY default
\set SHOW_CONTEXT never
SET TIME ZONE 'UTC';
BEGIN;
LOCK TABLE monitoring_internal.alert_progress IN EXCLUSIVE MODE;
CREATE ROLE regress_preview_sre;
CREATE ROLE regress_preview_reader;
SELECT monitoring.grant_access('regress_preview_sre', 'operator'), monitoring.grant_access('regress_preview_reader', 'reader');
GRANT CREATE, USAGE ON SCHEMA public TO regress_preview_sre;
SET LOCAL ROLE regress_preview_sre;
CREATE TABLE public.preview_hosts (host text, load float8);
INSERT INTO public.preview_hosts VALUES ('a', 9), ('b', 5), ('c', 1);
\o /dev/null
SELECT monitoring.create_receiver('ops', 'log'), monitoring.create_receiver('pager', 'pagerduty', '{"routing_key": {"secret": "key"}}'),
       monitoring.create_receiver('team', 'webhook', '{"url": "https://example.com/hook"}');
SELECT monitoring.create_route('ops', parent => NULL, group_by => '{alertname}'),
       monitoring.create_route('pager', '{severity=critical}', route_name => 'pager', group_by => '{alertname,host}');
\o
CREATE TEMP VIEW written AS
SELECT (SELECT count(*) FROM monitoring.alert_rules) AS rules, (SELECT count(*) FROM monitoring.alerts) AS alerts,
       (SELECT count(*) FROM monitoring.alert_history) AS history, (SELECT count(*) FROM monitoring.notifications) AS told;

-- A query: rows, texts, state, whom they would go to and why not elsewhere.
SELECT labels, value, was, state, annotations, receivers, query_ms >= 0 AS timed
FROM monitoring.preview_alert('SELECT host, load AS value FROM public.preview_hosts WHERE load > 4', '2100-01-01 12:00Z',
    rule_name => 'LoadHigh', severity => 'critical', for_duration => '5 minutes', rule_labels => '{"team": "db"}',
    rule_annotations => '{"summary": "{{ $labels.host }} has {{ $value }}"}') ORDER BY labels ->> 'host';
SELECT r ->> 'receiver' AS receiver, r ->> 'path' AS path, r ->> 'reason' AS reason
FROM monitoring.preview_alert('SELECT 1 AS value'), jsonb_array_elements(routing) AS r;
SELECT * FROM written;

-- A rule that is there: its alerts go on where they are; a time before is looked at by itself.
\o /dev/null
SELECT monitoring.create_alert('LoadHigh', 'SELECT host, load AS value FROM public.preview_hosts WHERE load > 4', for_duration => '5 minutes',
    severity => 'critical', annotations => '{"summary": "{{ $labels.host }} has {{ $value }}"}');
SELECT monitoring.evaluate_alerts('2100-01-01 12:00Z');
DELETE FROM public.preview_hosts WHERE host = 'a';
UPDATE public.preview_hosts SET load = 6 WHERE host = 'c';
\o
SELECT labels ->> 'host' AS host, value, was, state FROM monitoring.preview_alert('LoadHigh', '2100-01-01 12:05Z') ORDER BY 1;
SELECT labels ->> 'host' AS host, value, was, state FROM monitoring.preview_alert(rule_name => 'LoadHigh', at => '2100-01-01 11:00Z') ORDER BY 1;
-- A change of its query, before it is made.
SELECT labels ->> 'host' AS host, value, was, state
FROM monitoring.preview_alert('SELECT host, load AS value FROM public.preview_hosts WHERE load > 0', '2100-01-01 12:05Z', 'LoadHigh') ORDER BY 1;
SELECT * FROM written;
-- Thresholds with their levels.
\o /dev/null
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, "timestamp") VALUES ('load1', 9, '2100-01-01 12:04Z');
SELECT monitoring.create_threshold('load1', 4, 8, for_duration => '0');
\o
SELECT labels, value, state, receivers FROM monitoring.preview_alert(rule_name => 'load1', at => '2100-01-01 12:05Z') ORDER BY labels ->> 'severity';

-- The very payload: of what fires, of what would, of labels.
SELECT address, payload #- '{dedup_key}' #- '{payload,timestamp}' #- '{payload,source}' AS payload, note
FROM monitoring.preview_notification('pager', labels => '{"alertname": "X", "severity": "critical", "host": "h"}');
SELECT payload ->> 'event_action' AS action, payload #>> '{payload,summary}' AS summary FROM monitoring.preview_notification('pager', 'LoadHigh');
SELECT monitoring.evaluate_alerts('2100-01-01 12:06Z') > 0 AS fires;
SELECT payload ->> 'groupKey' AS group_key, payload -> 'groupLabels' AS group_labels, payload ->> 'status' AS status,
       (SELECT array_agg(a #>> '{annotations,summary}' ORDER BY a #>> '{labels,host}') FROM jsonb_array_elements(payload -> 'alerts') a) AS alerts
FROM monitoring.preview_notification('team', 'LoadHigh');
SELECT jsonb_array_length(payload -> 'alerts') AS alerts FROM monitoring.preview_notification('team', labels => '{"alertname": "no such rule"}');
-- It is what is queued when the time has come.
SELECT monitoring.evaluate_alerts('2100-01-01 12:08Z') >= 0 AS later;
SELECT count(*) AS queued FROM monitoring.notifications WHERE receiver = 'pager';
SELECT p.payload #>> '{payload,summary}' = n.payload #>> '{payload,summary}' AS same_words, p.payload -> 'dedup_key' = n.payload -> 'dedup_key' AS same_key
FROM monitoring.preview_notification('pager', 'LoadHigh') AS p
JOIN (SELECT payload FROM monitoring.notifications WHERE receiver = 'pager' ORDER BY id DESC LIMIT 1) AS n ON true;

-- Mistakes.
CREATE FUNCTION pg_temp.answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN
    EXECUTE query;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(hint, ''));
END $$;
SELECT pg_temp.answer('SELECT FROM monitoring.' || call) FROM unnest(ARRAY[
    'preview_alert()', $$preview_alert(rule_name => 'LoadHihg')$$, $$preview_alert('SELECT nothing')$$,
    $$preview_alert('SELECT 1 AS value UNION ALL SELECT 2')$$, $$preview_alert('DELETE FROM public.preview_hosts')$$,
    $$preview_alert('SELECT 1 AS value; SELECT 2 AS value')$$, $$preview_alert('SELECT 1 AS value', rule_labels => '{"alertname": "x"}')$$,
    $$preview_alert('SELECT 1 AS value', rule_annotations => '{"a": "{{ nope }}"}')$$, $$preview_alert('SELECT 1 AS value', NULL)$$,
    $$preview_alert('SELECT 1 AS value', 'infinity')$$, $$preview_alert('SELECT 1 AS value', for_duration => '-1 s')$$,
    $$preview_alert('SELECT 1 AS value', rule_name => '')$$, $$preview_alert('SELECT 1 AS value', rule_labels => '[]')$$,
    $$preview_alert('SELECT 1 AS value', rule_labels => NULL)$$,
    $$preview_notification('ops')$$, $$preview_notification('ops', 'a', '{}')$$, $$preview_notification('opps', labels => '{"a": "b"}')$$,
    $$preview_notification('ops', 'LoadHihg')$$, $$preview_notification('ops', labels => '[1]')$$, $$preview_notification('ops', labels => '{"a": {}}')$$,
    $$preview_notification(NULL, labels => '{}')$$]) AS call;
-- A query that a user tries runs as that user, whosever name it takes.
RESET ROLE;
CREATE TABLE public.preview_secret AS SELECT 1 AS value;
SET LOCAL ROLE regress_preview_sre;
SELECT pg_temp.answer($$SELECT FROM monitoring.preview_alert('SELECT value FROM public.preview_secret', rule_name => 'LoadHigh')$$);
RESET ROLE;
SELECT pg_temp.answer($$SELECT FROM monitoring.preview_alert('SELECT 1 AS value')$$);
SET LOCAL ROLE regress_preview_reader;
SAVEPOINT s;
SELECT monitoring.preview_alert('SELECT 1 AS value');
ROLLBACK TO s;
SELECT monitoring.preview_notification('ops', labels => '{}');
ROLLBACK TO s;
RESET ROLE;
ROLLBACK;
