-- What collectors recorded, with a status: the table that dashboards read.

CREATE VIEW public.system_metrics AS
SELECT m.metric_name,
       m.metric_value,
       m.tags,
       CASE WHEN m.metric_value > t.critical THEN 'critical'
            WHEN m.metric_value > t.warning
                 OR t.inclusive AND m.metric_value = t.warning THEN 'warning'
            ELSE 'ok' END AS status,
       m."timestamp" AS recorded_at
FROM monitoring.pipeline_metrics AS m
LEFT JOIN monitoring.effective_health_thresholds AS t ON t.check_name = m.metric_name;
COMMENT ON VIEW public.system_metrics IS
    'Measurements with their status by monitoring.effective_health_thresholds. An INSERT adds a '
    'measurement; a status that is given is not kept.';
COMMENT ON COLUMN public.system_metrics.metric_name IS 'Name of the metric';
COMMENT ON COLUMN public.system_metrics.metric_value IS 'The measurement';
COMMENT ON COLUMN public.system_metrics.tags IS 'Its tags';
COMMENT ON COLUMN public.system_metrics.status IS
    'ok, warning or critical, by monitoring.effective_health_thresholds';
COMMENT ON COLUMN public.system_metrics.recorded_at IS 'When it was measured';

CREATE FUNCTION monitoring_internal.insert_system_metric() RETURNS trigger
AS 'MODULE_PATHNAME', 'monitoring_insert_system_metric' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring_internal.insert_system_metric() IS
    'Trigger of public.system_metrics: inserts the row into monitoring.pipeline_metrics';

CREATE TRIGGER insert_measurement INSTEAD OF INSERT ON public.system_metrics
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.insert_system_metric();
