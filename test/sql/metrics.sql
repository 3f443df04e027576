-- Counters, gauges and histograms in shared memory.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
\set VERBOSITY default
\pset null '(null)'
-- An earlier run on this server may have counted under these names.
SET client_min_messages = error;
DO $$ BEGIN PERFORM monitoring.remove_metric(m.metric_name) FROM monitoring.metrics AS m
      WHERE m.metric_name ~ '^(shop|tx|wide|snap)_'; END $$;
RESET client_min_messages;

CREATE FUNCTION pg_temp.counted(pattern text) RETURNS TABLE (metric_name text, labels jsonb, value float8, sum float8, count bigint)
LANGUAGE sql AS $$ SELECT m.metric_name, m.labels, m.value, m.sum, m.count FROM monitoring.metrics AS m
                   WHERE m.metric_name ~ pattern ORDER BY m.metric_name, m.labels::text $$;
-- The text, of this test's metrics.
CREATE FUNCTION pg_temp.exposed(openmetrics boolean) RETURNS SETOF text
LANGUAGE sql AS $$ SELECT line FROM regexp_split_to_table(monitoring.prometheus_metrics(openmetrics), '\n')
                   WITH ORDINALITY AS l(line, n)
                   WHERE line ~ '^(# (HELP|TYPE|UNIT) )?shop_|^# EOF' ORDER BY n $$;

-- The first use of a name defines it. Labels may be strings, numbers and booleans, in any order; an
-- empty one is none.
SELECT monitoring.counter_inc('shop_orders_total');
SELECT monitoring.counter_inc('shop_orders_total', 2.5, '{"region": "eu", "express": true, "size": 10}');
SELECT monitoring.counter_inc('shop_orders_total', 1, '{"size": 10, "express": true, "region": "eu", "note": "", "other": null}');
SELECT monitoring.counter_inc(name => 'shop_orders_total', by => 0, labels => '{"region": "us"}');
SELECT monitoring.gauge_set('shop_open_carts', 7);
SELECT monitoring.gauge_add('shop_open_carts', -2);
SELECT monitoring.gauge_set('shop_nothing', 'NaN');
SELECT monitoring.histogram_observe('shop_checkout_seconds', v) FROM unnest(ARRAY[0.004, 0.005, 0.3, 11]) AS v;
SELECT metric_name, metric_type, labels, value, sum, count FROM monitoring.metrics
WHERE metric_name LIKE 'shop%' ORDER BY metric_name, labels::text;
SELECT b ->> 'le' AS le, b ->> 'count' AS count
FROM monitoring.metrics, jsonb_array_elements(buckets) WITH ORDINALITY AS e(b, n)
WHERE metric_name = 'shop_checkout_seconds' ORDER BY n;

-- Definitions: help, unit and buckets, before or after.
SELECT monitoring.define_metric('shop_orders_total', 'counter', 'Orders that were paid.');
SELECT monitoring.define_metric('shop_basket_euros', 'histogram', E'Value of a basket,\nin \\ "euros".', 'euros', ARRAY[10, 50.5, 'Infinity']);
SELECT monitoring.define_metric(name => 'shop_wait_ms', type => 'histogram', help => 'Waiting.', unit => 'ms');
SELECT monitoring.histogram_observe('shop_basket_euros', v, '{"till": "a\"b\\c"}') FROM unnest(ARRAY[10, 50, 51]) AS v;
SELECT metric_name, metric_type, unit, help, buckets, snapshot FROM monitoring.metric_definitions
WHERE metric_name LIKE 'shop%' ORDER BY metric_name;
SELECT * FROM pg_temp.exposed(false) AS line;
SELECT * FROM pg_temp.exposed(true) AS line;
-- Buckets in steps, and by a factor; that of a native histogram's schema n is 2 ^ (1 / 2^n).
SELECT monitoring.linear_buckets(0.1, 0.1, 5) AS linear, monitoring.exponential_buckets(0.001, 2, 5) AS exponential,
       monitoring.exponential_buckets(1, sqrt(2), 5) AS of_schema_1;
SELECT monitoring.define_metric('shop_parcel_kilograms', 'histogram', 'Weight.', 'kilograms', monitoring.exponential_buckets(0.1, 10, 3));
SELECT monitoring.histogram_observe('shop_parcel_kilograms', 2);
SELECT jsonb_path_query_array(buckets, '$[*].le') AS bounds FROM monitoring.metrics WHERE metric_name = 'shop_parcel_kilograms';
SELECT monitoring.linear_buckets(0, 0, 5);
SELECT monitoring.exponential_buckets(0, 2, 5);
SELECT monitoring.exponential_buckets(1, 1, 5);
SELECT monitoring.exponential_buckets(1, 2, 201);
SELECT monitoring.exponential_buckets(1, NULL, 3);

