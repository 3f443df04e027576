#pragma once
// The real clocks, for processes and SQL entry points: below them time is a parameter.

#include "monitoring/base/clock.hpp"

namespace monitoring::pg {

class SystemClock final : public Clock {
 public:
  Instant now() const override;
};

/// For waits and ages: nobody sets it, and it goes on from the machine's start. Its instants mean
/// nothing to people, and are the same in all processes.
class SteadyClock final : public Clock {
 public:
  Instant now() const override;
};

/// Notices that the wall clock was set back. A step forward needs no care: what was due comes due.
class ClockSteps {
 public:
  /// How far it was set back since the last call, as a negative duration; zero if it was not.
  Duration back_since_last_look(Instant wall, Instant steady);

 private:
  /// What a clock may be slewed by between two looks.
  static constexpr Duration kSmallestStep = std::chrono::seconds(1);

  Instant wall_{};
  Instant steady_{};
};

}  // namespace monitoring::pg
