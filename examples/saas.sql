-- A SaaS product: HTTP API, WebSockets, a job queue, its database, its hosts and what AI costs.
-- Fifteen alerts; critical ones page through PagerDuty, and critical and warning ones go to a mail
-- address and a Slack channel.
--
--   psql -1 -v ON_ERROR_STOP=1 -f examples/saas.sql
--
-- as a role with access level operator that is no superuser, in a database that has no other routes;
-- again as often as you like. It
-- expects these measurements in monitoring.pipeline_metrics (INSERT or record_metric()):
--
--   http_requests_total                counter   tags method, route, status
--   http_request_duration_seconds      one row a request, tags method, route, status
--   websocket_connections_total        counter   tags type, event
--   websocket_connections_gauge        gauge     tag type
--   bullmq_queue_waiting               gauge     tag queue
--   bullmq_job_duration_seconds        one row a finished job, tags queue and status (completed, failed)
--   database_query_duration_seconds    one row a query, tag query
--   database_connection_pool_size, database_connection_pool_idle               gauges
--   ai_provider_requests_total         counter   tags provider, status
--   ai_provider_cost_dollars           counter   tag provider
--   node_cpu_seconds_total             counter   tags instance, cpu, mode
--   node_memory_MemAvailable_bytes, node_memory_MemTotal_bytes                 gauges, tag instance
--   node_filesystem_avail_bytes, node_filesystem_size_bytes    gauges, tags instance, mountpoint
--
-- What is different from the Prometheus and Alertmanager files that say the same:
--   * The route to Slack had the matchers of the route to e-mail before it, which did not continue, so
--     that nothing ever reached Slack. The route to e-mail continues here.
--   * .Annotations does not exist for a group (it is .CommonAnnotations), and severity is no group
--     label (it is in .CommonLabels): the mail would not have been sent, the Slack text been empty.
--   * ${SMTP_PASSWORD} and the like are expanded by nobody; here they are names of secrets.
--   * Job failures were rate() over gauges, and 0 failed by 0 completed is no number: here they are
--     failed jobs by finished jobs.
--   * Quantiles were taken for each combination of labels, so that one slow rare route alerted; here
--     they are over all requests, over all jobs, and for each query.

SELECT monitoring.create_alert('HighAPIErrorRate', $$
    SELECT value FROM (
        SELECT sum(value) FILTER (WHERE labels ->> 'status' LIKE '5%') / nullif(sum(value), 0) AS value
        FROM monitoring.metric_values('http_requests_total', 'rate', '5 minutes', $1)) AS ratio
    WHERE value > 0.05 $$,
    severity => 'critical', for_duration => '2 minutes', evaluate_every => '30 seconds',
    group_name => 'api_alerts', labels => '{"team": "backend", "service": "api"}', annotations => '{
        "summary": "High API error rate detected",
        "description": "Error rate is {{ $value | humanizePercentage }} (threshold: 5%)"}', replace => true);

SELECT monitoring.create_alert('SlowAPIResponses', $$
    SELECT value
    FROM monitoring.metric_values('http_request_duration_seconds', 'p95', '5 minutes', $1,
                                  by_labels => '{}')
    WHERE value > 1.0 $$,
    for_duration => '5 minutes', evaluate_every => '30 seconds',
    group_name => 'api_alerts', labels => '{"team": "backend", "service": "api"}', annotations => '{
        "summary": "API responses are slow",
        "description": "P95 latency is {{ $value | humanizeDuration }} (threshold: 1s)"}', replace => true);

SELECT monitoring.create_threshold('websocket_connections_total', 10, NULL,
    rule_name => 'HighWebSocketDisconnections',
    aggregate => 'rate', over_last => '1 minute', matching => '{"event": "disconnect"}',
    for_duration => '3 minutes', evaluate_every => '30 seconds',
    group_name => 'websocket_alerts', labels => '{"team": "backend"}', annotations => '{
        "summary": "High WebSocket disconnection rate",
        "description": "{{ $value | humanize }} disconnections per second (threshold: 10/s)"}',
    replace => true);

SELECT monitoring.create_threshold('websocket_connections_gauge', 4500, NULL,
    rule_name => 'WebSocketConnectionLimitApproaching', aggregate => 'last',
    for_duration => '5 minutes', evaluate_every => '30 seconds',
    group_name => 'websocket_alerts', labels => '{"team": "backend"}', annotations => '{
        "summary": "WebSocket connection limit approaching",
        "description": "{{ $value }} connections (limit: 5000)"}', replace => true);

SELECT monitoring.create_threshold('bullmq_queue_waiting', 50, NULL,
    rule_name => 'GenerationQueueBacklog', aggregate => 'last', matching => '{"queue": "generation"}',
    for_duration => '5 minutes', evaluate_every => '30 seconds',
    group_name => 'generation_alerts', labels => '{"team": "backend"}', annotations => '{
        "summary": "Large generation job queue backlog",
        "description": "{{ $value }} jobs waiting (threshold: 50)"}', replace => true);

