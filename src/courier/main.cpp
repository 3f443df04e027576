// The courier's process: one per database while there is something to send. Loaded by
// monitoring_net.so alone, so that the network stack is in no other process.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <postmaster/bgworker.h>
#include <storage/ipc.h>
#include <utils/guc.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "courier/courier.hpp"
#include "courier/probes.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/time_limit.hpp"
#include "monitoring/shmem/process.hpp"
#include "monitoring/shmem/worker_slots.hpp"

extern "C" {
PGDLLEXPORT void monitoring_courier_main(Datum);
}

namespace monitoring::courier {

namespace {

constexpr Duration kLongestBackOff = std::chrono::seconds(30);
/// How long a courier goes on while other databases wait for a process for theirs.
constexpr Duration kLongestTurn = std::chrono::seconds(10);
/// Under which name its failures are told.
constexpr const char* kDuty = "courier";

/// Runs the courier until it is asked to stop or has had nothing to do for long enough.
class CourierProcess {
 public:
  explicit CourierProcess(const Clock& clock)
      : clock_(clock),
        courier_(clock),
        probes_(clock),
        waiter_({courier_.descriptor(), probes_.descriptor()}),
        started_at_(steady_clock_.now()),
        idle_since_(started_at_) {}

  /// The clocks are read once before a turn and once after it.
  void run() {
    bool look = true;
    while (!shmem::shutdown_requested()) {
      shmem::count_tick(GetCurrentTimestamp());
      const Duration back_off = turn(look, clock_.now());
      const Instant now = clock_.now();
      if (may_leave(now, steady_clock_.now())) break;
      look = rest(back_off, now);
      shmem::serve_interrupts();
    }
    shmem::set_outcome(shmem::Outcome::asked_to_stop);
  }

 private:
  /// Zero, or how long to wait after an error.
  Duration turn(bool look, Instant now) {
    const Duration step = steps_.back_since_last_look(now, steady_clock_.now());
    if (step != Duration::zero()) {
      courier_.set_back(step);
      probes_.set_back(step);
    }
    try {
      if (!has_taken_over_) courier_.take_over();
      has_taken_over_ = true;
      courier_.turn(look, now);
      probes_.turn(look, now);
      if (failures_ > 0) shmem::note_working(kDuty);
      failures_ = 0;
      return Duration::zero();
    } catch (const pg::PgError& error) {
      if (shmem::shutdown_requested()) return Duration::zero();
      shmem::log_error(LOG, "monitoring courier", error);
      return note_failure(error.message());
    } catch (const pg::Report& report) {
      return note_failure(report.what());
    }
  }

  Duration note_failure(const std::string& message) {
    shmem::count_error(message);
    shmem::note_failing(kDuty, message);
    failures_ += 1;
    return shmem::back_off(failures_, kLongestBackOff);
  }

  /// The process is wanted elsewhere: what is under way comes to its end, and nothing new begins.
  bool has_had_its_turn(Instant steady) const {
    if (!shmem::courier_wanted_elsewhere(MyDatabaseId)) return false;
    return courier_.pending() == 0 || steady - started_at_ >= kLongestTurn;
  }

  bool may_leave(Instant now, Instant steady) {
    if (failures_ == 0 && has_had_its_turn(steady)) return true;
    const Duration patience = std::chrono::seconds(pg::settings().courier_idle_timeout_s);
    const auto next_due = courier_.next_due();
    const auto probe_due = probes_.next_due();
    const bool waits = courier_.pending() > 0 || (next_due && *next_due <= now + patience) ||
                       probes_.is_busy() || (probe_due && *probe_due <= now + patience);
    if (waits || failures_ > 0) idle_since_ = steady;
    return steady - idle_since_ >= patience;
  }

  /// Waits for work; whether there may be something new in the tables then.
  bool rest(Duration back_off, Instant now) {
    shmem::show_activity(courier_.pending() > 0 ? "delivering notifications" : nullptr);
    if (back_off > Duration::zero()) {
      shmem::nap(back_off);
      return true;
    }
    const Instant until = std::min({courier_.next_turn_at(now), probes_.next_turn_at(now),
                                    now + std::chrono::seconds(pg::settings().naptime_s)});
    const Duration patience = std::chrono::seconds(pg::settings().courier_idle_timeout_s);
    const Instant patience_ends = now + patience - (steady_clock_.now() - idle_since_);
    return waiter_.wait(std::min(until, patience_ends) - now);
  }

  const Clock& clock_;
  const pg::SteadyClock steady_clock_;
  pg::ClockSteps steps_;
  Courier courier_;
  CourierProbes probes_;
  shmem::Waiter waiter_;
  bool has_taken_over_ = false;
  int failures_ = 0;
  /// By the steady clock, as is the next.
  Instant started_at_;
  /// Since when there has been nothing under way and nothing due soon.
  Instant idle_since_;
};

bool in_slot = false;

/// Runs after the slot is free: what was queued while the process was leaving gets a new courier.
void tell_worker(int, Datum database) {
  if (in_slot) shmem::want_courier(DatumGetObjectId(database));
}

/// Its statements are planned once, perhaps while the outbox is empty, and find few rows among any
/// number: by index, and not worth compiling.
void plan_once_by_index() {
  const auto set = [](const char* name, const char* value) {
    SetConfigOption(name, value, PGC_USERSET, PGC_S_OVERRIDE);
  };
  pg::call([&] {
    set("plan_cache_mode", "force_generic_plan");
    set("enable_seqscan", "off");
    set("enable_bitmapscan", "off");
    set("jit", "off");
  });
}

void run_courier() {
  // This library has its own copy of what module.cpp sets.
  process_cancel_token() = new pg::InterruptToken;
  shmem::install_signal_handlers();
  shmem::use_own_settings("monitoring courier");
  plan_once_by_index();
  const pg::SystemClock clock;
  CourierProcess(clock).run();
}

}  // namespace

}  // namespace monitoring::courier

void monitoring_courier_main(Datum main_arg) {
  using namespace monitoring;
  shmem::unblock_signals();
  const Oid database = DatumGetObjectId(main_arg);
  on_shmem_exit(courier::tell_worker, main_arg);
  courier::in_slot = shmem::occupy_own_slot(shmem::Role::courier, database, GetCurrentTimestamp());
  if (!courier::in_slot) proc_exit(0);
  shmem::connect_to(database);
  pg::enter([] { courier::run_courier(); });
  proc_exit(0);
}
