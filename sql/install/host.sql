-- The machine that the server runs on.

CREATE FUNCTION monitoring._host_metrics(
    metric_type text, OUT metric_name text, OUT value float8, OUT labels jsonb)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'monitoring_host_metrics' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring._host_metrics(text) IS
    'CPU, memory, load, disks, network, pressure and file systems of a Linux host as /proc has them '
    'now, under node_exporter''s names: those of type counter, or gauge';
