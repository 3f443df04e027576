-- Taking over the rows of an older installation.

CREATE FUNCTION monitoring.adopt(old_schema name)
RETURNS TABLE (object text, rows bigint)
AS 'MODULE_PATHNAME', 'monitoring_adopt' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5
SET search_path = pg_catalog, pg_temp SET row_security = off;
COMMENT ON FUNCTION monitoring.adopt(name) IS
    'Copies the rows of tables that CREATE EXTENSION made you move aside: pipeline_metrics, '
    'aggregated_metrics, worker_issues, monitoring_events, system_metrics. Rows that are here '
    'already are left out. Returns how many rows were added to each. '
    'Errors: 3F000 for a schema that is not there.';
