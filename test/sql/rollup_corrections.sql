-- Updates, deletes and truncation of measurements, passes inside of transactions that write
-- measurements themselves, and refresh_rollups().
-- Hours of 2024 are closed; an hour of 2100 stays open.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
SET TimeZone = 'UTC';
\set VERBOSITY terse

DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
CREATE PROCEDURE pg_temp.start_over() LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE monitoring.pipeline_metrics, monitoring.aggregated_metrics, monitoring_internal.rollup_state,
        monitoring_internal.rollup_pending, monitoring_internal.rollup_periods, monitoring_internal.rollup_corrections, monitoring_internal.rollup_purged,
        monitoring.retention;
END $$;
CREATE VIEW pg_temp.closed AS
SELECT period, to_char(period_start, 'YYYY-MM-DD HH24') AS start, dimensions AS dims, count_value AS n,
       sum_value AS total, min_value AS min, max_value AS max
FROM monitoring.aggregated_metrics ORDER BY period, period_start, dimensions::text;
CREATE VIEW pg_temp.hours AS
SELECT to_char(period_start, 'YYYY-MM-DD HH24') AS start, published AS closed, sum(count_value) AS n,
       sum(sum_value) AS total
FROM monitoring_internal.rollup_state WHERE period = 'hourly' GROUP BY period_start, published ORDER BY 1;
CREATE FUNCTION pg_temp.passes(OUT hourly integer, OUT daily integer, OUT weekly integer)
LANGUAGE plpgsql AS $$
BEGIN
    hourly := monitoring.aggregate_hourly_metrics();
    daily := monitoring.aggregate_daily_metrics();
    weekly := monitoring.aggregate_weekly_metrics();
END $$;

CALL pg_temp.start_over();
CREATE TABLE monitoring_internal.pipeline_metrics_test PARTITION OF monitoring.pipeline_metrics
    FOR VALUES FROM ('2024-03-06 00:00+00') TO ('2024-03-07 00:00+00');
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, tags, timestamp)
SELECT 'm', v, '{"k": 1}', t::timestamptz FROM (VALUES
    (1, '2024-03-05 10:00+00'), (2, '2024-03-05 10:10+00'), (4, '2024-03-05 11:00+00'),
    (8, '2024-03-06 11:00+00'), (16, '2024-03-06 12:00+00'), (32, '2100-01-01 10:00+00'),
    (64, '2100-01-01 11:00+00'), (128, '2100-01-01 11:00+00')) AS r(v, t);
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed;
SELECT * FROM pg_temp.hours;

-- An update: the value, the tags, the hour, the partition. Twice in one hour.
UPDATE monitoring.pipeline_metrics SET metric_value = 1000 WHERE metric_value = 1;
UPDATE monitoring.pipeline_metrics SET tags = '{"k": 2}' WHERE metric_value = 2;
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed;
UPDATE monitoring.pipeline_metrics SET timestamp = '2024-03-05 11:30+00' WHERE metric_value = 1000;
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE period = 'hourly';
UPDATE monitoring.pipeline_metrics SET timestamp = '2024-03-06 11:30+00' WHERE metric_value = 1000;
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed;
UPDATE monitoring.pipeline_metrics SET timestamp = '2024-03-05 10:00+00' WHERE metric_value = 1000;
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE period = 'hourly';
SELECT * FROM pg_temp.passes();

-- A deletion counts while the hour is open; of a closed hour it is housekeeping.
DELETE FROM monitoring.pipeline_metrics WHERE metric_value IN (4, 64);
SELECT monitoring_internal.rollup_advance();
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.hours;
-- Truncation the same.
TRUNCATE monitoring.pipeline_metrics;
SELECT monitoring_internal.rollup_advance();
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.hours;
SELECT count(*) AS closed_stay FROM pg_temp.closed;

