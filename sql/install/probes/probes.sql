-- Probes: what is asked from outside, by the courier. Results are rows, and metrics under
-- blackbox_exporter's names through the pack "probes".

CREATE FUNCTION monitoring_internal.check_probe() RETURNS trigger
AS 'MODULE_PATHNAME', 'monitoring_check_probe' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring_internal.check_probe() IS
    'Trigger: refuses a probe that could not be sent, and wakes the courier at commit';

CREATE TABLE monitoring.probes (
    probe_name text PRIMARY KEY CONSTRAINT probe_has_name CHECK (probe_name <> ''),
    url text NOT NULL,
    method text NOT NULL DEFAULT 'GET'
        CONSTRAINT method_is_known CHECK (method IN ('GET', 'HEAD', 'POST', 'PUT', 'OPTIONS')),
    every interval NOT NULL DEFAULT '1 minute'
        CONSTRAINT every_is_a_second CHECK (every >= interval '1 second'),
    timeout interval NOT NULL DEFAULT '10 seconds'
        CONSTRAINT timeout_is_positive CHECK (timeout > interval '0' AND timeout <= interval '5 minutes'),
    expect_status integer
        CONSTRAINT expect_status_is_http CHECK (expect_status BETWEEN 100 AND 599),
    expect_body text,
    headers jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT headers_is_object CHECK (pg_catalog.jsonb_typeof(headers) = 'object'),
    body text NOT NULL DEFAULT '',
    max_redirects integer NOT NULL DEFAULT 0
        CONSTRAINT max_redirects_is_small CHECK (max_redirects BETWEEN 0 AND 10),
    uptime_target_percent numeric NOT NULL DEFAULT 99.9
        CONSTRAINT uptime_target_is_percent CHECK (uptime_target_percent BETWEEN 0 AND 100),
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    set_by name NOT NULL DEFAULT CURRENT_USER,
    set_by_oid oid NOT NULL DEFAULT 0
);
COMMENT ON TABLE monitoring.probes IS 'What the courier asks every so often, and what it expects';
COMMENT ON COLUMN monitoring.probes.probe_name IS 'Name of the probe';
COMMENT ON COLUMN monitoring.probes.method IS 'Method of an HTTP request';
COMMENT ON COLUMN monitoring.probes.every IS 'Time between two probes';
COMMENT ON COLUMN monitoring.probes.body IS 'Body of an HTTP request';
COMMENT ON COLUMN monitoring.probes.enabled IS 'Whether the service is asked';
COMMENT ON COLUMN monitoring.probes.created_at IS 'When the probe was made';
COMMENT ON COLUMN monitoring.probes.url IS
    'http or https: a request; tcp://host:port, tls://host:port: a connection is made; '
    'smtp://host:port, smtps://host:port: a mail server answers';
COMMENT ON COLUMN monitoring.probes.timeout IS 'for the whole of it, redirects included';
COMMENT ON COLUMN monitoring.probes.expect_status IS 'HTTP status; NULL: any from 200 to 299';
COMMENT ON COLUMN monitoring.probes.expect_body IS
    'an RE2 regular expression that is found somewhere in the first 64 kB of the answer';
COMMENT ON COLUMN monitoring.probes.headers IS
    'names and values; a value may be {"secret": "name"}, which is sent to the url''s own host only. '
    'Credentials have to be secrets';
COMMENT ON COLUMN monitoring.probes.set_by IS
    'The role that said last where the probe sends its secrets; it decides which ones it may send';
COMMENT ON COLUMN monitoring.probes.set_by_oid IS
    'Which role had that name then, and decides under whatever name it has now; another one that gets '
    'the name later does not. A dump has names only: a restored row is bound anew';
COMMENT ON COLUMN monitoring.probes.max_redirects IS
    'how many redirects are followed; each hop''s address is checked like the first';
COMMENT ON COLUMN monitoring.probes.uptime_target_percent IS
    'of 30 days; monitoring.probe_uptime says whether it is met';
SELECT pg_catalog.pg_extension_config_dump('monitoring.probes', '');

CREATE TABLE monitoring.probe_state (
    probe_name text PRIMARY KEY REFERENCES monitoring.probes ON DELETE CASCADE,
    next_probe_at timestamptz NOT NULL,
    probed_at timestamptz,
    success boolean,
    success_changed_at timestamptz,
    duration_ms float8,
    http_status integer,
    certificate_expires_at timestamptz,
    error text
);
COMMENT ON TABLE monitoring.probe_state IS
    'The last result of each probe, and when it is due next. Not dumped: a copy has probed nothing.';
