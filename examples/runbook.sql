-- A monitoring runbook with severities P0 (immediately) to P3 (within 24 hours): who is told by which
-- channel, and who is told next when nobody answers.
--
--   severity   Slack #alerts   e-mail                        text message
--   P0         @channel        on call, engineering lead,    on call; the CTO after 15 minutes
--                              CTO                           without an acknowledgement
--   P1         @here           on call, engineering lead
--   P2         quietly         on call, engineering lead
--   P3         quietly
--
--   psql -1 -v ON_ERROR_STOP=1 -f examples/runbook.sql
--
-- as a role with access level operator that is no superuser, in a database that has no other routes;
-- again as often as you like. It
-- expects these measurements in monitoring.pipeline_metrics (INSERT or record_metric()):
--
--   http_requests_total, http_errors_total     counters
--   http_request_duration_seconds              one row a request
--   health_check                               1 or 0, once a minute: whether it answered 200
--   db_connections_active, db_connections_max  gauges
--   http_requests_per_minute                   gauge, once a minute, for the baseline
--
-- What is different from the runbook's text:
--   * It says of an uptime below 99 % P0 in one place and P1 in another, with P0 below 95 %. The levels
--     are data: UptimeLow has the second reading; to have the first,
--       UPDATE monitoring.thresholds SET levels = '[{"severity": "P0", "bound": 99}]'
--       WHERE rule_id = (SELECT id FROM monitoring.alert_rules WHERE rule_name = 'UptimeLow');
--   * Its rules name P1 only; the tables above them have P0, too. Here each is one alert with both
--     levels, of which the more severe one hides the other.

SELECT monitoring.create_ladder('HighErrorRate', '[
        {"severity": "P0", "bound": 1}, {"severity": "P1", "bound": 0.5}]',
    expr => $$
        SELECT 100 * errors.value / nullif(requests.value, 0) AS value
        FROM monitoring.metric_values('http_errors_total', 'rate', '5 minutes', $1, by_labels => '{}')
          AS errors
        JOIN monitoring.metric_values('http_requests_total', 'rate', '5 minutes', $1, by_labels => '{}')
          AS requests USING (labels) $$,
    for_duration => '5 minutes', group_name => 'application', annotations => '{
        "summary": "{{ $value | printf \"%.2f\" }}% of the requests fail (target: < 0.1%)",
        "runbook_url": "https://wiki.example.com/runbooks/high-error-rate"}', replace => true);

SELECT monitoring.create_ladder('SlowResponseTime', '[
        {"severity": "P0", "bound": 2}, {"severity": "P1", "bound": 1}]',
    expr => $$
        SELECT value FROM monitoring.metric_values('http_request_duration_seconds', 'p95', '5 minutes',
                                                   $1, by_labels => '{}') $$,
    for_duration => '5 minutes', group_name => 'application', annotations => '{
        "summary": "95% of the requests take up to {{ $value | humanizeDuration }} (target: < 500ms)",
        "runbook_url": "https://wiki.example.com/runbooks/slow-response-time"}', replace => true);

SELECT monitoring.create_ladder('ServiceDown', '[{"severity": "P0", "bound": 1}]',
    metric_name => 'health_check', comparison => '<', aggregate => 'last',
    for_duration => '2 minutes', group_name => 'application', annotations => '{
        "summary": "The health check fails",
        "runbook_url": "https://wiki.example.com/runbooks/service-down"}', replace => true);

SELECT monitoring.create_ladder('UptimeLow', '[
        {"severity": "P0", "bound": 95}, {"severity": "P1", "bound": 99}]',
    comparison => '<',
    expr => $$
        SELECT 100 * value AS value
        FROM monitoring.metric_values('health_check', 'avg', '1 day', $1, by_labels => '{}') $$,
    group_name => 'application', annotations => '{
        "summary": "{{ $value | printf \"%.2f\" }}% of the health checks of the last day succeeded (target: 99.9%)"}',
    replace => true);