-- A new description holds at once; what is counted keeps its type and buckets.
SELECT monitoring.define_metric('shop_orders_total', 'counter', 'Paid orders.', snapshot => true);
SELECT line FROM pg_temp.exposed(false) AS line WHERE line LIKE '# HELP shop\_orders%';
SELECT monitoring.define_metric('shop_orders_total', 'counter', 'Paid orders.');
SELECT snapshot AS still_snapshot FROM monitoring.metric_definitions WHERE metric_name = 'shop_orders_total';
SELECT monitoring.define_metric('shop_orders_total', 'gauge', 'Orders.');
SELECT monitoring.define_metric('shop_basket_euros', 'histogram', 'Value.', 'euros', ARRAY[1, 2]);
SELECT monitoring.define_metric('shop_basket_euros', 'histogram', 'Value.', 'euros');
SELECT monitoring.gauge_set('shop_orders_total', 1);
SELECT monitoring.counter_inc('shop_basket_euros', 1);
SELECT monitoring.counter_inc('shop_wait_ms', 1);
-- Removed, it may become something else; the old values are gone.
SELECT monitoring.remove_metric('shop_basket_euros');
SELECT monitoring.remove_metric('shop_basket_euros');
SELECT monitoring.define_metric('shop_basket_euros', 'histogram', 'Value.', 'euros', ARRAY[1, 2]);
SELECT monitoring.histogram_observe('shop_basket_euros', 2);
SELECT jsonb_path_query_array(buckets, '$[*].le') AS bounds, count FROM monitoring.metrics WHERE metric_name = 'shop_basket_euros';
SELECT monitoring.remove_metric('shop_orders_total');
SELECT monitoring.counter_inc('shop_orders_total', 1, '{"region": "us"}');
SELECT * FROM pg_temp.counted('shop_orders');

-- Errors.
SELECT monitoring.counter_inc('shop_orders_total', -1);
SELECT monitoring.counter_inc('shop_orders_total', 'NaN');
SELECT monitoring.counter_inc('shop_orders_total', 'Infinity');
SELECT monitoring.counter_inc('shop-orders');
SELECT monitoring.counter_inc('');
SELECT monitoring.counter_inc(NULL);
SELECT monitoring.counter_inc('shop_orders_total', NULL);
SELECT monitoring.counter_inc(repeat('a', 201));
SELECT monitoring.counter_inc('shop_orders_total', 1, '[1]');
SELECT monitoring.counter_inc('shop_orders_total', 1, '"x"');
SELECT monitoring.counter_inc('shop_orders_total', 1, '{"a": {"b": 1}}');
SELECT monitoring.counter_inc('shop_orders_total', 1, '{"le": "1"}');
SELECT monitoring.counter_inc('shop_orders_total', 1, '{"__name__": "x"}');
SELECT monitoring.counter_inc('shop_orders_total', 1, '{"a-b": "x"}');
SELECT monitoring.counter_inc('shop_orders_total', 1, jsonb_build_object('a', repeat('x', 5000)));
SELECT monitoring.histogram_observe('shop_checkout_seconds', 'NaN');
SELECT monitoring.define_metric('1shop', 'counter', 'x');
SELECT monitoring.define_metric('shop', 'summary', 'x');
SELECT monitoring.define_metric('shop', NULL, 'x');
SELECT monitoring.define_metric('shop', 'gauge', 'x', NULL, ARRAY[1]);
SELECT monitoring.define_metric('shop', 'histogram', 'x', NULL, ARRAY[2, 1]);
SELECT monitoring.define_metric('shop', 'histogram', 'x', NULL, '{}');
SELECT monitoring.define_metric('shop', 'histogram', 'x', NULL, ARRAY[1, NULL]);
\set VERBOSITY sqlstate
SELECT monitoring.counter_inc('shop_orders_total', -1);
SELECT monitoring.counter_inc('shop-orders');
SELECT monitoring.counter_inc(NULL);
SELECT monitoring.gauge_set('shop_orders_total', 1);
SELECT monitoring.define_metric('shop_basket_euros', 'histogram', 'Value.', 'euros', ARRAY[7]);
\set VERBOSITY default

