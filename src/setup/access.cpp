#include "monitoring/setup/access.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <vector>

namespace monitoring::setup {

namespace {

/// The extension's own objects.
constexpr const char* kMembers =
    "WITH member AS MATERIALIZED (SELECT d.classid, d.objid FROM pg_catalog.pg_depend d"
    " JOIN pg_catalog.pg_extension e ON d.refclassid OPERATOR(pg_catalog.=)"
    "  'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid OPERATOR(pg_catalog.=) e.oid"
    " WHERE e.extname OPERATOR(pg_catalog.=) 'monitoring'"
    "  AND d.deptype OPERATOR(pg_catalog.=) 'e') ";

/// One REVOKE for each object and role that holds anything on it and does not own it. A missing ACL
/// stands for the built-in one, which lets PUBLIC execute functions and use types. Types of rows
/// and arrays have no ACL of their own.
constexpr const char* kRevokes =
    ", object AS ("
    " SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || format('%I.%I',"
    "  n.nspname, c.relname) AS name, c.relowner AS owner,"
    "  coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\","
    "  c.relowner)) AS acl"
    " FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S')"
    " UNION ALL"
    " SELECT 'ROUTINE ' || p.oid::regprocedure::text, p.proowner,"
    "  coalesce(p.proacl, acldefault('f', p.proowner))"
    " FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid"
    " UNION ALL"
    " SELECT 'TYPE ' || format('%I.%I', n.nspname, t.typname), t.typowner,"
    "  coalesce(t.typacl, acldefault('T', t.typowner))"
    " FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND m.objid = t.oid"
    " JOIN pg_namespace n ON n.oid = t.typnamespace"
    " WHERE t.typcategory <> 'A' AND t.typrelid = 0)"
    " SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', o.name,"
    "  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)"
    " FROM object o, LATERAL aclexplode(o.acl) a WHERE a.grantee <> o.owner ORDER BY 1";

/// The schema is the extension's only if CREATE EXTENSION has just made it; otherwise it may hold
/// other things, whose users keep their USAGE. Nobody may add objects next to ours, though.
constexpr const char* kSchemaRevokes =
    "SELECT DISTINCT format('REVOKE %s ON SCHEMA %I FROM %s',"
    " CASE WHEN EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND NOT EXISTS"
    "  (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
    "   AND d.deptype IN ('e', 'a', 'i', 'P', 'S'))) THEN 'CREATE' ELSE 'ALL' END, n.nspname,"
    " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)"
    " FROM pg_namespace n, LATERAL aclexplode(n.nspacl) a"
    " WHERE n.nspname IN ('monitoring', 'monitoring_internal') AND a.grantee <> n.nspowner ORDER "
    "BY 1";

/// Names there are looked up with the rights of whoever uses what is public. Each object has rights
/// of its own.
constexpr const char* kInternalUsage = "GRANT USAGE ON SCHEMA monitoring_internal TO PUBLIC";

constexpr const char* kRelationRevokes =
    "SELECT DISTINCT format('REVOKE ALL ON TABLE %I.%I FROM %s', n.nspname, c.relname,"
    "  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
    " LATERAL aclexplode(c.relacl) a"
    " WHERE c.oid = $1 AND a.grantee <> c.relowner ORDER BY 1";

/// Secrets are nobody's to read; health looks which names are there.
constexpr const char* kReaderGrants =
    " SELECT format('GRANT SELECT ON %I.%I TO %I', n.nspname, c.relname, $1)"
    " FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relname <> 'secrets'"
    " UNION ALL SELECT format('GRANT SELECT (secret_name, in_vault) ON monitoring.secrets TO %I', "
    "$1)"
    " UNION ALL"
    // What looks and does nothing else, and what views call: a view's reader executes its
    // functions, and a function's caller those that it calls.
    " SELECT format('GRANT EXECUTE ON ROUTINE %s TO %I', p.oid::regprocedure, $1)"
    " FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid"
    " WHERE p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)"
    "  AND (p.provolatile <> 'v' AND NOT p.prosecdef AND p.pronamespace <> "
    "'monitoring_internal'::regnamespace"
    "   OR p.proname IN ('get_system_health', 'health_check', 'liveness', 'readiness',"
    "    'slo_status', 'slo_burn')"
    // Of readiness(), the views wanted_table_collectors and alert_trail, metric_values() and
    // health_check().
    "   OR p.proname IN ('is_active', 'filled', 'bucket_quantile', 'integer_tag',"
    "    'alerts_of_decision')"
    "   OR p.proname IN ('config_body', 'config_defaults', 'config_objects',"  // dump_config()
    "    'workbook_burn_alerts')"
    "   OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_rewrite'::regclass"
    "    AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid))"
    " ORDER BY 1";

/// A writer adds, and needs to read nothing of what others have added.
constexpr const char* kWriterGrants =
    " SELECT format('GRANT %s ON %s TO %I', g.privilege, g.relation, $1) FROM (VALUES"
    "  ('INSERT', 'monitoring.pipeline_metrics'), ('INSERT', 'public.system_metrics'),"
    "  ('INSERT', 'monitoring.worker_issues'), ('INSERT', 'public.monitoring_events'),"
    "  ('SELECT (id, resolved)', 'monitoring.worker_issues'),"
    "  ('UPDATE (resolved, resolution_details, resolved_at)', 'monitoring.worker_issues'),"
    "  ('SELECT, INSERT, UPDATE, DELETE', 'monitoring.worker_heartbeats'))"
    "  AS g(privilege, relation)"
    " UNION ALL"
    " SELECT format('GRANT EXECUTE ON ROUTINE %s TO %I', p.oid::regprocedure, $1)"
    " FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid"
    " WHERE p.proname IN ('record_metric', 'flush_records', 'log_worker_issue',"
    "  'resolve_worker_issue', 'log_event', 'heartbeat', 'forget_worker', 'counter_inc',"
    "  'gauge_set', 'gauge_add', 'histogram_observe', 'ingest', 'ingest_samples')"
    " ORDER BY 1";

/// All but what reaches outside of the extension (files, other schemas, other roles' rights) and
/// what makes or drops partitions, which takes their owner.
constexpr const char* kOperatorGrants =
    " SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO %I', n.nspname, c.relname,"
    "  $1) FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v') AND c.relname NOT IN ('secrets', 'config_history')"
    " UNION ALL"
    // No UPDATE: with it the lists of a secret could be changed and its value kept.
    " SELECT format('GRANT SELECT (secret_name, allowed_kinds, allowed_hosts, in_vault, set_by,"
    "  updated_at), INSERT, DELETE ON monitoring.secrets TO %I', $1) UNION ALL"
    " SELECT format('GRANT USAGE ON SEQUENCE %I.%I TO %I', n.nspname, c.relname, $1)"
    " FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S'"
    " UNION ALL"
    " SELECT format('GRANT EXECUTE ON ROUTINE %s TO %I', p.oid::regprocedure, $1)"
    " FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid"
    " WHERE p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)"
    "  AND (p.pronamespace <> 'monitoring_internal'::regnamespace AND p.proname NOT IN "
    "('set_secret_from_file', 'adopt',"
    "    'release_vault_secret',"
    "    'grant_access', 'setup_supabase', 'apply_retention')"
    // Of what is internal only those parts that run as the caller of what is not.
    "   OR p.proname IN ('try_alert_rule', 'try_collector', 'import_collectors_on_path',"
    "    'note_on_alert', 'matches', 'check_matchers', 'checked_slo_side', 'checked_burn_alerts', "
    "'slo_named',"
    "    'refuse_odd_slo', 'settle_slo_rules')"
    "   OR p.proname IN ('compose_notification', 'preview_rule')"  // preview_alert(), ...
    "   OR p.proname IN ('apply_config_on_path', 'config_cast_problem', 'config_changes',"
    "    'config_depth', 'config_difference', 'config_known', 'config_normal', 'config_problems',"
    "    'config_problems_of', 'config_put', 'config_raise', 'config_remove', 'nearest_name')"
    // apply_config()
    "   OR p.proname IN ('config_body', 'config_defaults', 'config_objects')"  // dump_config()
    "   OR p.proname IN ('rollup_rebaseline', 'wake_worker')"                  // activate()
    "   OR p.proname = 'say_obstacles'"                                        // send_test_alert()
    "   OR p.proname = 'integer_tag'"                                          // health_check()
    "   OR p.proname IN ('dimensions_hash', 'm2', 'm2_merge', 'measures_add', 'measures_sum',"
    "    'sketch_merge', 'sketch_merge_agg', 'sum', 'sum_add', 'summary')"  // roll-ups
    "   OR p.proname IN ('install_pack_rules', 'metrics_of_collector', 'refuse_odd_mapping',"
    "    'refuse_unknown_pack', 'settle_pack', 'settle_packs', 'settle_statements', "
    "'statement_metrics',"
    "    'statement_sums'))"  // packs and their collectors
    " ORDER BY 1";

void run_all(pg::Spi& spi, const std::string& query, std::initializer_list<pg::Param> params) {
  const pg::Rows rows = spi.query(query.c_str(), params);
  std::vector<std::string> statements;
  for (std::uint64_t i = 0; i < rows.size(); ++i) statements.push_back(*rows.text(i, 1));
  for (const std::string& statement : statements) spi.run_script(statement.c_str());
}

}  // namespace

std::optional<AccessLevel> parse_access_level(std::string_view text) {
  if (text == "reader") return AccessLevel::reader;
  if (text == "writer") return AccessLevel::writer;
  if (text == "operator") return AccessLevel::operator_;
  return std::nullopt;
}

void protect_members(pg::Spi& spi) {
  // The list of members goes first in both: kRevokes continues its WITH.
  run_all(spi, std::string(kMembers) + kRevokes, {});
  run_all(spi, kSchemaRevokes, {});
  spi.run_script(kInternalUsage);
}

void protect_relation(pg::Spi& spi, Oid relation) {
  run_all(spi, kRelationRevokes, {pg::datum(OIDOID, ObjectIdGetDatum(relation))});
}

void grant_access(pg::Spi& spi, std::string_view role_name, AccessLevel level) {
  run_all(spi, "SELECT format('GRANT USAGE ON SCHEMA monitoring TO %I', $1)",
          {pg::text(role_name)});
  if (level != AccessLevel::writer) {
    run_all(spi, std::string(kMembers) + kReaderGrants, {pg::text(role_name)});
  }
  if (level != AccessLevel::reader) {
    run_all(spi, std::string(kMembers) + kWriterGrants, {pg::text(role_name)});
  }
  if (level == AccessLevel::operator_) {
    run_all(spi, std::string(kMembers) + kOperatorGrants, {pg::text(role_name)});
  }
}

}  // namespace monitoring::setup
