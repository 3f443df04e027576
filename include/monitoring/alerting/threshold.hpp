#pragma once
// Thresholds: levels of severity under one alertname on one aggregated metric, with hysteresis; and
// the baseline of the same hour of previous days. Pure arithmetic on plain structs: a threshold
// makes elements (state_machine.hpp), and `for`, keep_firing_for, no_data and errors are the state
// machine's.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/alerting/rule.hpp"
#include "monitoring/alerting/state_machine.hpp"
#include "monitoring/base/clock.hpp"
#include "monitoring/base/result.hpp"

namespace monitoring::alerting {

/// How a value is held against a level: "value > bound" and so on.
enum class Comparison { kGreater, kGreaterEqual, kLess, kLessEqual, kEqual, kNotEqual };
/// ">", ">=", "<", "<=", "=", "!=".
std::optional<Comparison> comparison_from_text(std::string_view text);
std::string_view to_text(Comparison comparison);
/// NaN meets nothing but !=, as in SQL and IEEE 754 arithmetic with one NaN.
bool holds(Comparison comparison, double value, double bound);

/// What is made of the samples of the window.
enum class Aggregate {
  kAverage,
  kMaximum,
  kMinimum,
  kSum,
  kCount,
  kLast,
  kP50,
  kP95,
  kP99,
  kRate,
  kIncrease
};
/// "avg", "max", "min", "sum", "count", "last", "p50", "p95", "p99", "rate", "increase".
std::optional<Aggregate> aggregate_from_text(std::string_view text);
std::string_view to_text(Aggregate aggregate);
/// All of them, for messages.
std::string aggregate_names();

/// One rung of the ladder: "warning at 80".
struct Level {
  std::string severity;
  double bound = 0;
  /// Once firing, the level stays until the value has passed this one; none: until the condition
  /// no longer holds.
  std::optional<double> resolve_at;
  /// With > and <: a value at the bound meets the level, too.
  bool inclusive = false;
};

struct Threshold {
  static constexpr std::size_t kMostLevels = 16;

  std::string alert_name;
  Comparison comparison = Comparison::kGreater;
  /// From the most severe to the least: critical, warning; or P0, P1, P2, P3.
  std::vector<Level> levels;

  /// warning and critical, either of which may be missing. resolve_at belongs to the least severe
  /// level there is: the whole alert is over when that one is. Errors: no level; levels in the
  /// wrong order for the comparison; resolve_at that the condition itself covers, or given for = or
  /// !=.
  static Result<Threshold> make(std::string alert_name, Comparison comparison,
                                std::optional<double> warning, std::optional<double> critical,
                                std::optional<double> resolve_at);
  /// Any ladder, most severe level first; the same errors, and: a severity without a name or given
  /// twice, more than kMostLevels, inclusive with another comparison than > and <.
  static Result<Threshold> ladder(std::string alert_name, Comparison comparison,
                                  std::vector<Level> levels);
};

/// The elements of one evaluation: for every sample one element per level whose condition holds, or
/// whose instance fires and has not passed its resolve_at. A sample without a value gives an
/// element without one for every level, so that no_data decides. Labels: the sample's, alertname,
/// severity. A reserved label in a sample is an error of the rule.
Outcome threshold_elements(const Threshold& threshold, const std::vector<Sample>& samples,
                           const std::vector<Instance>& previous);

/// Fingerprints of the pending or firing instances that a more severe firing level of the same
/// labels inhibits: critical hides warning. Notifications leave them out; their state goes on.
std::vector<std::uint64_t> inhibited_by_severer_level(const Threshold& threshold,
                                                      const std::vector<Instance>& instances);

/// One hourly roll-up.
struct HourlyPoint {
  Instant hour_start{};
  double value = 0;
};

/// The median of the points at now's hour of day (UTC) on the `days` days before today's. The
/// median forgives one bad day. None with fewer than `at_least` finite points.
std::optional<double> same_hour_baseline(const std::vector<HourlyPoint>& points, Instant now,
                                         int days, std::size_t at_least);

}  // namespace monitoring::alerting
