#include "monitoring/worker/launcher.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <access/genam.h>
#include <access/heapam.h>
#include <access/htup_details.h>
#include <access/table.h>
#include <access/tableam.h>
#include <catalog/pg_database.h>
#include <postmaster/bgworker.h>
#include <storage/ipc.h>
#include <utils/memutils.h>
#include <utils/rel.h>
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/transaction.hpp"
#include "monitoring/shmem/database_names.hpp"
#include "monitoring/shmem/process.hpp"
#include "monitoring/shmem/worker_slots.hpp"

extern "C" {
PGDLLEXPORT void monitoring_launcher_main(Datum);
}

namespace monitoring::worker {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A process that has not shown up by then is given up.
constexpr Duration kStartTimeout = seconds(30);
constexpr Duration kLongestBackOff = seconds(60);
constexpr Duration kRestartDelay = milliseconds(100);
constexpr Duration kRetryWhenFull = seconds(5);
/// A worker that has run for this long is no longer the one that kept failing.
constexpr Duration kStable = seconds(60);
/// How long a worker keeps its process while other databases wait for one. It does everything that
/// is due once before it looks at this.
constexpr Duration kTurn = seconds(5);
/// How many databases without the extension are looked at again per safety timer.
constexpr int kLooksPerNap = 8;

enum class Knowledge { unknown, absent, present };

struct Database {
  Knowledge knowledge = Knowledge::unknown;
  /// Has a slot in shared memory while not absent.
  std::optional<int> slot;
  /// The order under way, until its process has ended.
  std::optional<shmem::StartOrder> order;
  BackgroundWorkerHandle* handle = nullptr;
  Instant ordered_at;
  Instant next_start;
  /// When its last process ended: who has waited longest comes first.
  Instant ended_at;
  int failures = 0;
  /// ALTER DATABASE ... ALLOW_CONNECTIONS false.
  bool closed = false;
  bool has_been_asked_to_yield = false;
};

struct Listed {
  shmem::DatabaseName name;
  bool can_have_worker;  ///< it is no template and not half dropped
  bool closed;
};

bool can_have_worker(const FormData_pg_database& database) {
  // A negative limit other than -1 marks a database whose DROP was interrupted.
  return !database.datistemplate && database.datconnlimit >= -1;
}

/// All databases. Needs a transaction.
std::vector<Listed> list_databases() {
  std::vector<Listed> databases;
  pg::call([&] {
    const Relation relation = table_open(DatabaseRelationId, AccessShareLock);
    const TableScanDesc scan = table_beginscan_catalog(relation, 0, nullptr);
    HeapTuple tuple = nullptr;
    while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection))) {
      const auto* database = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
      databases.push_back({{database->oid, database->datname},
                           can_have_worker(*database),
                           !database->datallowconn});
    }
    table_endscan(scan);
    table_close(relation, AccessShareLock);
  });
  return databases;
}

class Launcher {
 public:
  explicit Launcher(const Clock& clock) : clock_(clock) {}

  void run();

 private:
  void adopt_running_workers();
  void hear_news();
  void refresh_list();
  void look_again_at_some();
  void settle(Oid oid, Database& database);
  void conclude(Oid oid, Database& database, shmem::Outcome outcome);
  bool may_start(const Database& database, Knowledge knowledge) const;
  void start_due();
  void start_those(Knowledge knowledge, int room, bool only_look);
  bool anything_unknown() const;
  bool start(Oid oid, Database& database, bool only_look);
  void forget_slot(Database& database);
  void report_shortage();
  void note_stable(Database& database);
  std::vector<Oid> in_order_of_waiting(Knowledge knowledge) const;
  void share_out();
  void note_closed();
  void note_shortage(int need);
  int capacity() const;
  int count_processes() const;
  int count_wanting() const;
  Instant next_wake() const;

  const Clock& clock_;
  std::map<Oid, Database> databases_;
  Instant next_refresh_{};
  Instant full_until_{};
  /// Since when the server has had no place for a process, if the last start was refused.
  std::optional<Instant> refused_since_;
  Oid last_looked_at_ = InvalidOid;
  int reported_need_ = 0;
};

/// Not for workers: the launcher itself, the server's logical replication launcher, one courier,
/// and the HTTP server if there is one.
int other_processes() {
  return pg::settings().http_port > 0 ? 4 : 3;
}

int Launcher::capacity() const {
  return std::max(1, max_worker_processes - other_processes());
}

int Launcher::count_processes() const {
  return static_cast<int>(std::count_if(databases_.begin(), databases_.end(),
                                        [](const auto& entry) { return !!entry.second.order; }));
}

