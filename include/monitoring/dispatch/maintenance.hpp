#pragma once
// Maintenance windows: silences that come again, on a schedule in a time zone.

#include <optional>
#include <string>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/cron.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/dispatch/matcher.hpp"
#include "monitoring/dispatch/silence.hpp"
#include "monitoring/dispatch/time_interval.hpp"

namespace monitoring::dispatch {

struct Maintenance {
  std::string name;
  Matchers matchers;
  /// When a window begins, by the clocks of the zone.
  CronSchedule schedule;
  Duration duration{0};
  std::string zone;
};

/// The schedule of a maintenance: cron's five fields or a short form, but no seconds.
Result<CronSchedule> parse_maintenance_schedule(const std::string& text);

/// The window that is open at `now`, as a silence; none between windows. A duration counts as it
/// passes: where clocks are put back meanwhile, the window ends by an earlier time of theirs. Fails
/// on a zone that `zones` does not know.
Result<std::optional<Silence>> open_window(const Maintenance& maintenance, Instant now,
                                           const UtcOffsetProvider& zones);

}  // namespace monitoring::dispatch