-- Rolled back, nothing is noted.
CALL pg_temp.start_over();
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
VALUES ('m', 1, '2024-03-05 10:00+00'), ('m', 2, '2024-03-05 10:00+00');
SELECT * FROM pg_temp.passes();
BEGIN;
UPDATE monitoring.pipeline_metrics SET metric_value = 50;
ROLLBACK;
BEGIN;
SAVEPOINT s;
UPDATE monitoring.pipeline_metrics SET metric_value = 60;
ROLLBACK TO s;
COMMIT;
SELECT * FROM pg_temp.passes();
-- The hour is noted again after a savepoint, and after a pass took the note.
BEGIN;
SAVEPOINT s;
UPDATE monitoring.pipeline_metrics SET metric_value = 70;
ROLLBACK TO s;
UPDATE monitoring.pipeline_metrics SET metric_value = metric_value + 10;
COMMIT;
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE period = 'hourly';
BEGIN;
UPDATE monitoring.pipeline_metrics SET metric_value = metric_value + 100;
SELECT * FROM pg_temp.passes();
UPDATE monitoring.pipeline_metrics SET metric_value = metric_value + 100;
COMMIT;
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed;

---- A pass in a transaction that writes measurements itself: those before it, not those after it.
CALL pg_temp.start_over();
CREATE PROCEDURE pg_temp.put(value float8) LANGUAGE sql AS $$
    INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
    VALUES ('own', value, '2024-03-05 10:00+00')
$$;
BEGIN;
CALL pg_temp.put(1);
SELECT * FROM pg_temp.passes();
CALL pg_temp.put(2);
SAVEPOINT s;
CALL pg_temp.put(4);
SELECT * FROM pg_temp.passes();
SELECT n, total FROM pg_temp.closed;
ROLLBACK TO s;
SELECT n, total FROM pg_temp.closed;
CALL pg_temp.put(8);
SAVEPOINT t;
CALL pg_temp.put(16);
RELEASE t;
COMMIT;
SELECT * FROM pg_temp.passes();
SELECT n, total FROM pg_temp.closed;
SELECT * FROM pg_temp.passes();
-- The pass in a subtransaction, rows in and around it.
BEGIN;
SAVEPOINT s;
CALL pg_temp.put(32);
SAVEPOINT t;
CALL pg_temp.put(64);
SELECT * FROM pg_temp.passes();
CALL pg_temp.put(128);
RELEASE t;
CALL pg_temp.put(256);
RELEASE s;
CALL pg_temp.put(512);
SELECT n, total FROM pg_temp.closed;
SELECT * FROM pg_temp.passes();
CALL pg_temp.put(1024);
COMMIT;
SELECT n, total FROM pg_temp.closed;
SELECT * FROM pg_temp.passes();
SELECT n, total FROM pg_temp.closed;
SELECT * FROM pg_temp.passes();
-- The pass rolled back, the rows not.
BEGIN;
CALL pg_temp.put(2048);
SAVEPOINT s;
SELECT * FROM pg_temp.passes();
ROLLBACK TO s;
COMMIT;
SELECT * FROM pg_temp.passes();
SELECT n, total FROM pg_temp.closed;

---- What a transaction writes before and after its own pass, when nothing on the page tells them apart any more
-- m is purged: its state cannot be computed again. 4 and 8 come late, before and after a pass of their transaction.
CREATE PROCEDURE pg_temp.late(value float8) LANGUAGE sql AS $$
	INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp) VALUES ('m', value, '2024-03-05 01:30+00') $$;
CREATE PROCEDURE pg_temp.purged_hour() LANGUAGE plpgsql AS $$
BEGIN
	CALL pg_temp.start_over();
	CALL pg_temp.late(1);
	CALL pg_temp.late(2);
	PERFORM pg_temp.passes();
	DELETE FROM monitoring.pipeline_metrics WHERE metric_value = 1;
	PERFORM pg_temp.passes();