SELECT monitoring.create_ladder('DatabaseConnectionPoolHigh', '[
        {"severity": "P0", "bound": 95, "resolve_at": 90},
        {"severity": "P1", "bound": 85, "resolve_at": 80}]',
    expr => $$
        SELECT 100 * active.value / nullif(most.value, 0) AS value
        FROM monitoring.metric_values('db_connections_active', 'last', '5 minutes', $1) AS active
        JOIN monitoring.metric_values('db_connections_max', 'last', '5 minutes', $1) AS most
          USING (labels) $$,
    for_duration => '5 minutes', group_name => 'database', annotations => '{
        "summary": "{{ $value | printf \"%.0f\" }}% of the connections are in use (target: < 80%)",
        "runbook_url": "https://wiki.example.com/runbooks/connection-pool"}', replace => true);

-- An unusual spike: more than twice the baseline, which is the median of this hour (UTC) of the last
-- seven days, from the hourly roll-ups. Without three such days the value is NULL, which is no alert.
SELECT monitoring.create_ladder('RequestRateSpike', '[{"severity": "P2", "bound": 2}]',
    expr => $$
        SELECT value / nullif(monitoring.metric_baseline('http_requests_per_minute', $1), 0) AS value
        FROM monitoring.metric_values('http_requests_per_minute', 'avg', '10 minutes', $1,
                                      by_labels => '{}') $$,
    for_duration => '5 minutes', group_name => 'application', annotations => '{
        "summary": "{{ $value | printf \"%.1f\" }} times as many requests as is usual at this hour"}',
    replace => true);

-- Receivers. Their secrets, once:
--   SELECT monitoring.set_secret('slack_webhook', $1), monitoring.set_secret('twilio_token', $1), ...
-- Slack mentions @channel for P0 and @here for P1 by itself.
SELECT monitoring.create_receiver('slack-alerts', 'slack', '{
    "url": {"secret": "slack_webhook"}, "channel": "#alerts"}', replace => true);
SELECT monitoring.create_receiver('email-oncall', 'email', '{
    "smarthost": "smtp.example.com:587", "from": "alerts@example.com",
    "to": "oncall@example.com, engineering-lead@example.com",
    "username": "alerts@example.com", "password": {"secret": "smtp_password"},
    "subject_prefix": "[Agent Factory]"}', replace => true);
SELECT monitoring.create_receiver('email-cto', 'email', '{
    "smarthost": "smtp.example.com:587", "from": "alerts@example.com", "to": "cto@example.com",
    "username": "alerts@example.com", "password": {"secret": "smtp_password"},
    "subject_prefix": "[Agent Factory]"}', replace => true);
SELECT monitoring.create_receiver('sms-oncall', 'sms', '{
    "account_sid": "AC00000000000000000000000000000000", "auth_token": {"secret": "twilio_token"},
    "from": "+15005550006", "to": "+15005550001"}', replace => true);
SELECT monitoring.create_receiver('sms-cto', 'sms', '{
    "account_sid": "AC00000000000000000000000000000000", "auth_token": {"secret": "twilio_token"},
    "from": "+15005550006", "to": "+15005550002"}', replace => true);

SELECT monitoring.create_route('slack-alerts', parent => NULL, group_by => '{alertname,severity}',
    group_wait => '10 seconds', group_interval => '1 minute', repeat_interval => '4 hours', replace => true);
SELECT monitoring.create_route('sms-oncall', '{severity=P0}', continue_matching => true,
    route_name => 'sms-oncall', replace => true);
SELECT monitoring.create_route('email-cto', '{severity=P0}', continue_matching => true,
    route_name => 'email-cto', replace => true);
SELECT monitoring.create_route('email-oncall', '{"severity=~\"P[012]\""}', continue_matching => true,
    route_name => 'email-oncall', replace => true);
SELECT monitoring.create_route('slack-alerts', '{"severity=~\"P[0-3]\""}',
    route_name => 'slack-alerts', replace => true);

SELECT monitoring.create_escalation('cto', '[{"after": "15 minutes", "receiver": "sms-cto"}]',
                                    '{severity=P0}', replace => true);
