#include "monitoring/setup/supabase.hpp"

#include "monitoring/pg/extension_members.hpp"
#include "monitoring/setup/access.hpp"

extern "C" {
#include <catalog/dependency.h>
#include <catalog/pg_class.h>
#include <catalog/pg_extension.h>
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <string>
#include <vector>

namespace monitoring::setup {

namespace {

constexpr const char* kRole = "service_role";

/// A function in public that calls the one of its name in monitoring with the same arguments.
struct Wrapper {
  const char* name;
  const char* types;
  const char* parameters;
  const char* returns;
  const char* body;
  const char* comment;

  std::string signature() const { return std::string("public.") + name + "(" + types + ")"; }
};

constexpr Wrapper kWrappers[] = {
    {"record_metric", "text, double precision, jsonb, timestamp with time zone",
     "metric_name text, metric_value double precision, tags jsonb DEFAULT '{}',"
     " recorded_at timestamp with time zone DEFAULT NULL",
     "void", "VOLATILE AS 'SELECT monitoring.record_metric($1, $2, $3, $4)'",
     "monitoring.record_metric for supabase.rpc"},
    {"log_worker_issue", "text, text, text, text, jsonb",
     "worker_name text, issue_type text, message text, severity text DEFAULT 'warning',"
     " details jsonb DEFAULT '{}'",
     "uuid", "VOLATILE AS 'SELECT monitoring.log_worker_issue($1, $2, $3, $4, $5)'",
     "monitoring.log_worker_issue for supabase.rpc"},
    {"heartbeat", "text, interval, jsonb",
     "worker_name text, expected_every interval DEFAULT '5 minutes', details jsonb DEFAULT '{}'",
     "void", "VOLATILE AS 'SELECT monitoring.heartbeat($1, $2, $3)'",
     "monitoring.heartbeat for supabase.rpc"},
    {"log_event", "text, jsonb", "event_type text, details jsonb DEFAULT '{}'", "uuid",
     "VOLATILE AS 'SELECT monitoring.log_event($1, $2)'", "monitoring.log_event for supabase.rpc"},
    {"counter_inc", "text, double precision, jsonb, boolean",
     "name text, by double precision DEFAULT 1, labels jsonb DEFAULT '{}',"
     " transactional boolean DEFAULT false",
     "void", "VOLATILE AS 'SELECT monitoring.counter_inc($1, $2, $3, $4)'",
     "monitoring.counter_inc for supabase.rpc"},
    {"gauge_set", "text, double precision, jsonb",
     "name text, value double precision, labels jsonb DEFAULT '{}'", "void",
     "VOLATILE AS 'SELECT monitoring.gauge_set($1, $2, $3)'",
     "monitoring.gauge_set for supabase.rpc"},
    {"histogram_observe", "text, double precision, jsonb",
     "name text, value double precision, labels jsonb DEFAULT '{}'", "void",
     "VOLATILE AS 'SELECT monitoring.histogram_observe($1, $2, $3)'",
     "monitoring.histogram_observe for supabase.rpc"},
    {"acknowledge", "text, text", "fingerprint text, note text DEFAULT ''", "void",
     "VOLATILE AS 'SELECT monitoring.acknowledge(fingerprint => $1, note => $2)'",
     "monitoring.acknowledge for supabase.rpc"},
    {"silence", "text[], interval, text, boolean",
     "matchers text[], duration interval, comment text, until_resolved boolean DEFAULT false",
     "uuid",
     "VOLATILE AS 'SELECT monitoring.silence(matchers => $1, duration => $2, comment => $3,"
     " until_resolved => $4)'",
     "monitoring.silence for supabase.rpc"},
    {"expire_silence", "uuid", "id uuid", "void",
     "VOLATILE AS 'SELECT monitoring.expire_silence($1)'",
     "monitoring.expire_silence for supabase.rpc"},
    {"get_active_alerts", "", "", "SETOF monitoring.alerts",
     "STABLE AS $$SELECT * FROM monitoring.alerts WHERE state OPERATOR(pg_catalog.=) 'firing'$$",
     "Firing alerts for supabase.rpc"}};

/// A view in public with a dot in its name, over the table of monitoring that supabase.from() with
/// that name means.
struct InsertView {
  const char* table;
  const char* columns;

  std::string name() const { return std::string("public.\"monitoring.") + table + "\""; }
};

constexpr InsertView kInsertViews[] = {
    {"pipeline_metrics", "id, metric_name, metric_value, tags, \"timestamp\", created_at"},
    {"worker_issues",
     "id, worker_name, issue_type, severity, message, details, resolved, resolution_details,"
     " created_at, resolved_at"}};

/// What the wrappers that need more than a writer's rights do as their caller.
constexpr const char* kFurtherGrants =
    "GRANT SELECT, UPDATE (acknowledged_by, acknowledged_at, acknowledged_until) ON "
    "monitoring.alerts TO service_role;"
    " GRANT INSERT ON monitoring.alert_notes TO service_role;"
    " GRANT USAGE ON SEQUENCE monitoring.alert_notes_id_seq TO service_role;"
    " GRANT SELECT ON monitoring_internal.alert_progress TO service_role;"
    " GRANT EXECUTE ON FUNCTION monitoring_internal.note_on_alert(text, text, text, boolean,"
    "  timestamptz) TO service_role;"
    " GRANT SELECT, INSERT, UPDATE (ends_at) ON monitoring.silences TO service_role;"
    // A new silence is checked together with all that it works with.
    " GRANT SELECT ON monitoring.effective_routes, monitoring.inhibit_rules,"
    "  monitoring.time_intervals, monitoring.escalations,"
    "  monitoring.maintenances TO service_role;";

/// Every form of them: a later version may have other arguments.
constexpr const char* kOperatorFunctions =
    "SELECT format('GRANT EXECUTE ON ROUTINE %s TO service_role', p.oid::regprocedure)"
    " FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
    " JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid"
    " WHERE e.extname = 'monitoring' AND d.deptype = 'e'"
    " AND p.proname IN ('acknowledge', 'silence', 'expire_silence') ORDER BY 1";

void check_role(pg::Spi& spi) {
  const pg::Rows rows = spi.query("SELECT FROM pg_roles WHERE rolname = $1", {pg::text(kRole)});
  if (!rows.empty()) return;
  throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "role \"service_role\" does not exist")
      .hint("Every Supabase project has it; elsewhere use monitoring.grant_access().");
}

/// Whoever may do everything here anyway.
constexpr const char* kTrustedOwner =
    "(o.rolsuper OR o.rolname = current_user OR o.oid ="
    " (SELECT extowner FROM pg_extension WHERE extname = 'monitoring'))";

/// What setup_supabase() made goes with the extension, by a dependency, and is owned by somebody
/// who may do everything here anyway. The dependency alone anybody may give to a function of his.
void check_maker(pg::Spi& spi, const Wrapper& wrapper) {
  const pg::Rows foreign =
      spi.query((std::string("SELECT FROM pg_proc p JOIN pg_roles o ON o.oid = p.proowner"
                             " WHERE p.oid = to_regprocedure($1) AND NOT (EXISTS"
                             " (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid"
                             "  WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
                             "  AND d.deptype = 'x' AND d.refclassid = 'pg_extension'::regclass"
                             "  AND e.extname = 'monitoring') AND ") +
                 kTrustedOwner + ")")
                    .c_str(),
                {pg::text(wrapper.signature())});
  if (foreign.empty()) return;
  throw pg::Report(ERRCODE_DUPLICATE_FUNCTION,
                   "function " + wrapper.signature() + " was not made by monitoring")
      .hint("Rename or drop it, and call monitoring.setup_supabase() again.");
}

/// CREATE OR REPLACE leaves a function its owner. Looked at once more when it is ours to change:
/// its row is locked by what we have done to it.
void create(pg::Spi& spi, const Wrapper& wrapper) {
  check_maker(spi, wrapper);
  spi.run_script((std::string("CREATE OR REPLACE FUNCTION public.") + wrapper.name + "(" +
                  wrapper.parameters + ") RETURNS " + wrapper.returns +
                  " LANGUAGE sql SET search_path = '' " + wrapper.body)
                     .c_str());
  spi.run_script(
      ("ALTER FUNCTION " + wrapper.signature() + " DEPENDS ON EXTENSION monitoring").c_str());
  check_maker(spi, wrapper);
}

void run_each(pg::Spi& spi, const pg::Rows& rows) {
  std::vector<std::string> statements;
  for (std::uint64_t i = 0; i < rows.size(); ++i) statements.push_back(*rows.text(i, 1));
  for (const std::string& statement : statements) spi.run_script(statement.c_str());
}

void take_from_everybody(pg::Spi& spi, const Wrapper& wrapper) {
  run_each(spi, spi.query(
                    "SELECT DISTINCT format('REVOKE ALL ON FUNCTION %s FROM %s', $1, CASE a.grantee"
                    " WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)"
                    " FROM pg_proc p,"
                    " LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
                    " WHERE p.oid = to_regprocedure($1) AND a.grantee <> p.proowner ORDER BY 1",
                    {pg::text(wrapper.signature())}));
}

void make(pg::Spi& spi, const Wrapper& wrapper) {
  const std::string function = "FUNCTION " + wrapper.signature();
  create(spi, wrapper);
  spi.run_script(("COMMENT ON " + function + " IS '" + wrapper.comment + "'").c_str());
  take_from_everybody(spi, wrapper);
  spi.run_script(("GRANT EXECUTE ON " + function + " TO " + kRole).c_str());
}

/// A view that a dump brought back has lost its dependency on the extension (there is no ALTER VIEW
/// ... DEPENDS ON EXTENSION), so its text has to say that it is ours: somebody who may do
/// everything made it, and it is what we would make. The names of columns are qualified before
/// PostgreSQL 16.
void check_maker(pg::Spi& spi, const InsertView& view) {
  const std::string ours =
      std::string("SELECT ") + view.columns + " FROM monitoring." + view.table + ";";
  const pg::Rows foreign = spi.query(
      (std::string("SELECT FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner"
                   " WHERE c.oid = to_regclass($1) AND NOT (c.relkind = 'v' AND"
                   "  regexp_replace(pg_get_viewdef(c.oid), '\\s+|\\m' || $2 || '\\.', '', 'g')"
                   "  = regexp_replace($3, '\\s', '', 'g') AND ") +
       kTrustedOwner + ")")
          .c_str(),
      {pg::text(view.name()), pg::text(view.table), pg::text(ours)});
  if (foreign.empty()) return;
  throw pg::Report(ERRCODE_DUPLICATE_TABLE,
                   "relation " + view.name() + " was not made by monitoring")
      .hint("Rename or drop it, and call monitoring.setup_supabase() again.");
}

/// So that DROP EXTENSION takes the view with it, as it does the functions.
void depend_on_extension(pg::Spi& spi, Oid view) {
  const pg::Rows extension = spi.query(
      "SELECT e.oid FROM pg_extension e WHERE e.extname = 'monitoring' AND NOT EXISTS"
      " (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = $1"
      "  AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid)",
      {pg::datum(OIDOID, ObjectIdGetDatum(view))});
  if (extension.empty()) return;
  const ObjectAddress dependent{RelationRelationId, view, 0};
  const ObjectAddress needed{ExtensionRelationId, static_cast<Oid>(*extension.int8(0, 1)), 0};
  pg::call([&] { recordDependencyOn(&dependent, &needed, DEPENDENCY_AUTO_EXTENSION); });
}

void make(pg::Spi& spi, const InsertView& view) {
  check_maker(spi, view);
  spi.run_script((std::string("CREATE OR REPLACE VIEW ") + view.name() + " AS SELECT " +
                  view.columns + " FROM monitoring." + view.table)
                     .c_str());
  check_maker(spi, view);
  const pg::Rows made = spi.query("SELECT to_regclass($1)::oid", {pg::text(view.name())});
  const auto oid = static_cast<Oid>(*made.int8(0, 1));
  depend_on_extension(spi, oid);
  spi.run_script((std::string("COMMENT ON VIEW ") + view.name() + " IS 'monitoring." + view.table +
                  " for supabase.from(), to insert only'")
                     .c_str());
  protect_relation(spi, oid);
  spi.run_script(("GRANT INSERT ON " + view.name() + " TO " + kRole).c_str());
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
  for (const InsertView& view : kInsertViews) make(spi, view);
  grant_access(spi, kRole, AccessLevel::writer);
  grant_system_health(spi);
  run_each(spi, spi.query(kOperatorFunctions));
  spi.run_script(kFurtherGrants);
}

}  // namespace monitoring::setup