SELECT monitoring.create_alert('HighGenerationFailureRate', $$
    SELECT value FROM (
        SELECT sum(value) FILTER (WHERE labels ->> 'status' = 'failed') / sum(value) AS value
        FROM monitoring.metric_values('bullmq_job_duration_seconds', 'count', '5 minutes', $1,
                                      '{"queue": "generation"}')) AS ratio
    WHERE value > 0.1 $$,
    severity => 'critical', for_duration => '5 minutes', evaluate_every => '30 seconds',
    group_name => 'generation_alerts', labels => '{"team": "backend", "queue": "generation"}',
    annotations => '{
        "summary": "High generation job failure rate",
        "description": "{{ $value | humanizePercentage }} of jobs failing (threshold: 10%)"}',
    replace => true);

SELECT monitoring.create_alert('SlowGenerationJobs', $$
    SELECT value
    FROM monitoring.metric_values('bullmq_job_duration_seconds', 'p95', '10 minutes', $1,
                                  '{"queue": "generation"}', by_labels => '{}')
    WHERE value > 60 $$,
    for_duration => '10 minutes', evaluate_every => '30 seconds',
    group_name => 'generation_alerts', labels => '{"team": "backend", "queue": "generation"}',
    annotations => '{
        "summary": "Generation jobs are taking too long",
        "description": "P95 duration is {{ $value | humanizeDuration }} (threshold: 60s)"}', replace => true);

SELECT monitoring.create_alert('HighDatabaseConnectionPoolUsage', $$
    SELECT (size.value - idle.value) / nullif(size.value, 0) AS value
    FROM monitoring.metric_values('database_connection_pool_size', 'last', '5 minutes', $1) AS size
    JOIN monitoring.metric_values('database_connection_pool_idle', 'last', '5 minutes', $1) AS idle
      USING (labels)
    WHERE size.value - idle.value > 0.9 * size.value $$,
    for_duration => '5 minutes', evaluate_every => '30 seconds',
    group_name => 'database_alerts', labels => '{"team": "backend"}', annotations => '{
        "summary": "Database connection pool nearly exhausted",
        "description": "{{ $value | humanizePercentage }} of connections in use (threshold: 90%)"}',
    replace => true);

SELECT monitoring.create_alert('SlowDatabaseQueries', $$
    SELECT labels ->> 'query' AS query, value
    FROM monitoring.metric_values('database_query_duration_seconds', 'p95', '5 minutes', $1,
                                  by_labels => '{query}')
    WHERE value > 1.0 $$,
    for_duration => '5 minutes', evaluate_every => '30 seconds',
    group_name => 'database_alerts', labels => '{"team": "backend"}', annotations => '{
        "summary": "Database queries are slow",
        "description": "P95 query duration of {{ $labels.query }} is {{ $value | humanizeDuration }} (threshold: 1s)"}',
    replace => true);

-- rate, not irate: two samples are too little to page on.
SELECT monitoring.create_alert('HighCPUUsage', $$
    SELECT labels ->> 'instance' AS instance, 100 - avg(value) * 100 AS value
    FROM monitoring.metric_values('node_cpu_seconds_total', 'rate', '5 minutes', $1, '{"mode": "idle"}')
    GROUP BY 1 HAVING 100 - avg(value) * 100 > 80 $$,
    for_duration => '10 minutes', evaluate_every => '1 minute',
    group_name => 'infrastructure_alerts', labels => '{"team": "devops"}', annotations => '{
        "summary": "High CPU usage on {{ $labels.instance }}",
        "description": "CPU usage is {{ $value | printf \"%.1f\" }}% (threshold: 80%)"}', replace => true);

SELECT monitoring.create_alert('HighMemoryUsage', $$
    SELECT labels ->> 'instance' AS instance, (1 - available.value / total.value) * 100 AS value
    FROM monitoring.metric_values('node_memory_MemTotal_bytes', 'last', '5 minutes', $1) AS total
    JOIN monitoring.metric_values('node_memory_MemAvailable_bytes', 'last', '5 minutes', $1)
      AS available USING (labels)
    WHERE total.value > 0 AND available.value < 0.15 * total.value $$,
    for_duration => '5 minutes', evaluate_every => '1 minute',
    group_name => 'infrastructure_alerts', labels => '{"team": "devops"}', annotations => '{
        "summary": "High memory usage on {{ $labels.instance }}",
        "description": "Memory usage is {{ $value | printf \"%.1f\" }}% (threshold: 85%)"}', replace => true);

