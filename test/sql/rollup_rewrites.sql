-- What users do to pipeline_metrics: rewrites, purges by hand, columns, constraints, tables attached
-- with rows in them. What is rolled up is counted once and stays.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
SET TimeZone = 'UTC';
\set VERBOSITY terse

DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
CREATE PROCEDURE pg_temp.start_over() LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE monitoring.pipeline_metrics, monitoring.aggregated_metrics, monitoring_internal.rollup_state,
        monitoring_internal.rollup_pending, monitoring_internal.rollup_periods, monitoring_internal.rollup_corrections,
        monitoring_internal.rollup_purged, monitoring.retention;
    INSERT INTO monitoring.retention VALUES ('raw', NULL);
END $$;
CREATE FUNCTION pg_temp.passes(OUT hourly integer, OUT daily integer, OUT weekly integer)
LANGUAGE plpgsql AS $$
BEGIN
    hourly := monitoring.aggregate_hourly_metrics();
    daily := monitoring.aggregate_daily_metrics();
    weekly := monitoring.aggregate_weekly_metrics();
END $$;
CREATE VIEW pg_temp.closed AS
SELECT period, to_char(period_start, 'YYYY-MM-DD HH24') AS start, metric_name AS name, count_value AS n,
       sum_value AS total
FROM monitoring.aggregated_metrics ORDER BY period, period_start, metric_name;
CREATE PROCEDURE pg_temp.put(name text, value float8, at timestamptz) LANGUAGE sql AS $$
    INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp) VALUES (name, value, at)
$$;
CREATE VIEW pg_temp.not_ok AS SELECT * FROM monitoring.check_invariants() WHERE NOT ok;

---- Purged by hand, then updated.
CALL pg_temp.start_over();
CALL pg_temp.put('a', 1, '2024-03-05 10:00+00');
CALL pg_temp.put('a', 2, '2024-03-05 10:10+00');
CALL pg_temp.put('b', 4, '2024-03-05 10:20+00');
SELECT * FROM pg_temp.passes();
DELETE FROM monitoring.pipeline_metrics WHERE metric_name = 'a';
UPDATE monitoring.pipeline_metrics SET metric_value = 5 WHERE metric_name = 'b';
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed;
-- Late rows of the one that was purged, an update of one of them, one more of the other.
CALL pg_temp.put('a', 8, '2024-03-05 10:30+00');
UPDATE monitoring.pipeline_metrics SET metric_value = 6 WHERE metric_name = 'b';
SELECT * FROM pg_temp.passes();
UPDATE monitoring.pipeline_metrics SET metric_value = 9 WHERE metric_name = 'a';
CALL pg_temp.put('b', 10, '2024-03-05 10:30+00');
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE period <> 'weekly';
TABLE monitoring_internal.rollup_purged;
SELECT * FROM pg_temp.not_ok;
-- A deletion of what no pass has seen takes no history: nothing is purged.
CALL pg_temp.put('c', 1, '2024-03-05 11:00+00');
SELECT * FROM pg_temp.passes();
CALL pg_temp.put('c', 100, '2024-03-05 11:00+00');
DELETE FROM monitoring.pipeline_metrics WHERE metric_value = 100;
UPDATE monitoring.pipeline_metrics SET metric_value = 2 WHERE metric_name = 'c';
SELECT * FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE name = 'c' AND period = 'hourly';
-- Asked for in so many words, hours are computed from what is there.
SELECT monitoring.refresh_rollups('2024-03-05 10:00+00', '2024-03-05 11:00+00');
SELECT * FROM pg_temp.closed WHERE period <> 'weekly';
TABLE monitoring_internal.rollup_purged;

---- Each rewrite of a day: nothing is counted twice, what was not taken yet is, and what was purged stays.
CALL pg_temp.start_over();
CREATE TABLE monitoring_internal.pipeline_metrics_20240306 PARTITION OF monitoring.pipeline_metrics
    FOR VALUES FROM ('2024-03-06 00:00+00') TO ('2024-03-07 00:00+00');