/// Databases that have, or may have, the extension, and may have a worker.
int Launcher::count_wanting() const {
  return static_cast<int>(
      std::count_if(databases_.begin(), databases_.end(), [](const auto& entry) {
        const Database& database = entry.second;
        return database.order || (database.knowledge != Knowledge::absent &&
                                  !(database.closed && database.knowledge == Knowledge::present));
      }));
}

/// After a launcher's own restart its workers are still there.
void Launcher::adopt_running_workers() {
  for (const shmem::WorkerSlot& slot : shmem::all_slots()) {
    if (slot.role != shmem::Role::worker) continue;
    Database& database = databases_[slot.database];
    database.slot = shmem::reserve_worker_slot(slot.database);
    if (slot.activity == shmem::Activity::waiting) continue;
    database.order = shmem::StartOrder{*database.slot, slot.order, false};
    database.ordered_at = clock_.now();
    if (slot.pid != 0) database.knowledge = Knowledge::present;
  }
}

void Launcher::hear_news() {
  const shmem::News news = shmem::take_news();
  for (const shmem::Announcement& announcement : news.announcements) {
    Database& database = databases_[announcement.database];
    database.knowledge = announcement.has_extension ? Knowledge::present : Knowledge::absent;
    database.failures = 0;
    database.next_start = clock_.now();
  }
  if (!news.announcements_lost) return;
  for (auto& [oid, database] : databases_) {
    if (database.knowledge == Knowledge::absent) database.knowledge = Knowledge::unknown;
  }
}

void Launcher::refresh_list() {
  pg::Transaction transaction;
  std::vector<Oid> present;
  std::vector<shmem::DatabaseName> names;
  for (const Listed& database : list_databases()) {
    names.push_back(database.name);
    if (!database.can_have_worker) continue;
    present.push_back(database.name.database);
    databases_[database.name.database].closed = database.closed;
  }
  transaction.commit();
  shmem::replace_names(names);

  for (auto entry = databases_.begin(); entry != databases_.end();) {
    const bool gone = std::find(present.begin(), present.end(), entry->first) == present.end();
    if (gone && !entry->second.order) {
      forget_slot(entry->second);
      entry = databases_.erase(entry);
    } else {
      ++entry;
    }
  }
}

/// For what no callback sees, such as COMMIT PREPARED of a CREATE EXTENSION.
void Launcher::look_again_at_some() {
  int looks = 0;
  const std::size_t count = databases_.size();
  auto entry = databases_.upper_bound(last_looked_at_);
  for (std::size_t i = 0; i < count && looks < kLooksPerNap; ++i) {
    if (entry == databases_.end()) entry = databases_.begin();
    if (entry->second.knowledge == Knowledge::absent) {
      entry->second.knowledge = Knowledge::unknown;
      last_looked_at_ = entry->first;
      ++looks;
    }
    ++entry;
  }
}

void Launcher::forget_slot(Database& database) {
  if (database.slot) shmem::release_slot(*database.slot);
  database.slot.reset();
}

void Launcher::conclude(Oid oid, Database& database, shmem::Outcome outcome) {
  database.order.reset();
  if (database.handle != nullptr) pfree(database.handle);
  database.handle = nullptr;
  database.has_been_asked_to_yield = false;
  const Instant now = clock_.now();
  database.ended_at = now;
  switch (outcome) {
    case shmem::Outcome::no_extension:
      database.knowledge = Knowledge::absent;
      database.failures = 0;
      return;
    case shmem::Outcome::has_extension:
      database.knowledge = Knowledge::present;
      database.failures = 0;
      return;
    case shmem::Outcome::asked_to_stop:
    // It comes back without what it could not stop.
    case shmem::Outcome::overrun:
      database.next_start = now + kRestartDelay;
      return;
    case shmem::Outcome::none:
    case shmem::Outcome::failed:
      if (now - database.ordered_at > kStable) database.failures = 0;
      database.failures += 1;
      database.next_start = now + shmem::back_off(database.failures, kLongestBackOff);
      if (database.slot) {
        shmem::note_failed_starts(*database.slot, static_cast<std::uint32_t>(database.failures));
      }
      pg::call([&] {
        ereport(
            LOG,
            (errmsg("monitoring worker for database %u has failed, next start in %d s", oid,
                    static_cast<int>(
                        std::chrono::duration_cast<seconds>(database.next_start - now).count()))));
      });
      return;
  }
}

