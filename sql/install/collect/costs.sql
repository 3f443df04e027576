-- What the monitoring itself costs: time of the worker, rows, bytes.

CREATE TABLE monitoring_internal.cost_hours (
    hour timestamptz NOT NULL,
    part text NOT NULL CONSTRAINT part_is_known CHECK (part IN ('duty', 'collector')),
    name text NOT NULL,
    counted_since timestamptz NOT NULL,
    runs bigint NOT NULL,
    failures bigint NOT NULL,
    seconds float8 NOT NULL,
    rows_written bigint NOT NULL,
    PRIMARY KEY (hour, part, name)
) WITH (fillfactor = 70);
COMMENT ON TABLE monitoring_internal.cost_hours IS
    'What monitoring.cost is made of. Not dumped: it is about this server''s worker.';
COMMENT ON COLUMN monitoring_internal.cost_hours.hour IS 'Start of the UTC hour';
COMMENT ON COLUMN monitoring_internal.cost_hours.part IS 'duty or collector';
COMMENT ON COLUMN monitoring_internal.cost_hours.name IS 'Name of the duty or collector';
COMMENT ON COLUMN monitoring_internal.cost_hours.counted_since IS 'From when in this hour it was counted';
COMMENT ON COLUMN monitoring_internal.cost_hours.runs IS 'How often it ran';
COMMENT ON COLUMN monitoring_internal.cost_hours.failures IS 'How many of these runs failed';
COMMENT ON COLUMN monitoring_internal.cost_hours.seconds IS 'How long the worker was at it, waits included';
COMMENT ON COLUMN monitoring_internal.cost_hours.rows_written IS 'Measurements that it wrote';

-- By the hour, so that who asks for some hours has nothing done for the others.
CREATE VIEW monitoring.cost AS
SELECT s.hour, p.part, p.name, p.runs, p.failures, p.seconds,
       p.seconds / greatest(s.elapsed, 1)::float8 AS duty_cycle, p.rows_written,
       coalesce(p.rows_written * s.bytes_per_row, 0)::bigint AS bytes_on_disk
FROM (
    SELECT h.hour, h.elapsed,
           pg_catalog.pg_total_relation_size(h.partition)
               / greatest(pg_catalog.pg_stat_get_live_tuples(h.partition),
                          (SELECT r.reltuples FROM pg_catalog.pg_class AS r
                           WHERE r.oid = h.partition), h.all_rows, 1) AS bytes_per_row
    FROM (
        SELECT c.hour,
               extract(epoch FROM least(pg_catalog.now(), c.hour + interval '1 hour')
                   - min(c.counted_since)) AS elapsed,
               sum(c.rows_written) FILTER (WHERE c.part = 'duty') AS all_rows,
               pg_catalog.to_regclass('monitoring_internal.pipeline_metrics_'
                   || pg_catalog.to_char(c.hour AT TIME ZONE 'UTC', 'YYYYMMDD')) AS partition
        FROM monitoring_internal.cost_hours AS c GROUP BY c.hour) AS h) AS s,
LATERAL (
    SELECT c.part, c.name, c.runs, c.failures, c.seconds, c.rows_written
    FROM monitoring_internal.cost_hours AS c WHERE c.hour = s.hour
    UNION ALL
    SELECT 'all', 'all', sum(c.runs)::bigint, sum(c.failures)::bigint, sum(c.seconds),
           sum(c.rows_written)::bigint
    FROM monitoring_internal.cost_hours AS c WHERE c.hour = s.hour AND c.part = 'duty'
    HAVING count(*) > 0) AS p;
COMMENT ON VIEW monitoring.cost IS
    'What this database''s monitoring costs, by the hour: of each duty of the worker, of each collector '
    '(all of them are the duty "collectors"), and of all duties together';
COMMENT ON COLUMN monitoring.cost.hour IS 'Start of the UTC hour';
COMMENT ON COLUMN monitoring.cost.part IS 'all, duty or collector';
COMMENT ON COLUMN monitoring.cost.name IS 'Name of the duty or collector';
COMMENT ON COLUMN monitoring.cost.runs IS 'How often it ran';
COMMENT ON COLUMN monitoring.cost.failures IS 'How many of these runs failed';
COMMENT ON COLUMN monitoring.cost.seconds IS 'time that the worker was at it, waits included';
COMMENT ON COLUMN monitoring.cost.duty_cycle IS
    'seconds as a part of the hour, or of what has passed of it: at 0.02 the worker was at it for 2 % of '
    'the time, waits included; that is at most 2 % of one core';
COMMENT ON COLUMN monitoring.cost.rows_written IS 'measurements';
COMMENT ON COLUMN monitoring.cost.bytes_on_disk IS
    'what these rows take of the partition of their day, indexes included; 0 once it is dropped';
