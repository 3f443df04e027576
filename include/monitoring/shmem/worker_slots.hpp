#pragma once
// The processes of the extension as shared memory knows them: who runs for which database, how it
// is doing, and which databases must be left alone for the moment.
//
// All state lies under one LWLock, held for a few loads and stores. Nothing here raises an error
// but the two wait functions. src/worker/README.md has the state diagram.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <datatype/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "monitoring/base/health_status.hpp"

namespace monitoring::shmem {

enum class Role : std::uint8_t { none, launcher, worker, courier, server };

enum class Activity : std::uint8_t {
  waiting,   ///< no process: none was free, or the last one failed
  starting,  ///< ordered, not there yet
  running,
  paused,   ///< idle because of pause_worker()
  holding,  ///< idle because monitoring.activate() was not called here
};

/// How the last process of a slot ended.
enum class Outcome : std::uint8_t {
  none,
  failed,
  asked_to_stop,
  no_extension,
  has_extension,
  overrun,  ///< what it ran could not be stopped in any other way
};

/// What a database without a process waits for, as far as the launcher knows.
enum class Wait : std::uint8_t { none, for_process, for_connections_to_be_allowed };

constexpr std::size_t kErrorTextSize = 256;

/// Microseconds since the machine was started: for ages, which a wall clock that was set would
/// falsify. 0 stands for never.
using SteadyUs = std::int64_t;
SteadyUs steady_now();

/// A duty that fails. It lies in shared memory because a full disk takes no row.
struct FailingDuty {
  char name[40];
  SteadyUs since;
  char error[160];  ///< cut if it is longer
};
constexpr std::size_t kMostFailing = 8;

enum class ServiceState : std::uint8_t { unknown, connected, disconnected };

/// A service that is probed.
struct ServiceNote {
  char name[55];  ///< cut if it is longer
  ServiceState state;
  double latency_ms;
};
constexpr std::size_t kMostServices = 16;

/// What the last look at a database's health has found.
struct HealthNote {
  TimestampTz checked_at;  ///< 0: never
  SteadyUs checked_us;     ///< the same by the clock that nobody sets
  /// How long the worker may be paused, by the thresholds of the database.
  SteadyUs longest_pause;
  std::int64_t pending_messages;
  double latency_ms;         ///< of the smallest statement
  std::int32_t memory_mb;    ///< in use on the machine; negative: not known
  std::int32_t cpu_percent;  ///< busy since the look before; negative: not known
  HealthStatus overall;
  HealthStatus queues;
  HealthStatus processing;
  HealthStatus workers;
  char reasons[400];  ///< separated by commas, cut if there are too many
  std::uint32_t service_count;
  ServiceNote services[kMostServices];  ///< the first ones by name
};
static_assert(std::is_trivially_copyable_v<HealthNote>);

struct WorkerSlot {
  Oid database;
  Role role;
  Activity activity;
  Outcome outcome;
  bool pause_requested;    ///< survives the process: a restarted worker is paused, too
  bool courier_wanted;     ///< a commit has queued notifications since the worker last looked
  std::uint32_t order;     ///< number of the start order; a late process with an old one leaves
  int pid;                 ///< 0 where no process is
  int proc;                ///< index of its PGPROC, whose latch wakes it
  TimestampTz started_at;  ///< 0: never
  TimestampTz last_tick_at;
  SteadyUs started_us;          ///< of the process; 0: none has been there
  SteadyUs waiting_us;          ///< since when there is no process; 0: there is one
  SteadyUs paused_us;           ///< since when it is paused, or holding
  SteadyUs doing_us;            ///< since when it does what `doing` says
  SteadyUs courier_wanted_us;   ///< since when no process has been free for its courier; 0: not so
  Wait wait;                    ///< last_error says this, and ends with it
  bool yield_requested;         ///< other databases wait for a process: leave when it suits
  std::uint32_t failed_starts;  ///< in a row
  std::uint32_t failing_count;
  FailingDuty failing[kMostFailing];
  char doing[40];       ///< the duty under way; empty: none
  SteadyUs running_us;  ///< since when it runs the query of `running`
  char running[80];     ///< whose query is under way, cut if it is longer; empty: none
  std::uint64_t ticks;
  std::uint64_t errors;
  HealthNote health;  ///< of a worker's slot; survives the process
  char last_error[kErrorTextSize];
  char overrun_of[kErrorTextSize];  ///< see note_overrun(); empty: nothing to be read
};
static_assert(std::is_trivially_copyable_v<WorkerSlot>);

/// False without shared_preload_libraries; nothing else here may be called then.
bool slots_available();

/// For the hooks of the postmaster's start.
void request_slots();
void create_slots();

/// A copy of every slot in use.
std::vector<WorkerSlot> all_slots();

// --- The launcher's side -------------------------------------------------------------------------

/// What a new process is told: its slot and the number of its order.
struct StartOrder {
  int slot;
  std::uint32_t order;
  bool only_look;  ///< report whether the database has the extension, then leave
};
static_assert(std::is_trivially_copyable_v<StartOrder>);

/// The slot of a database's worker, made if there is none. nullopt when all are taken.
std::optional<int> reserve_worker_slot(Oid database);
/// Marks the slot as starting. nullopt while the database is blocked or a process is there.
std::optional<StartOrder> order_start(int slot, bool only_look);
/// Takes a start order back when no process came of it; nothing happens if one did.
void start_failed(const StartOrder& order);
/// Says in worker_status why the database has no process.
void note_waiting(int slot, Wait wait, std::string_view why);
/// How many processes of the slot have failed in a row.
void note_failed_starts(int slot, std::uint32_t count);
/// Asks the process to leave once it has had its turn, because others wait for one.
void request_yield(int slot);
/// Gives the slot up. It must have no process.
void release_slot(int slot);
WorkerSlot read_slot(int slot);

/// What backends have told the launcher: that a database has gained or lost the extension.
struct Announcement {
  Oid database;
  bool has_extension;
};
struct News {
  std::vector<Announcement> announcements;
  bool announcements_lost;  ///< there were more than fit: every database may have changed
};
/// What came since the last call.
News take_news();

// --- The side of the process in a slot -----------------------------------------------------------

/// Takes the slot that the order names and gives it back at exit. False if the order is outdated or
/// the database is blocked: the process must leave without connecting. Call it before connecting,
/// so that at exit the slot is freed after the process has left the database.
bool occupy_slot(const StartOrder& order, TimestampTz now, Oid* database);
/// The same for a process that has no order: launcher, courier, server. False if the database is
/// blocked, if another process has this role there, or if no slot is free.
bool occupy_own_slot(Role role, Oid database, TimestampTz now);
/// How the process is about to end; Outcome::failed unless said.
void set_outcome(Outcome outcome);
void set_activity(Activity activity);
void count_tick(TimestampTz now);
void count_error(std::string_view text);
/// What last_error told of is over.
void clear_error();
bool pause_requested();
bool yield_requested();
/// What the process does now; nullptr: nothing.
void note_doing(const char* duty);
/// Whose query it runs now, for those who find that it does not end; nullptr: none. Nothing
/// happens in a process that is none of ours.
void note_running(const char* query);
/// A duty has failed, or works again.
void note_failing(const char* duty, std::string_view error);
void note_working(const char* duty);
/// There is, or is not, a process free for the courier of this database.
void note_courier_wanted(Oid database, bool is_wanted);
/// Since when the longest waiting of the other databases has had no process for its courier.
std::optional<SteadyUs> courier_wanted_elsewhere(Oid database);
/// What note_overrun() told of, once. Empty: nothing.
std::string take_overrun();
/// True once after commits that have queued notifications.
bool take_courier_wanted();

// --- The side of backends ------------------------------------------------------------------------

void announce(Oid database, bool has_extension);
/// A process of this database had to end because what is named so could not be stopped. For the
/// database's worker to read; one that comes before it has done so is lost.
void note_overrun(Oid database, std::string_view what);
/// Lets the launcher look at the list of databases.
void wake_launcher();
/// Sets the latch of the database's process of this role; false if there is none.
bool wake(Role role, Oid database);
/// Notifications were queued: wakes the courier, or the worker, which starts one. A courier that is
/// about to leave calls this itself once it has left.
void want_courier(Oid database);
/// Keeps what was found, for those who ask over HTTP; nothing happens if there is no worker slot.
void note_health(Oid database, const HealthNote& note);
/// Keeps the worker of a database from its duties, also one that is yet to come. False when all
/// slots are taken.
bool pause(Oid database);
void resume(Oid database);

/// Keeps processes away from a database until unblock_all(), also when this backend dies. False if
/// the table of blocks is full.
bool block(Oid database);
/// Ends all blocks of this backend and wakes the launcher.
void unblock_all();
/// Asks worker and courier of the database to leave.
void stop_processes(Oid database);
/// Waits until the database has neither worker nor courier; false after the timeout. It may raise
/// an error (query cancel): call it inside pg::call.
bool wait_until_gone(Oid database, int timeout_ms);
/// Waits until the database's worker is paused or not there; false after the timeout. It may raise
/// an error: call it inside pg::call.
bool wait_until_idle(Oid database, int timeout_ms);

}  // namespace monitoring::shmem
