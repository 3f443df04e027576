#include "monitoring/shmem/worker_slots.hpp"

extern "C" {
#include <signal.h>
#include <storage/condition_variable.h>
#include <storage/ipc.h>
#include <storage/latch.h>
#include <storage/lwlock.h>
#include <storage/proc.h>
#include <utils/wait_event.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/version.hpp"
#include "shmem/segment.hpp"

namespace monitoring::shmem {

namespace {

constexpr const char* kName = "monitoring workers";
constexpr int kMaxBlocks = 64;
constexpr int kMaxAnnouncements = 64;

struct Block {
  Oid database;
  int pid;  ///< of the backend that blocks; 0: free
};

/// The shared segment. Everything lies under `lock`, save the condition variable's own state.
struct Shared {
  LWLock* lock;
  ConditionVariable changed;  ///< broadcast when a process leaves or changes its activity
  std::uint32_t last_order;
  bool announcements_lost;
  int announced;
  Announcement announcements[kMaxAnnouncements];
  Block blocks[kMaxBlocks];
  int slot_count;
  WorkerSlot slots[FLEXIBLE_ARRAY_MEMBER];
};

Shared* shared = nullptr;
int my_slot = -1;

/// Every process that can run has a slot, and there is room for databases that wait for one.
int slot_count() {
  return 2 * max_worker_processes + 32;
}

Size shared_size() {
  return offsetof(Shared, slots) + slot_count() * sizeof(WorkerSlot);
}

/// Finds the segment, also from monitoring_net.so, which has its own copy of these variables.
Shared& state() {
  if (shared == nullptr) {
    bool found = false;
    shared = static_cast<Shared*>(ShmemInitStruct(kName, shared_size(), &found));
  }
  return *shared;
}

/// Runs a leaf section: plain loads and stores, nothing that may raise an error.
template <class Section>
auto locked(LWLockMode mode, Section&& section) {
  Shared& s = state();
  LWLockAcquire(s.lock, mode);
  if constexpr (std::is_void_v<decltype(section(s))>) {
    section(s);
    LWLockRelease(s.lock);
  } else {
    auto value = section(s);
    LWLockRelease(s.lock);
    return value;
  }
}

/// The process may have gone meanwhile: then another one wakes once for nothing.
void set_latch_of(const WorkerSlot& slot) {
  SetLatch(&ProcGlobal->allProcs[slot.proc].procLatch);
}

WorkerSlot* find(Shared& s, Role role, Oid database) {
  for (int i = 0; i < s.slot_count; ++i) {
    WorkerSlot& slot = s.slots[i];
    if (slot.role == role && slot.database == database) return &slot;
  }
  return nullptr;
}

int free_slot(const Shared& s) {
  for (int i = 0; i < s.slot_count; ++i) {
    if (s.slots[i].role == Role::none) return i;
  }
  return -1;
}

WorkerSlot* find_or_reserve_worker(Shared& s, Oid database) {
  WorkerSlot* present = find(s, Role::worker, database);
  if (present != nullptr) return present;
  const int index = free_slot(s);
  if (index < 0) return nullptr;
  s.slots[index] = WorkerSlot{};
  s.slots[index].role = Role::worker;
  s.slots[index].database = database;
  s.slots[index].waiting_us = steady_now();
  return &s.slots[index];
}

bool blocked(const Shared& s, Oid database) {
  if (!OidIsValid(database)) return false;
  return std::any_of(std::begin(s.blocks), std::end(s.blocks), [&](const Block& block) {
    return block.pid != 0 && block.database == database;
  });
}

bool has_processes(const Shared& s, Oid database) {
  return std::any_of(s.slots, s.slots + s.slot_count, [&](const WorkerSlot& slot) {
    return slot.role != Role::none && slot.database == database && slot.pid != 0;
  });
}

template <std::size_t size>
void keep(char (&place)[size], std::string_view text) {
  const std::size_t length = std::min(text.size(), size - 1);
  std::memcpy(place, text.data(), length);
  place[length] = '\0';
}

void keep_error_text(WorkerSlot& slot, std::string_view text) {
  keep(slot.last_error, text);
}

FailingDuty* find_failing(WorkerSlot& slot, std::string_view duty) {
  FailingDuty* end = slot.failing + slot.failing_count;
  FailingDuty* found =
      std::find_if(slot.failing, end, [&](const FailingDuty& one) { return duty == one.name; });
  return found != end ? found : nullptr;
}

void settle_in(WorkerSlot& slot, TimestampTz now) {
  slot.pid = MyProcPid;
  slot.proc = pg::own_proc_number();
  slot.activity = Activity::running;
  slot.outcome = Outcome::failed;
  slot.started_at = now;
  slot.started_us = steady_now();
  slot.waiting_us = 0;
  slot.yield_requested = false;
  slot.failing_count = 0;
  if (std::exchange(slot.wait, Wait::none) != Wait::none) slot.last_error[0] = '\0';
}

void wake_launcher_of(Shared& s) {
  const WorkerSlot* launcher = find(s, Role::launcher, InvalidOid);
  if (launcher != nullptr && launcher->pid != 0) set_latch_of(*launcher);
}

void leave_slot(int, Datum) {
  if (my_slot < 0) return;
  locked(LW_EXCLUSIVE, [](Shared& s) {
    WorkerSlot& slot = s.slots[my_slot];
    slot.pid = 0;
    slot.activity = Activity::waiting;
    slot.waiting_us = steady_now();
    slot.doing[0] = '\0';
    if (slot.role != Role::worker) slot = WorkerSlot{};
    wake_launcher_of(s);
  });
  ConditionVariableBroadcast(&state().changed);
  my_slot = -1;
}

void unblock_at_exit(int, Datum) {
  unblock_all();
}

/// Sleeps on the condition variable until `done` says so.
template <class Done>
bool wait_for_change(int timeout_ms, Done&& done) {
  constexpr int kStepMs = 50;
  ConditionVariablePrepareToSleep(&state().changed);
  bool is_done = done();
  for (int waited_ms = 0; !is_done && waited_ms < timeout_ms; is_done = done()) {
    const bool step_over =
        ConditionVariableTimedSleep(&state().changed, kStepMs, PG_WAIT_EXTENSION);
    if (step_over) waited_ms += kStepMs;
  }
  ConditionVariableCancelSleep();
  return is_done;
}

}  // namespace

SteadyUs steady_now() {
  using std::chrono::microseconds;
  using Steady = std::chrono::steady_clock;
  const auto since_boot = Steady::now().time_since_epoch();  // allowed: ages of processes
  return std::chrono::duration_cast<microseconds>(since_boot).count();
}

bool slots_available() {
  return pg::settings().preloaded;
}

void request_slots() {
  request_segment(kName, shared_size());
}

void create_slots() {
  shared = create_segment<Shared>(kName, shared_size(), [](Shared& made) {
    made.slot_count = slot_count();
    ConditionVariableInit(&made.changed);
  });
}

std::vector<WorkerSlot> all_slots() {
  // Room first: nothing is allocated while the lock is held.
  std::vector<WorkerSlot> slots(state().slot_count);
  const std::size_t used = locked(LW_SHARED, [&](const Shared& s) {
    std::size_t count = 0;
    for (int i = 0; i < s.slot_count; ++i) {
      if (s.slots[i].role != Role::none) slots[count++] = s.slots[i];
    }
    return count;
  });
  slots.resize(used);
  return slots;
}

std::optional<int> reserve_worker_slot(Oid database) {
  return locked(LW_EXCLUSIVE, [&](Shared& s) -> std::optional<int> {
    const WorkerSlot* slot = find_or_reserve_worker(s, database);
    if (slot == nullptr) return std::nullopt;
    return static_cast<int>(slot - s.slots);
  });
}

std::optional<StartOrder> order_start(int slot, bool only_look) {
  return locked(LW_EXCLUSIVE, [&](Shared& s) -> std::optional<StartOrder> {
    WorkerSlot& target = s.slots[slot];
    if (target.pid != 0 || blocked(s, target.database)) return std::nullopt;
    target.activity = Activity::starting;
    target.outcome = Outcome::none;
    target.order = ++s.last_order;
    return StartOrder{slot, target.order, only_look};
  });
}

void start_failed(const StartOrder& order) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot& target = s.slots[order.slot];
    if (target.order != order.order || target.activity != Activity::starting) return;
    target.order = ++s.last_order;
    target.activity = Activity::waiting;
    target.outcome = Outcome::failed;
  });
}

