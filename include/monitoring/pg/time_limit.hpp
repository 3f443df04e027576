#pragma once
// How long something may take, and what becomes of it when it does not end.
//
//   - Limits nest: an inner one is never longer than those around it, and its end leaves them
//   armed.
//   - The limit escalates. At the deadline what runs is cancelled, as by pg_cancel_backend(). If it
//     goes on although it has met the cancel (a function that catches query_canceled), it is
//     cancelled again after kGrace, and after another kGrace the process ends. That no SQL can
//     catch. A cancel from outside, and a shutdown, are followed up alike.
//   - What does not even meet the cancel, because it waits for the network in a library that asks
//     nobody (libpq while it connects), has its connections shut after kDeaf. A library that
//     computes without looking at interrupts is beyond reach.
//   - Whether a limit is over is what its timer did, not what error came of it: SQL may raise any.
//   - While a limit is armed a tick lets signal barriers pass, which a caught cancel leaves
//   waiting.
//
// Needs a process with the server's timers (a backend or a background worker of a database).

#include "monitoring/pg/guard.hpp"
// clang-format keeps the server's header first.
#include <csignal>
#include <optional>
#include <string>

#include "monitoring/base/cancel.hpp"
#include "monitoring/base/clock.hpp"

namespace monitoring::pg {

class TimeLimit {
 public:
  static constexpr Duration kGrace = std::chrono::seconds(1);
  static constexpr Duration kDeaf = std::chrono::seconds(3);

  /// From now on; none: only cancels from outside are followed up. `what` is named where the
  /// process has to end, and has to live as long.
  TimeLimit(std::optional<Duration> timeout, const char* what);
  ~TimeLimit();
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

  bool expired() const { return expired_ != 0; }
  /// Whether one of those around it is over.
  bool outer_expired() const;

 private:
  friend class TimeLimits;
  const char* const what_;
  TimeLimit* const outer_;
  std::int64_t deadline_ns_;
  volatile sig_atomic_t expired_ = 0;
};

/// Told at the exit of a process that had to end because of what was named so.
using OverrunObserver = void (*)(const char* what);
void on_overrun(OverrunObserver observer);
/// Whether the process is about to end, or ends, because something has not.
bool ends_for_overrun();

/// While it lives, SQL of others may run: SIGTERM then ends a background worker by what SQL cannot
/// catch (install_signal_handlers() of src/worker).
class ForeignCode {
 public:
  ForeignCode();
  ~ForeignCode();
  ForeignCode(const ForeignCode&) = delete;
  ForeignCode& operator=(const ForeignCode&) = delete;
  /// For signal handlers, too.
  static bool runs();
};

/// A process of ours, in which a cancel from outside means the foreign SQL that runs and not the
/// pass that it is part of.
void cancels_mean_foreign_code();
bool do_cancels_mean_foreign_code();

/// For long loops of L1 rooms: lets a cancel, the end of a limit and a shutdown through, as an
/// exception.
class InterruptToken final : public CancelToken {
 public:
  bool cancelled() override;
};

}  // namespace monitoring::pg
