-- An AI platform on Postgres: six figures about its actions, its job queue and its audit log, read from
-- the application's own tables. No edge function, no cron job and no table of metrics in between.
-- Critical pages the engineer on call through PagerDuty, by text message and by a call; warning goes to
-- a Slack channel; info is recorded and nobody is told.
--
--   psql -1 -v ON_ERROR_STOP=1 -f examples/ai_platform.sql
--
-- as a role with access level operator that is no superuser, in a database that has no other routes;
-- again as often as you like. The
-- role owns the rules and needs SELECT on three tables:
--
--   ai_action_ledger (created_at timestamptz, status text, total_tokens int, cost_usd numeric, ...)
--   ingest_jobs      (status text, created_at timestamptz, completed_at timestamptz, ...)
--   audit_log        (created_at timestamptz, ...)
--
-- What is different from a monitor function that posts to PagerDuty:
--   * It posted no dedup_key, so that every run opened another incident and nothing ever closed one. Here
--     a group of alerts has one key, and a resolve closes what its trigger opened.
--   * now() is the time of the evaluation, $1, everywhere: the rules can be tested on any clock.
--   * "Unusual" audit activity had no figure. Here it is more than twice what is usual at this hour.

SELECT monitoring.create_ladder('ai_error_rate', '[
        {"severity": "critical", "bound": 5},
        {"severity": "warning", "bound": 1, "inclusive": true}]',
    expr => $$
        SELECT 100.0 * count(*) FILTER (WHERE status <> 'success') / nullif(count(*), 0) AS value
        FROM ai_action_ledger WHERE created_at > $1 - interval '1 hour' AND created_at <= $1 $$,
    group_name => 'ai', annotations => '{
        "summary": "AI error rate is {{ $value | printf \"%.1f\" }}%",
        "description": "OK is below 1%, critical above 5% of the actions of the last hour"}',
    replace => true);

SELECT monitoring.create_ladder('ai_tokens_hourly', '[{"severity": "warning", "bound": 1000000}]',
    expr => $$
        SELECT coalesce(sum(total_tokens), 0) AS value
        FROM ai_action_ledger WHERE created_at > $1 - interval '1 hour' AND created_at <= $1 $$,
    group_name => 'ai', annotations => '{
        "summary": "{{ $value | humanize }} tokens in the last hour (threshold: 1M)"}', replace => true);

SELECT monitoring.create_ladder('ai_cost_hourly', '[{"severity": "warning", "bound": 100}]',
    expr => $$
        SELECT coalesce(sum(cost_usd), 0) AS value
        FROM ai_action_ledger WHERE created_at > $1 - interval '1 hour' AND created_at <= $1 $$,
    group_name => 'ai', annotations => '{
        "summary": "AI cost ${{ $value | printf \"%.2f\" }} in the last hour (threshold: $100)"}',
    replace => true);

SELECT monitoring.create_ladder('queue_depth', '[
        {"severity": "critical", "bound": 1000},
        {"severity": "warning", "bound": 100, "inclusive": true}]',
    expr => $$ SELECT count(*) AS value FROM ingest_jobs WHERE status = 'pending' AND created_at <= $1 $$,
    group_name => 'queue', annotations => '{
        "summary": "{{ $value }} jobs are waiting",
        "description": "OK is below 100, critical above 1000"}', replace => true);

SELECT monitoring.create_ladder('queue_processing_time_p95', '[
        {"severity": "critical", "bound": 60},
        {"severity": "warning", "bound": 30, "inclusive": true}]',
    expr => $$
        SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - created_at))
               AS value
        FROM ingest_jobs WHERE completed_at > $1 - interval '1 hour' AND completed_at <= $1 $$,
    group_name => 'queue', annotations => '{
        "summary": "95% of the jobs took up to {{ $value | humanizeDuration }}",
        "description": "OK is below 30s, critical above 60s, over the last hour"}', replace => true);

-- Against the median of the same hour of the last seven days; without three days of history there is
-- nothing to compare with, and no alert.
SELECT monitoring.create_alert('audit_activity_hourly', $$
    WITH hours AS (
        SELECT d, (SELECT count(*) FROM audit_log
                   WHERE created_at > $1 - d * interval '1 day' - interval '1 hour'
                     AND created_at <= $1 - d * interval '1 day') AS actions
        FROM generate_series(0, 7) AS d),
    usual AS (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY actions) AS actions
        FROM hours WHERE d > 0 AND actions > 0 HAVING count(*) >= 3)
    SELECT hours.actions AS value FROM hours, usual
    WHERE d = 0 AND hours.actions > 2 * usual.actions $$,
    severity => 'info', group_name => 'audit', annotations => '{
        "summary": "{{ $value }} audited actions in the last hour, more than twice the usual number"}',
    replace => true);

-- Receivers. Their secrets, once:
--   SELECT monitoring.set_secret('pagerduty_key', $1), monitoring.set_secret('twilio_token', $1), ...
SELECT monitoring.create_receiver('oncall', 'pagerduty', '{"routing_key": {"secret": "pagerduty_key"}}',
    replace => true);
SELECT monitoring.create_receiver('oncall-sms', 'sms', '{
    "account_sid": "AC00000000000000000000000000000000", "auth_token": {"secret": "twilio_token"},
    "from": "+15005550006", "to": "+15005550001"}', replace => true);
SELECT monitoring.create_receiver('oncall-call', 'sms', '{
    "account_sid": "AC00000000000000000000000000000000", "auth_token": {"secret": "twilio_token"},
    "from": "+15005550006", "to": "+15005550001", "voice": true}', replace => true);
SELECT monitoring.create_receiver('slack-alerts', 'slack', '{
    "url": {"secret": "slack_webhook"}, "channel": "#alerts"}', replace => true);
SELECT monitoring.create_receiver('recorded', 'log', replace => true);

SELECT monitoring.create_route('recorded', parent => NULL, group_by => '{alertname,severity}',
    replace => true);
SELECT monitoring.create_route('oncall', '{severity=critical}', continue_matching => true,
    route_name => 'oncall', replace => true);
SELECT monitoring.create_route('oncall-sms', '{severity=critical}', continue_matching => true,
    route_name => 'oncall-sms', replace => true);
SELECT monitoring.create_route('oncall-call', '{severity=critical}',
    route_name => 'oncall-call', replace => true);
SELECT monitoring.create_route('slack-alerts', '{severity=warning}',
    route_name => 'slack-alerts', replace => true);
