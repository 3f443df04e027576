-- Collectors, run by hand: what becomes of their rows, what is wrong with them, who runs them.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;

-- All of it in one transaction, so that no run by a worker comes between.
BEGIN;
CREATE ROLE collector_author;
CREATE ROLE collector_stranger;
CREATE SCHEMA app AUTHORIZATION collector_author;
CREATE TABLE app.jobs (queue text, status text);
GRANT SELECT ON app.jobs TO collector_author;
INSERT INTO app.jobs VALUES ('mail', 'pending'), ('mail', 'pending'), ('push', 'pending');

CREATE FUNCTION pg_temp.create(name text, query text, timeout interval DEFAULT '5 seconds',
                               series_limit integer DEFAULT 1000) RETURNS void LANGUAGE sql
AS $$ SELECT monitoring.create_collector(name, query, timeout => timeout,
          series_limit => series_limit, owner => 'collector_author') $$;
CREATE VIEW pg_temp.state AS
SELECT collector_name, last_series AS series, last_error, consecutive_failures AS failures,
       last_run_at IS NOT NULL AS has_run, next_run_at > last_run_at AS has_next
FROM monitoring.collectors ORDER BY collector_name;

-- The metric has the collector's name, every other column is a label; no value, no row.
SET LOCAL search_path = app, pg_catalog;
SELECT pg_temp.create('jobs_pending', $$SELECT count(*) AS value, queue FROM jobs GROUP BY queue
    UNION ALL SELECT NULL, 'none'$$);
SET LOCAL search_path = pg_catalog;
SELECT * FROM monitoring.preview_collector('jobs_pending') ORDER BY labels;
SELECT * FROM pg_temp.state;
SELECT monitoring.run_collector('jobs_pending');
SELECT * FROM pg_temp.state;
SELECT metric_name, metric_value, tags FROM monitoring.pipeline_metrics
WHERE metric_name = 'jobs_pending' ORDER BY tags;

-- Several metrics from one query, with labels that differ, and $1, the time of the run.
SELECT pg_temp.create('several', $$SELECT 'metric_' || n AS metric_name,
    extract(epoch FROM $1 - $1) + n AS value, jsonb_build_object('n', n, 'e', '') AS labels,
    'x' AS fixed FROM generate_series(1, 2) AS n$$);
SELECT * FROM monitoring.preview_collector('several') ORDER BY metric_name;

-- What is wrong with each is a warning when it is made, an error when it is looked at, and in
-- last_error when it was run. None stops another.
SELECT pg_temp.create('wrong_sql', 'SELEC 1 AS value');
SELECT pg_temp.create('no_table', 'SELECT count(*) AS value FROM app.later');
SELECT pg_temp.create('no_value', 'SELECT 1 AS valu');
SELECT pg_temp.create('no_number', 'SELECT now() AS value');
SELECT pg_temp.create('no_name', 'SELECT 1 AS value, NULL::text AS metric_name');
SELECT pg_temp.create('bad_label', 'SELECT 1 AS value, 2 AS "a-b"');
SELECT pg_temp.create('bad_labels', $$SELECT 1 AS value, '{"a-b": 1}'::jsonb AS labels$$);
SELECT pg_temp.create('internal_label', 'SELECT 1 AS value, 2 AS __a');
SELECT pg_temp.create('duplicates', $$SELECT 1 AS value, 'x' AS a FROM generate_series(1, 2)$$);
SELECT pg_temp.create('too_many', 'SELECT 1 AS value, n FROM generate_series(1, 1000000) AS n',
                      series_limit => 10);
SELECT pg_temp.create('too_slow', 'SELECT 1 AS value FROM pg_sleep(60)', '50 milliseconds');
SELECT pg_temp.create('forbidden', 'SELECT count(*) AS value FROM monitoring.secrets');
SELECT pg_temp.create('writes', $$WITH w AS (DELETE FROM app.jobs RETURNING 1)
    SELECT count(*) AS value FROM w$$);
SELECT pg_temp.create('two_statements', 'SELECT 1 AS value; DELETE FROM app.jobs');
SELECT pg_temp.create('no_query', 'DELETE FROM app.jobs');
\set VERBOSITY terse
SELECT sum(monitoring.run_collector(collector_name))
FROM (SELECT collector_name FROM monitoring.collectors ORDER BY 1) AS c;
SELECT * FROM pg_temp.state;
SELECT count(*) FROM app.jobs;
-- One issue for each, however often it fails.
SELECT monitoring.run_collector('no_table'), monitoring.run_collector('too_many');
SELECT worker_name, issue_type, message FROM monitoring.worker_issues
WHERE worker_name LIKE 'collector/%' AND NOT resolved ORDER BY worker_name;
-- The wait grows with the failures.
SELECT next_run_at - last_run_at >= interval '4 minutes' AS backs_off
FROM monitoring.collectors WHERE collector_name = 'no_table';
-- What works again resolves its issue.
CREATE TABLE app.later ();
GRANT SELECT ON app.later TO collector_author;
SELECT monitoring.run_collector('no_table');
SELECT * FROM pg_temp.state WHERE collector_name = 'no_table';
SELECT resolved, resolution_details FROM monitoring.worker_issues
WHERE worker_name = 'collector/no_table';
\set VERBOSITY default

