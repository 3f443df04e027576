#include "worker/duty_runner.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <miscadmin.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <utility>

#include "monitoring/collect/cost.hpp"
#include "monitoring/issues/issues.hpp"
#include "monitoring/issues/owner_runs.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/time_limit.hpp"
#include "monitoring/pg/transaction.hpp"
#include "monitoring/shmem/process.hpp"
#include "monitoring/shmem/worker_slots.hpp"

namespace monitoring::worker {

namespace {

constexpr const char* kWorkerName = "monitoring worker";
constexpr Duration kLongestBackOff = std::chrono::minutes(5);
/// An error text that is new each time must not fill the table of issues.
constexpr std::size_t kMaxReported = 16;

/// The time of one duty. statement_timeout would do nothing here: it is armed for clients only.
std::optional<Duration> duty_timeout() {
  const int timeout_s = pg::settings().duty_timeout_s;
  if (timeout_s <= 0) return std::nullopt;
  return std::chrono::seconds(timeout_s);
}

/// What came too late for a duty must not cancel the next one.
void forget_late_cancel() {
  if (!shmem::shutdown_requested()) QueryCancelPending = false;
}

/// What a failed duty says: our timer is told apart from somebody's pg_cancel_backend().
std::string explain(const pg::PgError& error, const pg::TimeLimit& limit) {
  if (!limit.expired()) return error.message();
  return "canceled because it took longer than monitoring.duty_timeout";
}

template <class Body>
void in_transaction(Instant now, Body&& body) {
  pg::Transaction transaction;
  {
    pg::Spi spi;
    DutyContext context{spi, now, 0, std::nullopt};
    body(context);
  }
  transaction.commit();
}

}  // namespace

DutyRunner::DutyRunner(const Clock& clock, std::vector<Duty> duties) : clock_(clock) {
  for (Duty& duty : duties) {
    Entry entry;
    entry.due = duty.first_at;
    entry.overrun_name = issues::overrun_name_of_duty(duty.name);
    entry.duty = std::move(duty);
    entries_.push_back(std::move(entry));
  }
}

/// Does the work of a duty and, in the same transaction, resolves the issues of its failures.
std::optional<DutyRunner::Failure> DutyRunner::try_to(Entry& entry, Instant started) {
  forget_late_cancel();
  issues::tell_overruns();
  const pg::TimeLimit limit(duty_timeout(), entry.overrun_name.c_str());
  try {
    in_transaction(started, [&](DutyContext& context) {
      entry.duty.run(context);
      entry.rows_written = context.rows_written;
      entry.held_up = std::move(context.held_up);
      if (!entry.may_have_issues) return;
      issues::resolve_issues(context.spi, kWorkerName, entry.duty.name, "It works again.");
      issues::forget_overruns(context.spi, entry.overrun_name);
    });
    return std::nullopt;
  } catch (const pg::PgError& error) {
    const std::string message = explain(error, limit);
    if (entry.reported.count(message) == 0 && !shmem::shutdown_requested()) {
      shmem::log_error(LOG, "monitoring worker: " + entry.duty.name, error);
    }
    return Failure{error.sqlstate(), message};
  } catch (const pg::Report& error) {
    return Failure{error.sqlstate(), error.what()};
  }
}

/// Logs the issue, and what the duty itself wants to note. That this fails too, say because
/// somebody has locked the table, goes to the server's log only.
void DutyRunner::report(Entry& entry, Instant started, const Failure& failure) {
  const bool is_new =
      entry.reported.size() < kMaxReported && entry.reported.insert(failure.message).second;
  if (!is_new && !entry.duty.note_failure) return;
  entry.may_have_issues = true;
  forget_late_cancel();
  const pg::TimeLimit limit(duty_timeout(), kWorkerName);
  try {
    in_transaction(started, [&](DutyContext& context) {
      if (entry.duty.note_failure) entry.duty.note_failure(context, failure.message);
      if (!is_new) return;
      const std::string details =
          "{\"sqlstate\": \"" + std::string(unpack_sql_state(failure.sqlstate)) + "\"}";
      issues::log_issue_once(context.spi,
                             {kWorkerName, entry.duty.name, failure.message, "warning", details});
    });
  } catch (const pg::PgError& error) {
    shmem::log_error(LOG, "monitoring worker could not log an issue", error);
  }
}

/// Health shows what lasts.
void DutyRunner::tell(Entry& entry, const std::optional<std::string>& trouble) {
  if (trouble) {
    shmem::note_failing(entry.duty.name.c_str(), *trouble);
  } else if (entry.is_told) {
    shmem::note_working(entry.duty.name.c_str());
  }
  entry.is_told = trouble.has_value();
}

void DutyRunner::fail(Entry& entry, Instant started, const Failure& failure) {
  entry.failures += 1;
  entry.due = std::max(entry.duty.next_after(started),
                       clock_.now() + shmem::back_off(entry.failures, kLongestBackOff));
  shmem::count_error(entry.duty.name + ": " + failure.message);
  tell(entry, failure.message);
  report(entry, started, failure);
}

void DutyRunner::run(Entry& entry) {
  const Instant started = clock_.now();
  const auto began = std::chrono::steady_clock::now();
  shmem::show_activity(entry.duty.name.c_str());
  shmem::note_doing(entry.duty.name.c_str());
  const std::optional<Failure> failure = try_to(entry, started);
  const bool failed = failure.has_value();
  shmem::note_doing(nullptr);
  const auto took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began);
  collect::count_cost(collect::CostPart::duty, entry.duty.name,
                      {1, failed ? 1U : 0U, took, failed ? 0 : entry.rows_written});
  if (shmem::shutdown_requested()) return;
  if (failure) return fail(entry, started, *failure);
  tell(entry, entry.held_up);
  entry.failures = 0;
  entry.reported.clear();
  entry.may_have_issues = false;
  entry.due = entry.duty.next_after(started);
}

/// What was to be done in ten seconds still is. What goes by the time of day goes by the new one,
/// should that be sooner.
void DutyRunner::set_back(Duration step, Instant now) {
  for (Entry& entry : entries_) {
    const Instant by_interval = entry.due + step;
    entry.due =
        entry.duty.by_time_of_day ? std::min(entry.due, entry.duty.next_after(now)) : by_interval;
  }
}

bool DutyRunner::has_work(Instant now) {
  bool any = false;
  for (Entry& entry : entries_) {
    const Duty& duty = entry.duty;
    // After a failure the back-off counts, not the wish.
    if (duty.wanted && duty.wanted() && entry.failures == 0) entry.due = std::min(entry.due, now);
    if (entry.due > now) continue;
    if (duty.pointless && duty.pointless()) {
      entry.due = duty.next_after(now);
    } else {
      any = true;
    }
  }
  return any;
}

void DutyRunner::run_due(Instant now) {
  for (Entry& entry : entries_) {
    if (shmem::shutdown_requested() || shmem::pause_requested()) return;
    if (entry.due <= now) run(entry);
  }
}

Instant DutyRunner::next_due() const {
  const auto earliest =
      std::min_element(entries_.begin(), entries_.end(),
                       [](const Entry& a, const Entry& b) { return a.due < b.due; });
  return earliest->due;
}

}  // namespace monitoring::worker
