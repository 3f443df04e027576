// The worker of one database: runs the duties when they are due. See README.md beside this file.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <commands/extension.h>
#include <postmaster/bgworker.h>
#include <storage/ipc.h>
#include <utils/backend_status.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>
#include <optional>

#include "monitoring/issues/owner_runs.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/spi.hpp"
#include "monitoring/pg/time_limit.hpp"
#include "monitoring/pg/transaction.hpp"
#include "monitoring/shmem/process.hpp"
#include "monitoring/shmem/worker_slots.hpp"
#include "worker/duties.hpp"
#include "worker/duty_runner.hpp"

extern "C" {
PGDLLEXPORT void monitoring_worker_main(Datum);
}

namespace monitoring::worker {

namespace {

using std::chrono::seconds;

enum class Installation { gone, holding, active };

class DatabaseWorker {
 public:
  explicit DatabaseWorker(const Clock& clock) : clock_(clock) {}

  /// Returns when asked to stop or when the extension is gone.
  void run();

 private:
  Installation look();
  Duration work(bool woken, Instant now, Instant steady);
  /// Other databases wait for a process, and this one has had its turn.
  bool may_yield() const;

  /// A wait in here is for the day's time only where a duty is; all others go by the steady clock.
  const Clock& clock_;
  const pg::SteadyClock steady_clock_;
  pg::ClockSteps steps_;
  /// Made when the worker is first active.
  std::optional<DutyRunner> duties_;
  Installation installation_ = Installation::holding;
  Instant next_look_{};
};

bool has_extension() {
  return OidIsValid(pg::call([] { return get_extension_oid("monitoring", true); }));
}

Installation DatabaseWorker::look() {
  pg::Transaction transaction;
  if (!has_extension()) return Installation::gone;
  Installation found = Installation::holding;
  {
    pg::Spi spi;
    const pg::Rows rows = spi.query("SELECT monitoring_internal.is_active()");
    if (rows.boolean(0, 1).value_or(false)) found = Installation::active;
    if (found == Installation::active) issues::record_overrun(spi);
    if (found == Installation::active && !duties_) duties_.emplace(clock_, make_duties(spi));
  }
  transaction.commit();
  return found;
}

/// Runs what is due and returns how long there is nothing to do. `woken`: somebody has set the
/// latch, maybe because something about this installation has changed.
Duration DatabaseWorker::work(bool woken, Instant now, Instant steady) {
  const Duration longest = seconds(pg::settings().naptime_s);
  const Duration set_back = steps_.back_since_last_look(now, steady);
  if (duties_ && set_back != Duration::zero()) {
    duties_->set_back(set_back, now);
    note_clock_step(set_back);
  }
  if (shmem::pause_requested()) {
    shmem::set_activity(shmem::Activity::paused);
    return longest;
  }
  const bool has_work = duties_ && duties_->has_work(now);
  if (has_work || woken || next_look_ <= steady) {
    installation_ = look();
    next_look_ = steady + longest;
  }
  if (installation_ == Installation::gone) return Duration::zero();
  if (installation_ == Installation::holding) {
    shmem::set_activity(shmem::Activity::holding);
    return longest;
  }
  shmem::set_activity(shmem::Activity::running);
  duties_->run_due(now);
  return std::min(longest, duties_->next_due() - clock_.now());
}

bool DatabaseWorker::may_yield() const {
  return shmem::yield_requested() && !shmem::pause_requested();
}

void DatabaseWorker::run() {
  bool woken = true;
  while (!shmem::shutdown_requested() && !may_yield()) {
    shmem::count_tick(GetCurrentTimestamp());
    const Duration rest = work(woken, clock_.now(), steady_clock_.now());
    if (installation_ == Installation::gone) {
      return shmem::set_outcome(shmem::Outcome::no_extension);
    }
    shmem::show_activity(nullptr);
    woken = shmem::nap(rest);
  }
  shmem::set_outcome(shmem::Outcome::asked_to_stop);
}

/// A request to stop that came while SQL of others ran ends the process in the middle of it.
void note_request_to_stop(int, Datum) {
  if (shmem::shutdown_requested() && !pg::ends_for_overrun()) {
    shmem::set_outcome(shmem::Outcome::asked_to_stop);
  }
}

void report_only() {
  pg::Transaction transaction;
  const bool has_it = has_extension();
  transaction.commit();
  shmem::set_outcome(has_it ? shmem::Outcome::has_extension : shmem::Outcome::no_extension);
}

/// An error outside of a duty, such as a lock that DROP EXTENSION holds, ends the process; the
/// launcher starts the next one. One that came from the request to stop is no failure.
void work(const shmem::StartOrder& order) {
  shmem::use_own_settings("monitoring worker");
  if (order.only_look) return report_only();
  on_shmem_exit(note_request_to_stop, 0);
  shmem::install_signal_handlers();
  pg::cancels_mean_foreign_code();
  const pg::SystemClock clock;
  try {
    DatabaseWorker(clock).run();
  } catch (const pg::PgError&) {
    if (!shmem::shutdown_requested()) throw;
    shmem::set_outcome(shmem::Outcome::asked_to_stop);
  }
}

}  // namespace

}  // namespace monitoring::worker

void monitoring_worker_main(Datum) {
  using namespace monitoring;
  shmem::unblock_signals();
  shmem::StartOrder order;
  std::memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof order);
  Oid database = InvalidOid;
  if (!shmem::occupy_slot(order, GetCurrentTimestamp(), &database)) proc_exit(0);
  shmem::connect_to(database);
  pg::enter([&] { worker::work(order); });
  proc_exit(0);
}
