#include "monitoring/issues/owner_runs.hpp"

#include "monitoring/issues/issues.hpp"
#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/time_limit.hpp"
#include "monitoring/shmem/worker_slots.hpp"

extern "C" {
#include <access/xact.h>
#include <catalog/pg_type.h>
#include <miscadmin.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <map>

namespace monitoring::issues {

namespace {

constexpr const char* kOverrun = "query_overrun";
constexpr int kMostOverruns = 3;

/// A duty is never switched off: the next process tries it again.
constexpr std::string_view kDutyPrefix = "duty/";
constexpr const char* kDutyWentOn =
    "it went on although it was canceled at monitoring.duty_timeout, and the worker's process had "
    "to end";

bool is_duty(std::string_view worker_name) {
  return worker_name.substr(0, kDutyPrefix.size()) == kDutyPrefix;
}

struct Overruns {
  std::int64_t count = 0;
  bool is_switched_off = true;
  bool may_run = false;
};

using OverrunsByQuery = std::map<std::string, Overruns, std::less<>>;

OverrunsByQuery read_overruns(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT worker_name, overruns, retry_at IS NULL, coalesce(retry_at <= clock_timestamp(), "
      "false)"
      " FROM monitoring.query_overruns",
      {});
  const pg::Rows rows = statement.query(spi);
  OverrunsByQuery found;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    found[*rows.text(row, 1)] = {*rows.int8(row, 2), *rows.boolean(row, 3), *rows.boolean(row, 4)};
  }
  return found;
}

/// Read once in a transaction: a pass runs thousands of queries.
const OverrunsByQuery& known_overruns(pg::Spi& spi) {
  static auto* const known = new OverrunsByQuery;
  static TimestampTz read_in = 0;
  const TimestampTz transaction = GetCurrentTransactionStartTimestamp();
  if (read_in == transaction) return *known;
  *known = read_overruns(spi);
  read_in = transaction;
  return *known;
}

std::string times(std::int64_t count) {
  return count == 1 ? "once" : std::to_string(count) + " times";
}

std::string explain(const Overruns& overruns) {
  const std::string past =
      "it went on although it was canceled at its time limit, and the process"
      " that ran it had to end, " +
      times(overruns.count);
  return !overruns.is_switched_off
             ? past + "; it is not run for a while"
             : past +
                   "; it is switched off until its row is updated, for example"
                   " SET enabled = true";
}

std::optional<pg::OwnerFailure> why_not_now(const Overruns& overruns) {
  if (overruns.may_run) return std::nullopt;
  return pg::OwnerFailure{true, ERRCODE_QUERY_CANCELED, explain(overruns)};
}

/// How long it is left alone after so many times; nothing: until somebody changes it.
std::optional<Duration> rest_after(std::int64_t overruns) {
  if (overruns >= kMostOverruns) return std::nullopt;
  return overruns == 1 ? std::chrono::minutes(1) : std::chrono::minutes(10);
}

std::int64_t count_overrun(pg::Spi& spi, const std::string& worker_name) {
  const pg::Rows rows = spi.query(
      "INSERT INTO monitoring.query_overruns AS o (worker_name, overruns, last_at)"
      " VALUES ($1, 1, clock_timestamp()) ON CONFLICT (worker_name) DO UPDATE"
      " SET overruns = o.overruns + 1, last_at = excluded.last_at RETURNING overruns",
      {pg::text(worker_name)});
  return *rows.int8(0, 1);
}

/// Whose query runs for a pass. What it asks for in turn, such as a preview of another one, is its.
const char* counted_for = nullptr;

void tell_worker(const char* what) {
  const char* const whose = counted_for != nullptr ? counted_for : what;
  if (shmem::slots_available()) shmem::note_overrun(MyDatabaseId, whose);
}

class Counted {
 public:
  explicit Counted(const char* what) : outer_(counted_for) {
    if (outer_ != nullptr) return;
    counted_for = what;
    pg::on_overrun(tell_worker);
    shmem::note_running(what);
  }
  ~Counted() {
    if (outer_ != nullptr) return;
    counted_for = nullptr;
    shmem::note_running(nullptr);
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  const char* const outer_;
};

}  // namespace

Duration timeout_in_pass(Duration timeout) {
  return std::min<Duration>(timeout, std::chrono::seconds(pg::settings().query_timeout_s));
}

std::optional<pg::OwnerFailure> run_owned(pg::Spi& spi, Oid owner, const pg::OwnerLimits& limits,
                                          const std::function<void()>& body) {
  const OverrunsByQuery& all = known_overruns(spi);
  const auto known = all.find(limits.what);
  const bool has_overrun = known != all.end();
  if (has_overrun) {
    if (auto failure = why_not_now(known->second)) return failure;
  }
  const Counted counted(limits.what);
  pg::OwnerLimits in_pass = limits;
  in_pass.timeout = timeout_in_pass(limits.timeout);
  auto failure = pg::run_as_owner(owner, in_pass, body);
  if (failure && failure->timed_out && in_pass.timeout < limits.timeout) {
    failure->message += ", the server's monitoring.query_timeout, though its own timeout is longer";
  }
  const bool ended_in_time = !failure || !failure->timed_out;
  if (has_overrun && ended_in_time) forget_overruns(spi, limits.what);
  return failure;
}

std::optional<pg::OwnerFailure> run_asked(Oid owner, const pg::OwnerLimits& limits,
                                          const std::function<void()>& body) {
  if (counted_for == nullptr) pg::on_overrun(nullptr);
  return pg::run_as_owner(owner, limits, body);
}

std::string overrun_name_of_duty(const std::string& duty) {
  return std::string(kDutyPrefix) + duty;
}

void tell_overruns() {
  pg::on_overrun(tell_worker);
}

void forget_overruns(pg::Spi& spi, const std::string& worker_name) {
  resolve_issues(spi, worker_name.c_str(), kOverrun, "It ends in time again.");
  spi.execute("DELETE FROM monitoring.query_overruns WHERE worker_name OPERATOR(pg_catalog.=) $1",
              {pg::text(worker_name)});
}

void record_overrun(pg::Spi& spi) {
  const std::string worker_name = shmem::take_overrun();
  if (worker_name.empty()) return;
  if (is_duty(worker_name)) return keep_issue(spi, {worker_name, kOverrun, kDutyWentOn});
  Overruns overruns;
  overruns.count = count_overrun(spi, worker_name);
  const auto rest = rest_after(overruns.count);
  overruns.is_switched_off = !rest;
  spi.execute(
      "UPDATE monitoring.query_overruns SET retry_at = clock_timestamp() + $2"
      " WHERE worker_name = $1",
      {pg::text(worker_name), rest ? pg::interval(*rest) : pg::null_of(INTERVALOID)});
  keep_issue(spi, {worker_name, kOverrun, explain(overruns)});
}

std::optional<pg::OwnerFailure> lost_owner(const std::string& owner, std::optional<Oid> named,
                                           Oid bound, const char* thing) {
  if (!named) {
    return pg::OwnerFailure{false, ERRCODE_UNDEFINED_OBJECT,
                            "role \"" + owner + "\", the " + thing + "'s owner, does not exist"};
  }
  if (*named == bound) return std::nullopt;
  return pg::OwnerFailure{false, ERRCODE_UNDEFINED_OBJECT,
                          "role \"" + owner + "\" is not the one that the " + thing +
                              " was given to, which was dropped or renamed: set owner again"};
}

}  // namespace monitoring::issues
