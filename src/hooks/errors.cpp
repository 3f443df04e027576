#include "monitoring/hooks/errors.hpp"

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <access/parallel.h>
#include <miscadmin.h>
#include <storage/proc.h>
#include <utils/elog.h>
}
// clang-format keeps the server's headers first.
#include <string_view>

#include "monitoring/pg/client.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/shmem/database_names.hpp"
#include "monitoring/shmem/registry.hpp"

namespace monitoring::hooks {

namespace {

using shmem::MetricSpec;
using shmem::MetricType;

constexpr MetricSpec kErrors = {"errors_total", MetricType::counter,
                                "Errors in the server's log, by class of SQLSTATE and severity."};
constexpr MetricSpec kViolations = {"rls_violations_total", MetricType::counter,
                                    "Rows refused by a policy of row-level security."};
constexpr MetricSpec kLogins = {"authentication_failures_total", MetricType::counter,
                                "Rejected logins, by reason and by the database asked for."};

emit_log_hook_type next_log = nullptr;

bool starts_with(std::string_view text, std::string_view beginning) {
  return text.substr(0, beginning.size()) == beginning;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// The message as it stands in the server's source, whatever lc_messages shows of it. A message
/// made up by a user, with RAISE, is "%s" here.
std::string_view source_text(const ErrorData& error) {
  return error.message_id != nullptr ? error.message_id : "";
}

/// A denial has the SQLSTATE of every lack of a privilege. New rows are checked, rows that an
/// UPDATE finds are filtered, and those that MERGE or ON CONFLICT finds are refused.
bool is_rls_violation(const ErrorData& error) {
  if (error.sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE) return false;
  const std::string_view text = source_text(error);
  return starts_with(text, "new row violates row-level security policy") ||
         starts_with(text, "target row violates row-level security policy");
}

/// Of a login that was refused, not of a client that went away: that is no error to the server.
bool is_rejected_login(const ErrorData& error) {
  return error.elevel == FATAL && MyBackendType == B_BACKEND &&
         ERRCODE_TO_CATEGORY(error.sqlerrcode) == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
}

std::string_view reason_of(const ErrorData& error) {
  const std::string_view text = source_text(error);
  if (error.sqlerrcode == ERRCODE_INVALID_PASSWORD) return "password";
  if (starts_with(text, "no pg_hba.conf entry")) return "no_hba_entry";
  if (starts_with(text, "pg_hba.conf rejects")) return "hba_reject";
  if (contains(text, "certificate")) return "certificate";
  if (contains(text, "is not permitted to log in")) return "no_login_right";
  if (starts_with(text, "role ") && contains(text, "does not exist")) return "no_such_role";
  return "other";
}

/// Anybody may ask for databases of any name: only those that there are become labels.
std::string_view requested_database() {
  const char* name = pg::requested_database();
  return name != nullptr && shmem::is_database(name) ? std::string_view(name) : std::string_view();
}

void count(const MetricSpec& spec, std::string_view labels, Oid database) {
  const shmem::Found found = shmem::find_or_create(database, spec, labels);
  if (found.series != nullptr) shmem::add(*found.series, 1);
}

void count_error(const ErrorData& error) {
  const char* state = unpack_sql_state(error.sqlerrcode);
  metrics::LabelBuffer labels;
  labels.add("severity", error.elevel == FATAL ? "FATAL" : "ERROR");
  labels.add("sqlstate_class", {state, 2});
  count(kErrors, labels.bytes(), MyDatabaseId);
  if (is_rls_violation(error)) count(kViolations, {}, MyDatabaseId);
}

void count_rejected_login(const ErrorData& error) {
  metrics::LabelBuffer labels;
  labels.add("reason", reason_of(error));
  labels.add("requested_database", requested_database());
  count(kLogins, labels.bytes(), shmem::kWholeCluster);
}

/// A panic takes shared memory with it. A parallel worker's error is raised again by its leader.
/// Without a PGPROC, as in the postmaster, no lock can be waited for.
bool is_counted(const ErrorData& error) {
  const bool is_error = error.elevel == ERROR || error.elevel == FATAL;
  return is_error && MyProc != nullptr && !IsParallelWorker() && shmem::registry_available();
}

/// Nothing here raises an error or allocates: the server is in the middle of reporting one.
void on_log(ErrorData* error) {
  if (is_counted(*error)) {
    if (pg::settings().track_errors) count_error(*error);
    if (pg::settings().track_logins && is_rejected_login(*error)) count_rejected_login(*error);
  }
  if (next_log != nullptr) next_log(error);
}

}  // namespace

void count_errors() {
  next_log = emit_log_hook;
  emit_log_hook = on_log;
}

}  // namespace monitoring::hooks
