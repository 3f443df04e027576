-- The index access method that tells a roll-up which heap blocks may hold new rows.

CREATE FUNCTION monitoring_internal.changes_handler(internal) RETURNS index_am_handler
AS 'MODULE_PATHNAME', 'monitoring_changes_handler' LANGUAGE C STRICT;
COMMENT ON FUNCTION monitoring_internal.changes_handler(internal) IS
  'Handler of the access method monitoring_changes; not for calling.';

CREATE ACCESS METHOD monitoring_changes TYPE INDEX HANDLER monitoring_internal.changes_handler;
COMMENT ON ACCESS METHOD monitoring_changes IS
  'Remembers, one bit per heap block, which blocks were written since the last roll-up pass. Never used by queries.';

CREATE OPERATOR CLASS monitoring.timestamptz_changes_ops
DEFAULT FOR TYPE timestamptz USING monitoring_changes AS STORAGE timestamptz;
COMMENT ON OPERATOR CLASS monitoring.timestamptz_changes_ops USING monitoring_changes IS
  'Lets a monitoring_changes index be made on a timestamptz column; it has no operators.';
COMMENT ON OPERATOR FAMILY monitoring.timestamptz_changes_ops USING monitoring_changes IS
    'That of the operator class of the same name';