END $$;
CALL pg_temp.purged_hour();
BEGIN;
CALL pg_temp.late(4);
SELECT * FROM pg_temp.passes();
CALL pg_temp.late(8);
COMMIT;
-- Deletes that are rolled back, and freezing.
BEGIN;
DELETE FROM monitoring.pipeline_metrics;
ROLLBACK;
VACUUM (FREEZE) monitoring.pipeline_metrics;
SELECT * FROM pg_temp.passes();
SELECT n, total FROM pg_temp.closed WHERE period = 'hourly';
SELECT * FROM pg_temp.passes();
-- Of an hour that was not purged, by another transaction: 4 was seen and is history, 8 was not.
CALL pg_temp.start_over();
CALL pg_temp.late(1);
SELECT * FROM pg_temp.passes();
BEGIN;
CALL pg_temp.late(4);
SELECT * FROM pg_temp.passes();
CALL pg_temp.late(8);
COMMIT;
DELETE FROM monitoring.pipeline_metrics WHERE metric_value = 8;
SELECT * FROM pg_temp.passes();
SELECT count(*) FROM monitoring_internal.rollup_purged;
SELECT n, total FROM pg_temp.closed WHERE period = 'hourly';
BEGIN;
CALL pg_temp.late(16);
SELECT * FROM pg_temp.passes();
CALL pg_temp.late(32);
COMMIT;
DELETE FROM monitoring.pipeline_metrics WHERE metric_value >= 16;
SELECT * FROM pg_temp.passes();
SELECT count(*) FROM monitoring_internal.rollup_purged;
SELECT n, total FROM pg_temp.closed WHERE period = 'hourly';
-- A row that was frozen before any pass has seen it is no history.
CALL pg_temp.start_over();
CALL pg_temp.late(1);
SELECT * FROM pg_temp.passes();
CALL pg_temp.late(2);
VACUUM (FREEZE) monitoring.pipeline_metrics;
DELETE FROM monitoring.pipeline_metrics WHERE metric_value = 2;
SELECT * FROM pg_temp.passes();
SELECT count(*) FROM monitoring_internal.rollup_purged;
SELECT n, total FROM pg_temp.closed WHERE period = 'hourly';

---- refresh_rollups()
CALL pg_temp.start_over();
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
SELECT 'm', 1, t FROM generate_series('2024-03-04 22:00+00'::timestamptz, '2024-03-05 02:59+00', '20 minutes') AS t;
SELECT * FROM pg_temp.passes();
DELETE FROM monitoring.pipeline_metrics WHERE timestamp < '2024-03-05 00:30+00';
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed;
-- Hours that begin in the range; the day and the week with them.
SELECT monitoring.refresh_rollups(start_at => '2024-03-04 22:30+00', end_at => '2024-03-05 00:00:01+00');
SELECT * FROM pg_temp.closed;
SELECT monitoring.refresh_rollups('2024-03-04 00:00+00', '2024-03-05 00:00+00');
SELECT * FROM pg_temp.closed;
SELECT * FROM pg_temp.passes();
-- Nothing closed in it, nothing at all in it.
SELECT monitoring.refresh_rollups('2100-01-01 00:00+00', '2100-02-01 00:00+00');
SELECT monitoring.refresh_rollups('2024-03-05 01:10+00', '2024-03-05 01:50+00');
\set VERBOSITY sqlstate
SELECT monitoring.refresh_rollups(NULL, '2024-03-05 00:00+00');
SELECT monitoring.refresh_rollups('2024-03-05 00:00+00', NULL);
SELECT monitoring.refresh_rollups('2024-03-05 00:00+00', '2024-03-05 00:00+00');
SELECT monitoring.refresh_rollups('2024-03-05 00:00+00', '2024-03-04 00:00+00');
SELECT monitoring.refresh_rollups('-infinity', '2024-03-04 00:00+00');
SELECT monitoring.refresh_rollups('2024-03-04 00:00+00', 'infinity');
\set VERBOSITY terse
-- After retention the rows are gone.
SELECT removed FROM monitoring.apply_retention() WHERE kind = 'raw';
SELECT monitoring.refresh_rollups('2024-03-05 00:00+00', '2024-03-06 00:00+00');
-- Also where the hours next to it are gone that its day is made of.
CALL pg_temp.start_over();
INSERT INTO monitoring.retention VALUES ('raw', NULL);
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
SELECT 'm', 1, t FROM generate_series('2024-03-05 00:00+00'::timestamptz, '2024-03-05 03:59+00', '20 minutes') AS t;
SELECT * FROM pg_temp.passes();
UPDATE monitoring_internal.rollup_periods SET rows_removed = true
WHERE period = 'hourly' AND period_start < '2024-03-05 02:00+00';
SELECT monitoring.refresh_rollups('2024-03-05 02:00+00', '2024-03-05 04:00+00');
UPDATE monitoring.pipeline_metrics SET metric_value = 5 WHERE timestamp = '2024-03-05 03:00+00';
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE period <> 'hourly';

CALL pg_temp.start_over();
DROP TABLE monitoring_internal.pipeline_metrics_test;
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