void note_waiting(int slot, Wait wait, std::string_view why) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    keep_error_text(s.slots[slot], why);
    s.slots[slot].wait = wait;
  });
}

void note_failed_starts(int slot, std::uint32_t count) {
  locked(LW_EXCLUSIVE, [&](Shared& s) { s.slots[slot].failed_starts = count; });
}

void request_yield(int slot) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    s.slots[slot].yield_requested = true;
    if (s.slots[slot].pid != 0) set_latch_of(s.slots[slot]);
  });
}

void release_slot(int slot) {
  locked(LW_EXCLUSIVE, [&](Shared& s) { s.slots[slot] = WorkerSlot{}; });
}

WorkerSlot read_slot(int slot) {
  return locked(LW_SHARED, [&](const Shared& s) { return s.slots[slot]; });
}

News take_news() {
  News news;
  news.announcements.resize(kMaxAnnouncements);
  const int count = locked(LW_EXCLUSIVE, [&](Shared& s) {
    std::copy_n(s.announcements, s.announced, news.announcements.begin());
    news.announcements_lost = std::exchange(s.announcements_lost, false);
    return std::exchange(s.announced, 0);
  });
  news.announcements.resize(count);
  return news;
}

bool occupy_slot(const StartOrder& order, TimestampTz now, Oid* database) {
  const bool taken = locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot& slot = s.slots[order.slot];
    if (slot.order != order.order || slot.activity != Activity::starting) return false;
    if (blocked(s, slot.database)) {
      slot.activity = Activity::waiting;
      slot.outcome = Outcome::asked_to_stop;
      wake_launcher_of(s);
      return false;
    }
    settle_in(slot, now);
    *database = slot.database;
    return true;
  });
  if (!taken) return false;
  my_slot = order.slot;
  on_shmem_exit(leave_slot, 0);
  return true;
}

