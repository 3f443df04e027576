-- Worker issues and heartbeats: document 001's table, its INSERT, and the functions around it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
-- A worker of this database, if there is one, waits meanwhile.
DO $$ BEGIN PERFORM monitoring.pause_worker(); EXCEPTION WHEN object_not_in_prerequisite_state THEN END $$;

-- The document's own INSERT.
BEGIN;
DELETE FROM monitoring.worker_issues;
DELETE FROM monitoring.worker_heartbeats;
INSERT INTO monitoring.worker_issues (worker_name, issue_type, message, severity, details, resolved)
VALUES ('crawler', 'timeout', 'no answer in 30 s', 'warning', '{}', false);
INSERT INTO monitoring.worker_issues (worker_name, issue_type, severity)
VALUES ('crawler', 'timeout', 'P2');
SELECT worker_name, issue_type, message, severity, details, resolved, resolution_details,
       created_at = now() AS created_now, resolved_at
FROM monitoring.worker_issues ORDER BY severity;
ROLLBACK;

-- Defaults, all arguments by name, NULL message and details.
BEGIN;
DELETE FROM monitoring.worker_issues;
DELETE FROM monitoring.worker_heartbeats;
SELECT monitoring.log_worker_issue('crawler', 'timeout', 'slow') IS NOT NULL AS logged;
SELECT monitoring.log_worker_issue(worker_name => 'loader', issue_type => 'crash', message => NULL,
                                   severity => 'critical', details => '{"pid": 7}') AS id \gset
SELECT monitoring.log_worker_issue('crawler', 'note', 'fyi', 'info', NULL) IS NOT NULL AS logged;
SELECT worker_name, issue_type, message, severity, details, resolved
FROM monitoring.worker_issues ORDER BY worker_name, issue_type;

-- Resolving: once, only what is open, only what exists.
SELECT monitoring.resolve_worker_issue(:'id', 'restarted');
SELECT monitoring.resolve_worker_issue(id => :'id', resolution_details => 'again');
SELECT monitoring.resolve_worker_issue('00000000-0000-0000-0000-000000000000', NULL);
SELECT resolved, resolution_details, resolved_at = now() AS resolved_now
FROM monitoring.worker_issues WHERE id = :'id';
-- A row whose resolved is NULL, as the document's table allows, is open.
UPDATE monitoring.worker_issues SET resolved = NULL WHERE worker_name = 'crawler';
SELECT issue_type, monitoring.resolve_worker_issue(id, NULL)
FROM monitoring.worker_issues WHERE worker_name = 'crawler' ORDER BY issue_type;
ROLLBACK;

-- Bad input.
\set SHOW_CONTEXT never
SELECT monitoring.log_worker_issue(NULL, 'timeout', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.log_worker_issue('', 'timeout', 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.log_worker_issue('crawler', NULL, 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.log_worker_issue('crawler', 'timeout', 'x', 'fatal');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.log_worker_issue('crawler', 'timeout', 'x', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.resolve_worker_issue(NULL, 'x');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.heartbeat(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.heartbeat('crawler', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.heartbeat('crawler', '0');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.heartbeat('crawler', '-1 day');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.heartbeat('crawler', '178000000 years');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.forget_worker(NULL);
\echo :LAST_ERROR_SQLSTATE

-- Heartbeats: one row for each worker, the last one counts.
BEGIN;
DELETE FROM monitoring.worker_issues;
DELETE FROM monitoring.worker_heartbeats;
SELECT monitoring.heartbeat('crawler');
SELECT monitoring.heartbeat('loader', expected_every => '1 month', details => '{"batch": 1}');
SELECT monitoring.heartbeat('crawler', '30 seconds', '{"batch": 2}');
SELECT worker_name, expected_every, details, last_seen_at >= now() AS seen_now
FROM monitoring.worker_heartbeats ORDER BY worker_name;
SELECT monitoring.forget_worker('crawler'), monitoring.forget_worker('nobody');
SELECT worker_name FROM monitoring.worker_heartbeats;
ROLLBACK;

-- A name or an operator on the caller's search_path changes nothing.
BEGIN;
DELETE FROM monitoring.worker_issues;
DELETE FROM monitoring.worker_heartbeats;
CREATE SCHEMA trap;
CREATE FUNCTION trap.equal(text, text) RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE 'the caller''s operator was used'; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equal);
CREATE FUNCTION trap.equal(uuid, uuid) RETURNS boolean LANGUAGE plpgsql
AS $$ BEGIN RAISE 'the caller''s operator was used'; END $$;
CREATE OPERATOR trap.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap.equal);
SET LOCAL search_path = trap, pg_catalog;
SELECT monitoring.log_worker_issue('crawler', 'timeout', 'slow') AS id \gset
SELECT monitoring.resolve_worker_issue(:'id', 'ok');
SELECT monitoring.heartbeat('crawler'), monitoring.forget_worker('crawler');
ROLLBACK;

DO $$
BEGIN
    PERFORM monitoring.resume_worker();
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    NULL;
END
$$;
