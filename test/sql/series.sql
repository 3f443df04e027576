-- The store of samples: in, out, late and doubled samples, chunks, deletion, retention, limits, damage.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
SET TimeZone = 'UTC';
\set VERBOSITY default
BEGIN;
-- The worker's own compaction stays away.
SELECT FROM monitoring_internal.sample_maintenance FOR UPDATE;

-- A text with its labels, twice; the second time nothing is new.
SELECT monitoring.ingest($$# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200",job="inner"} 5
http_requests_total{code="500"} 1 1700000000000
odd NaN
$$, '{"job": "api", "instance": "a:1"}', '2023-11-14 22:15:00Z');
SELECT monitoring.ingest($$http_requests_total{code="500"} 1 1700000000000$$, '{"job": "api", "instance": "a:1"}');
SELECT metric_name, labels, first_at, last_at, samples FROM monitoring.series ORDER BY labels::text, metric_name;
SELECT * FROM monitoring.samples('http_requests_total') ORDER BY labels::text;
SELECT * FROM monitoring.metric_metadata;

-- OpenMetrics, times in seconds, a unit.
SELECT monitoring.ingest(E'# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds{b="c"} 1.5 1700000000.123\n# EOF\n');
SELECT * FROM monitoring.samples('a_seconds');
SELECT * FROM monitoring.metric_metadata WHERE metric_name = 'a_seconds';

-- Nothing of a text that cannot be read is kept.
SAVEPOINT bad;
SELECT monitoring.ingest(E'good 1\nbad{x="y" 1\n');
ROLLBACK TO bad;
SELECT count(*) FROM monitoring.series WHERE metric_name IN ('good', 'bad');

-- Every special value comes back.
SELECT monitoring.ingest_samples('special', '{}', array_agg('2023-11-14 00:00Z'::timestamptz + n * interval '15 s'),
    array_agg(v ORDER BY n))
FROM unnest('{NaN,Infinity,-Infinity,0,-0,1e308,5e-324,0.1,123456789.123456789}'::float8[]) WITH ORDINALITY AS u (v, n);
SELECT "timestamp", value FROM monitoring.samples('special') ORDER BY 1;

-- Selectors: by name, regular expression, negation, alternatives, missing labels; both ends of the time included.
SELECT monitoring.ingest_samples('sel', jsonb_build_object('host', 'h' || h, 'zone', CASE WHEN h % 2 = 0 THEN 'even' END),
    '{2023-11-14 10:00Z,2023-11-14 10:00:15Z,2023-11-14 10:00:30Z}', ARRAY[h, h + 0.5, -h])