SELECT monitoring_internal.index_partition('monitoring_internal.pipeline_metrics_20240306');
CREATE TABLE pg_temp.rewrites (n serial, command text);
INSERT INTO pg_temp.rewrites (command) VALUES
    ('ALTER TABLE monitoring.pipeline_metrics ADD COLUMN trace uuid DEFAULT gen_random_uuid()'),
    ('ALTER TABLE monitoring.pipeline_metrics ADD COLUMN twice float8 GENERATED ALWAYS AS (metric_value * 2) STORED'),
    ('ALTER TABLE monitoring.pipeline_metrics ALTER COLUMN created_at TYPE timestamp'),
    ('ALTER TABLE monitoring.pipeline_metrics ALTER COLUMN created_at TYPE timestamptz'),
    ('ALTER TABLE monitoring_internal.pipeline_metrics_20240306 SET UNLOGGED'),
    ('ALTER TABLE monitoring_internal.pipeline_metrics_20240306 SET LOGGED'),
    ('VACUUM FULL monitoring_internal.pipeline_metrics_20240306'),
    ('CLUSTER monitoring_internal.pipeline_metrics_20240306 USING pipeline_metrics_20240306_pkey'),
    ('ALTER TABLE monitoring_internal.pipeline_metrics_20240306 SET TABLESPACE pg_default'),
    ('REINDEX TABLE monitoring_internal.pipeline_metrics_20240306'),
    ('ALTER TABLE monitoring.pipeline_metrics DROP COLUMN trace');
CALL pg_temp.put('seen', 1, '2024-03-06 10:00+00');
CALL pg_temp.put('purged', 1, '2024-03-06 10:00+00');
CALL pg_temp.put('open', 1, '2100-01-01 10:00+00');
SELECT * FROM pg_temp.passes();
DELETE FROM monitoring.pipeline_metrics WHERE metric_name = 'purged';
SELECT * FROM pg_temp.passes();
SELECT format('CALL pg_temp.put(''late'', 1, ''2024-03-06 10:%s+00'')', n + 10),
       format('CALL pg_temp.put(''h%s'', 1, ''2024-03-06 %s:00+00'')', n, n + 10),
       format('CALL pg_temp.put(''open'', 1, ''2100-01-01 10:%s+00'')', n + 10),
       command,
       format('SELECT count(*) AS new_to_views FROM monitoring_internal.new_measurements(''seen'', NULL)'),
       'SELECT FROM pg_temp.passes()',
       'SELECT string_agg(name || '' '' || n, '', '' ORDER BY name) AS hour_10 FROM pg_temp.closed '
       'WHERE period = ''hourly'' AND start = ''2024-03-06 10'' OR start = ''2024-03-06 '' || ' || n + 10 || ' AND period = ''hourly''',
       'SELECT sum(count_value) AS open FROM monitoring_internal.rollup_state WHERE NOT published',
       'SELECT * FROM pg_temp.not_ok WHERE check_name <> ''tables'''
FROM pg_temp.rewrites ORDER BY n \gexec

-- A rewrite after rows that no pass has seen, in one transaction with passes.
BEGIN;
CALL pg_temp.put('own', 1, '2024-03-06 09:00+00');
SELECT FROM pg_temp.passes();
ALTER TABLE monitoring.pipeline_metrics ADD COLUMN trace uuid DEFAULT gen_random_uuid();
CALL pg_temp.put('own', 2, '2024-03-06 09:00+00');
SELECT FROM pg_temp.passes();
COMMIT;
CALL pg_temp.put('own', 4, '2024-03-06 09:00+00');
SELECT FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE name = 'own' AND period <> 'weekly';
-- Truncation of one day: history stays, late rows are added to it, updates of others are taken.
TRUNCATE monitoring_internal.pipeline_metrics_20240306;
SELECT FROM pg_temp.passes();
CALL pg_temp.put('own', 8, '2024-03-06 09:00+00');
SELECT FROM pg_temp.passes();
UPDATE monitoring.pipeline_metrics SET metric_value = 16 WHERE metric_name = 'own';
SELECT FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE name = 'own' AND period <> 'weekly';
SELECT * FROM pg_temp.not_ok;

