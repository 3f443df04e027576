-- What a writer may write without a function: a row that is refused is refused in words, never shown.
-- The tables come from the catalog.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
BEGIN;
CREATE ROLE regress_monitoring_writer;
SELECT monitoring.grant_access('regress_monitoring_writer', 'writer');

CREATE TABLE pg_temp.result (tab text, col text, sqlstate text, message text, detail text);
GRANT ALL ON pg_temp.result TO regress_monitoring_writer;
-- Each column that may not be NULL, and each CHECK constraint by what none allows.
CREATE FUNCTION pg_temp.try(tab regclass, col name, expression text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    said text;
    shown text;
BEGIN
    EXECUTE format('INSERT INTO %s (%I) VALUES (%s)', tab, col, expression);
    RAISE EXCEPTION USING ERRCODE = 'ZZ999', MESSAGE = 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, shown = PG_EXCEPTION_DETAIL;
    INSERT INTO pg_temp.result VALUES (tab, col, SQLSTATE, said, shown);
END $$;
CREATE VIEW pg_temp.written AS
SELECT c.oid::regclass AS tab, a.attname AS col
FROM pg_depend AS d JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity <> 'a'
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'monitoring') AND d.deptype = 'e'
  AND c.relkind IN ('r', 'p') AND has_table_privilege('regress_monitoring_writer', c.oid, 'INSERT')
  -- Measurements: no trigger is worth its time there. What is shown is the writer's own row.
  AND c.oid <> 'monitoring.pipeline_metrics'::regclass;
GRANT SELECT ON pg_temp.written TO regress_monitoring_writer;
SET LOCAL ROLE regress_monitoring_writer;
SELECT FROM pg_temp.written AS w, LATERAL pg_temp.try(w.tab, w.col, 'NULL');
\set VERBOSITY default
\set ON_ERROR_ROLLBACK on
INSERT INTO monitoring.worker_heartbeats VALUES ('a', now(), '292000 years');
INSERT INTO monitoring.worker_heartbeats VALUES ('a', now(), '0');
INSERT INTO monitoring.worker_heartbeats VALUES ('a', now(), '-1 year 365 days 6 hours');
INSERT INTO monitoring.worker_heartbeats VALUES ('a', 'infinity', '1 minute');
RESET ROLE;
SELECT DISTINCT tab FROM pg_temp.result ORDER BY 1;
SELECT DISTINCT sqlstate, message FROM pg_temp.result ORDER BY 1, 2;
SELECT * FROM pg_temp.result WHERE detail LIKE '%Failing row%';
ROLLBACK;