-- What is not transactional counts whatever becomes of the transaction; what is, at COMMIT.
BEGIN;
SELECT monitoring.counter_inc('tx_at_once_total');
SELECT monitoring.counter_inc('tx_total', 1, transactional => true);
SELECT * FROM pg_temp.counted('^tx_');
ROLLBACK;
SELECT * FROM pg_temp.counted('^tx_');
BEGIN;
SELECT monitoring.counter_inc('tx_total', 1, transactional => true);
SAVEPOINT a;
SELECT monitoring.counter_inc('tx_total', 10, transactional => true);
SAVEPOINT b;
SELECT monitoring.counter_inc('tx_total', 100, transactional => true);
RELEASE b;
ROLLBACK TO a;
SELECT monitoring.counter_inc('tx_total', 1000, transactional => true);
SAVEPOINT c;
SELECT monitoring.counter_inc('tx_total', 10000, transactional => true);
RELEASE c;
SELECT monitoring.counter_inc('tx_total', 100000, transactional => true);
COMMIT;
SELECT * FROM pg_temp.counted('^tx_total');
-- In PL/pgSQL: a block with an exception clause is a subtransaction; a procedure commits.
DO $$
BEGIN
  PERFORM monitoring.counter_inc('tx_blocks_total', 1, transactional => true);
  BEGIN
    PERFORM monitoring.counter_inc('tx_blocks_total', 10, transactional => true);
    RAISE division_by_zero;
  EXCEPTION WHEN division_by_zero THEN
    PERFORM monitoring.counter_inc('tx_blocks_total', 100, transactional => true);
  END;
  COMMIT;
  PERFORM monitoring.counter_inc('tx_blocks_total', 1000, transactional => true);
  ROLLBACK;
  FOR i IN 1..1000 LOOP
    PERFORM monitoring.counter_inc('tx_blocks_total', 10000, transactional => true);
  END LOOP;
END $$;
SELECT * FROM pg_temp.counted('^tx_blocks');
BEGIN;
SELECT monitoring.counter_inc('tx_total', 1, transactional => true);
PREPARE TRANSACTION 'counting';
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT monitoring.counter_inc('tx_at_once_total');
PREPARE TRANSACTION 'counting';
ROLLBACK PREPARED 'counting';
SELECT * FROM pg_temp.counted('^tx_');

-- A definition that was rolled back is none.
BEGIN;
SELECT monitoring.define_metric('tx_defined', 'histogram', 'Never.');
ROLLBACK;
SELECT monitoring.gauge_set('tx_defined', 1);
-- Nor is a description; that of a subtransaction which stays holds at commit.
BEGIN;
SELECT monitoring.define_metric('tx_defined', 'gauge', 'Never.');
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT monitoring.define_metric('tx_defined', 'gauge', 'Soon.');
RELEASE a;
SAVEPOINT b;
SELECT monitoring.define_metric('tx_defined', 'gauge', 'Never.');
ROLLBACK TO b;
SELECT monitoring.prometheus_metrics() ~ 'HELP tx_defined Soon' AS described;
COMMIT;
SELECT substring(monitoring.prometheus_metrics() FROM 'HELP tx_defined .*?\n') AS described;

-- A name that changes its type and buckets for ever takes the memory of each shape once.
DO $$
DECLARE
  used text := 'monitoring_registry_used_bytes (\d+)';
  few float8[] := ARRAY(SELECT generate_series(1, 100));
  used_once bigint;
BEGIN
  FOR i IN 1..50 LOOP
    PERFORM monitoring.define_metric('tx_shape', 'histogram', 'x', NULL, few);
    COMMIT;
    PERFORM monitoring.histogram_observe('tx_shape', 1), monitoring.remove_metric('tx_shape');
    PERFORM monitoring.define_metric('tx_shape', 'counter', 'x');
    COMMIT;
    PERFORM monitoring.counter_inc('tx_shape', 1), monitoring.remove_metric('tx_shape');
    used_once := coalesce(used_once, substring(monitoring.prometheus_metrics() FROM used)::bigint);
  END LOOP;
  IF substring(monitoring.prometheus_metrics() FROM used)::bigint - used_once > 20000 THEN
    RAISE EXCEPTION 'memory is lost';
  END IF;
  PERFORM monitoring.define_metric('tx_shape', 'histogram', 'Again.', NULL, few);
  PERFORM monitoring.histogram_observe('tx_shape', 2);
END $$;
SELECT count, sum, jsonb_array_length(buckets) FROM monitoring.metrics WHERE metric_name = 'tx_shape';

