-- Privileges. The last part: it takes from everybody what the parts before have made.

CREATE FUNCTION monitoring_internal.protect_members() RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_protect_members' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.protect_members() IS
    'Takes every privilege on the extension''s objects from every role but their owners';

CREATE FUNCTION monitoring_internal.protect_relation(relation regclass) RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_protect_relation' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring_internal.protect_relation(regclass) IS
    'The same for a relation that is made at run time: call it in the transaction that makes it';

CREATE FUNCTION monitoring.grant_access(role_name name, access_level text) RETURNS void
AS 'MODULE_PATHNAME', 'monitoring_grant_access' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION monitoring.grant_access(name, text) IS
    'Lets a role use the extension: reader sees everything but secrets; writer adds measurements, '
    'issues, events and heartbeats; operator does both, changes the configuration and runs duties, but drops no partition. '
    'Errors: 42704 for a role that is not there, 22023 for an unknown level or PUBLIC.';

INSERT INTO monitoring_internal.installed_functions (signature, definition)
SELECT f.signature, f.definition FROM monitoring_internal.function_definitions AS f;

SELECT monitoring_internal.protect_members();
