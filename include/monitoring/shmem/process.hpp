#pragma once
// What launcher, worker and courier do alike: signals, sleep, and what the server shows of them.

#include "monitoring/pg/guard.hpp"
// clang-format keeps the server's header first.
#include <initializer_list>
#include <string>

#include "monitoring/pg/system_clock.hpp"

struct WaitEventSet;

namespace monitoring::shmem {

/// Installs the handlers of a process that ends quietly on SIGTERM: SIGTERM cancels what runs and
/// makes shutdown_requested() true; SIGHUP makes the next nap() read the configuration.
void install_signal_handlers();
bool shutdown_requested();

/// Lets signals come in a process that is not connected yet: SIGTERM ends it at the next check for
/// interrupts. The server's own handler for background workers would end it inside the handler,
/// also in the middle of a malloc(), and the process would then crash on its way out.
void unblock_signals();

/// Connects the process, which has its slot, to its database as the bootstrap superuser. An error
/// that ends the process is left in the slot.
void connect_to(Oid database);

/// Sets what the statements of our own processes rely on. What ALTER DATABASE and ALTER ROLE set
/// for people does not apply to them, but for monitoring's own settings and TimeZone. After
/// connect_to().
void use_own_settings(const char* application_name);

/// What the server expects of a process between two pieces of work: reads the configuration after
/// SIGHUP, lets barriers pass, reports statistics. True if the configuration was read again.
bool serve_interrupts();

/// Sleeps until the latch is set or the time is over, then serves interrupts. Ends the process when
/// the postmaster is gone. True if the latch was set: somebody wants something.
bool nap(Duration longest);

/// The latch, the postmaster's death and some descriptors in one wait.
class Waiter {
 public:
  /// The descriptors are the caller's and stay open for as long as this lives.
  explicit Waiter(std::initializer_list<int> descriptors);
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  /// Until something happens or the time is over. Whether the latch was set: somebody may have
  /// queued something, or wants something of us.
  bool wait(Duration longest) const;

 private:
  WaitEventSet* set_;
};

/// The words in pg_stat_activity.query; nullptr shows the process as idle.
void show_activity(const char* words);

/// Writes a caught error to the server's log, as the process's own words, at this level.
void log_error(int level, const std::string& what, const pg::PgError& error);

/// Waits before a retry: 1 s, doubled by each further failure, at most `longest`.
Duration back_off(int failures, Duration longest);

}  // namespace monitoring::shmem
