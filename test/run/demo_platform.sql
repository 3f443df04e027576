-- An AI platform after examples/, on data whose last hour is a bad one. Run by test/run/demo with the
-- variable receiver_url, in whose folders the providers are played.
\pset footer off
SET client_min_messages = warning;
CREATE ROLE sre;
SELECT monitoring.grant_access('sre', 'operator') \g /dev/null
CREATE SCHEMA platform AUTHORIZATION sre;
SET ROLE sre;
SET search_path = platform;

\echo '-- examples/ai_platform_data.sql: a week of actions, jobs and audit'
\ir ../../examples/ai_platform_data.sql

\echo '-- SELECT monitoring.enable_pack(''application'', mapping => ...);'
SELECT monitoring.enable_pack('application', mapping => '{
    "ai_action_ledger": "platform.ai_action_ledger", "ingest_jobs": "platform.ingest_jobs",
    "audit_log": "platform.audit_log"}') AS collectors;
SELECT count(monitoring.run_collector(collector_name)) AS collectors_run
FROM monitoring.collectors WHERE pack_name = 'application';
\echo '-- SELECT ... FROM system_metrics: the six figures'
SELECT DISTINCT ON (metric_name) metric_name, metric_value, status
FROM public.system_metrics
WHERE metric_name IN ('ai_error_rate', 'ai_tokens_hourly', 'ai_cost_hourly', 'queue_depth',
                      'queue_processing_time_p95', 'audit_activity_hourly')
ORDER BY metric_name, recorded_at DESC;
\echo '-- Top errors, as a panel asks for them'
SELECT action, count(*) AS error_count, string_agg(DISTINCT error_message, '; ') AS sample_errors
FROM ai_action_ledger WHERE status <> 'success' AND created_at >= now() - interval '1 hour'
GROUP BY action ORDER BY error_count DESC LIMIT 10;

\echo '-- examples/ai_platform.sql: critical pages by PagerDuty, text message and call, warning goes to Slack'
BEGIN;
\o /dev/null
SELECT monitoring.set_secret('pagerduty_key', 'demo'), monitoring.set_secret('twilio_token', 'demo'),
       monitoring.set_secret('slack_webhook', :'receiver_url' || '/slack');
\ir ../../examples/ai_platform.sql
\o
-- Nobody is called by a demonstration.
UPDATE monitoring.receivers AS r SET settings = r.settings || jsonb_build_object('url', :'receiver_url' || p.path)
FROM (VALUES ('oncall', '/pagerduty'), ('oncall-sms', '/sms'), ('oncall-call', '/call')) AS p (receiver_name, path)
WHERE r.receiver_name = p.receiver_name;
UPDATE monitoring.routes SET group_wait = '0';
COMMIT;
SELECT monitoring.evaluate_alerts() > 0 AS evaluated \g /dev/null
SELECT rule_name, severity, value, state FROM monitoring.alerts
WHERE rule_name ~ '^(ai|queue|audit)_' ORDER BY rule_name, severity;