/// Notices that an ordered process has ended, or never came.
void Launcher::settle(Oid oid, Database& database) {
  if (database.order) {
    const shmem::WorkerSlot slot = shmem::read_slot(database.order->slot);
    if (slot.activity == shmem::Activity::starting) {
      pid_t pid = 0;
      const bool stopped = database.handle != nullptr &&
                           GetBackgroundWorkerPid(database.handle, &pid) == BGWH_STOPPED;
      if (!stopped && clock_.now() - database.ordered_at < kStartTimeout) return;
      shmem::start_failed(*database.order);
      return settle(oid, database);
    }
    if (slot.pid != 0) return note_stable(database);
    conclude(oid, database, slot.outcome);
  }
  if (database.knowledge == Knowledge::absent) forget_slot(database);
}

/// A worker that keeps running is not one that keeps failing.
void Launcher::note_stable(Database& database) {
  if (database.failures == 0 || clock_.now() - database.ordered_at <= kStable) return;
  database.failures = 0;
  shmem::note_failed_starts(*database.slot, 0);
}

/// A database that is closed to connections may be looked at, and has no worker.
bool Launcher::may_start(const Database& database, Knowledge knowledge) const {
  if (database.closed && knowledge == Knowledge::present) return false;
  return database.knowledge == knowledge && !database.order && database.next_start <= clock_.now();
}

/// Orders a process. False when the server has none to give.
bool Launcher::start(Oid oid, Database& database, bool only_look) {
  if (!database.slot) database.slot = shmem::reserve_worker_slot(oid);
  if (!database.slot) return false;
  const auto order = shmem::order_start(*database.slot, only_look);
  // Blocked: the end of the block wakes us.
  if (!order) return true;

  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_notify_pid = MyProcPid;
  std::snprintf(worker.bgw_name, BGW_MAXLEN, "monitoring worker for database %u", oid);
  strlcpy(worker.bgw_type, "monitoring worker", BGW_MAXLEN);
  strlcpy(worker.bgw_library_name, "monitoring", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "monitoring_worker_main", BGW_MAXLEN);
  std::memcpy(worker.bgw_extra, &*order, sizeof *order);

  const bool registered = pg::call([&] {
    const MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    const bool done = RegisterDynamicBackgroundWorker(&worker, &database.handle);
    MemoryContextSwitchTo(caller);
    return done;
  });
  if (!registered) {
    shmem::start_failed(*order);
    return false;
  }
  database.order = order;
  database.ordered_at = clock_.now();
  return true;
}

/// Unknown databases first. Where not every one could have a worker, they are only looked at, so
/// that the number of processes needed is known before they are given out; a short look may take
/// the place that is kept for a courier.
void Launcher::start_due() {
  if (clock_.now() < full_until_) return;
  const bool crowded = count_wanting() > capacity();
  const int room_for_looks = crowded ? capacity() + 1 : capacity();
  start_those(Knowledge::unknown, room_for_looks, crowded);
  if (crowded && anything_unknown()) return;
  start_those(Knowledge::present, capacity(), false);
}

/// Those that have waited longest come first.
std::vector<Oid> Launcher::in_order_of_waiting(Knowledge knowledge) const {
  std::vector<std::pair<Instant, Oid>> waiting;
  for (const auto& [oid, database] : databases_) {
    if (may_start(database, knowledge)) waiting.emplace_back(database.ended_at, oid);
  }
  std::sort(waiting.begin(), waiting.end());
  std::vector<Oid> order;
  for (const auto& [ended_at, oid] : waiting) order.push_back(oid);
  return order;
}

void Launcher::start_those(Knowledge knowledge, int room, bool only_look) {
  for (const Oid oid : in_order_of_waiting(knowledge)) {
    if (count_processes() >= room) return;
    Database& database = databases_.at(oid);
    if (start(oid, database, only_look || database.closed)) {
      refused_since_.reset();
      continue;
    }
    const Instant now = clock_.now();
    if (!refused_since_) refused_since_ = now;
    full_until_ = now + kRetryWhenFull;
    return;
  }
}

/// Where databases wait for a process, as many workers as there are of these make way, those that
/// have had one for longest first.
void Launcher::share_out() {
  const Instant now = clock_.now();
  std::size_t waiting = in_order_of_waiting(Knowledge::present).size();
  std::vector<std::pair<Instant, Database*>> served;
  for (auto& [oid, database] : databases_) {
    if (!database.order || database.order->only_look) continue;
    if (database.has_been_asked_to_yield) {
      waiting -= std::min<std::size_t>(waiting, 1);
    } else if (now - database.ordered_at >= kTurn) {
      served.emplace_back(database.ordered_at, &database);
    }
  }
  std::sort(served.begin(), served.end());
  served.resize(std::min(served.size(), waiting));
  for (const auto& [ordered_at, database] : served) {
    database->has_been_asked_to_yield = true;
    shmem::request_yield(*database->slot);
  }
}

