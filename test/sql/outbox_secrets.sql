-- Where a secret may go, who says so, and that no message shows one.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS monitoring;
RESET client_min_messages;
\set SHOW_CONTEXT never

BEGIN;
CREATE ROLE regress_setter;
CREATE ROLE regress_thief;
SELECT monitoring.grant_access('regress_setter', 'operator'), monitoring.grant_access('regress_thief', 'operator');
SET LOCAL ROLE regress_setter;
SELECT monitoring.set_secret('page', 'v4lue-page'),
       monitoring.set_secret('listed', 'v4lue-listed', '{webhook,probe}', '{hooks.example.com,*.corp.example}');
SELECT monitoring.create_receiver('mine', 'webhook',
    '{"url": "https://anywhere.example/", "bearer_token": {"secret": "page"}}');
RESET ROLE;
SELECT secret_name, allowed_kinds, allowed_hosts, in_vault, pg_get_userbyid(set_by) AS set_by
FROM monitoring.secrets ORDER BY 1;

-- Every way to name a secret, by somebody who has not stored it and may not read it.
CREATE FUNCTION pg_temp.try(statement text, OUT outcome text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RAISE SQLSTATE 'YY000' USING MESSAGE = 'accepted';
EXCEPTION WHEN OTHERS THEN
    outcome := SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE TEMP TABLE way (id int GENERATED ALWAYS AS IDENTITY, what text, statement text);
GRANT SELECT ON way TO PUBLIC;
INSERT INTO way (what, statement)
SELECT kind || ' ' || with_secret, format('SELECT monitoring.create_receiver(''r'', %L, %L)', kind, with_secret)
FROM (VALUES ('page'), ('listed')) AS s(secret), (VALUES
    (1, 'pagerduty', '{"routing_key": {"secret": "%"}}'),
    (2, 'pagerduty', '{"routing_key": {"secret": "%"}, "url": "https://evil.example/"}'),
    (3, 'webhook', '{"url": "https://evil.example/", "bearer_token": {"secret": "%"}}'),
    (4, 'webhook', '{"url": "https://evil.example/", "hmac_secret": {"secret": "%"}}'),
    (5, 'webhook', '{"url": "https://evil.example/", "username": "u", "password": {"secret": "%"}}'),
    (6, 'webhook', '{"url": "https://evil.example/", "headers": {"X-A": {"secret": "%"}}}'),
    (7, 'webhook', '{"url": "https://hooks.example.com/", "headers": {"X-A": {"secret": "%"}}}'),
    (8, 'webhook', '{"url": "https://a.corp.example/", "bearer_token": {"secret": "%"}}'),
    (9, 'webhook', '{"url": "https://hooks.example.com.evil.example/", "bearer_token": {"secret": "%"}}'),
    (10, 'sentry', '{"dsn": {"secret": "%"}, "url": "https://evil.example/"}'),
    (11, 'sms', '{"account_sid": "A", "auth_token": {"secret": "%"}, "from": "+1", "to": "+2"}'),
    (12, 'sms', '{"account_sid": "A", "auth_token": {"secret": "%"}, "from": "+1", "to": "+2", "url": "https://evil.example/"}'),
    (13, 'email', '{"from": "a@x.example", "to": "b@x.example", "smarthost": "evil.example:25", "username": "u", "password": {"secret": "%"}}'),
    (14, 'email', '{"from": "a@x.example", "to": "b@x.example", "url": "smtps://evil.example:465", "username": "u", "password": {"secret": "%"}}')
    ) AS k(n, kind, settings), replace(settings, '%', secret) AS with_secret ORDER BY secret DESC, n;
INSERT INTO way (what, statement)
SELECT 'probe ' || secret || ' ' || url,
       format('INSERT INTO monitoring.probes (probe_name, url, headers) VALUES (''p'', %L, %L)', url,
              jsonb_build_object('Authorization', jsonb_build_object('secret', secret)))
FROM unnest('{page,listed}'::text[]) AS secret,
     unnest('{https://evil.example/,https://hooks.example.com/}'::text[]) AS url;
INSERT INTO way (statement) VALUES
    ($$UPDATE monitoring.receivers SET settings = settings || '{"url": "https://evil.example/"}' WHERE receiver_name = 'mine'$$),
    ($$UPDATE monitoring.receivers SET set_by = 'regress_thief' WHERE receiver_name = 'mine'$$),
    ($$INSERT INTO monitoring.receivers (receiver_name, kind, settings, set_by) VALUES ('r', 'webhook', '{"url": "https://evil.example/", "bearer_token": {"secret": "page"}}', 'regress_setter')$$),
    ($$INSERT INTO monitoring.receivers (receiver_name, kind, settings, set_by) VALUES ('r', 'log', '{}', 'regress_nobody')$$),
    ($$SELECT secret_value FROM monitoring.secrets$$),
    ($$UPDATE monitoring.secrets SET allowed_hosts = '{*}'$$),
    ($$UPDATE monitoring.secrets SET set_by = 0$$),
    ($$UPDATE monitoring.secrets SET secret_name = 'other'$$),
    ($$INSERT INTO monitoring.secrets (secret_name, secret_value, set_by) VALUES ('page', 'x', 0) ON CONFLICT (secret_name) DO UPDATE SET allowed_hosts = '{*}'$$),
    ($$MERGE INTO monitoring.secrets AS s USING (SELECT 1) AS o ON s.secret_name = 'page' WHEN MATCHED THEN UPDATE SET allowed_hosts = '{*}'$$),
    ($$INSERT INTO monitoring.secrets (secret_name, in_vault, set_by) VALUES ('vaulted', true, 0)$$),
    ($$SELECT monitoring.release_vault_secret('vaulted')$$),
    ($$SELECT monitoring.set_secret_from_file('f', '/etc/hostname')$$);
SET LOCAL ROLE regress_thief;
SELECT coalesce(what, statement) AS what, outcome FROM way, LATERAL pg_temp.try(statement) ORDER BY id;

-- What does not take it elsewhere stays the maker's.
UPDATE monitoring.receivers SET enabled = false WHERE receiver_name = 'mine';
UPDATE monitoring.receivers SET settings = settings || '{"max_alerts": 3}' WHERE receiver_name = 'mine';
SELECT enabled, settings, set_by FROM monitoring.receivers WHERE receiver_name = 'mine';

-- To store it anew is to say anew where it goes.
SELECT monitoring.set_secret('page', 'theirs');
SELECT monitoring.create_receiver('r', 'webhook', '{"url": "https://evil.example/", "bearer_token": {"secret": "page"}}');
SELECT receiver_name, set_by FROM monitoring.receivers ORDER BY 1;
RESET ROLE;
SELECT secret_name, secret_value, allowed_hosts, pg_get_userbyid(set_by) AS set_by FROM monitoring.secrets ORDER BY 1;
-- A restore names roles that may not be here.
INSERT INTO monitoring.receivers (receiver_name, kind, settings, set_by) VALUES ('restored', 'log', '{}', 'regress_nobody');
ROLLBACK;

-- Lists that say nothing, or nonsense.
\set VERBOSITY default
SELECT monitoring.set_secret('l', 'v4lue', allowed_kinds => '{}');
SELECT monitoring.set_secret('l', 'v4lue', allowed_kinds => '{Slack}');
SELECT monitoring.set_secret('l', 'v4lue', allowed_kinds => '{{slack},{sms}}');
SELECT monitoring.set_secret('l', 'v4lue', allowed_kinds => '{slack,NULL}');
SELECT monitoring.set_secret('l', 'v4lue', allowed_hosts => '{}');
SELECT monitoring.set_secret('l', 'v4lue', allowed_hosts => '{https://a.example/}');
SELECT monitoring.set_secret('l', 'v4lue', allowed_hosts => array_fill('a.example'::text, ARRAY[101]));

-- Every way in which a row is refused: none shows the value.
BEGIN;
CREATE FUNCTION pg_temp.all_of_error(statement text, OUT shown text) LANGUAGE plpgsql AS $$
DECLARE detail text; hint text; state text; message text;
BEGIN
    EXECUTE statement;
    shown := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    shown := concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT pg_temp.all_of_error(statement) FROM unnest(ARRAY[
    format('SELECT monitoring.set_secret(%L, ''v4lue'')', repeat('n', 201)),
    $$SELECT monitoring.set_secret('', 'v4lue')$$,
    $$SELECT monitoring.set_secret(NULL, 'v4lue')$$,
    $$SELECT monitoring.set_secret('n', '')$$,
    $$SELECT monitoring.set_secret('n', repeat('v4lue', 20000))$$,
    $$SELECT monitoring.set_secret_from_file('n', '/dev/zero')$$,
    $$SELECT monitoring.set_secret_from_file('n', '/tmp')$$,
    $$SELECT monitoring.set_secret_from_file('n', '/nonexistent/file')$$,
    format('INSERT INTO monitoring.secrets (secret_name, secret_value, set_by) VALUES (%L, ''v4lue'', 0)', repeat('n', 201)),
    $$INSERT INTO monitoring.secrets (secret_name, secret_value) VALUES (NULL, 'v4lue')$$,
    $$INSERT INTO monitoring.secrets (secret_name, secret_value) VALUES ('', 'v4lue')$$,
    $$INSERT INTO monitoring.secrets (secret_name, secret_value, in_vault) VALUES ('n', 'v4lue', true)$$,
    $$INSERT INTO monitoring.secrets (secret_name, secret_value, in_vault) VALUES ('n', NULL, false)$$,
    $$INSERT INTO monitoring.secrets (secret_name, secret_value, in_vault) VALUES ('n', 'v4lue', NULL)$$,
    $$INSERT INTO monitoring.secrets (secret_name, secret_value, allowed_kinds) VALUES ('n', 'v4lue', '{x}')$$,
    $$INSERT INTO monitoring.secrets (secret_name, secret_value) VALUES ('n', 'v4lue'), ('n', 'v4lue')$$
]) AS statement;
ROLLBACK;

-- Supabase Vault: only of its own extension, only what is released, by somebody who may read it.
BEGIN;
CREATE ROLE regress_keeper;
CREATE SCHEMA vault;
CREATE VIEW vault.decrypted_secrets AS SELECT 'in-vault'::text AS name, 'v4lue'::text AS decrypted_secret;
SAVEPOINT s;
SELECT monitoring.release_vault_secret('in-vault');
ROLLBACK TO s;
SET LOCAL allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (99999999, 'supabase_vault', 10, 'vault'::regnamespace, false, '1.0');
ALTER EXTENSION supabase_vault ADD VIEW vault.decrypted_secrets;
SELECT monitoring.create_receiver('r', 'pagerduty', '{"routing_key": {"secret": "in-vault"}}');
SELECT public.get_system_health() #> '{worker_health,reasons}' ? 'missing_secret' AS missing;
SELECT monitoring.release_vault_secret('in-vault', '{pagerduty}');
SELECT public.get_system_health() #> '{worker_health,reasons}' ? 'missing_secret' AS missing;
SELECT secret_name, secret_value, allowed_kinds, in_vault FROM monitoring.secrets;
GRANT USAGE ON SCHEMA monitoring TO regress_keeper;
GRANT EXECUTE ON FUNCTION monitoring.release_vault_secret TO regress_keeper;
GRANT SELECT, INSERT, DELETE ON monitoring.secrets TO regress_keeper;
SET LOCAL ROLE regress_keeper;
SELECT monitoring.release_vault_secret('in-vault');
ROLLBACK;