---- A table that is attached with rows in it, whose transactions are older than the last pass.
CREATE TABLE monitoring.attached (LIKE monitoring.pipeline_metrics INCLUDING DEFAULTS INCLUDING GENERATED);
INSERT INTO monitoring.attached (metric_name, metric_value, timestamp)
SELECT 'attached', v, '2024-03-07 10:00+00' FROM generate_series(1, 3) AS v;
CALL pg_temp.put('other', 1, '2024-03-05 10:00+00');
SELECT FROM pg_temp.passes();
SELECT monitoring_internal.index_partition('monitoring.attached');
ALTER TABLE monitoring.pipeline_metrics ATTACH PARTITION monitoring.attached
    FOR VALUES FROM ('2024-03-07 00:00+00') TO ('2024-03-08 00:00+00');
SELECT FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE name = 'attached' AND period <> 'weekly';
CALL pg_temp.put('attached', 4, '2024-03-07 10:00+00');
SELECT FROM pg_temp.passes();
SELECT * FROM pg_temp.closed WHERE name = 'attached' AND period <> 'weekly';
SELECT * FROM pg_temp.not_ok;

---- Columns that roll-ups read keep their types.
CALL pg_temp.start_over();
DROP TABLE monitoring.attached, monitoring_internal.pipeline_metrics_20240306;
ALTER TABLE monitoring.pipeline_metrics DROP COLUMN twice, DROP COLUMN trace;
ALTER TABLE monitoring.pipeline_metrics ALTER COLUMN metric_value TYPE numeric;
ALTER TABLE monitoring.pipeline_metrics ALTER COLUMN tags TYPE json;
-- Version 18 says where in the text, too.
\set VERBOSITY sqlstate
ALTER TABLE monitoring.pipeline_metrics ALTER COLUMN "timestamp" TYPE timestamp;
\set VERBOSITY terse

---- Constraints, columns, generated columns and triggers of users: days to come are made with them.
ALTER TABLE monitoring.pipeline_metrics ADD CONSTRAINT named CHECK (metric_name <> 'no'),
    ADD COLUMN host text NOT NULL DEFAULT 'h', ADD COLUMN half float8 GENERATED ALWAYS AS (metric_value / 2) STORED;
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.tags := ''{"noted": 1}''; RETURN NEW; END';
CREATE INDEX users_idx ON monitoring.pipeline_metrics (host);
CREATE TRIGGER users BEFORE INSERT ON monitoring.pipeline_metrics FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
SELECT monitoring_internal.maintain_partitions(12) - monitoring_internal.maintain_partitions(12) > 0 AS made;
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
VALUES ('yes', 1, date_trunc('day', now(), 'UTC') + interval '11 days')
RETURNING tags, host, half, tableoid <> 'monitoring_internal.pipeline_metrics_default'::regclass AS in_a_day;
\set VERBOSITY sqlstate
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value, timestamp)
VALUES ('no', 1, date_trunc('day', now(), 'UTC') + interval '11 days');
\set VERBOSITY terse
SELECT * FROM pg_temp.not_ok;
DROP TRIGGER users ON monitoring.pipeline_metrics;
DROP INDEX monitoring.users_idx;
ALTER TABLE monitoring.pipeline_metrics DROP CONSTRAINT named, DROP COLUMN host, DROP COLUMN half;
DO $$
DECLARE
    day regclass;
BEGIN
    FOR day IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'monitoring.pipeline_metrics'::regclass
        AND inhrelid::regclass::text > 'monitoring_internal.pipeline_metrics_' || to_char(now() + interval '7 days', 'YYYYMMDD')
        AND inhrelid::regclass::text ~ '_[0-9]{8}$'
    LOOP
        EXECUTE format('DROP TABLE %s', day);
    END LOOP;
END $$;

CALL pg_temp.start_over();
DELETE FROM monitoring.retention;
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
