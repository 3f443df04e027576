-- Secrets of receivers and probes. Not registered with pg_extension_config_dump: a dump holds none.
-- What is wrong with a row is said by the trigger: a constraint would show the row, and the value.

CREATE FUNCTION monitoring_internal.check_secret() RETURNS trigger
AS 'MODULE_PATHNAME', 'monitoring_check_secret' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring_internal.check_secret() IS
    'Trigger: refuses a secret that cannot be used, without showing it, and notes who stores it';

CREATE TABLE monitoring.secrets (
    secret_name text PRIMARY KEY,
    secret_value text,
    allowed_kinds text[],
    allowed_hosts text[],
    in_vault boolean NOT NULL DEFAULT false,
    set_by oid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE monitoring.secrets IS
    'Values that receivers and probes name in their settings, and where they may be sent. Not dumped, '
    'and the values are for nobody to read but the courier';
COMMENT ON COLUMN monitoring.secrets.secret_name IS 'What {"secret": "name"} names';
COMMENT ON COLUMN monitoring.secrets.secret_value IS 'NULL where Supabase Vault has it';
COMMENT ON COLUMN monitoring.secrets.allowed_kinds IS
    'Kinds of receivers, and probe, that may send it; NULL: every kind';
COMMENT ON COLUMN monitoring.secrets.allowed_hosts IS
    'Where it may be sent: host, host:port, *.domain, or * for anywhere. NULL: to the service that the '
    'receiver''s kind is made for, to the host that the secret itself names, and by receivers and probes '
    'of the role that stored it, or of one that may read it, to anywhere';
COMMENT ON COLUMN monitoring.secrets.in_vault IS
    'The value is read from Supabase Vault, under this name, whenever it is sent';
COMMENT ON COLUMN monitoring.secrets.set_by IS 'The role that stored it last';
COMMENT ON COLUMN monitoring.secrets.updated_at IS 'When it was stored last';

CREATE TRIGGER check_secret BEFORE INSERT OR UPDATE ON monitoring.secrets
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.check_secret();

CREATE FUNCTION monitoring.set_secret(
    secret_name text, secret_value text, allowed_kinds text[] DEFAULT NULL,
    allowed_hosts text[] DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_set_secret' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.set_secret(text, text, text[], text[]) IS
    'Stores a secret and where it may be sent, or replaces both; a NULL value removes it. The lists are '
    'those of the columns of monitoring.secrets. With log_statement or log_min_duration_statement the '
    'server logs the call, and bind parameters with it: set them off for it, or use '
    'set_secret_from_file(). '
    'Errors: 22023 for an empty name or an unknown kind.';

CREATE FUNCTION monitoring.set_secret_from_file(
    secret_name text, file_path text, allowed_kinds text[] DEFAULT NULL,
    allowed_hosts text[] DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_set_secret_from_file' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.set_secret_from_file(text, text, text[], text[]) IS
    'Stores the content of a file on the server, without the line break at its end, as a secret. For '
    'superusers, and for operators who are members of pg_read_server_files and to whom EXECUTE on this function was granted. '
    'Errors: 58P01 for a file that is not there, 42809 for one that is no regular file, 42501 '
    'for who may not read files.';

CREATE FUNCTION monitoring.release_vault_secret(
    secret_name text, allowed_kinds text[] DEFAULT NULL, allowed_hosts text[] DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_release_vault_secret' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION monitoring.release_vault_secret(text, text[], text[]) IS
    'Lets receivers and probes use a secret of Supabase Vault under its name there, as set_secret() lets '
    'them use one of our own; for those who may read monitoring.secrets and the vault. '
    'monitoring.set_secret(secret_name, NULL) takes it back. '
    'Errors: 55000 where Supabase Vault is not installed.';

-- What failed because of a secret or a setting is tried again as soon as that is mended.
CREATE FUNCTION monitoring_internal.retry_mended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    mended text[];
BEGIN
    IF TG_RELID NOT IN ('monitoring.receivers'::regclass, 'monitoring.secrets'::regclass) THEN
        RAISE EXCEPTION USING ERRCODE = 'trigger_protocol_violated',
            MESSAGE = 'monitoring_internal.retry_mended() is a trigger function of the extension''s tables';
    END IF;
    IF TG_TABLE_NAME = 'receivers' THEN
        mended := ARRAY[NEW.receiver_name];
    ELSE
        SELECT array_agg(r.receiver_name) INTO mended FROM monitoring.receivers AS r
        WHERE EXISTS (SELECT FROM jsonb_path_query(
                          r.settings, '$.**.secret ? (@.type() == "string")') AS named (secret)
                      WHERE named.secret #>> '{}' = NEW.secret_name);
    END IF;
    UPDATE monitoring.notifications AS n SET next_attempt_at = clock_timestamp()
    WHERE n.receiver = ANY (mended) AND n.status = 'retrying'
      AND n.next_attempt_at > clock_timestamp();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION monitoring_internal.retry_mended() IS
    'Trigger: lets notifications go that wait for their next attempt at a receiver that was mended';
REVOKE ALL ON FUNCTION monitoring_internal.retry_mended() FROM PUBLIC;
CREATE TRIGGER retry_mended AFTER INSERT OR UPDATE ON monitoring.secrets
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.retry_mended();
CREATE TRIGGER retry_mended AFTER UPDATE OF kind, settings, enabled ON monitoring.receivers
FOR EACH ROW EXECUTE FUNCTION monitoring_internal.retry_mended();
