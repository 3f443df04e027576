-- Fills a fresh database with what a busy year leaves behind: psql -v rows=10000. So many rows of
-- transitions, notifications, attempts, decisions, events and results of probes each, more of roll-ups;
-- and rules, routes, receivers, probes and counted series to go with them. The worker is to be paused.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET maintenance_work_mem = '256MB';
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'monitoring_year') THEN
        CREATE ROLE monitoring_year;
    END IF;
END
$$;
SELECT monitoring.grant_access('monitoring_year', 'operator') \g /dev/null
CREATE TABLE public.year_jobs (id bigint, status text, created_at timestamptz);
GRANT SELECT ON public.year_jobs TO monitoring_year;

BEGIN;
-- Rows are written as they would lie there; what triggers do for a new one is not wanted.
SET LOCAL session_replication_role = replica;
CREATE TEMP TABLE year ON COMMIT DROP AS
SELECT g, g / 40 AS alert, md5((g / 40)::text) AS fingerprint, 'R' || g / 40 % 2000 AS rule_name,
       now() - interval '1 year' * (:rows - g) / :rows::float8 AS at
FROM generate_series(1, :rows) AS g;
INSERT INTO monitoring.alert_history (at, alert_id, generation, fingerprint, rule_name, severity, labels,
    from_state, to_state, value, cause)
SELECT at, alert, g % 40 / 4 + 1, fingerprint, rule_name, 'warning',
       jsonb_build_object('alertname', rule_name, 'inst', 'i' || alert % 10),
       (ARRAY['inactive', 'pending', 'firing', 'resolved'])[g % 4 + 1],
       (ARRAY['pending', 'firing', 'resolved', 'inactive'])[g % 4 + 1], g, 'condition met'
FROM year ORDER BY g;
INSERT INTO monitoring.alert_notes (alert_id, generation, fingerprint, kind, note, created_at)
SELECT alert, g % 40 / 4 + 1, fingerprint, 'acknowledged', 'on it', at + interval '1 minute'
FROM year WHERE g % 8 = 1 ORDER BY g;
INSERT INTO monitoring.notifications (id, receiver, kind, group_key, status, attempts, next_attempt_at,
    payload, created_at, queued_at, sent_at, address, copy_of)
SELECT g, 'r' || g % 500, 'log', '{}:{alertname="' || rule_name || '"}',
       CASE WHEN g % 100 = 0 THEN 'dead' WHEN g % 97 = 0 THEN 'superseded' ELSE 'sent' END, 1, at,
       jsonb_build_object('status', 'firing', 'groupLabels', jsonb_build_object('alertname', rule_name)),
       CASE WHEN g % 50 = 2 THEN lag(at) OVER (ORDER BY g) ELSE at END, at, at, 'log', CASE WHEN g % 50 = 2 THEN g - 1 END
FROM year WHERE g % 33 <> 0 ORDER BY g;
INSERT INTO monitoring.notification_attempts (notification_id, attempt, attempted_at, duration_ms, outcome, http_status)
SELECT id, 1, created_at, 1.5, CASE status WHEN 'dead' THEN 'dead' ELSE 'sent' END, 200
FROM monitoring.notifications WHERE status <> 'superseded' ORDER BY id;
-- Of copies there is no decision of their own; some decisions queue nothing, some leave the alert out.
INSERT INTO monitoring.notification_decisions (decided_at, receiver, route_id, group_key, reason, detail,
    notification_id, firing, resolved, suppressed)
SELECT at, 'r' || g % 500, 1, '{}:{alertname="' || rule_name || '"}',
       CASE WHEN g % 33 = 0 THEN 'suppressed' ELSE 'new_firing' END, 'the group has alerts that it did not have',
       CASE WHEN g % 33 <> 0 THEN g END,
       CASE WHEN g % 33 = 0 OR g % 4 = 3 THEN '{}'::text[] ELSE ARRAY[fingerprint] END,
       CASE WHEN g % 33 <> 0 AND g % 4 = 3 THEN ARRAY[fingerprint] ELSE '{}'::text[] END,
       CASE WHEN g % 33 = 0 THEN jsonb_build_array(jsonb_build_object('fingerprint', fingerprint,
           'cause', 'silenced', 'reason', 'silenced by 1')) END
FROM year WHERE g % 50 <> 2 ORDER BY g;
INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity, message, resolved, created_at, resolved_at)
SELECT 'w' || g % 50, 't' || g % 20, CASE WHEN g % 100 = 0 THEN 'critical' ELSE 'warning' END, 'message ' || g,
       g % 500 <> 0, at, CASE WHEN g % 500 <> 0 THEN at END