bool occupy_own_slot(Role role, Oid database, TimestampTz now) {
  const int taken = locked(LW_EXCLUSIVE, [&](Shared& s) {
    if (blocked(s, database) || find(s, role, database) != nullptr) return -1;
    const int index = free_slot(s);
    if (index < 0) return -1;
    s.slots[index] = WorkerSlot{};
    s.slots[index].role = role;
    s.slots[index].database = database;
    settle_in(s.slots[index], now);
    return index;
  });
  if (taken < 0) return false;
  my_slot = taken;
  on_shmem_exit(leave_slot, 0);
  return true;
}

void note_overrun(Oid database, std::string_view what) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot* slot = find(s, Role::worker, database);
    if (slot == nullptr || slot->overrun_of[0] != '\0') return;
    keep(slot->overrun_of, what);
    if (slot->pid == MyProcPid) slot->outcome = Outcome::overrun;
  });
}

std::string take_overrun() {
  char text[kErrorTextSize];
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot& slot = s.slots[my_slot];
    std::memcpy(text, slot.overrun_of, sizeof text);
    slot.overrun_of[0] = '\0';
  });
  return text;
}

void set_outcome(Outcome outcome) {
  locked(LW_EXCLUSIVE, [&](Shared& s) { s.slots[my_slot].outcome = outcome; });
}

void set_activity(Activity activity) {
  const bool changed = locked(LW_EXCLUSIVE, [&](Shared& s) {
    if (s.slots[my_slot].activity == activity) return false;
    s.slots[my_slot].activity = activity;
    s.slots[my_slot].paused_us = steady_now();
    return true;
  });
  if (changed) ConditionVariableBroadcast(&state().changed);
}

void count_tick(TimestampTz now) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    s.slots[my_slot].last_tick_at = now;
    s.slots[my_slot].ticks += 1;
  });
}

void count_error(std::string_view text) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    s.slots[my_slot].errors += 1;
    keep_error_text(s.slots[my_slot], text);
    s.slots[my_slot].wait = Wait::none;
  });
}

void clear_error() {
  locked(LW_EXCLUSIVE, [](Shared& s) { s.slots[my_slot].last_error[0] = '\0'; });
}

bool pause_requested() {
  return locked(LW_SHARED, [](const Shared& s) { return s.slots[my_slot].pause_requested; });
}

bool yield_requested() {
  return locked(LW_SHARED, [](const Shared& s) { return s.slots[my_slot].yield_requested; });
}

void note_doing(const char* duty) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot& slot = s.slots[my_slot];
    keep(slot.doing, duty != nullptr ? duty : "");
    slot.doing_us = steady_now();
  });
}

void note_running(const char* query) {
  if (my_slot < 0) return;
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot& slot = s.slots[my_slot];
    keep(slot.running, query != nullptr ? query : "");
    slot.running_us = steady_now();
  });
}

void note_failing(const char* duty, std::string_view error) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot& slot = s.slots[my_slot];
    FailingDuty* entry = find_failing(slot, duty);
    if (entry == nullptr) {
      if (slot.failing_count == kMostFailing) return;
      entry = &slot.failing[slot.failing_count++];
      keep(entry->name, duty);
      entry->since = steady_now();
    }
    keep(entry->error, error);
  });
}

void note_working(const char* duty) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot& slot = s.slots[my_slot];
    FailingDuty* entry = find_failing(slot, duty);
    if (entry != nullptr) *entry = slot.failing[--slot.failing_count];
  });
}

void note_courier_wanted(Oid database, bool is_wanted) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot* slot = find(s, Role::worker, database);
    if (slot == nullptr || is_wanted == (slot->courier_wanted_us != 0)) return;
    slot->courier_wanted_us = is_wanted ? steady_now() : 0;
  });
}