COMMENT ON COLUMN monitoring.probe_state.probe_name IS 'The probe';
COMMENT ON COLUMN monitoring.probe_state.next_probe_at IS 'When it is due next';
COMMENT ON COLUMN monitoring.probe_state.probed_at IS 'When the last probe was made';
COMMENT ON COLUMN monitoring.probe_state.success IS 'Whether it was a success';
COMMENT ON COLUMN monitoring.probe_state.duration_ms IS 'How long it took';
COMMENT ON COLUMN monitoring.probe_state.http_status IS 'HTTP status of the answer';
COMMENT ON COLUMN monitoring.probe_state.certificate_expires_at IS
    'When the certificate of the service expires; NULL: it showed none';
COMMENT ON COLUMN monitoring.probe_state.error IS 'Why it was no success, in words';
COMMENT ON COLUMN monitoring.probe_state.success_changed_at IS 'since when success is what it is';

CREATE TABLE monitoring.probe_results (
    probe_name text NOT NULL,
    probed_at timestamptz NOT NULL,
    success boolean NOT NULL,
    duration_ms float8 NOT NULL,
    http_status integer,
    error text
);
COMMENT ON TABLE monitoring.probe_results IS 'Every probe that was made, as long as retention keeps it';
COMMENT ON COLUMN monitoring.probe_results.probe_name IS 'The probe';
COMMENT ON COLUMN monitoring.probe_results.probed_at IS 'When the probe was made';
COMMENT ON COLUMN monitoring.probe_results.success IS 'Whether it was a success';
COMMENT ON COLUMN monitoring.probe_results.duration_ms IS 'How long it took';
COMMENT ON COLUMN monitoring.probe_results.http_status IS 'HTTP status of the answer';
COMMENT ON COLUMN monitoring.probe_results.error IS 'why it was no success, in words';
SELECT pg_catalog.pg_extension_config_dump('monitoring.probe_results', '');
CREATE INDEX probe_results_by_probe ON monitoring.probe_results (probe_name, probed_at);
CREATE INDEX probe_results_by_time ON monitoring.probe_results USING brin (probed_at);

CREATE TABLE monitoring.probe_days (
    probe_name text NOT NULL,
    day date NOT NULL,
    probes bigint NOT NULL,
    successes bigint NOT NULL,
    PRIMARY KEY (probe_name, day)
) WITH (fillfactor = 70);
COMMENT ON TABLE monitoring.probe_days IS 'How many probes of each UTC day were a success';
COMMENT ON COLUMN monitoring.probe_days.probe_name IS 'The probe';
COMMENT ON COLUMN monitoring.probe_days.day IS 'UTC day';
COMMENT ON COLUMN monitoring.probe_days.probes IS 'How many probes were made';
COMMENT ON COLUMN monitoring.probe_days.successes IS 'How many were a success';
SELECT pg_catalog.pg_extension_config_dump('monitoring.probe_days', '');

CREATE TRIGGER check_probe BEFORE INSERT OR UPDATE ON monitoring.probes
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_probe();

CREATE TRIGGER enable_pack AFTER INSERT ON monitoring.probes
FOR EACH STATEMENT EXECUTE FUNCTION monitoring_internal.enable_pack_of_rows();

CREATE FUNCTION monitoring.create_probe(
    probe_name text, url text, method text DEFAULT 'GET', every interval DEFAULT '1 minute',
    timeout interval DEFAULT '10 seconds', expect_status integer DEFAULT NULL,
    expect_body text DEFAULT NULL, headers jsonb DEFAULT '{}', body text DEFAULT '',
    max_redirects integer DEFAULT 0, uptime_target_percent numeric DEFAULT 99.9,
    enabled boolean DEFAULT true, replace boolean DEFAULT false)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_create_probe' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.create_probe(text, text, text, interval, interval, integer, text,
    jsonb, text, integer, numeric, boolean, boolean) IS
    'Adds a probe, or with replace changes the one of that name; what it takes is said of the columns '
    'of monitoring.probes. '
    'Errors: 22023 for a url or header that could not be sent, 23505 where the name is taken.';

CREATE FUNCTION monitoring.drop_probe(probe_name text, if_exists boolean DEFAULT false)
RETURNS boolean
AS 'MODULE_PATHNAME', 'monitoring_drop_probe' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.drop_probe(text, boolean) IS
    'Removes a probe; what it has measured stays as long as retention keeps it. '
    'Errors: 42704 for a name that is not there (with if_exists: false).';

