-- import_collectors(): files in the format of postgres_exporter's queries.yaml.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;

-- All of it in one transaction, so that no run by a worker comes between.
BEGIN;
CREATE ROLE import_operator;
CREATE ROLE import_reader;
SELECT monitoring.grant_access('import_operator', 'operator');
CREATE SCHEMA shop AUTHORIZATION import_operator;
CREATE TABLE shop.orders (state text, took interval, placed_at timestamptz, is_paid boolean);
GRANT SELECT ON shop.orders TO import_operator;
INSERT INTO shop.orders VALUES ('new', '1.5 seconds', '2026-01-01 00:00:10.9Z', true),
                               ('sent', '2 minutes', '2026-01-01 00:00:20Z', false);
SET LOCAL search_path = shop, pg_catalog;
SET LOCAL ROLE import_operator;

-- Every usage. What the file says nothing of is a metric if it is a number.
SELECT $yaml$
shop_orders:
  query: |
    SELECT state, took, placed_at, is_paid, state AS mood, 7 AS extra, '3'::text AS three,
           'x' AS secret, 11::oid AS number
    FROM orders;  -- a semicolon, and a comment
  cache_seconds: 30
  metrics:
    - state:
        usage: "LABEL"
        description: "State of the order"
    - took:
        usage: "DURATION"
        description: "How long it took"
    - placed_at:
        usage: "COUNTER"
        description: "When it was placed"
    - is_paid:
        usage: "GAUGE"
        description: "1 if it is paid"
    - mood:
        usage: "MAPPEDMETRIC"
        description: "How it goes"
        metric_mapping: {new: 0, sent: 1.5}
    - three:
        usage: "GAUGE"
    - secret:
        usage: "DISCARD"
shop_waits:
  query: "SELECT 'db' AS datname, '1h2m3s'::text AS longest, '-1'::text AS none,
    '{0.1,1}'::float8[] AS took, '{3,5}'::bigint[] AS took_bucket, 9.5::numeric AS took_sum,
    6::bigint AS took_count"
  master: true
  runonserver: ">=10.0.0"
  metrics:
    - datname: {usage: LABEL}
    - longest: {usage: DURATION}
    - none: {usage: DURATION}
    - took: {usage: HISTOGRAM, description: Waits}
$yaml$ AS yaml
\gset
SELECT * FROM monitoring.import_collectors(:'yaml');
SELECT metric_name, value, labels FROM monitoring.preview_collector('shop_orders')
ORDER BY metric_name, labels;
SELECT metric_name, value, labels FROM monitoring.preview_collector('shop_waits')
ORDER BY metric_name, labels;
SELECT collector_name, every, scope, owner, search_path, store, enabled
FROM monitoring.collectors ORDER BY collector_name;
SELECT key AS metric_name, value ->> 'type' AS type, value ->> 'help' AS help
FROM monitoring.collectors, jsonb_each(metrics) ORDER BY 1;

-- Again: what users decided stays, and a collector that has not changed goes on undisturbed.
UPDATE monitoring.collectors SET store = false, enabled = false, series_limit = 50,
    next_run_at = '2200-01-01 00:00Z';
SELECT count(*) FROM monitoring.import_collectors(:'yaml');
SELECT count(*) FROM monitoring.import_collectors(
    replace(:'yaml', 'cache_seconds: 30', 'cache_seconds: 90'), owner => 'import_operator');
SELECT collector_name, every, store, enabled, series_limit, next_run_at
FROM monitoring.collectors ORDER BY collector_name;

-- What does not work yet, has no effect or cannot be had is said.
SELECT * FROM monitoring.import_collectors($yaml$
shop_later:
  query: SELECT name, stock FROM items
  metrics:
    - name: {usage: LABEL}
    - stock: {usage: GAUGE}
shop_fails:
  query: SELECT 1 / 0 AS result
  timeout: 5
shop_old:
  query: SELECT 1 AS x
  runonserver: "<10.0.0"
shop_partial:
  query: SELECT 1 AS good, 'x' AS word, now() - now() AS span
  metrics:
    - span: {usage: GAUGE}
    - gone: {usage: COUNTER}
$yaml$);
SELECT * FROM monitoring.preview_collector('shop_partial');

-- All of it or nothing, with the line.
CREATE FUNCTION pg_temp.error_of(yaml text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    PERFORM monitoring.import_collectors(yaml);
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' / ', sqlstate || ': ' || sqlerrm, nullif(hint, ''));
END $$;
SELECT n, pg_temp.error_of(yaml) FROM (VALUES
    (1, E'shop_new:\n  query: SELECT 1 AS x\nshop_bad:\n  query: SELECT 1 AS x\n  metrics:\n'
        '    - x: {usage: GAUG}\n'),
    (2, E'shop_new:\n  query: SELECT 1 AS x\nshop_bad:\n  query: SELECT ''a'' AS x\n'
        '  metrics:\n    - x: {usage: LABEL}\n'),
    (3, E'shop_new:\n  query: SELECT 1 AS x\nshop_new:\n  query: SELECT 2 AS x\n'),
    (4, E'shop_new: [\n'),
    (5, repeat('[', 100000)),
    (6, ''),
    (7, NULL)) AS v (n, yaml) ORDER BY n;
SELECT count(*) FROM monitoring.collectors WHERE collector_name = 'shop_new';

-- The owner: the caller, or a role that the caller is a member of. Nothing is planned as another.
CREATE FUNCTION shop.spy() RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'planned as %', current_user;
    RETURN 1;
END $$;
SELECT pg_temp.error_of(E'shop_spy:\n  query: SELECT shop.spy() AS x\n');
DO $$
BEGIN
    PERFORM monitoring.import_collectors(E'shop_spy:\n  query: SELECT shop.spy() AS x\n',
                                         owner => 'import_reader');
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE '%: %', sqlstate, sqlerrm;
END $$;
RESET ROLE;
SET LOCAL ROLE import_reader;
SELECT pg_temp.error_of(E'shop_x:\n  query: SELECT 1 AS x\n');
ROLLBACK;