-- Refused by the limit: no error, and counted.
SET monitoring.max_series_per_metric = 3;
SELECT count(monitoring.counter_inc('wide_total', 1, jsonb_build_object('n', n % 5))) FROM generate_series(1, 20) AS n;
SELECT * FROM pg_temp.counted('^wide');
SELECT regexp_replace(line, '[1-9]\d*$', 'n') FROM regexp_split_to_table(monitoring.prometheus_metrics(), '\n') AS line WHERE line LIKE '%reason="series_limit"%';
RESET monitoring.max_series_per_metric;

-- Snapshots: gauges as they are, counters and histograms as what has come since the last one.
CREATE FUNCTION pg_temp.snapshot() RETURNS TABLE (metric_name text, tags jsonb, metric_value float8)
LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM monitoring.pipeline_metrics AS p WHERE p.metric_name LIKE 'snap%';
  PERFORM monitoring_internal.snapshot_metrics();
  RETURN QUERY SELECT p.metric_name, p.tags, p.metric_value FROM monitoring.pipeline_metrics AS p
    WHERE p.metric_name LIKE 'snap%' ORDER BY p.metric_name, p.tags::text;
END $$;
SELECT monitoring.pause_worker();
SELECT monitoring.define_metric('snap_total', 'counter', 'Counted.', snapshot => true);
SELECT monitoring.define_metric('snap_gauge', 'gauge', 'Measured.', snapshot => true);
SELECT monitoring.define_metric('snap_seconds', 'histogram', 'Observed.', 'seconds', ARRAY[1], true);
SELECT monitoring.define_metric('snap_not_total', 'counter', 'Not recorded.');
SELECT monitoring.counter_inc('snap_total', 5, '{"k": "v"}'), monitoring.counter_inc('snap_not_total'), monitoring.gauge_set('snap_gauge', 3), monitoring.histogram_observe('snap_seconds', 0.5);
SELECT * FROM pg_temp.snapshot();
SELECT * FROM pg_temp.snapshot();
SELECT monitoring.counter_inc('snap_total', 2, '{"k": "v"}'), monitoring.gauge_add('snap_gauge', 1), monitoring.histogram_observe('snap_seconds', 2.5);
SELECT * FROM pg_temp.snapshot();
-- What a rolled back snapshot has recorded is recorded again.
SELECT monitoring.counter_inc('snap_total', 4, '{"k": "v"}');
BEGIN;
SELECT count(*) FROM pg_temp.snapshot();
ROLLBACK;
SELECT * FROM pg_temp.snapshot() WHERE metric_name = 'snap_total';
-- A reset is seen even when the counter is past its old value.
SELECT monitoring.remove_metric('snap_total');
SELECT monitoring.counter_inc('snap_total', 50, '{"k": "v"}');
SELECT * FROM pg_temp.snapshot() WHERE metric_name = 'snap_total';
SELECT count(*) AS remembered FROM monitoring_internal.metric_snapshots AS s JOIN monitoring_internal.counted_metrics() AS m USING (origin) WHERE m.metric_name LIKE 'snap%';
SELECT monitoring.resume_worker();

-- Access: a writer counts without reading; nobody else does either.
CREATE ROLE regress_metrics_writer;
CREATE ROLE regress_metrics_reader;
CREATE ROLE regress_metrics_nobody;
SELECT monitoring.grant_access('regress_metrics_writer', 'writer'), monitoring.grant_access('regress_metrics_reader', 'reader');
SET ROLE regress_metrics_writer;
SELECT monitoring.histogram_observe('shop_wait_ms', 1);
SELECT monitoring.define_metric('mine', 'counter', 'x');
SELECT count(*) FROM monitoring.metrics;
SET ROLE regress_metrics_reader;
SELECT count(*) > 0 AS reads FROM monitoring.metrics;
SELECT monitoring.prometheus_metrics() LIKE '%# HELP shop_wait_ms Waiting.%' AS reads;
SELECT monitoring.counter_inc('mine');
SET ROLE regress_metrics_nobody;
SELECT monitoring.counter_inc('mine');
RESET ROLE;
DROP OWNED BY regress_metrics_writer, regress_metrics_reader;
DROP ROLE regress_metrics_writer, regress_metrics_reader, regress_metrics_nobody;

-- In a read-only transaction, too.
BEGIN READ ONLY;
SELECT monitoring.counter_inc('shop_orders_total', 1, '{"region": "us"}');
COMMIT;
SELECT * FROM pg_temp.counted('shop_orders');