CREATE FUNCTION monitoring.uptime(
    probe_name text, over_last interval DEFAULT '30 days',
    until timestamptz DEFAULT pg_catalog.clock_timestamp())
RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    -- Whole UTC days from the counts, the two ends from the results.
    WITH span AS (
        SELECT until - over_last AS starts_at,
               ((until - over_last) AT TIME ZONE 'UTC'
                + interval '1 day' - interval '1 microsecond')::date AS first_day,
               (until AT TIME ZONE 'UTC')::date AS last_day
    ), counted AS (
        SELECT d.probes, d.successes FROM monitoring.probe_days AS d, span AS s
        WHERE d.probe_name = uptime.probe_name AND d.day >= s.first_day AND d.day < s.last_day
        UNION ALL
        SELECT count(*), count(*) FILTER (WHERE r.success)
        FROM monitoring.probe_results AS r, span AS s
        WHERE r.probe_name = uptime.probe_name AND r.probed_at > s.starts_at
          AND r.probed_at <= until AND r.probed_at < s.first_day::timestamp AT TIME ZONE 'UTC'
        UNION ALL
        -- Of a time within one day the first branch has all.
        SELECT count(*), count(*) FILTER (WHERE r.success)
        FROM monitoring.probe_results AS r, span AS s
        WHERE r.probe_name = uptime.probe_name AND r.probed_at > s.starts_at
          AND r.probed_at <= until
          AND r.probed_at >= greatest(s.first_day, s.last_day)::timestamp AT TIME ZONE 'UTC'
    )
    SELECT round(sum(successes) * 100.0 / nullif(sum(probes), 0), 4) FROM counted
$$;
COMMENT ON FUNCTION monitoring.uptime(text, interval, timestamptz) IS
    'Percent of the probes in this time that were a success; NULL if there were none. A day that '
    'the time only touches counts with the results that retention has kept';

CREATE VIEW monitoring.probe_uptime AS
SELECT p.probe_name, p.url, p.enabled, s.success, s.success_changed_at, s.probed_at, s.duration_ms,
       s.http_status, s.certificate_expires_at, s.error,
       monitoring.uptime(p.probe_name, '1 day') AS uptime_1_day_percent,
       monitoring.uptime(p.probe_name, '7 days') AS uptime_7_days_percent,
       u.uptime_30_days_percent, p.uptime_target_percent,
       u.uptime_30_days_percent >= p.uptime_target_percent AS meets_target
FROM monitoring.probes AS p LEFT JOIN monitoring.probe_state AS s USING (probe_name),
LATERAL (SELECT monitoring.uptime(p.probe_name, '30 days') AS uptime_30_days_percent) AS u;
COMMENT ON VIEW monitoring.probe_uptime IS
    'Each probe''s last result, its uptime in percent, and whether that of 30 days is what it should be';
COMMENT ON COLUMN monitoring.probe_uptime.probe_name IS 'The probe';
COMMENT ON COLUMN monitoring.probe_uptime.url IS 'What is asked';
COMMENT ON COLUMN monitoring.probe_uptime.enabled IS 'Whether it is asked';
COMMENT ON COLUMN monitoring.probe_uptime.success IS 'Whether the last probe was a success';
COMMENT ON COLUMN monitoring.probe_uptime.success_changed_at IS 'Since when it is what it is';
COMMENT ON COLUMN monitoring.probe_uptime.probed_at IS 'When the last probe was made';
COMMENT ON COLUMN monitoring.probe_uptime.duration_ms IS 'How long it took';
COMMENT ON COLUMN monitoring.probe_uptime.http_status IS 'HTTP status of the answer';
COMMENT ON COLUMN monitoring.probe_uptime.certificate_expires_at IS
    'When the certificate of the service expires; NULL: it showed none';
COMMENT ON COLUMN monitoring.probe_uptime.error IS 'Why it was no success, in words';
COMMENT ON COLUMN monitoring.probe_uptime.uptime_1_day_percent IS
    'Successful probes of the last day, in percent';
COMMENT ON COLUMN monitoring.probe_uptime.uptime_7_days_percent IS
    'Successful probes of the last 7 days, in percent';
COMMENT ON COLUMN monitoring.probe_uptime.uptime_30_days_percent IS
    'Successful probes of the last 30 days, in percent';
COMMENT ON COLUMN monitoring.probe_uptime.uptime_target_percent IS
    'What the uptime of 30 days should be';
COMMENT ON COLUMN monitoring.probe_uptime.meets_target IS
    'Whether it is that; NULL: there were no probes';
