#include "worker/send_duty.hpp"

extern "C" {
#include <postmaster/bgworker.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>

#include "monitoring/outbox/lease.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/probes/probes.hpp"
#include "monitoring/shmem/worker_slots.hpp"

namespace monitoring::worker {

namespace {

using std::chrono::seconds;

/// A courier that has not come by then is ordered again.
constexpr Duration kStartTimeout = seconds(5);

/// How soon it is tried again to get a process, or its turn among the databases that want one.
constexpr Duration kRetryWhenFull = std::chrono::milliseconds(200);

/// Until the next look, which the last look has found.
Duration until_next_look{};

/// A dynamic background worker without restart: it is this duty that starts it again.
/// False where no process is free.
bool order_courier() {
  BackgroundWorker courier;
  std::memset(&courier, 0, sizeof courier);
  courier.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  courier.bgw_start_time = BgWorkerStart_RecoveryFinished;
  courier.bgw_restart_time = BGW_NEVER_RESTART;
  strlcpy(courier.bgw_library_name, "monitoring_net", sizeof courier.bgw_library_name);
  strlcpy(courier.bgw_function_name, "monitoring_courier_main", sizeof courier.bgw_function_name);
  strlcpy(courier.bgw_name, "monitoring courier", sizeof courier.bgw_name);
  strlcpy(courier.bgw_type, "monitoring courier", sizeof courier.bgw_type);
  courier.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
  return pg::call([&] { return RegisterDynamicBackgroundWorker(&courier, nullptr); });
}

/// Those who have waited longer come first, so that no database's courier keeps others from theirs.
bool is_our_turn() {
  const auto others = shmem::courier_wanted_elsewhere(MyDatabaseId);
  if (!others) return true;
  for (const shmem::WorkerSlot& slot : shmem::all_slots()) {
    if (slot.role != shmem::Role::worker || slot.database != MyDatabaseId) continue;
    return slot.courier_wanted_us != 0 && slot.courier_wanted_us <= *others;
  }
  return true;
}

/// How long until there is something to send; zero or less if there is already.
Duration until_due(DutyContext& context, bool has_courier) {
  if (!has_courier && outbox::any_leased(context.spi)) return Duration::zero();
  const Duration longest = seconds(pg::settings().naptime_s);
  Duration wait = longest;
  for (const auto due :
       {outbox::next_delivery_at(context.spi), probes::next_probe_at(context.spi)}) {
    if (due) wait = std::min(wait, *due - context.now);
  }
  return wait;
}

void start_courier_if_due(DutyContext& context) {
  // One that is there is told, in case it had not heard.
  const bool has_courier = shmem::wake(shmem::Role::courier, MyDatabaseId);
  until_next_look = until_due(context, has_courier);
  if (has_courier || until_next_look > Duration::zero()) {
    shmem::note_courier_wanted(MyDatabaseId, false);
  }
  if (until_next_look > Duration::zero()) return;
  until_next_look = kStartTimeout;
  if (has_courier) return;
  const bool is_ordered = is_our_turn() && order_courier();
  shmem::note_courier_wanted(MyDatabaseId, !is_ordered);
  if (!is_ordered) until_next_look = kRetryWhenFull;
}

}  // namespace

Duty send_duty() {
  Duty duty;
  duty.name = "start-courier";
  duty.next_after = [](Instant ran_at) { return ran_at + until_next_look; };
  duty.wanted = shmem::take_courier_wanted;
  duty.run = start_courier_if_due;
  return duty;
}

}  // namespace monitoring::worker
