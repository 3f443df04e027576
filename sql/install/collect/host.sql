-- The machine that the server runs on.

CREATE FUNCTION monitoring_internal.host_metrics(
    metric_type text, topic text, OUT metric_name text, OUT value float8, OUT labels jsonb)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'monitoring_host_metrics' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring_internal.host_metrics(text, text) IS
    'What /proc and /sys say now, under node_exporter''s names: the metrics of type counter, or gauge, '
    'of topic machine (CPU, memory, load, disks, file systems, traffic, pressure, clock) or network '
    '(protocols, sockets, interfaces)';
