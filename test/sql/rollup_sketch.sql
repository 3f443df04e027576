-- Sketches of percentiles, and their aggregates.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;

-- Within 1 % of percentile_cont on several distributions.
CREATE TEMPORARY TABLE samples AS
SELECT d.name, d.value
FROM generate_series(1, 5000) AS n,
     LATERAL (VALUES ('uniform', n::float8), ('long tail', exp(n / 500.0)),
                     ('negative', -n::float8), ('constant', 42.5),
                     ('mostly zero', CASE WHEN n % 10 = 0 THEN n ELSE 0 END)) AS d (name, value);
SELECT name, count(*) AS quantiles,
       bool_and(abs(monitoring_internal.sketch_quantile(sketch, q) - exact) <= 0.01 * abs(exact)) AS close
FROM (SELECT name, q, percentile_cont(q) WITHIN GROUP (ORDER BY value) AS exact,
             monitoring_internal.sketch_agg(value) AS sketch
      FROM samples, unnest('{0,0.01,0.5,0.95,0.99,1}'::float8[]) AS q GROUP BY name, q) AS answers
GROUP BY name ORDER BY name;

-- Merged parts are the whole, byte for byte, however they are merged.
SELECT name, monitoring_internal.sketch_agg(value) =
    (SELECT monitoring_internal.sketch_merge_agg(part)
     FROM (SELECT monitoring_internal.sketch_agg(s.value) AS part
           FROM samples AS s WHERE s.name = samples.name GROUP BY s.value::bigint % 7) AS parts)
    AS equal
FROM samples GROUP BY name ORDER BY name;
SELECT monitoring_internal.sketch_merge(a, b) = both_of_them AS equal,
       monitoring_internal.sketch_merge(NULL, b) = b AS left_null,
       monitoring_internal.sketch_merge(a, NULL) = a AS right_null,
       monitoring_internal.sketch_merge(NULL, NULL) IS NULL AS both_null
FROM (SELECT monitoring_internal.sketch_agg(value) FILTER (WHERE value < 100) AS a,
             monitoring_internal.sketch_agg(value) FILTER (WHERE value >= 100) AS b,
             monitoring_internal.sketch_agg(value) AS both_of_them FROM samples) AS sketches;

-- NULL, NaN and infinities are skipped; nothing left is NULL, also over no rows at all.
SELECT monitoring_internal.sketch_quantile(monitoring_internal.sketch_agg(value), 1) BETWEEN 1.98 AND 2.02 AS two
FROM (VALUES (1::float8), (NULL), ('NaN'), ('Infinity'), ('-Infinity'), (2)) AS v (value);
SELECT monitoring_internal.sketch_agg(value) FROM (VALUES (NULL::float8), ('NaN')) AS v (value);
SELECT monitoring_internal.sketch_agg(value), monitoring_internal.sketch_merge_agg(NULL::bytea) FROM samples
WHERE false;
SELECT monitoring_internal.sketch_quantile('\x0100', 0.5) AS of_nothing;
-- A quantile at once, of sketches and of single values: what the merged sketch says.
SELECT monitoring_internal.sketch_quantile_agg(sketch, single, 0.95) =
       monitoring_internal.sketch_quantile(monitoring_internal.sketch_merge(monitoring_internal.sketch_merge_agg(sketch),
                                                            monitoring_internal.sketch_agg(single)), 0.95) AS equal
FROM (SELECT monitoring_internal.sketch_agg(value) AS sketch, NULL::float8 AS single FROM samples GROUP BY name
      UNION ALL SELECT NULL::bytea, value FROM samples WHERE name = 'uniform'
      UNION ALL VALUES (NULL::bytea, NULL::float8), (NULL, 'NaN')) AS pieces;
SELECT monitoring_internal.sketch_quantile_agg(NULL, 'Infinity', 0.5) AS of_nothing;
SELECT monitoring_internal.sketch_quantile_agg(NULL, 1, 1.5);
SELECT monitoring_internal.sketch_quantile_agg('\x010102', NULL, 0.5);
-- Tags as integers: what is none, or has more than 18 digits, is NULL.
SELECT tags, monitoring_internal.integer_tag(tags, 'n')
FROM unnest(ARRAY['{"n": 7}', '{"n": -7}', '{"n": "12"}', '{"n": " +12\t"}', '{"n": "-3 "}', '{"n": 7.0}',
    '{"n": 1e3}', '{"n": "1.5"}', '{"n": ""}', '{"n": " "}', '{"n": "+"}', '{"n": "1 2"}', '{"n": "many"}', '{"n": true}',
    '{"n": null}', '{"n": {"n": 1}}', '{"n": 999999999999999999}', '{"n": -999999999999999999}',
    '{"n": 1000000000000000000}', '{"n": 1e30}', '{"m": 1}', '["n"]', '"n"', 'null']::jsonb[]) AS tags;
-- A frame that grows, which calls the final function again and again.
SELECT n, length(monitoring_internal.sketch_agg(n) OVER (ORDER BY n)) AS bytes
FROM generate_series(1, 3) AS n ORDER BY n;

-- Parallel workers: the same bytes as one process. The settings end with the transaction.
CREATE TABLE public.sketch_parallel AS SELECT n::float8 AS value FROM generate_series(1, 50000) AS n;
ANALYZE public.sketch_parallel;
BEGIN;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT monitoring_internal.sketch_agg(value) AS alone FROM public.sketch_parallel \gset
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT monitoring_internal.sketch_agg(value) FROM public.sketch_parallel;
SELECT monitoring_internal.sketch_agg(value) = :'alone'::bytea AS equal FROM public.sketch_parallel;
COMMIT;
DROP TABLE public.sketch_parallel;

-- Refused, never a crash.
\set SHOW_CONTEXT never
SELECT monitoring_internal.sketch_quantile('', 0.5);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring_internal.sketch_quantile('\x02', 0.5);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring_internal.sketch_quantile('\x01ffffffff0f', 0.5);
SELECT monitoring_internal.sketch_quantile('\x01010200', 0.5);
SELECT monitoring_internal.sketch_quantile('\x0101020100', 0.5);
SELECT monitoring_internal.sketch_merge('\x0100', '\x01');
SELECT monitoring_internal.sketch_merge_agg('\x01'::bytea);
SELECT monitoring_internal.sketch_quantile('\x0100', 1.5);
\echo :LAST_ERROR_SQLSTATE
SELECT monitoring_internal.sketch_quantile('\x0100', 'NaN');
SELECT monitoring_internal.sketch_quantile(NULL, 0.5), monitoring_internal.sketch_quantile('\x0100', NULL);
