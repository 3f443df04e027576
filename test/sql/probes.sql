-- Probes: uptime over 30 days and its target, what is collected, and the alerts of the pack. What
-- the courier sends is in test/t/probes.pl.
\set example none
\getenv srcdir PG_ABS_SRCDIR
\set shared :srcdir '/sql/gallery.psql'
\set ECHO none
\o /dev/null
\i :shared
\o
\set ECHO all

-- The first probe brings its metrics.
SELECT pack_name, enabled, collectors, alert_rules FROM monitoring.packs WHERE pack_name = 'probes';
INSERT INTO monitoring.probes (probe_name, url) VALUES ('api', 'https://127.0.0.1/'),
                                                       ('mail', 'smtp://127.0.0.1:25'), ('new', 'tcp://127.0.0.1:1');
SELECT pack_name, enabled, collectors, alert_rules FROM monitoring.packs WHERE pack_name = 'probes';

-- 30 whole days of one probe a minute: "api" failed 40 times, which is 99.9074 %, "mail" once more.
INSERT INTO monitoring.probe_days (probe_name, day, probes, successes)
SELECT p, (now() AT TIME ZONE 'UTC')::date - d, 1440,
       1440 - CASE WHEN d = 7 THEN 40 + (p = 'mail')::int ELSE 0 END
FROM unnest('{api,mail}'::text[]) AS p, generate_series(1, 40) AS d;
SELECT monitoring.uptime('api', '30 days', date_trunc('day', now())) AS api,
       monitoring.uptime('mail', '30 days', date_trunc('day', now())) AS mail,
       monitoring.uptime('new', '30 days', date_trunc('day', now())) AS new;
-- The view counts until now, with the results of today: a success of "api", and twenty failures of
-- "mail".
INSERT INTO monitoring.probe_results (probe_name, probed_at, success, duration_ms)
VALUES ('api', now(), true, 12);
INSERT INTO monitoring.probe_results (probe_name, probed_at, success, duration_ms)
SELECT 'mail', now() - n * interval '1 microsecond', false, 12 FROM generate_series(0, 19) AS n;
SELECT probe_name, round(uptime_30_days_percent, 1) AS uptime, uptime_target_percent AS target, meets_target
FROM monitoring.probe_uptime ORDER BY probe_name;
UPDATE monitoring.probes SET uptime_target_percent = 99.5 WHERE probe_name = 'mail';
SELECT probe_name, meets_target FROM monitoring.probe_uptime ORDER BY probe_name;

-- What is collected: nothing of a probe that nobody has asked for three intervals.
INSERT INTO monitoring.probe_state (probe_name, next_probe_at, probed_at, success, duration_ms,
                                    http_status, certificate_expires_at)
VALUES ('api', now(), now() - interval '2 minutes', true, 250, 200, '2100-01-01 00:00Z'),
       ('mail', now(), now() - interval '4 minutes', true, 250, NULL, NULL),
       ('new', now(), NULL, NULL, NULL, NULL, NULL);
SELECT metric_name, value, labels FROM monitoring.preview_collector('probes/results')
WHERE metric_name <> 'probe_ssl_seconds_left' ORDER BY metric_name COLLATE "C";
SELECT metric_name, round(value) AS value, labels FROM monitoring.preview_collector('probes/uptime')
ORDER BY labels ->> 'probe';

-- ServiceDown: two minutes without an answer. A certificate that ends, an uptime that is low.
SELECT monitoring.enable_pack('probes', with_alerts => true);
\o /dev/null
SELECT monitoring.create_receiver('oncall', 'log', '{}'), monitoring.create_route('oncall', group_by => '{alertname}');
SELECT pg_temp.gauge('probe_success', '{"probe": "api"}', 1, 0),
       pg_temp.gauge('probe_success', '{"probe": "mail"}', 1, 0, bad_until => '1 minute'),
       pg_temp.gauge('probe_ssl_seconds_left', '{"probe": "api"}', 1300000, 200000),
       pg_temp.gauge('probe_uptime_30_days_percent', '{"probe": "api"}', 99.95, 98.5);
CALL pg_temp.play('-1 minute', '6 minutes', '30 seconds');
CALL pg_temp.play('29 minutes', '45 minutes');
\o
SELECT * FROM pg_temp.timeline ORDER BY rule_name, severity, labels ->> 'probe';
SELECT alert, severity, reason, after, says FROM pg_temp.told WHERE alert = 'ServiceDown' ORDER BY after;

-- Headers: credentials are secrets, and those of the connection are not one's own.
CREATE FUNCTION pg_temp.header(name text, value jsonb, OUT outcome text) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO monitoring.probes (probe_name, url, headers)
    VALUES ('header', 'https://127.0.0.1/', jsonb_build_object(name, value));
    RAISE SQLSTATE 'YY000' USING MESSAGE = 'accepted';
EXCEPTION WHEN OTHERS THEN
    outcome := SQLERRM;
END $$;
SELECT name, value, pg_temp.header(name, value::jsonb) AS outcome FROM (VALUES
    ('Authorization', '"Bearer s3same"'), ('authorization', '"x"'), ('Proxy-Authorization', '{"secret": "x"}'),
    ('Cookie', '"a=b"'), ('X-Api-Key', '"x"'), ('X-Vault-Token', '"x"'), ('X-Any', '"Bearer s3same"'),
    ('Authorization', '{"secret": "x"}'), ('Content-Length', '"3"'), ('transfer-encoding', '"chunked"'),
    ('Host', '"x"'), ('Connection', '{"secret": "x"}'), ('Expect', '"x"'), ('X A', '"x"'),
    ('X-A', '"a\u0001b"'), ('X-A', '"a\nb"'), ('X-A', '1'), ('', '"x"'), ('X-A', '"x"')) AS h(name, value);
ROLLBACK;
