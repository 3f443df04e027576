-- Secrets of receivers. Not registered with pg_extension_config_dump: a dump holds none.

CREATE TABLE monitoring.secrets (
    secret_name text PRIMARY KEY CHECK (pg_catalog.length(secret_name) BETWEEN 1 AND 200),
    secret_value text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE monitoring.secrets IS
    'Values that receivers name in their settings. Not dumped, and for nobody to read but the courier. '
    'A name that is not here is looked up in Supabase Vault''s vault.decrypted_secrets where a superuser owns that';

CREATE FUNCTION monitoring.set_secret(secret_name text, secret_value text)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_set_secret' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.set_secret(text, text) IS
    'Stores a secret, or replaces it; a NULL value removes it. Pass the value as a bind parameter, which no log shows.';

CREATE FUNCTION monitoring.set_secret_from_file(secret_name text, file_path text)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_set_secret_from_file' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.set_secret_from_file(text, text) IS
    'Stores the content of a file on the server, without the line break at its end, as a secret; for members of pg_read_server_files';