FROM generate_series(1, 20) AS h;
CREATE FUNCTION pg_temp.hosts(selector text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(DISTINCT labels ->> 'host', ' ' ORDER BY labels ->> 'host') FROM monitoring.samples(selector) $$;
SELECT pg_temp.hosts('sel{host="h3"}') AS equal, pg_temp.hosts('sel{host=~"h1.|h3"}') AS expression,
    pg_temp.hosts('{__name__="sel",host=~"h4|h5"}') AS alternatives,
    pg_temp.hosts('sel{zone="",host!~"h1.*"}') AS missing, pg_temp.hosts('sel{zone!="",host!="h2"}') AS negated,
    pg_temp.hosts('sel{host="none"}') AS nothing;
SELECT "timestamp", value FROM monitoring.samples('sel{host="h7"}', '2023-11-14 10:00:15Z', '2023-11-14 10:00:30Z');
SELECT count(*) FROM monitoring.samples('sel', '2023-11-14 10:00:15.001Z', '2023-11-14 10:00:29.999Z');
SELECT count(*) FROM monitoring.samples('sel', 'infinity', '-infinity');

-- The same is read from chunks, and every sample once while they are mixed with batches.
CREATE TABLE pg_temp.before AS SELECT labels, "timestamp", value FROM monitoring.samples('{__name__=~".+"}');
SELECT count(*) FROM pg_temp.before;
SELECT monitoring_internal.compact_samples(at_once => true) AS moved;
SELECT monitoring_internal.compact_samples(at_once => true) AS moved;
SELECT count(*) FROM monitoring_internal.sample_batches;
CREATE FUNCTION pg_temp.differences() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM (
        (SELECT labels, "timestamp", float8send(value) FROM monitoring.samples('{__name__=~".+"}')
         EXCEPT ALL SELECT labels, "timestamp", float8send(value) FROM pg_temp.before)
        UNION ALL
        (SELECT labels, "timestamp", float8send(value) FROM pg_temp.before
         EXCEPT ALL SELECT labels, "timestamp", float8send(value) FROM monitoring.samples('{__name__=~".+"}'))) AS d $$;
SELECT pg_temp.differences();
SELECT metric_name, sum(samples), min(first_at), max(last_at) FROM monitoring.series GROUP BY 1 ORDER BY 1;
-- Eight series of a metric share a row.
SELECT count(*) AS chunks, sum(sample_count) FROM monitoring_internal.sample_chunks
WHERE group_id IN (SELECT group_id FROM monitoring_internal.stored_series WHERE labels ->> '__name__' = 'sel');

-- Late: within the window, also into what is compressed; once more; another value; too old; two values in one call.
SELECT monitoring.ingest_samples('sel', '{"host": "h1"}', '{2023-11-14 10:00:20Z}', '{42}') AS late,
    monitoring.ingest_samples('sel', '{"host": "h1"}', '{2023-11-14 10:00:15Z}', '{1.5}') AS again;
SELECT monitoring.ingest_samples('sel', '{"host": "h1"}', '{2023-11-14 10:00:15Z}', '{9}') AS other_value;
SELECT monitoring.ingest_samples('sel', '{"host": "h1"}', '{2023-11-14 10:00:20Z}', '{9}') AS other_value_in_batch;
SELECT monitoring.ingest_samples('sel', '{"host": "h1"}', '{2023-11-14 09:00:29Z}', '{9}') AS too_old;
SELECT monitoring.ingest_samples('sel', '{"host": "h1"}', '{2023-11-14 09:00:30Z}', '{8}') AS just_in;
SELECT monitoring.ingest_samples('sel', '{"host": "h1"}', '{2023-11-14 11:00Z,2023-11-14 11:00Z}', '{1,2}') AS last_holds;
SELECT "timestamp", value FROM monitoring.samples('sel{host="h1"}') ORDER BY 1;
SELECT monitoring_internal.compact_samples(at_once => true) AS moved;
SELECT "timestamp", value FROM monitoring.samples('sel{host="h1"}') ORDER BY 1;
-- Of the future, and no time at all.
SELECT monitoring.ingest_samples('sel', '{"host": "h1"}', '{infinity,-infinity}', '{1,2}');
SELECT monitoring.ingest_samples('sel', '{"host": "h1"}', ARRAY[now() + interval '11 minutes'], '{1}');
SELECT monitoring.ingest_samples('long', jsonb_build_object('x', repeat('y', 20000)), '{2023-11-14 10:00Z}', '{1}');
SELECT reason, samples, left(example, 60) AS example FROM monitoring.refused_samples ORDER BY 1;

-- More series than there may be.
SELECT set_config('monitoring.max_series', (count(*) + 2)::text, true) IS NOT NULL FROM monitoring.series;
SELECT monitoring.ingest(string_agg('crowd{user="u' || n || '",kind="k"} 1', E'\n')) FROM generate_series(1, 10) AS n;
SELECT count(*) FROM monitoring.series WHERE metric_name = 'crowd';
SELECT severity, message, details ->> 'metric_name' AS metric_name, details ->> 'label' AS label
FROM monitoring.worker_issues WHERE worker_name = 'samples';
RESET monitoring.max_series;

-- Deletion: a part of a chunk, of a batch, of everything.
SELECT monitoring.ingest_samples('gone', jsonb_build_object('n', n::text), '{2023-11-14 12:00Z,2023-11-14 12:01Z,2023-11-14 12:02Z}', '{1,2,3}')
FROM generate_series(1, 3) AS n;
SELECT monitoring_internal.compact_samples(at_once => true) AS moved;
SELECT monitoring.ingest_samples('gone', jsonb_build_object('n', n::text), '{2023-11-14 12:03Z,2023-11-14 12:04Z}', '{4,5}')
FROM generate_series(1, 3) AS n;
SELECT monitoring.delete_series('gone{n="2"}', '2023-11-14 12:02Z', '2023-11-14 12:03Z');
SELECT labels ->> 'n' AS n, array_agg(value ORDER BY "timestamp") FROM monitoring.samples('gone') GROUP BY 1 ORDER BY 1;
SELECT monitoring.delete_series('gone{n=~"1|3"}');
SELECT labels ->> 'n' AS n, samples FROM monitoring.series WHERE metric_name = 'gone' ORDER BY 1;
SELECT monitoring.delete_series('gone'), monitoring.delete_series('gone');

-- Damage is named, and is no number; only who reads it gets the error.
SAVEPOINT whole;
UPDATE monitoring_internal.sample_chunks SET samples = set_byte(samples, 20, get_byte(samples, 20) # 1), chunk_id = 7001
WHERE chunk_id = (SELECT min(chunk_id) FROM monitoring_internal.sample_chunks AS c JOIN monitoring_internal.stored_series AS s USING (group_id)
                  WHERE s.labels ->> '__name__' = 'special');
SAVEPOINT damaged;
SELECT * FROM monitoring.samples('special');
ROLLBACK TO damaged;
SELECT count(*) FROM monitoring.samples('a_seconds');
ROLLBACK TO whole;
INSERT INTO monitoring_internal.sample_batches (batch_id, first_series, last_series, start_at, end_at, sample_count, samples)
SELECT 8001, series_id, series_id, '2023-11-14 13:00Z', '2023-11-14 13:00Z', 1, 'rubbish' FROM monitoring.series WHERE metric_name = 'special';
SAVEPOINT damaged;
SELECT * FROM monitoring.samples('special');
ROLLBACK TO damaged;
SELECT monitoring_internal.compact_samples(at_once => true) AS moved;
SELECT severity, message FROM monitoring.worker_issues WHERE issue_type = 'damaged_samples';
ROLLBACK TO whole;

-- What callers do wrong.
\set ON_ERROR_ROLLBACK on
SELECT monitoring.samples('{');
SELECT monitoring.samples('{job=""}');
SELECT monitoring.samples('rate(x[5m])');
SELECT monitoring.samples(NULL);
SELECT monitoring.ingest('a 1', '[]');
SELECT monitoring.ingest('a 1', '{"__name__": "b"}');
SELECT monitoring.ingest('a 1', '{}', 'infinity');
SELECT monitoring.ingest_samples('', '{}', '{}', '{}');
SELECT monitoring.ingest_samples('a', '{}', '{2023-11-14}', '{}');
SELECT monitoring.ingest_samples('a', '{}', '{NULL}', '{1}');
SELECT monitoring.ingest_samples('a', '{}', '{2023-11-14}', '{NULL}');
SELECT monitoring.ingest_samples('a', '{}', '{{2023-11-14},{2023-11-14}}', '{1,2}');
\set ON_ERROR_ROLLBACK off
ROLLBACK;

-- Retention. A series goes when it has no samples and nobody can have seen it without the mark that says
-- so, which another transaction may delay. What is kept is younger.
CREATE PROCEDURE pg_temp.remove_series(gone text) LANGUAGE plpgsql AS $$
BEGIN
    FOR attempt IN 1 .. 600 LOOP
        PERFORM FROM monitoring.apply_retention();
        COMMIT;
        EXIT WHEN NOT EXISTS (SELECT FROM monitoring.series WHERE metric_name = gone);
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;
SELECT monitoring.ingest_samples('old', '{"a": "1"}', ARRAY[now() - interval '16 days', now() - interval '15 days 1 hour'], '{1,2}') AS taken;
SELECT monitoring.ingest_samples('kept', '{"a": "1"}', ARRAY[now() - interval '14 days', now() - interval '1 hour'], '{1,2}') AS taken;
SELECT monitoring_internal.compact_samples(at_once => true) >= 0 AS moved;
SELECT removed FROM monitoring.apply_retention() WHERE kind = 'samples';
SELECT metric_name, samples FROM monitoring.series WHERE metric_name IN ('old', 'kept') ORDER BY 1;
CALL pg_temp.remove_series('old');
SELECT metric_name, samples FROM monitoring.series WHERE metric_name IN ('old', 'kept') ORDER BY 1;
SELECT label_name, label_value FROM monitoring_internal.label_values WHERE label_value IN ('old', 'kept', '1') ORDER BY 1, 2;
-- One that is marked and written to stays.
SELECT monitoring.delete_series('kept');
SELECT FROM monitoring.apply_retention() LIMIT 1;
SELECT retired_by IS NOT NULL AS is_marked FROM monitoring_internal.stored_series;
SELECT monitoring.ingest_samples('kept', '{"a": "1"}', ARRAY[now() - interval '1 hour'], '{3}') AS taken;
SELECT FROM monitoring.apply_retention() LIMIT 1;
SELECT metric_name, samples FROM monitoring.series;
SELECT monitoring.delete_series('kept');
CALL pg_temp.remove_series('kept');
SELECT count(*) FROM monitoring.series;
SELECT count(*) FROM monitoring_internal.label_values;
DELETE FROM monitoring_internal.refused_samples;
DELETE FROM monitoring_internal.told_metadata;
