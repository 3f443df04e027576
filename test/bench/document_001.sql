-- The other side of `make bench`: the plain SQL of the document that this extension answers
-- ("producer discovery": tables, hourly aggregation, views, health), word for word, without its
-- pg_cron jobs, and with the two indexes that give it its best figures.
--
-- now() is the time at which the benchmark began (bench_clock precedes pg_catalog in the search
-- path), so that a full hour that strikes meanwhile moves no data out of "the last hour".
-- Variables: started_at.
CREATE SCHEMA bench_clock;
CREATE FUNCTION bench_clock.now() RETURNS timestamptz LANGUAGE sql IMMUTABLE
RETURN :'started_at'::timestamptz;
SELECT format('ALTER DATABASE %I SET search_path = bench_clock, pg_catalog, public', current_database()) \gexec
SET search_path = bench_clock, pg_catalog, public;

CREATE SCHEMA monitoring;

CREATE TABLE monitoring.pipeline_metrics (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    metric_name TEXT NOT NULL,
    metric_value DOUBLE PRECISION NOT NULL,
    tags JSONB DEFAULT '{}'::jsonb,
    timestamp TIMESTAMPTZ DEFAULT now(),
    created_at TIMESTAMPTZ DEFAULT now()
);
-- Not in the document: what a roll-up of one hour and a purge need.
CREATE INDEX pipeline_metrics_timestamp_idx ON monitoring.pipeline_metrics (timestamp);

CREATE TABLE monitoring.aggregated_metrics (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    metric_name TEXT NOT NULL,
    period TEXT NOT NULL, -- 'hourly', 'daily', 'weekly'
    period_start TIMESTAMPTZ NOT NULL,
    min_value DOUBLE PRECISION,
    max_value DOUBLE PRECISION,
    avg_value DOUBLE PRECISION,
    sum_value DOUBLE PRECISION,
    count_value INTEGER,
    dimensions JSONB DEFAULT '{}'::jsonb,
    created_at TIMESTAMPTZ DEFAULT now()
);

-- Aggregate metrics hourly
CREATE OR REPLACE FUNCTION monitoring.aggregate_hourly_metrics()
RETURNS INTEGER
LANGUAGE plpgsql
SECURITY DEFINER
AS $$
DECLARE
    metrics_aggregated INTEGER := 0;
    last_hour TIMESTAMPTZ := date_trunc('hour', now()) - interval '1 hour';
BEGIN
    -- Delete any existing aggregations for the period to avoid duplicates
    DELETE FROM monitoring.aggregated_metrics
    WHERE period = 'hourly' AND period_start = last_hour;
    
    -- Insert new aggregations
    INSERT INTO monitoring.aggregated_metrics (
        metric_name, period, period_start,
        min_value, max_value, avg_value, sum_value, count_value, dimensions
    )
    SELECT
        metric_name,
        'hourly' AS period,
        last_hour AS period_start,
        MIN(metric_value) AS min_value,
        MAX(metric_value) AS max_value,
        AVG(metric_value) AS avg_value,
        SUM(metric_value) AS sum_value,
        COUNT(*) AS count_value,
        tags AS dimensions
    FROM
        monitoring.pipeline_metrics
    WHERE
        timestamp >= last_hour AND timestamp < date_trunc('hour', now())
    GROUP BY
        metric_name, tags;
        
    GET DIAGNOSTICS metrics_aggregated = ROW_COUNT;
    
    -- Purge raw metrics older than retention period (14 days by default)
    DELETE FROM monitoring.pipeline_metrics
    WHERE timestamp < now() - interval '14 days';
    
    RETURN metrics_aggregated;
END;
$$;

-- Queue metrics view
CREATE OR REPLACE VIEW monitoring.queue_metrics AS
SELECT
    tags->>'queue' AS queue_name,
    date_trunc('hour', timestamp) AS hour,
    COUNT(*) AS total_batches,
    SUM((tags->>'success_count')::integer) AS success_count,
    SUM((tags->>'error_count')::integer) AS error_count,
    AVG(metric_value) AS avg_processing_time_ms,
    SUM((tags->>'batch_size')::integer) AS total_messages_processed
FROM
    monitoring.pipeline_metrics
WHERE
    metric_name = 'queue_processing'
    AND timestamp > now() - interval '7 days'
GROUP BY
    tags->>'queue', date_trunc('hour', timestamp)
ORDER BY
    queue_name, hour DESC;

-- API metrics view
CREATE OR REPLACE VIEW monitoring.api_metrics AS
SELECT
    tags->>'api' AS api_name,
    date_trunc('hour', timestamp) AS hour,
    COUNT(*) AS total_calls,
    SUM(CASE WHEN tags->>'success' = 'true' THEN 1 ELSE 0 END) AS success_count,
    SUM(CASE WHEN tags->>'success' = 'false' THEN 1 ELSE 0 END) AS error_count,
    AVG(CASE WHEN tags->>'success' = 'true' THEN metric_value ELSE NULL END) AS avg_success_time_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY metric_value) AS p95_time_ms
FROM
    monitoring.pipeline_metrics
WHERE
    metric_name = 'api_call'
    AND timestamp > now() - interval '7 days'
GROUP BY
    tags->>'api', date_trunc('hour', timestamp)
ORDER BY
    api_name, hour DESC;

-- The document reads this view and does not define it: a table of jobs, as its text describes.
CREATE TABLE public.jobs (
    id BIGSERIAL PRIMARY KEY,
    queue TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL
);
CREATE VIEW public.queue_monitoring_view AS
SELECT
    queue AS queue_name,
    COUNT(*) FILTER (WHERE status = 'processing' AND started_at < now() - interval '10 minutes') AS stuck_messages,
    now() AS last_check_time
FROM public.jobs
GROUP BY queue;

CREATE OR REPLACE FUNCTION public.get_system_health()
RETURNS JSONB
LANGUAGE plpgsql
SECURITY DEFINER
AS $$
DECLARE
  result JSONB;
  queue_health JSONB;
  processing_health JSONB;
  worker_health JSONB;
BEGIN
  -- Check queue health
  WITH queue_stats AS (
    SELECT
      COUNT(*) AS total_queues,
      SUM(CASE WHEN stuck_messages > 0 THEN 1 ELSE 0 END) AS queues_with_stuck_messages,
      SUM(stuck_messages) AS total_stuck_messages,
      MAX(last_check_time) AS last_check_time
    FROM
      public.queue_monitoring_view
  )
  SELECT 
    jsonb_build_object(
      'status', CASE
        WHEN total_stuck_messages > 10 THEN 'critical'
        WHEN total_stuck_messages > 0 THEN 'warning'
        ELSE 'healthy'
      END,
      'queues_checked', total_queues,
      'queues_with_issues', queues_with_stuck_messages,
      'total_stuck_messages', total_stuck_messages,
      'last_check_time', last_check_time
    )
  INTO queue_health
  FROM queue_stats;
  
  
  -- Combine all health statuses
  result := jsonb_build_object(
    'timestamp', NOW(),
    'queue_health', queue_health,
    'processing_health', processing_health,
    'worker_health', worker_health,
    'overall_status', CASE
      WHEN (queue_health->>'status' = 'critical') OR 
           (processing_health->>'status' = 'critical') OR 
           (worker_health->>'status' = 'critical') THEN 'critical'
      WHEN (queue_health->>'status' = 'warning') OR 
           (processing_health->>'status' = 'warning') OR 
           (worker_health->>'status' = 'warning') THEN 'warning'
      ELSE 'healthy'
    END
  );
  
  RETURN result;
END;
$$;
