-- Document 000, from its own tables: examples/ai_platform_data.sql makes them. The six figures are
-- counted by hand in the head of that file.
\set example ai_platform.sql
\getenv srcdir PG_ABS_SRCDIR
\set shared :srcdir '/sql/gallery.psql'
\set data :srcdir '/../examples/ai_platform_data.sql'
\set ECHO none
\o /dev/null
\i :shared
\set at 'pg_temp.at(\'0\')'
\i :data
SET client_min_messages = warning;
\i :example
CALL pg_temp.play('0', '5 minutes');
\o
\set ECHO all
-- Every threshold is crossed at midnight, with the value that was counted.
SELECT rule_name, severity, min(value) AS value, min(at - pg_temp.at('0')) AS firing
FROM monitoring.alert_history WHERE to_state = 'firing' GROUP BY 1, 2 ORDER BY 1, 2;
-- Critical: PagerDuty, a text message and a call. Warning: Slack. Info: recorded.
SELECT severity, alert, string_agg(DISTINCT receiver, ', ' ORDER BY receiver) AS receivers, min(after) AS after
FROM pg_temp.told WHERE reason = 'first' GROUP BY 1, 2 ORDER BY 1, 2;
ROLLBACK;

-- The same by the pack, on the real clock: figures that do not change for nine minutes.
\set ECHO none
BEGIN;
LOCK TABLE monitoring_internal.alert_progress, monitoring.worker_issues IN EXCLUSIVE MODE;
\o /dev/null
\set at 'now()'
\i :data
SELECT monitoring.enable_pack('application', with_alerts => true);
\o
\set ECHO all
SELECT collector_name, monitoring.run_collector(collector_name) AS series
FROM monitoring.collectors WHERE pack_name = 'application' ORDER BY collector_name;
-- What document 000's local test shows.
SELECT metric_name, metric_value, status FROM system_metrics
WHERE metric_name IN ('ai_error_rate', 'ai_tokens_hourly', 'ai_cost_hourly', 'queue_depth',
                      'queue_processing_time_p95', 'audit_activity_hourly', 'audit_activity_baseline_ratio')
ORDER BY metric_name;
SELECT count(*) FROM (SELECT * FROM system_metrics ORDER BY recorded_at DESC LIMIT 10) AS newest;
-- Its four panels, word for word.
CREATE VIEW pg_temp.error_rate AS
SELECT 
  DATE_TRUNC('minute', created_at) AS time,
  ROUND(
    (COUNT(*) FILTER (WHERE status != 'success')::NUMERIC / 
     NULLIF(COUNT(*), 0)::NUMERIC) * 100, 
    2
  ) AS error_rate
FROM ai_action_ledger
WHERE created_at >= NOW() - INTERVAL '1 hour'
GROUP BY time
ORDER BY time ASC;
SELECT count(*) AS minutes, count(*) FILTER (WHERE error_rate > 0) AS with_errors, max(error_rate)
FROM pg_temp.error_rate;
SELECT COUNT(*) AS queue_depth
FROM ingest_jobs
WHERE status = 'pending';
SELECT SUM(cost_usd) AS total_cost
FROM ai_action_ledger
WHERE created_at >= NOW() - INTERVAL '1 hour';
SELECT 
  action,
  COUNT(*) AS error_count,
  STRING_AGG(DISTINCT error_message, '; ') AS sample_errors
FROM ai_action_ledger
WHERE status != 'success'
  AND created_at >= NOW() - INTERVAL '1 hour'
GROUP BY action
ORDER BY error_count DESC
LIMIT 10;
-- The other panels: tokens by model, cost by actor, success by action, jobs by status.
SELECT metric_name, tags, round(sum(metric_value)::numeric, 2) AS value
FROM (SELECT metric_name, metric_value, CASE WHEN metric_name LIKE '%tokens%' THEN tags - 'actor_type' - 'status'
                                             ELSE tags - 'model' - 'status' END AS tags FROM system_metrics
      WHERE metric_name IN ('ai_tokens_by_model_hourly', 'ai_cost_by_model_hourly')) AS m
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT metric_name, tags, round(metric_value::numeric, 4) AS value FROM system_metrics
WHERE metric_name IN ('ai_action_success_ratio', 'ai_latency_p95_seconds', 'queue_jobs')
ORDER BY 1, 2;
-- And its rules, of the pack: those fire.
SELECT monitoring.evaluate_alerts() > 0 AS changes;
SELECT rule_name, severity, value FROM monitoring.alerts WHERE state = 'firing' ORDER BY rule_name, severity;
ROLLBACK;