-- What cannot be stored or described is the collector's failure as well; one issue is kept of each
-- kind, whatever its text is this time.
\set VERBOSITY terse
SET LOCAL client_min_messages = error;
SELECT pg_temp.create('unstorable', $$SELECT 1 AS value,
    (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 500) AS n) AS metric_name$$);
SELECT pg_temp.create('undescribed', 'SELECT 1 AS value');
UPDATE monitoring.collectors SET metrics = '{"x": 5}' WHERE collector_name = 'undescribed';
SELECT pg_temp.create('varies', $$SELECT ('x' || md5(random()::text))::float8 AS value$$);
SELECT sum(monitoring.run_collector(collector_name)) FROM monitoring.collectors,
    generate_series(1, 3) WHERE collector_name IN ('unstorable', 'undescribed', 'varies');
RESET client_min_messages;
\set VERBOSITY default
SELECT c.collector_name, left(c.last_error, 40) AS last_error, c.consecutive_failures AS failures,
       count(*) AS issues, bool_and(i.message = c.last_error) AS has_the_last
FROM monitoring.collectors AS c
JOIN monitoring.worker_issues AS i ON i.worker_name = 'collector/' || c.collector_name
WHERE c.collector_name IN ('unstorable', 'undescribed', 'varies')
GROUP BY c.collector_name ORDER BY c.collector_name;

-- Bad definitions.
CREATE FUNCTION pg_temp.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ': ' || sqlerrm;
END $$;
SELECT pg_temp.sqlstate_of(format('SELECT monitoring.create_collector(%s)', arguments))
FROM (VALUES (1, $$NULL, 'SELECT 1'$$), (2, $$'', 'SELECT 1'$$), (3, $$'x', NULL$$),
             (4, $$'x', 'SELECT 1 AS value', every => '0.5 seconds'$$),
             (5, $$'x', 'SELECT 1 AS value', timeout => '-1 second'$$),
             (6, $$'x', 'SELECT 1 AS value', metric_type => 'histogram'$$),
             (7, $$'x', 'SELECT 1 AS value', scope => 'galaxy'$$),
             (8, $$'x', 'SELECT 1 AS value', series_limit => 0$$),
             (9, $$'x', 'SELECT 1 AS value', metrics => '[]'$$),
             (10, $$'x', 'SELECT 1 AS value', owner => 'nobody at all'$$)) AS a(n, arguments)
ORDER BY n;
SELECT pg_temp.sqlstate_of($$SELECT monitoring.run_collector('none')$$);
SELECT pg_temp.sqlstate_of($$SELECT monitoring.preview_collector('none')$$);

-- The owner: not somebody else's role, not a superuser unless that is allowed, not one that is gone.
SELECT monitoring.grant_access('collector_stranger', 'operator');
SET LOCAL ROLE collector_stranger;
SELECT pg_temp.sqlstate_of($$SELECT monitoring.create_collector('mine', 'SELECT 1 AS value',
    owner => 'collector_author')$$);
SELECT pg_temp.sqlstate_of($$UPDATE monitoring.collectors SET query = 'SELECT 2 AS value'
    WHERE collector_name = 'several'$$);
SELECT pg_temp.sqlstate_of($$UPDATE monitoring.collectors SET enabled = false
    WHERE collector_name = 'several'$$);
SELECT monitoring.create_collector('mine', 'SELECT count(*) AS value FROM pg_class');
RESET ROLE;
SELECT owner, search_path FROM monitoring.collectors WHERE collector_name = 'mine';
SELECT current_user AS superuser
\gset
UPDATE monitoring.collectors SET owner = :'superuser' WHERE collector_name = 'mine';
SELECT pg_temp.sqlstate_of($$SELECT monitoring.preview_collector('mine')$$)
    LIKE '42501: the collector''s owner%is a superuser, and monitoring.allow_superuser_rules is off';
SET LOCAL monitoring.allow_superuser_rules = on;
SELECT count(*) FROM monitoring.preview_collector('mine');
RESET monitoring.allow_superuser_rules;
UPDATE monitoring.collectors SET owner = 'gone' WHERE collector_name = 'mine';
SELECT pg_temp.sqlstate_of($$SELECT monitoring.preview_collector('mine')$$);

-- Made again it is another one; dropped it is none.
SELECT pg_temp.create('several', 'SELECT 1 AS value');
SELECT enabled, query FROM monitoring.collectors WHERE collector_name = 'several';
SELECT monitoring.drop_collector('several'), monitoring.drop_collector('several', if_exists => true);
ROLLBACK;