std::optional<SteadyUs> courier_wanted_elsewhere(Oid database) {
  constexpr SteadyUs kLongestWaitForCaller = 10 * 1000 * 1000;
  const SteadyUs now = steady_now();
  return locked(LW_SHARED, [&](const Shared& s) {
    std::optional<SteadyUs> longest;
    for (int i = 0; i < s.slot_count; ++i) {
      const WorkerSlot& slot = s.slots[i];
      if (slot.database == database || slot.courier_wanted_us == 0) continue;
      // One that hangs, or is paused, would not order a courier when its turn came.
      const bool hangs = slot.doing[0] != '\0' && now - slot.doing_us > kLongestWaitForCaller;
      const bool waits = slot.role == Role::worker && slot.pid != 0 && !hangs &&
                         slot.activity == Activity::running;
      if (waits && (!longest || slot.courier_wanted_us < *longest)) {
        longest = slot.courier_wanted_us;
      }
    }
    return longest;
  });
}

bool take_courier_wanted() {
  return locked(LW_EXCLUSIVE,
                [](Shared& s) { return std::exchange(s.slots[my_slot].courier_wanted, false); });
}

void announce(Oid database, bool has_extension) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    if (s.announced < kMaxAnnouncements) {
      s.announcements[s.announced++] = {database, has_extension};
    } else {
      s.announcements_lost = true;
    }
    wake_launcher_of(s);
  });
}

void wake_launcher() {
  locked(LW_SHARED, [](Shared& s) { wake_launcher_of(s); });
}

bool wake(Role role, Oid database) {
  return locked(LW_SHARED, [&](Shared& s) {
    const WorkerSlot* slot = find(s, role, database);
    if (slot == nullptr || slot->pid == 0) return false;
    set_latch_of(*slot);
    return true;
  });
}

void want_courier(Oid database) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    const WorkerSlot* courier = find(s, Role::courier, database);
    if (courier != nullptr && courier->pid != 0) return set_latch_of(*courier);
    WorkerSlot* worker = find(s, Role::worker, database);
    if (worker == nullptr) return;
    worker->courier_wanted = true;
    if (worker->pid != 0) set_latch_of(*worker);
  });
}

void note_health(Oid database, const HealthNote& note) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot* slot = find(s, Role::worker, database);
    if (slot != nullptr) slot->health = note;
  });
}

bool pause(Oid database) {
  return locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot* slot = find_or_reserve_worker(s, database);
    if (slot == nullptr) return false;
    slot->pause_requested = true;
    if (slot->pid != 0) set_latch_of(*slot);
    return true;
  });
}

void resume(Oid database) {
  locked(LW_EXCLUSIVE, [&](Shared& s) {
    WorkerSlot* slot = find(s, Role::worker, database);
    if (slot == nullptr) return;
    slot->pause_requested = false;
    if (slot->pid != 0) set_latch_of(*slot);
  });
}

bool block(Oid database) {
  static bool registered = false;
  if (!registered) {
    before_shmem_exit(unblock_at_exit, 0);
    registered = true;
  }
  return locked(LW_EXCLUSIVE, [&](Shared& s) {
    for (Block& entry : s.blocks) {
      if (entry.pid != 0) continue;
      entry = {database, MyProcPid};
      return true;
    }
    return false;
  });
}

void unblock_all() {
  locked(LW_EXCLUSIVE, [](Shared& s) {
    bool any = false;
    for (Block& entry : s.blocks) {
      if (entry.pid != MyProcPid) continue;
      entry = {};
      any = true;
    }
    if (any) wake_launcher_of(s);
  });
}

void stop_processes(Oid database) {
  locked(LW_SHARED, [&](const Shared& s) {
    for (int i = 0; i < s.slot_count; ++i) {
      const WorkerSlot& slot = s.slots[i];
      // A process clears its pid under this lock before it ends, so the signal cannot go astray.
      if (slot.role != Role::none && slot.database == database && slot.pid != 0) {
        kill(slot.pid, SIGTERM);
      }
    }
  });
}

bool wait_until_gone(Oid database, int timeout_ms) {
  return wait_for_change(timeout_ms, [&] {
    return locked(LW_SHARED, [&](const Shared& s) { return !has_processes(s, database); });
  });
}

bool wait_until_idle(Oid database, int timeout_ms) {
  return wait_for_change(timeout_ms, [&] {
    return locked(LW_SHARED, [&](Shared& s) {
      const WorkerSlot* slot = find(s, Role::worker, database);
      return slot == nullptr || slot->pid == 0 || slot->activity == Activity::paused;
    });
  });
}

}  // namespace monitoring::shmem
