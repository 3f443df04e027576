-- Packs that read tables of the application: which collectors they have for which tables and columns.

CREATE FUNCTION monitoring_internal.filled(template text, names jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(part[1] || CASE WHEN part[2] IS NULL THEN '' ELSE names ->> part[2] END, ''
                      ORDER BY n)
    FROM regexp_matches(template, '([^{]*)(?:\{(\w+)\})?', 'g') WITH ORDINALITY AS m (part, n)
$$;
COMMENT ON FUNCTION monitoring_internal.filled(text, jsonb) IS 'The template with each {name} replaced';

CREATE VIEW monitoring_internal.table_packs AS
SELECT p.pack_name, p.source_key, p.pack_name || '/' || p.name AS collector_name, p.needs, p.every,
       p.template
FROM (VALUES
-- Document 000's metrics, and those of documents 002 and 004 for AI.
('application', 'ai_action_ledger', 'ai', '{}'::text[], interval '1 minute', $q$
SELECT m.metric_name, m.value
FROM (SELECT count(*) AS actions,
             count(*) FILTER (WHERE {status} IS DISTINCT FROM {success}) AS errors,
             coalesce(sum({total_tokens}), 0) AS tokens, coalesce(sum({cost_usd}), 0) AS cost
      FROM {table} WHERE {created_at} > $1 - interval '1 hour' AND {created_at} <= $1) AS s,
LATERAL (VALUES ('ai_error_rate', s.errors * 100.0 / nullif(s.actions, 0)),
                ('ai_actions_hourly', s.actions), ('ai_tokens_hourly', s.tokens),
                ('ai_cost_hourly', s.cost)) AS m (metric_name, value)$q$),
('application', 'ai_action_ledger', 'ai_daily', '{}', '15 minutes', $q$
SELECT m.metric_name, m.value
FROM (SELECT coalesce(sum({total_tokens}), 0) AS tokens, coalesce(sum({cost_usd}), 0) AS cost
      FROM {table} WHERE {created_at} > $1 - interval '1 day' AND {created_at} <= $1) AS s,
LATERAL (VALUES ('ai_tokens_daily', s.tokens), ('ai_cost_daily', s.cost)) AS m (metric_name, value)$q$),
('application', 'ai_action_ledger', 'ai_by_model', '{model,actor_type}', '5 minutes', $q$
SELECT m.metric_name, m.value, s.model, s.actor_type, s.status
FROM (SELECT {model}::text AS model, {actor_type}::text AS actor_type, {status}::text AS status,
             count(*) AS actions, coalesce(sum({total_tokens}), 0) AS tokens,
             coalesce(sum({cost_usd}), 0) AS cost
      FROM {table} WHERE {created_at} > $1 - interval '1 hour' AND {created_at} <= $1
      GROUP BY 1, 2, 3) AS s,
LATERAL (VALUES ('ai_actions_by_model_hourly', s.actions), ('ai_tokens_by_model_hourly', s.tokens),
                ('ai_cost_by_model_hourly', s.cost)) AS m (metric_name, value)$q$),
('application', 'ai_action_ledger', 'ai_by_action', '{action}', '5 minutes', $q$
SELECT m.metric_name, m.value, s.action
FROM (SELECT {action}::text AS action, count(*) AS actions, coalesce(sum({total_tokens}), 0) AS tokens,
             count(*) FILTER (WHERE {status} IS DISTINCT FROM {success}) AS errors
      FROM {table} WHERE {created_at} > $1 - interval '1 hour' AND {created_at} <= $1
      GROUP BY 1) AS s,
LATERAL (VALUES ('ai_actions_by_action_hourly', s.actions), ('ai_tokens_by_action_hourly', s.tokens),
                ('ai_action_success_ratio', 1 - s.errors::float8 / s.actions)) AS m (metric_name, value)$q$),
('application', 'ai_action_ledger', 'ai_by_provider', '{provider}', '5 minutes', $q$
SELECT m.metric_name, m.value, s.provider
FROM (SELECT {provider}::text AS provider, count(*) AS actions,
             count(*) FILTER (WHERE {status} IS DISTINCT FROM {success}) AS errors,
             coalesce(sum({total_tokens}), 0) AS tokens, coalesce(sum({cost_usd}), 0) AS cost
      FROM {table} WHERE {created_at} > $1 - interval '1 hour' AND {created_at} <= $1
      GROUP BY 1) AS s,
LATERAL (VALUES ('ai_actions_by_provider_hourly', s.actions), ('ai_tokens_by_provider_hourly', s.tokens),
                ('ai_cost_by_provider_hourly', s.cost),
                ('ai_provider_error_ratio', s.errors::float8 / s.actions)) AS m (metric_name, value)$q$),
('application', 'ai_action_ledger', 'ai_latency', '{latency_ms,model}', '5 minutes', $q$
SELECT m.metric_name, m.value, s.model
FROM (SELECT {model}::text AS model, percentile_cont(ARRAY[0.5, 0.95, 0.99])
             WITHIN GROUP (ORDER BY {latency_ms} / 1000.0) AS seconds
      FROM {table} WHERE {created_at} > $1 - interval '1 hour' AND {created_at} <= $1
      GROUP BY 1) AS s,
LATERAL (VALUES ('ai_latency_p50_seconds', s.seconds[1]), ('ai_latency_p95_seconds', s.seconds[2]),
                ('ai_latency_p99_seconds', s.seconds[3])) AS m (metric_name, value)$q$),
('application', 'ingest_jobs', 'queue', '{}', '30 seconds', $q$
SELECT 'queue_depth' AS metric_name, count(*)::float8 AS value
FROM {table} WHERE {status} = {pending}
UNION ALL
SELECT 'queue_processing_time_p95',
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM {completed_at} - {created_at}))
FROM {table} WHERE {completed_at} > $1 - interval '1 hour' AND {completed_at} <= $1$q$),
('application', 'ingest_jobs', 'queue_by_status', '{}', '1 minute', $q$
SELECT 'queue_jobs' AS metric_name, count(*) AS value, {status}::text AS status
FROM {table} WHERE {created_at} > $1 - interval '1 day' AND {created_at} <= $1 GROUP BY 3$q$),
-- The same hour of the seven days before is what is usual, if there were at least three of them.
('application', 'audit_log', 'audit', '{}', '5 minutes', $q$
SELECT m.metric_name, m.value
FROM (SELECT count(*) FILTER (WHERE day.n = 0) AS now,
             count(*) FILTER (WHERE day.n > 0)
                 / nullif(count(DISTINCT day.n) FILTER (WHERE day.n > 0), 0)::float8 AS usual,
             count(DISTINCT day.n) FILTER (WHERE day.n > 0) AS days
      FROM generate_series(0, 7) AS day (n) JOIN {table}
          ON {created_at} > $1 - interval '1 hour' - day.n * interval '1 day'
         AND {created_at} <= $1 - day.n * interval '1 day') AS s,
LATERAL (VALUES ('audit_activity_hourly', s.now::float8),
                ('audit_activity_baseline_ratio', CASE WHEN s.days >= 3 THEN s.now / s.usual END))
    AS m (metric_name, value)$q$),
