-- A day of the producer discovery pipeline, and what monitoring makes of it. Run by test/run/demo with
-- the variable webhook_url.
\pset footer off
SET client_min_messages = warning;

\echo '-- CREATE EXTENSION'
CREATE EXTENSION pg_cron;
CREATE EXTENSION monitoring;

\echo '-- 24 hours of measurements: five queues once a minute, four APIs every 15 seconds,'
\echo '-- and in the last half hour one API fails and its queue with it'
SELECT setseed(0.42) AS same_numbers_each_time \gset
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'queue_processing',
       (q.typical_ms * exp(random() - 0.5) * CASE WHEN burst THEN 6 ELSE 1 END)::numeric(12, 2),
       jsonb_build_object('queue', q.queue, 'batch_size', batch_size, 'error_count', errors,
                          'success_count', batch_size - errors),
       at
FROM (VALUES ('artist_discovery', 180, 12), ('album_discovery', 240, 20), ('track_discovery', 90, 60),
             ('producer_identification', 420, 8), ('social_enrichment', 800, 5)
     ) AS q (queue, typical_ms, largest_batch)
CROSS JOIN generate_series(now() - interval '24 hours', now(), interval '1 minute') AS at
CROSS JOIN LATERAL (SELECT q.queue = 'track_discovery' AND at > now() - interval '30 minutes') AS b (burst)
-- The first column makes the batch a number of its own for each row.
CROSS JOIN LATERAL (SELECT at, 1 + (random() * (q.largest_batch - 1))::int) AS s (batch_at, batch_size)
CROSS JOIN LATERAL (SELECT CASE WHEN burst THEN 1 + (random() < 0.5)::int
                                WHEN random() < 0.02 THEN 1 ELSE 0 END) AS e (errors);

INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, "timestamp")
SELECT 'api_call',
       (a.typical_ms * exp(1.5 * random() - 0.75) * CASE WHEN burst THEN 8 ELSE 1 END)::numeric(12, 2),
       jsonb_build_object('api', a.api, 'success', (random() > CASE WHEN burst THEN 0.6 ELSE 0.004 END)::text),
       at
FROM (VALUES ('spotify', 120), ('genius', 210), ('musicbrainz', 340), ('discogs', 280)) AS a (api, typical_ms)
CROSS JOIN generate_series(now() - interval '24 hours', now(), interval '15 seconds') AS at
CROSS JOIN LATERAL (SELECT a.api = 'spotify' AND at > now() - interval '30 minutes') AS b (burst);

SELECT metric_name, count(*) AS measurements FROM monitoring.pipeline_metrics
WHERE metric_name IN ('queue_processing', 'api_call') GROUP BY 1 ORDER BY 1;

\echo '-- SELECT monitoring.aggregate_hourly_metrics();   rows written, and by the second run'
SELECT monitoring.aggregate_hourly_metrics() AS first_run, monitoring.aggregate_hourly_metrics() AS second_run;

\echo '-- The newest hours of the two views'
SELECT queue_name, hour, total_batches, success_count, error_count,
       avg_processing_time_ms::numeric(10, 1) AS avg_ms, total_messages_processed
FROM monitoring.queue_metrics WHERE hour >= date_trunc('hour', now()) - interval '1 hour'
ORDER BY queue_name, hour DESC;
SELECT api_name, hour, total_calls, success_count, error_count,
       avg_success_time_ms::numeric(10, 1) AS avg_success_ms, p95_time_ms::numeric(10, 1) AS p95_ms
FROM monitoring.api_metrics WHERE hour >= date_trunc('hour', now()) - interval '1 hour'
ORDER BY api_name, hour DESC;

\echo '-- A job table becomes a watched queue'
CREATE TABLE public.ingest_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    status text NOT NULL DEFAULT 'pending',
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);
INSERT INTO public.ingest_jobs (status, completed_at)
SELECT CASE WHEN n % 10 = 0 THEN 'pending' ELSE 'completed' END, CASE WHEN n % 10 > 0 THEN now() END
FROM generate_series(1, 200) AS n;
INSERT INTO monitoring.queues (queue_name, source) VALUES ('ingest_jobs', 'public.ingest_jobs');
SELECT monitoring.check_queues() AS queues_checked;

\echo '-- SELECT jsonb_pretty(get_system_health());'
\pset format unaligned
\t on
SELECT jsonb_pretty(public.get_system_health());
\t off
\pset format aligned

\echo '-- Whoever wants to know gets told'
SELECT monitoring.create_receiver('demo', 'webhook', jsonb_build_object('url', :'webhook_url'));

\echo '-- Now the queue breaks: 40 jobs have been pending for an hour'
INSERT INTO public.ingest_jobs (created_at) SELECT now() - interval '1 hour' FROM generate_series(1, 40);
SELECT monitoring.check_queues() AS queues_checked;
SELECT queue_name, pending_messages, stuck_messages, oldest_message_age FROM public.queue_monitoring_view;
SELECT public.get_system_health() ->> 'overall_status' AS overall_status,
       public.get_system_health() #> '{queue_health,reasons}' AS reasons;
