-- Measurements through shared memory: recorded by any backend, written by the worker.

CREATE FUNCTION monitoring.record_metric(metric_name text, metric_value float8,
                                         tags jsonb DEFAULT '{}',
                                         recorded_at timestamptz DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_record_metric' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.record_metric(text, float8, jsonb, timestamptz) IS
    'Records a measurement without waiting for a disk: the worker writes it within monitoring.flush_interval. It survives the caller''s ROLLBACK. recorded_at is now if NULL. '
    'Errors: 22023 for a name that is empty or tags that are no object, 25006 on a standby.';

CREATE FUNCTION monitoring.flush_records()
RETURNS bigint
AS 'MODULE_PATHNAME', 'monitoring_flush_records' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.flush_records() IS
    'Has every measurement recorded so far written to monitoring.pipeline_metrics and returns how many were written meanwhile. Where no worker runs, the calling transaction writes them. '
    'Errors: 25006 in a read-only transaction.';

CREATE FUNCTION monitoring_internal.record_status(OUT waiting_bytes bigint, OUT drained bigint,
                                          OUT dropped bigint, OUT rejected bigint, OUT lost bigint,
                                          OUT used_bytes bigint, OUT size_bytes bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'monitoring_record_status' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION monitoring_internal.record_status() IS 'What monitoring.record_status shows';

CREATE VIEW monitoring.record_status AS
SELECT s.waiting_bytes, s.drained, s.dropped, s.rejected, s.lost, s.used_bytes, s.size_bytes
FROM monitoring_internal.record_status() AS s;
COMMENT ON VIEW monitoring.record_status IS
    'The way of recorded measurements into the table of this database; NULL without shared_preload_libraries';
COMMENT ON COLUMN monitoring.record_status.waiting_bytes IS 'Recorded and not yet written';
COMMENT ON COLUMN monitoring.record_status.drained IS 'Measurements written to the table';
COMMENT ON COLUMN monitoring.record_status.dropped IS
    'Measurements dropped because the ring was full (monitoring.on_full)';
COMMENT ON COLUMN monitoring.record_status.rejected IS
    'Measurements that a constraint or trigger of the table has refused';
COMMENT ON COLUMN monitoring.record_status.lost IS
    'Measurements that were not yet written when the server crashed';
COMMENT ON COLUMN monitoring.record_status.used_bytes IS 'Of the ring, by all databases';
COMMENT ON COLUMN monitoring.record_status.size_bytes IS 'monitoring.record_ring_size';