('application', 'aiUsage', 'ai_provider', '{}', '5 minutes', $q$
SELECT m.metric_name, m.value, s.provider
FROM (SELECT {provider}::text AS provider, count(*) AS requests, coalesce(sum({tokens}), 0) AS tokens,
             coalesce(sum({cost}), 0) AS cost
      FROM {table} WHERE {timestamp} > $1 - interval '1 hour' AND {timestamp} <= $1 GROUP BY 1) AS s,
LATERAL (VALUES ('ai_provider_requests_hourly', s.requests),
                ('ai_provider_tokens_hourly', s.tokens),
                ('ai_provider_cost_dollars_hourly', s.cost)) AS m (metric_name, value)$q$),
('application', 'aiUsage', 'ai_provider_daily', '{}', '15 minutes', $q$
SELECT 'ai_usage_cost_dollars_daily' AS metric_name, coalesce(sum({cost}), 0) AS value
FROM {table} WHERE {timestamp} > $1 - interval '1 day' AND {timestamp} <= $1$q$),
-- Document 002's for security. The three events that it names are there also while there are none.
('security', 'security_events', 'events', '{}', '1 minute', $q$
SELECT 'security_events_per_minute' AS metric_name, coalesce(s.lately, 0) / 5.0 AS value, event
FROM (SELECT {event}::text AS event,
             count(*) FILTER (WHERE {created_at} > $1 - interval '5 minutes') AS lately
      FROM {table} WHERE {created_at} > $1 - interval '1 hour' AND {created_at} <= $1
      GROUP BY 1) AS s
FULL JOIN unnest(ARRAY['auth_failure', 'rls_violation', 'rate_limit']) AS known (event) USING (event)$q$),
('security', 'security_events', 'events_by_tenant', '{tenant_id}', '5 minutes', $q$
SELECT 'security_events_by_tenant_hourly' AS metric_name, sum(s.events) AS value,
       CASE WHEN s.place <= 20 THEN s.tenant ELSE 'other' END AS tenant, s.event
FROM (SELECT c.*, dense_rank() OVER (ORDER BY c.of_tenant DESC, c.tenant) AS place
      FROM (SELECT {tenant_id}::text AS tenant, {event}::text AS event, count(*) AS events,
                   sum(count(*)) OVER (PARTITION BY {tenant_id}::text) AS of_tenant
            FROM {table} WHERE {created_at} > $1 - interval '1 hour' AND {created_at} <= $1
            GROUP BY 1, 2) AS c) AS s
GROUP BY 3, 4$q$),
('security', 'audit_log', 'tenants', '{tenant_id}', '5 minutes', $q$
WITH tenants AS (
    SELECT {tenant_id}::text AS tenant, count(*) FILTER (WHERE day.n = 0) AS now,
           count(*) FILTER (WHERE day.n > 0)
               / nullif(count(DISTINCT day.n) FILTER (WHERE day.n > 0), 0)::float8 AS usual,
           count(DISTINCT day.n) FILTER (WHERE day.n > 0) AS days
    FROM generate_series(0, 7) AS day (n) JOIN {table}
        ON {created_at} > $1 - interval '1 hour' - day.n * interval '1 day'
       AND {created_at} <= $1 - day.n * interval '1 day'
    GROUP BY 1
), ranked AS (
    SELECT t.*, row_number() OVER (ORDER BY t.now DESC, t.tenant) <= 50 AS shown FROM tenants AS t
)
SELECT 'tenant_activity_hourly' AS metric_name, sum(r.now)::float8 AS value,
       CASE WHEN r.shown THEN r.tenant ELSE 'other' END AS tenant FROM ranked AS r GROUP BY 3
UNION ALL
SELECT 'tenant_activity_baseline_ratio', r.now / r.usual, r.tenant
FROM ranked AS r WHERE r.shown AND r.days >= 3
UNION ALL
SELECT 'tenants_active_hourly', count(*) FILTER (WHERE r.now > 0), NULL FROM ranked AS r$q$),
('security', 'audit_log', 'tenant_access', '{tenant_id,user_id}', '5 minutes', $q$
SELECT m.metric_name, m.value
FROM (SELECT count(*) AS users, count(*) FILTER (WHERE u.tenants > 1) AS crossing
      FROM (SELECT count(DISTINCT {tenant_id}) AS tenants FROM {table}
            WHERE {created_at} > $1 - interval '1 hour' AND {created_at} <= $1
              AND {user_id} IS NOT NULL
            GROUP BY {user_id}) AS u) AS s,
LATERAL (VALUES ('users_active_hourly', s.users), ('cross_tenant_users_hourly', s.crossing))
    AS m (metric_name, value)$q$)
) AS p (pack_name, source_key, name, needs, every, template);
COMMENT ON VIEW monitoring_internal.table_packs IS
    'Collectors over tables of the application, as templates: {table}, {success}, {pending}, and the '
    'names of columns. Where a column that one needs is not there, neither is the collector';

