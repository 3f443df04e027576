#include "monitoring/pg/time_limit.hpp"

extern "C" {
#include <postmaster/interrupt.h>
#include <signal.h>
#include <storage/ipc.h>
#include <storage/latch.h>
#include <tcop/tcopprot.h>
#include <time.h>
#include <utils/timeout.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cerrno>
#include <limits>

#include "pg/broken_connections.hpp"

namespace monitoring::pg {

namespace {

/// How often the signal handler looks, besides at deadlines.
constexpr std::int64_t kTickNs = 250'000'000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kDeafNs = TimeLimit::kDeaf / std::chrono::nanoseconds(1);
/// How often what goes on is cancelled before the process ends.
constexpr int kMostCancels = 2;

// What signal handlers read and write. They interrupt this process only, so that volatile is
// enough; 64-bit values are written with the timer off or by the handlers themselves.
TimeLimit* volatile innermost = nullptr;
/// When what runs was first asked to stop; 0: it was not.
volatile std::int64_t asked_at_ns = 0;
volatile int times_asked = 0;
/// Since when a cancel or the end of the process waits to be looked at; 0: none does.
volatile std::int64_t unheard_since_ns = 0;
/// A SIGINT came that no error has answered yet.
volatile sig_atomic_t cancel_came = 0;
volatile sig_atomic_t foreign_depth = 0;
const char* volatile overrun_of = nullptr;

bool cancels_are_for_foreign_code = false;
OverrunObserver observer = nullptr;

std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void cancel() {
  QueryCancelPending = true;
  InterruptPending = true;
  SetLatch(MyLatch);
}

void end_process(const char* what) {
  overrun_of = what;
  ProcDiePending = true;
  InterruptPending = true;
  SetLatch(MyLatch);
}

void ask(std::int64_t now_ns) {
  asked_at_ns = now_ns;
  times_asked = 1;
  cancel();
}

/// Who met the cancel and goes on gets another one, and then no more. Who has not met it yet, say
/// because a disk is slow, still has it before him.
void ask_again(std::int64_t now_ns, const char* what) {
  constexpr std::int64_t kGraceNs = TimeLimit::kGrace / std::chrono::nanoseconds(1);
  if (QueryCancelPending || now_ns - asked_at_ns < times_asked * kGraceNs) return;
  if (times_asked >= kMostCancels) return end_process(what);
  ++times_asked;
  cancel();
}

/// Code that looks at interrupts would have met this one long ago.
void break_what_is_deaf(std::int64_t now_ns) {
  if (!QueryCancelPending && !ProcDiePending) {
    unheard_since_ns = 0;
  } else if (unheard_since_ns == 0) {
    unheard_since_ns = now_ns;
  } else if (now_ns - unheard_since_ns >= kDeafNs) {
    break_connections();
  }
}

void report_overrun(int, Datum) {
  if (overrun_of != nullptr && observer != nullptr) observer(overrun_of);
}

void on_cancel_signal(int signal_number) {
  const int saved = errno;
  cancel_came = 1;
  if (asked_at_ns == 0) {
    asked_at_ns = monotonic_ns();
    times_asked = 1;
  }
  StatementCancelHandler(signal_number);
  errno = saved;
}

/// The outermost limit has SIGINT: the server's handler would not tell us that it came.
struct sigaction server_handler;

void take_cancel_signal() {
  struct sigaction ours {};
  ours.sa_handler = on_cancel_signal;
  sigemptyset(&ours.sa_mask);
  ours.sa_flags = SA_RESTART;
  sigaction(SIGINT, &ours, &server_handler);
}

}  // namespace

/// What the handlers do with the limits.
class TimeLimits {
 public:
  static void on_timer();
  static void arm();
  static TimeoutId timer();
  static bool any_expired(const TimeLimit* from);

 private:
  static std::int64_t next_look(std::int64_t now_ns);
};

bool TimeLimits::any_expired(const TimeLimit* from) {
  for (; from != nullptr; from = from->outer_) {
    if (from->expired_ != 0) return true;
  }
  return false;
}

void TimeLimits::on_timer() {
  const std::int64_t now_ns = monotonic_ns();
  for (TimeLimit* limit = innermost; limit != nullptr; limit = limit->outer_) {
    if (now_ns >= limit->deadline_ns_) limit->expired_ = 1;
  }
  if (asked_at_ns != 0) {
    ask_again(now_ns, innermost->what_);
  } else if (any_expired(innermost)) {
    ask(now_ns);
  }
  break_what_is_deaf(now_ns);
  // A barrier that came with a cancel which somebody has caught waits for the next look.
  InterruptPending = true;
  arm();
}

std::int64_t TimeLimits::next_look(std::int64_t now_ns) {
  std::int64_t next = now_ns + kTickNs;
  for (const TimeLimit* limit = innermost; limit != nullptr; limit = limit->outer_) {
    if (limit->expired_ == 0) next = std::min(next, limit->deadline_ns_);
  }
  return next;
}

void TimeLimits::arm() {
  constexpr std::int64_t kNsPerMs = 1'000'000;
  const std::int64_t now_ns = monotonic_ns();
  const std::int64_t wait_ns = std::max<std::int64_t>(next_look(now_ns) - now_ns, 0);
  enable_timeout_after(timer(), static_cast<int>((wait_ns + kNsPerMs - 1) / kNsPerMs));
}

/// The timer of this process, registered at its first use: a process has ten of them to give away.
TimeoutId TimeLimits::timer() {
  static bool registered = false;
  static TimeoutId id;
  if (!registered) {
    id = call([] {
      on_shmem_exit(report_overrun, 0);
      return RegisterTimeout(USER_TIMEOUT, on_timer);
    });
    registered = true;
  }
  return id;
}

namespace {

std::int64_t deadline_after(std::optional<Duration> timeout) {
  if (!timeout) return kNever;
  const std::int64_t now_ns = monotonic_ns();
  const Duration longest((kNever - now_ns) / 1000);
  return now_ns + std::clamp(*timeout, Duration::zero(), longest) / std::chrono::nanoseconds(1);
}

}  // namespace

TimeLimit::TimeLimit(std::optional<Duration> timeout, const char* what)
    : what_(what), outer_(innermost), deadline_ns_(deadline_after(timeout)) {
  const TimeoutId timer = TimeLimits::timer();
  disable_timeout(timer, false);
  if (outer_ == nullptr) {
    asked_at_ns = 0;
    unheard_since_ns = 0;
    cancel_came = 0;
    take_cancel_signal();
  }
  innermost = this;
  TimeLimits::arm();
}

TimeLimit::~TimeLimit() {
  disable_timeout(TimeLimits::timer(), false);
  // An error has answered what was asked, unless it still waits for one.
  if (!QueryCancelPending) cancel_came = 0;
  // It was ours, and came when all was done already: nobody else asked for this cancel.
  const bool is_wanted = cancel_came != 0 || ShutdownRequestPending || outer_expired();
  if (expired() && !is_wanted) QueryCancelPending = false;
  innermost = outer_;
  asked_at_ns = 0;
  if (outer_ != nullptr) {
    TimeLimits::arm();
  } else {
    sigaction(SIGINT, &server_handler, nullptr);
  }
}

bool TimeLimit::outer_expired() const {
  return TimeLimits::any_expired(outer_);
}

void on_overrun(OverrunObserver told) {
  observer = told;
}

bool ends_for_overrun() {
  return overrun_of != nullptr;
}

ForeignCode::ForeignCode() {
  foreign_depth = foreign_depth + 1;
}

ForeignCode::~ForeignCode() {
  foreign_depth = foreign_depth - 1;
}

bool ForeignCode::runs() {
  return foreign_depth > 0;
}

void cancels_mean_foreign_code() {
  cancels_are_for_foreign_code = true;
}

bool do_cancels_mean_foreign_code() {
  return cancels_are_for_foreign_code;
}

bool InterruptToken::cancelled() {
  if (InterruptPending) call([] { CHECK_FOR_INTERRUPTS(); });
  return false;
}

}  // namespace monitoring::pg