/// Those that are closed to connections say so in worker_status.
void Launcher::note_closed() {
  for (auto& [oid, database] : databases_) {
    if (!database.closed || database.order || database.knowledge != Knowledge::present) continue;
    if (!database.slot) database.slot = shmem::reserve_worker_slot(oid);
    if (!database.slot) return;
    shmem::note_waiting(*database.slot, shmem::Wait::for_connections_to_be_allowed,
                        "the database does not accept connections: ALTER DATABASE ... "
                        "ALLOW_CONNECTIONS true lets the worker start");
  }
}

bool Launcher::anything_unknown() const {
  return std::any_of(databases_.begin(), databases_.end(), [](const auto& entry) {
    return entry.second.knowledge == Knowledge::unknown;
  });
}

void Launcher::note_shortage(int need) {
  char text[shmem::kErrorTextSize];
  std::snprintf(text, sizeof text,
                "no free background worker process: set max_worker_processes to at least %d", need);
  for (const auto& [oid, database] : databases_) {
    if (database.slot && !database.order && !database.closed && database.failures == 0) {
      shmem::note_waiting(*database.slot, shmem::Wait::for_process, text);
    }
  }
}

/// A full set of worker processes: one WARNING, and a line in worker_status for each who waits.
void Launcher::report_shortage() {
  // A process that has just ended still has its place, so that one refusal says little.
  const bool server_is_full = refused_since_ && clock_.now() - *refused_since_ >= kRetryWhenFull;
  if ((anything_unknown() || refused_since_) && !server_is_full) return;
  const int missing = count_wanting() - count_processes();
  const bool is_full = server_is_full || count_processes() >= capacity();
  const int need = is_full && missing > 0 ? std::max(max_worker_processes + missing,
                                                     count_wanting() + other_processes())
                                          : 0;
  if (need > 0) note_shortage(need);
  if (need == reported_need_) return;
  reported_need_ = need;
  if (need == 0) return;
  pg::call([&] {
    ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                      errmsg("monitoring has no worker process for %d of %d databases", missing,
                             missing + count_processes()),
                      errdetail("The databases take turns, so each is looked at less often."),
                      errhint("Set max_worker_processes to at least %d.", need)));
  });
}

Instant Launcher::next_wake() const {
  Instant wake = next_refresh_;
  const Instant now = clock_.now();
  for (const auto& [oid, database] : databases_) {
    if (database.knowledge == Knowledge::absent) continue;
    if (!database.order && database.next_start > now) wake = std::min(wake, database.next_start);
  }
  if (!in_order_of_waiting(Knowledge::present).empty()) {
    for (const auto& [oid, database] : databases_) {
      if (!database.order || database.has_been_asked_to_yield) continue;
      wake = std::min(wake, std::max(database.ordered_at + kTurn, now + milliseconds(100)));
    }
  }
  if (full_until_ > now) wake = std::min(wake, full_until_);
  return wake;
}

void Launcher::run() {
  adopt_running_workers();
  while (!shmem::shutdown_requested()) {
    const Instant now = clock_.now();
    shmem::count_tick(GetCurrentTimestamp());
    hear_news();
    refresh_list();
    if (now >= next_refresh_) {
      next_refresh_ = now + seconds(pg::settings().naptime_s);
      look_again_at_some();
    }
    for (auto& [oid, database] : databases_) settle(oid, database);
    start_due();
    share_out();
    note_closed();
    report_shortage();
    shmem::nap(next_wake() - clock_.now());
  }
}

}  // namespace

void register_launcher() {
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  // Not before the end of recovery: a standby's tables cannot be written, and after promotion the
  // postmaster starts the launcher by itself.
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = 1;
  strlcpy(worker.bgw_name, "monitoring launcher", BGW_MAXLEN);
  strlcpy(worker.bgw_type, "monitoring launcher", BGW_MAXLEN);
  strlcpy(worker.bgw_library_name, "monitoring", sizeof worker.bgw_library_name);
  strlcpy(worker.bgw_function_name, "monitoring_launcher_main", BGW_MAXLEN);
  RegisterBackgroundWorker(&worker);
}

}  // namespace monitoring::worker

void monitoring_launcher_main(Datum) {
  using namespace monitoring;
  shmem::install_signal_handlers();
  BackgroundWorkerUnblockSignals();
  if (!shmem::occupy_own_slot(shmem::Role::launcher, InvalidOid, GetCurrentTimestamp()))
    proc_exit(1);
  shmem::connect_to(InvalidOid);
  pg::enter([] {
    shmem::use_own_settings("monitoring launcher");
    // Nothing of what the launcher does goes by the time of day.
    const pg::SteadyClock clock;
    worker::Launcher(clock).run();
  });
  // Any other code would mean that the launcher has nothing more to do, ever.
  proc_exit(1);
}
