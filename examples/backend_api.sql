-- A backend API: five alerts. Critical ones go to a Slack channel of their own and to PagerDuty, warnings
-- to another channel, and everything else to a third.
--
--   psql -1 -v ON_ERROR_STOP=1 -f examples/backend_api.sql
--
-- as a role with access level operator that is no superuser, in a database that has no other routes;
-- again as often as you like. It
-- expects these measurements in monitoring.pipeline_metrics (INSERT or record_metric()):
--
--   up                            1 or 0, tag job: whether the health check answered
--   api_requests_total            counter, tags method, path, status
--   api_request_errors_total      counter, tags method, path
--   api_request_duration_seconds  one row a request
--   db_connections_active, db_connections_idle    gauges
--   rls_violations_total          counter, tags table, operation
--
-- What is different from the Prometheus and Alertmanager files that say the same:
--   * HighErrorRate compared errors per second with 0.05 and called it a percentage. It is errors by
--     requests here, and alerts above 5 %.
--   * RLSViolations compared a rate per second with 10 and said "per minute". It is per minute here.
--   * DatabasePoolExhausted divided by 100 connections, however many there were. It divides by
--     max_connections here.
--   * pagerduty-critical had no route, and .GroupLabels.instance was not in group_by: nobody was paged,
--     and the text would have ended in nothing. Both routes of critical alerts are taken here, and
--     the description has the summary that the alerts have in common.
--   * service_key is the key of PagerDuty's old API; this is Events API v2, with a routing key.
--   * The titles had lost their encoding: an emoji had become three letters.

SELECT monitoring.create_threshold('up', NULL, 1, comparison => '<',
    rule_name => 'APIHealthCheckFailed', aggregate => 'last', matching => '{"job": "platform-api"}',
    for_duration => '3 minutes', evaluate_every => '30 seconds', group_name => 'platform_api',
    annotations => '{
        "summary": "API health check failed",
        "description": "Platform API has been unreachable for 3 minutes"}', replace => true);

SELECT monitoring.create_alert('HighErrorRate', $$
    SELECT errors.value / nullif(requests.value, 0) AS value
    FROM monitoring.metric_values('api_request_errors_total', 'rate', '5 minutes', $1, by_labels => '{}')
      AS errors
    JOIN monitoring.metric_values('api_requests_total', 'rate', '5 minutes', $1, by_labels => '{}')
      AS requests USING (labels)
    WHERE errors.value > 0.05 * requests.value $$,
    for_duration => '5 minutes', evaluate_every => '30 seconds', group_name => 'platform_api',
    annotations => '{
        "summary": "High API error rate",
        "description": "Error rate is {{ $value | humanizePercentage }} over the last 5 minutes"}',
    replace => true);

SELECT monitoring.create_alert('SlowResponseTime', $$
    SELECT value
    FROM monitoring.metric_values('api_request_duration_seconds', 'p95', '5 minutes', $1,
                                  by_labels => '{}')
    WHERE value > 1.0 $$,
    for_duration => '5 minutes', evaluate_every => '30 seconds', group_name => 'platform_api',
    annotations => '{
        "summary": "Slow API response times",
        "description": "P95 latency is {{ $value | humanizeDuration }}"}', replace => true);

SELECT monitoring.create_alert('DatabasePoolExhausted', $$
    SELECT value / current_setting('max_connections')::float8 AS value
    FROM monitoring.metric_values('db_connections_active', 'last', '5 minutes', $1, by_labels => '{}')
    WHERE value > 0.8 * current_setting('max_connections')::float8 $$,
    for_duration => '2 minutes', evaluate_every => '30 seconds', group_name => 'platform_api',
    annotations => '{
        "summary": "Database connection pool near capacity",
        "description": "{{ $value | humanizePercentage }} of the connections are in use"}', replace => true);

SELECT monitoring.create_alert('RLSViolations', $$
    SELECT 60 * value AS value
    FROM monitoring.metric_values('rls_violations_total', 'rate', '1 minute', $1, by_labels => '{}')
    WHERE 60 * value > 10 $$,
    severity => 'critical', for_duration => '1 minute', evaluate_every => '30 seconds',
    group_name => 'platform_api', annotations => '{
        "summary": "High rate of RLS violations",
        "description": "{{ $value | printf \"%.0f\" }} RLS violations per minute"}', replace => true);

-- Receivers. Their secrets, once:
--   SELECT monitoring.set_secret('slack_webhook', $1), monitoring.set_secret('pagerduty_key', $1);
SELECT monitoring.create_receiver('slack-notifications', 'slack', '{
    "url": {"secret": "slack_webhook"}, "channel": "#alerts", "mention": "none",
    "title": "{{ .GroupLabels.alertname }}",
    "text": "{{ range .Alerts }}{{ .Annotations.description }}\n{{ end }}"}', replace => true);
SELECT monitoring.create_receiver('slack-critical', 'slack', '{
    "url": {"secret": "slack_webhook"}, "channel": "#alerts-critical", "mention": "none",
    "title": "🚨 CRITICAL: {{ .GroupLabels.alertname }}",
    "text": "{{ range .Alerts }}{{ .Annotations.description }}\n{{ end }}"}', replace => true);
SELECT monitoring.create_receiver('slack-warnings', 'slack', '{
    "url": {"secret": "slack_webhook"}, "channel": "#alerts-warnings", "mention": "none",
    "title": "⚠️ WARNING: {{ .GroupLabels.alertname }}",
    "text": "{{ range .Alerts }}{{ .Annotations.description }}\n{{ end }}"}', replace => true);
SELECT monitoring.create_receiver('pagerduty-critical', 'pagerduty', '{
    "routing_key": {"secret": "pagerduty_key"},
    "description": "{{ .GroupLabels.alertname }}: {{ .CommonAnnotations.summary }}"}', replace => true);

SELECT monitoring.create_route('slack-notifications', parent => NULL, group_by => '{alertname,severity}',
    group_wait => '10 seconds', group_interval => '5 minutes', repeat_interval => '3 hours', replace => true);
SELECT monitoring.create_route('slack-critical', '{severity=critical}', continue_matching => true,
    route_name => 'slack-critical', replace => true);
SELECT monitoring.create_route('pagerduty-critical', '{severity=critical}',
    route_name => 'pagerduty-critical', replace => true);
SELECT monitoring.create_route('slack-warnings', '{severity=warning}',
    route_name => 'slack-warnings', replace => true);