CREATE FUNCTION monitoring_internal.table_collectors(
    pack_name text, mapping jsonb, OUT source_key text, OUT source text, OUT needs text[],
    OUT collector_name text, OUT every interval, OUT query text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH given AS (
        SELECT DISTINCT p.source_key,
               CASE jsonb_typeof(mapping -> p.source_key)
                   WHEN 'string' THEN jsonb_build_object('table', mapping -> p.source_key)
                   WHEN 'object' THEN mapping -> p.source_key ELSE '{}' END AS with
        FROM monitoring_internal.table_packs AS p WHERE p.pack_name = table_collectors.pack_name
    ), named AS (
        SELECT g.source_key, coalesce(g.with ->> 'table', format('public.%I', g.source_key)) AS source,
               c.columns, quote_literal(coalesce(g.with ->> 'success', 'success')) AS success,
               quote_literal(coalesce(g.with ->> 'pending', 'pending')) AS pending
        FROM given AS g, LATERAL (
            SELECT jsonb_object_agg(d.name, coalesce(g.with -> 'columns' ->> d.name, d.name)) AS columns
            FROM unnest('{status,action,total_tokens,cost_usd,created_at,completed_at,model,actor_type,
                provider,latency_ms,tokens,cost,timestamp,event,tenant_id,user_id}'::text[]) AS d (name)
        ) AS c
    )
    SELECT n.source_key, n.source, ARRAY(SELECT n.columns ->> k FROM unnest(p.needs) AS k),
           p.collector_name, p.every, monitoring_internal.filled(p.template, q.columns || jsonb_build_object(
               'table', n.source, 'success', n.success, 'pending', n.pending))
    FROM named AS n JOIN monitoring_internal.table_packs AS p USING (source_key), LATERAL (
        SELECT jsonb_object_agg(k, quote_ident(v)) AS columns FROM jsonb_each_text(n.columns) AS e (k, v)
    ) AS q
    WHERE p.pack_name = table_collectors.pack_name
$$;
COMMENT ON FUNCTION monitoring_internal.table_collectors(text, jsonb) IS
    'The collectors of a pack for these tables and columns, those that are not there included; needs '
    'are the columns without which there is none';
