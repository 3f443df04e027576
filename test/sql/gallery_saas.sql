-- examples/saas.sql: each alert fires after its time on data made for it, resolves, and reaches whom
-- the routes say.
\set example saas.sql
\getenv srcdir PG_ABS_SRCDIR
\set shared :srcdir '/sql/gallery.psql'
\set ECHO none
\i :shared
\o /dev/null
\i :example
\o
\i :again
\set ECHO all
SELECT count(*) FROM monitoring.alert_rules;

\o /dev/null
SELECT pg_temp.counter('http_requests_total', '{"route": "/chat", "status": "200"}', 20, 18),
       pg_temp.counter('http_requests_total', '{"route": "/chat", "status": "503"}', 0, 2),
       pg_temp.gauge('http_request_duration_seconds', '{"route": "/chat"}', 0.2, 1.5),
       pg_temp.counter('websocket_connections_total', '{"event": "disconnect"}', 1, 12),
       pg_temp.counter('websocket_connections_total', '{"event": "connect"}', 20, 20),
       pg_temp.gauge('websocket_connections_gauge', '{"type": "websocket"}', 900, 4600),
       pg_temp.gauge('bullmq_queue_waiting', '{"queue": "generation"}', 3, 80),
       pg_temp.gauge('bullmq_queue_waiting', '{"queue": "mail"}', 90, 90),
       pg_temp.gauge('bullmq_job_duration_seconds', '{"queue": "generation", "status": "completed"}', 20, 90),
       pg_temp.gauge('database_connection_pool_size', '{}', 20, 20),
       pg_temp.gauge('database_connection_pool_idle', '{}', 15, 1),
       pg_temp.gauge('database_query_duration_seconds', '{"query": "conversation.findMany"}', 0.1, 1.8),
       pg_temp.gauge('database_query_duration_seconds', '{"query": "user.findOne"}', 0.1, 0.2),
       pg_temp.counter('node_cpu_seconds_total', '{"instance": "app-1", "cpu": "0", "mode": "idle"}', 0.9, 0.1),
       pg_temp.counter('node_cpu_seconds_total', '{"instance": "app-2", "cpu": "0", "mode": "idle"}', 0.9, 0.8),
       pg_temp.gauge('node_memory_MemTotal_bytes', '{"instance": "app-1"}', 16e9, 16e9),
       pg_temp.gauge('node_memory_MemAvailable_bytes', '{"instance": "app-1"}', 8e9, 1e9),
       pg_temp.gauge('node_filesystem_size_bytes', '{"instance": "app-1", "mountpoint": "/"}', 1e11, 1e11),
       pg_temp.gauge('node_filesystem_avail_bytes', '{"instance": "app-1", "mountpoint": "/"}', 5e10, 5e9),
       pg_temp.counter('ai_provider_requests_total', '{"provider": "openai", "status": "success"}', 10, 8),
       pg_temp.counter('ai_provider_requests_total', '{"provider": "openai", "status": "error"}', 0, 2),
       pg_temp.counter('ai_provider_requests_total', '{"provider": "google", "status": "success"}', 10, 10),
       pg_temp.counter('ai_provider_cost_dollars', '{"provider": "anthropic"}', 0.001, 0.35);
-- One job of five fails.
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'bullmq_job_duration_seconds', 5, '{"queue": "generation", "status": "failed"}', t
FROM generate_series(pg_temp.at('10 seconds'), pg_temp.at('30 minutes'), '2 minutes') AS t;
CALL pg_temp.play('-1 minute', '16 minutes');
CALL pg_temp.play('20 minutes', '30 minutes', '5 minutes');
CALL pg_temp.play('31 minutes', '41 minutes');
CALL pg_temp.play('1 hour 15 minutes', '1 hour 30 minutes', '5 minutes');
CALL pg_temp.play('25 hours', '25 hours');
\o
SELECT * FROM pg_temp.timeline ORDER BY rule_name;
SELECT alert, receiver, reason, after, says FROM pg_temp.told ORDER BY alert, receiver, after;
-- The texts are the receivers' templates.
SELECT payload #>> '{attachments,0,blocks,0,text,text}' AS text FROM pg_temp.told
WHERE alert = 'HighMemoryUsage' AND receiver = 'slack';
SELECT payload ->> 'html' AS html FROM pg_temp.told
WHERE alert = 'HighAPIErrorRate' AND receiver = 'email';
SELECT DISTINCT note FROM monitoring.notifications;
-- An alert of another severity goes where nothing else does.
SELECT receiver FROM monitoring.explain_route('{"alertname": "Hello", "severity": "info"}')
WHERE receiver IS NOT NULL;
ROLLBACK;