FROM year WHERE g % 10 = 0 ORDER BY g;
INSERT INTO public.monitoring_events (event_type, details, created_at)
SELECT 'e' || g % 20, '{"a": 1}', at FROM year ORDER BY g;
INSERT INTO monitoring.probe_results (probe_name, probed_at, success, duration_ms, http_status)
SELECT 'p' || g % 100, now() - interval '1 month' * (:rows - g) / :rows::float8, g % 50 <> 0, 12, 200 FROM year ORDER BY g;
INSERT INTO monitoring.probe_days (probe_name, day, probes, successes)
SELECT probe_name, (probed_at AT TIME ZONE 'UTC')::date, count(*), count(*) FILTER (WHERE success)
FROM monitoring.probe_results GROUP BY 1, 2;
INSERT INTO monitoring.aggregated_metrics (metric_name, period, period_start, min_value, max_value, avg_value,
    sum_value, count_value, dimensions)
SELECT 'm' || g % 10, 'hourly', date_trunc('hour', now() - interval '89 days' * (:rows - g) / :rows::float8, 'UTC'),
       1, 2, 1.5, 30, 20, jsonb_build_object('k', g)
FROM year ORDER BY g;
INSERT INTO monitoring_internal.rollup_state (period, period_start, metric_name, dimensions_hash, dimensions,
    count_value, nonfinite_count, sum_value, min_value, max_value, m2_value, measures, sketch, published)
SELECT period, period_start, metric_name, monitoring_internal.dimensions_hash(dimensions), dimensions, 20, 0, 30, 1,
       2, 1, '{}', NULL, true
FROM monitoring.aggregated_metrics;
INSERT INTO monitoring_internal.rollup_periods (period, period_start, rolled_up_at)
SELECT DISTINCT period, period_start, now() FROM monitoring.aggregated_metrics;
INSERT INTO monitoring_internal.cost_hours (hour, part, name, counted_since, runs, failures, seconds, rows_written)
SELECT h, 'duty', 'duty ' || d, h, 240, 0, 1, 10
FROM generate_series(date_trunc('hour', now(), 'UTC') - interval '1 hour' * least(2160, :rows / 20),
                     date_trunc('hour', now(), 'UTC'), '1 hour') AS h, generate_series(1, 20) AS d;
INSERT INTO public.year_jobs
SELECT g, CASE WHEN g % 1000 = 0 THEN 'pending' WHEN g % 1003 = 0 THEN 'processing' ELSE 'completed' END,
       now() - interval '1 second' * (:rows - g) FROM year ORDER BY g;
COMMIT;
SELECT setval('monitoring.notifications_id_seq', :rows) \g /dev/null

-- Configuration, of which 250,000 rows have 2,000 rules with 5,000 alerts, 2,000 routes, 500 receivers.
INSERT INTO monitoring.receivers (receiver_name, kind) SELECT 'r' || g, 'log' FROM generate_series(0, :rows / 500) AS g;
INSERT INTO monitoring.routes (route_name, sort_order, parent, receiver, matchers, group_by)
SELECT 'route ' || g, g, 0, 'r' || g % (1 + :rows / 500), ARRAY['team="t' || g || '"'], '{alertname}' FROM generate_series(0, :rows / 125) AS g;
INSERT INTO monitoring.alert_rules (rule_name, expr, owner)
SELECT 'R' || g, CASE WHEN g % 4 = 0 THEN format('SELECT 1.0::float8 AS value, ''i'' || x AS inst, ''t%s'' AS team'
           ' FROM pg_catalog.generate_series(1, 10) AS x', g)
       ELSE 'SELECT 1.0::float8 AS value WHERE false' END, 'monitoring_year'
FROM generate_series(0, :rows / 125 - 1) AS g;
INSERT INTO monitoring.silences (matchers, ends_at, comment)
SELECT ARRAY['alertname="N' || g || '"'], now() + interval '1 day', 'c' FROM generate_series(1, :rows / 1250) AS g;
INSERT INTO monitoring.queues (queue_name, source, since_column, owner)
SELECT 'q' || g, 'public.year_jobs', 'created_at', 'monitoring_year' FROM generate_series(1, :rows / 1250) AS g;
INSERT INTO monitoring.probes (probe_name, url, every, enabled)
SELECT 'p' || g, 'http://127.0.0.1:1/', '1 hour', false FROM generate_series(0, 99) AS g;
INSERT INTO monitoring.worker_heartbeats (worker_name, last_seen_at, expected_every)
SELECT 'w' || g, now(), '1 day' FROM generate_series(0, 49) AS g;
SELECT count(monitoring.define_metric('year_' || g || '_total', 'counter', 'One of twenty')) FROM generate_series(0, 19) AS g \g /dev/null
SELECT count(monitoring.counter_inc('year_' || g % 20 || '_total', 1, jsonb_build_object('l', g / 20)))
FROM generate_series(1, least(20000, :rows / 12)) AS g \g /dev/null
VACUUM ANALYZE;
