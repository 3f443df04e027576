#include "monitoring/setup/supabase.hpp"

#include "monitoring/pg/extension_members.hpp"
#include "monitoring/setup/access.hpp"
// clang-format keeps the server's headers first.
#include <string>
#include <vector>

namespace monitoring::setup {

namespace {

constexpr const char* kRole = "service_role";

struct Wrapper {
  const char* signature;
  const char* create;
  const char* comment;
};

constexpr Wrapper kWrappers[] = {
    {"public.record_metric(text, double precision, jsonb, timestamp with time zone)",
     "CREATE OR REPLACE FUNCTION public.record_metric(metric_name text,"
     " metric_value double precision, tags jsonb DEFAULT '{}',"
     " recorded_at timestamp with time zone DEFAULT NULL) RETURNS void"
     " LANGUAGE sql VOLATILE SET search_path = ''"
     " AS 'SELECT monitoring.record_metric($1, $2, $3, $4)'",
     "monitoring.record_metric for supabase.rpc"},
    {"public.log_worker_issue(text, text, text, text, jsonb)",
     "CREATE OR REPLACE FUNCTION public.log_worker_issue(worker_name text, issue_type text,"
     " message text, severity text DEFAULT 'warning', details jsonb DEFAULT '{}') RETURNS uuid"
     " LANGUAGE sql VOLATILE SET search_path = ''"
     " AS 'SELECT monitoring.log_worker_issue($1, $2, $3, $4, $5)'",
     "monitoring.log_worker_issue for supabase.rpc"},
    {"public.get_active_alerts()",
     "CREATE OR REPLACE FUNCTION public.get_active_alerts() RETURNS SETOF monitoring.alerts"
     " LANGUAGE sql STABLE SET search_path = ''"
     " AS $$SELECT * FROM monitoring.alerts WHERE state OPERATOR(pg_catalog.=) 'firing'$$",
     "Firing alerts for supabase.rpc"}};

void check_role(pg::Spi& spi) {
  const pg::Rows rows = spi.query("SELECT FROM pg_roles WHERE rolname = $1", {pg::text(kRole)});
  if (!rows.empty()) return;
  throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "role \"service_role\" does not exist")
      .hint("Every Supabase project has it; elsewhere use monitoring.grant_access().");
}

/// What setup_supabase() made goes with the extension, by a dependency, and is owned by somebody
/// who may do everything here anyway. The dependency alone anybody may give to a function of his.
void check_maker(pg::Spi& spi, const Wrapper& wrapper) {
  const pg::Rows foreign = spi.query(
      "SELECT FROM pg_proc p JOIN pg_roles o ON o.oid = p.proowner"
      " WHERE p.oid = to_regprocedure($1) AND NOT EXISTS"
      " (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid"
      "  WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'x'"
      "  AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'monitoring'"
      "  AND (o.rolsuper OR o.oid = e.extowner OR o.rolname = current_user))",
      {pg::text(wrapper.signature)});
  if (foreign.empty()) return;
  throw pg::Report(ERRCODE_DUPLICATE_FUNCTION,
                   std::string("function ") + wrapper.signature + " was not made by monitoring")
      .hint("Rename or drop it, and call monitoring.setup_supabase() again.");
}

/// CREATE OR REPLACE leaves a function its owner. Looked at once more when it is ours to change:
/// its row is locked by what we have done to it.
void create(pg::Spi& spi, const Wrapper& wrapper) {
  check_maker(spi, wrapper);
  spi.run_script(wrapper.create);
  spi.run_script(
      ("ALTER FUNCTION " + std::string(wrapper.signature) + " DEPENDS ON EXTENSION monitoring")
          .c_str());
  check_maker(spi, wrapper);
}

void take_from_everybody(pg::Spi& spi, const Wrapper& wrapper) {
  const pg::Rows rows = spi.query(
      "SELECT DISTINCT format('REVOKE ALL ON FUNCTION %s FROM %s', $1,"
      " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)"
      " FROM pg_proc p, LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
      " WHERE p.oid = to_regprocedure($1) AND a.grantee <> p.proowner ORDER BY 1",
      {pg::text(wrapper.signature)});
  std::vector<std::string> statements;
  for (std::uint64_t i = 0; i < rows.size(); ++i) statements.push_back(*rows.text(i, 1));
  for (const std::string& statement : statements) spi.run_script(statement.c_str());
}

void make(pg::Spi& spi, const Wrapper& wrapper) {
  const std::string function = std::string("FUNCTION ") + wrapper.signature;
  create(spi, wrapper);
  spi.run_script(("COMMENT ON " + function + " IS '" + wrapper.comment + "'").c_str());
  take_from_everybody(spi, wrapper);
  spi.run_script(("GRANT EXECUTE ON " + function + " TO " + kRole).c_str());
}

/// The extension's own, in whatever schema it lies by now.
void grant_system_health(pg::Spi& spi) {
  const auto health = pg::routine_of_extension(spi, "monitoring", "get_system_health");
  if (!health) return;
  spi.run_script(("GRANT EXECUTE ON FUNCTION " + health->name + "() TO " + kRole).c_str());
}

}  // namespace

void setup_supabase(pg::Spi& spi) {
  check_role(spi);
  for (const Wrapper& wrapper : kWrappers) make(spi, wrapper);
  grant_access(spi, kRole, AccessLevel::writer);
  grant_system_health(spi);
  spi.run_script("GRANT SELECT ON monitoring.alerts TO service_role");
}

}  // namespace monitoring::setup
