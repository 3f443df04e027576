-- Measurements through shared memory: what record_metric() takes, and that all of it arrives.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
SET TimeZone = 'UTC';

-- Named arguments, defaults, late and infinite times, NULL tags, values that are no numbers.
SELECT monitoring.record_metric('records_test', 1.5, '{"queue": "emails"}', '2024-02-29 12:00+00');
SELECT monitoring.record_metric(metric_name => 'records_test', metric_value => 2);
SELECT monitoring.record_metric('records_test', 'NaN', NULL, 'infinity');
SELECT monitoring.record_metric('records_test', '-Infinity', '{}', '-infinity');
SELECT monitoring.record_metric('records_test ü', 3, '{"ключ": "значение", "list": [1, {"a": null}]}',
                                '2024-03-01 00:00+00');
-- It survives the rollback of a transaction and of a subtransaction.
BEGIN;
SELECT monitoring.record_metric('records_test', 4, '{}', '2024-03-02 00:00+00');
SAVEPOINT s;
SELECT monitoring.record_metric('records_test', 5, '{}', '2024-03-03 00:00+00');
ROLLBACK TO s;
ROLLBACK;
-- Reading only is no obstacle: the transaction itself writes nothing.
BEGIN READ ONLY;
SELECT monitoring.record_metric('records_test', 6, '{}', '2024-03-04 00:00+00');
COMMIT;
SELECT monitoring.flush_records() >= 0 AS flushed;
SELECT metric_name, metric_value, tags, "timestamp" FROM monitoring.pipeline_metrics
WHERE metric_name LIKE 'records_test%' AND "timestamp" NOT BETWEEN now() - interval '1 hour' AND now()
ORDER BY "timestamp";
SELECT metric_value, tags, created_at > now() - interval '1 hour' AS written FROM monitoring.pipeline_metrics
WHERE metric_name = 'records_test' AND "timestamp" BETWEEN now() - interval '1 hour' AND now();
SELECT count(*) = count(DISTINCT id) AS unique_ids,
       bool_and(id::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]') AS version_7
FROM monitoring.pipeline_metrics WHERE metric_name LIKE 'records_test%';

-- Large tags: text of 8 kB whose binary form is several times as long, and the limit.
SELECT monitoring.record_metric('records_large', 1, jsonb_build_object('list', array_agg(1)))
FROM generate_series(1, 4000);
SELECT monitoring.record_metric('records_large', 2, jsonb_build_object('text', repeat('x', 65000)));
SELECT monitoring.flush_records() >= 0 AS flushed;
SELECT metric_value, length(tags::text) FROM monitoring.pipeline_metrics
WHERE metric_name = 'records_large' ORDER BY metric_value;

-- Many, across blocks of the ring, in the order in which they were recorded.
SELECT count(monitoring.record_metric('records_many', n, jsonb_build_object('n', n),
                                      '2024-04-01 00:00+00'::timestamptz + n * interval '1 us'))
FROM generate_series(1, 20000) AS n;
SELECT monitoring.flush_records() >= 0 AS flushed;
SELECT count(*), count(DISTINCT metric_value), sum(metric_value),
       bool_and(tags = jsonb_build_object('n', metric_value)) AS tags_belong
FROM monitoring.pipeline_metrics WHERE metric_name = 'records_many';
SELECT count(*) AS out_of_order
FROM (SELECT metric_value, lag(metric_value) OVER (ORDER BY ctid) AS previous
      FROM monitoring.pipeline_metrics WHERE metric_name = 'records_many') AS pairs
WHERE metric_value < previous;
-- All indexes know them.
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT count(*) FROM monitoring.pipeline_metrics
WHERE metric_name = 'records_many' AND "timestamp" >= '2024-01-01';
ROLLBACK;
SELECT waiting_bytes, lost FROM monitoring.record_status;

\set SHOW_CONTEXT never
SELECT monitoring.record_metric(NULL, 1);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.record_metric('records_test', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.record_metric('', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.record_metric('records_test', 1, '[1]');
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring.record_metric('records_test', 1, 'null');
SELECT monitoring.record_metric('records_test', 1, '"text"');
SELECT monitoring.record_metric('records_test', 1, jsonb_build_object('text', repeat('x', 66000)));
\echo :LAST_ERROR_SQLSTATE
SET monitoring.on_full = 'block';
\echo :LAST_ERROR_SQLSTATE

DELETE FROM monitoring.pipeline_metrics WHERE metric_name LIKE 'records\_%';