SELECT monitoring.create_alert('LowDiskSpace', $$
    SELECT labels ->> 'instance' AS instance, (1 - available.value / size.value) * 100 AS value
    FROM monitoring.metric_values('node_filesystem_size_bytes', 'last', '5 minutes', $1,
                                  '{"mountpoint": "/"}') AS size
    JOIN monitoring.metric_values('node_filesystem_avail_bytes', 'last', '5 minutes', $1,
                                  '{"mountpoint": "/"}') AS available USING (labels)
    WHERE size.value > 0 AND available.value < 0.1 * size.value $$,
    severity => 'critical', for_duration => '5 minutes', evaluate_every => '1 minute',
    group_name => 'infrastructure_alerts', labels => '{"team": "devops"}', annotations => '{
        "summary": "Low disk space on {{ $labels.instance }}",
        "description": "Disk usage is {{ $value | printf \"%.1f\" }}% (threshold: 90%)"}', replace => true);

SELECT monitoring.create_alert('HighAIProviderErrorRate', $$
    SELECT labels ->> 'provider' AS provider,
           sum(value) FILTER (WHERE labels ->> 'status' = 'error') / sum(value) AS value
    FROM monitoring.metric_values('ai_provider_requests_total', 'rate', '5 minutes', $1)
    GROUP BY 1 HAVING sum(value) FILTER (WHERE labels ->> 'status' = 'error') > 0.1 * sum(value) $$,
    for_duration => '5 minutes', evaluate_every => '30 seconds',
    group_name => 'ai_provider_alerts', labels => '{"team": "backend"}', annotations => '{
        "summary": "High error rate for AI provider {{ $labels.provider }}",
        "description": "{{ $value | humanizePercentage }} of requests failing (threshold: 10%)"}',
    replace => true);

SELECT monitoring.create_threshold('ai_provider_cost_dollars', 100, NULL,
    rule_name => 'HighAICost', aggregate => 'increase', over_last => '1 hour',
    for_duration => '10 minutes', evaluate_every => '30 seconds',
    group_name => 'ai_provider_alerts', labels => '{"team": "backend"}', annotations => '{
        "summary": "High AI provider costs",
        "description": "${{ $value | printf \"%.2f\" }} spent in the last hour (threshold: $100/hour)"}',
    replace => true);

SELECT monitoring.create_alert('HighDailyCost', $$
    SELECT value
    FROM monitoring.metric_values('ai_provider_cost_dollars', 'increase', '24 hours', $1,
                                  by_labels => '{}')
    WHERE value > 500 $$,
    severity => 'critical', evaluate_every => '30 seconds', group_name => 'ai_provider_alerts',
    annotations => '{"summary": "Daily AI costs exceeded $500",
                     "description": "${{ $value | printf \"%.2f\" }} spent in the last 24 hours"}',
    replace => true);

-- Receivers. Their secrets, once:
--   SELECT monitoring.set_secret('smtp_password', $1), monitoring.set_secret('slack_webhook', $1), ...
SELECT monitoring.create_receiver('default', 'email', '{
    "smarthost": "smtp.gmail.com:587", "from": "alerts@example.com", "to": "team@example.com",
    "username": "alerts@example.com", "password": {"secret": "smtp_password"}}', replace => true);
SELECT monitoring.create_receiver('email', 'email', jsonb_build_object(
    'smarthost', 'smtp.gmail.com:587', 'from', 'alerts@example.com', 'to', 'devops@example.com',
    'username', 'alerts@example.com', 'password', '{"secret": "smtp_password"}'::jsonb,
    'subject', '[{{ .Status | toUpper }}] {{ .GroupLabels.alertname }}',
    'html', $html$
<h3>{{ .GroupLabels.alertname }}</h3>
<p><b>Severity:</b> {{ .CommonLabels.severity }}</p>
{{ range .Alerts }}<p><b>Description:</b> {{ .Annotations.description }}</p>
{{ end }}$html$), replace => true);
SELECT monitoring.create_receiver('slack', 'slack', '{
    "url": {"secret": "slack_webhook"}, "channel": "#saas-alerts", "mention": "none",
    "title": "{{ .GroupLabels.alertname }}",
    "text": "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ end }}"}', replace => true);
SELECT monitoring.create_receiver('pagerduty', 'pagerduty', '{"routing_key": {"secret": "pagerduty_key"}}',
    replace => true);

SELECT monitoring.create_route('default', parent => NULL, group_by => '{alertname,cluster,service}',
    group_wait => '10 seconds', group_interval => '10 seconds', repeat_interval => '12 hours',
    replace => true);
SELECT monitoring.create_route('pagerduty', '{"severity=critical"}', continue_matching => true,
    route_name => 'pagerduty', replace => true);
SELECT monitoring.create_route('email', '{"severity=~\"critical|warning\""}', continue_matching => true,
    route_name => 'email', replace => true);
SELECT monitoring.create_route('slack', '{"severity=~\"critical|warning\""}',
    route_name => 'slack', replace => true);
