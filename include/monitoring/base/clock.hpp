#pragma once
// Time as a parameter. Nothing below src/worker and src/api asks for the time of day itself.

#include <chrono>

namespace monitoring {

/// Microseconds: the resolution of a Postgres timestamptz.
using Duration = std::chrono::microseconds;
/// An instant of UTC wall-clock time, counted from the Unix epoch.
using Instant = std::chrono::time_point<std::chrono::system_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
};

/// The clock of tests and of evaluate_alerts(at): it moves only when told to.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start) : now_(start) {}
  Instant now() const override { return now_; }
  void set(Instant instant) { now_ = instant; }
  void advance(Duration by) { now_ += by; }

 private:
  Instant now_;
};

}  // namespace monitoring
