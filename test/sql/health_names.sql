-- Names that health is to look at have to be there; those that are gone later are named by it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;

-- Thresholds: every check and every metric that there is; nothing else, and a mistake is told from
-- what it is most like.
BEGIN;
SAVEPOINT s;
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('stuck_mesages', 1);
ROLLBACK TO s;
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('Error_rate', 1);
ROLLBACK TO s;
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('', 1);
ROLLBACK TO s;
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES (repeat('long', 100), 1);
ROLLBACK TO s;
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('p95_ms', 1), ('nothing_like_this_at_all', 1);
ROLLBACK TO s;
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('p95_ms', 1);
UPDATE monitoring.health_thresholds SET check_name = 'p95_seconds';
ROLLBACK TO s;
INSERT INTO monitoring.health_thresholds (check_name, warning)
SELECT check_name, 7 FROM monitoring.effective_health_thresholds;
UPDATE monitoring.health_thresholds SET warning = 8;
SELECT count(*) = 17 AS every_check FROM monitoring.effective_health_thresholds WHERE warning = 8;
INSERT INTO monitoring.metric_definitions (metric_name) VALUES ('regress_defined');
INSERT INTO monitoring.pipeline_metrics (metric_name, metric_value) VALUES ('regress_recorded', 1);
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('regress_defined', 1), ('regress_recorded', 1);
SAVEPOINT s;
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('regress_defind', 1);
ROLLBACK TO s;
-- An operator, who may write thresholds, and a replayed dump, whose order is its own.
CREATE ROLE regress_names_operator;
SELECT monitoring.grant_access('regress_names_operator', 'operator');
SET ROLE regress_names_operator;
SAVEPOINT s;
UPDATE monitoring.health_thresholds SET check_name = 'firing' WHERE check_name = 'firing_critical';
ROLLBACK TO s;
DELETE FROM monitoring.health_thresholds;
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('firing_critical', 3);
RESET ROLE;
SET row_security = off;
SET xmloption = content;
SET statement_timeout = 0;
INSERT INTO monitoring.health_thresholds (check_name, warning) VALUES ('regress_of_a_dump', 1);
ROLLBACK;
RESET row_security;
RESET xmloption;
RESET statement_timeout;

-- A role that rules, collectors, queues and packs were given to is dropped, or renamed: who does it is
-- told, health names them, and nobody else becomes their owner, also not one of the same name.
CREATE ROLE regress_leaving;
CREATE ROLE regress_staying;
CREATE TABLE public.regress_jobs (status text, created_at timestamptz);
GRANT SELECT ON public.regress_jobs TO regress_leaving, regress_staying;
CREATE VIEW pg_temp.ownerless AS
SELECT severity, reason FROM monitoring.health_findings WHERE check_name = 'owner_gone';
INSERT INTO monitoring.alert_rules (rule_name, expr, owner) VALUES
    ('regress_gone', 'SELECT 1 AS value', 'regress_leaving'), ('regress_kept', 'SELECT 1 AS value', 'regress_staying');
INSERT INTO monitoring.collectors (collector_name, query, owner) VALUES
    ('regress_gone', 'SELECT 1 AS value', 'regress_leaving'), ('regress_kept', 'SELECT 1 AS value', 'regress_staying');
INSERT INTO monitoring.queues (queue_name, source, owner) VALUES
    ('regress_gone', 'public.regress_jobs', 'regress_leaving'), ('regress_kept', 'public.regress_jobs', 'regress_staying');
SELECT * FROM pg_temp.ownerless;
REVOKE SELECT ON public.regress_jobs FROM regress_leaving;
-- Not dropped, nothing said.
BEGIN;
GRANT SELECT ON public.regress_jobs TO regress_leaving;
DROP ROLE regress_leaving;
ROLLBACK;
SELECT * FROM pg_temp.ownerless;
DROP ROLE regress_leaving;
SELECT * FROM pg_temp.ownerless;
CREATE ROLE regress_leaving;
SELECT * FROM pg_temp.ownerless;
SELECT monitoring.run_collector('regress_gone');
ALTER ROLE regress_staying RENAME TO regress_renamed;
SELECT * FROM pg_temp.ownerless;
-- Set anew it is in order again.
UPDATE monitoring.alert_rules SET owner = 'regress_renamed' WHERE rule_name LIKE 'regress%';
UPDATE monitoring.queues SET owner = 'regress_renamed' WHERE queue_name LIKE 'regress%';
UPDATE monitoring.collectors SET owner = 'regress_renamed' WHERE collector_name LIKE 'regress%';
SELECT * FROM pg_temp.ownerless;
DROP ROLE regress_leaving;
-- Issues of what is disabled, renamed or deleted end with it; those of others stay.
INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity)
SELECT worker || name, 'regress', 'warning' FROM unnest('{collector/,queue_monitor/}'::text[]) AS worker,
    unnest('{regress_gone,regress_kept}'::text[]) AS name;
CREATE VIEW pg_temp.open_issues AS
SELECT worker_name FROM monitoring.worker_issues WHERE issue_type = 'regress' AND NOT resolved ORDER BY 1;
UPDATE monitoring.collectors SET enabled = false WHERE collector_name = 'regress_gone';
UPDATE monitoring.queues SET queue_name = 'regress_other' WHERE queue_name = 'regress_kept';
SELECT * FROM pg_temp.open_issues;
DELETE FROM monitoring.queues WHERE queue_name LIKE 'regress%';
UPDATE monitoring.collectors SET every = '1 hour' WHERE collector_name = 'regress_kept';
SELECT * FROM pg_temp.open_issues;
DELETE FROM monitoring.collectors WHERE collector_name LIKE 'regress%';
SELECT * FROM pg_temp.open_issues;
DELETE FROM monitoring.worker_issues WHERE issue_type = 'regress';
DELETE FROM monitoring.alert_rules WHERE rule_name LIKE 'regress%';
DELETE FROM monitoring.queues WHERE queue_name LIKE 'regress%';
DELETE FROM monitoring.collectors WHERE collector_name LIKE 'regress%';
-- What the first queue has brought along.
DELETE FROM monitoring_internal.enabled_packs WHERE pack_name = 'queues';
DELETE FROM monitoring.collectors WHERE collector_name LIKE 'queues/%';
DROP TABLE public.regress_jobs;
DROP ROLE regress_renamed;
DO $$ BEGIN PERFORM monitoring.resume_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;
