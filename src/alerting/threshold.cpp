#include "monitoring/alerting/threshold.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace monitoring::alerting {

namespace {

constexpr std::array<std::pair<Comparison, std::string_view>, 6> kComparisons{
    {{Comparison::kGreater, ">"},
     {Comparison::kGreaterEqual, ">="},
     {Comparison::kLess, "<"},
     {Comparison::kLessEqual, "<="},
     {Comparison::kEqual, "="},
     {Comparison::kNotEqual, "!="}}};

constexpr std::array<std::pair<Aggregate, std::string_view>, 11> kAggregates{
    {{Aggregate::kAverage, "avg"},
     {Aggregate::kMaximum, "max"},
     {Aggregate::kMinimum, "min"},
     {Aggregate::kSum, "sum"},
     {Aggregate::kCount, "count"},
     {Aggregate::kLast, "last"},
     {Aggregate::kP50, "p50"},
     {Aggregate::kP95, "p95"},
     {Aggregate::kP99, "p99"},
     {Aggregate::kRate, "rate"},
     {Aggregate::kIncrease, "increase"}}};

bool upwards(Comparison comparison) {
  return comparison == Comparison::kGreater || comparison == Comparison::kGreaterEqual;
}

bool downwards(Comparison comparison) {
  return comparison == Comparison::kLess || comparison == Comparison::kLessEqual;
}

/// The comparison that holds for this level.
Comparison comparison_of(Comparison comparison, const Level& level) {
  if (!level.inclusive) return comparison;
  return comparison == Comparison::kGreater ? Comparison::kGreaterEqual : Comparison::kLessEqual;
}

std::optional<Error> check_level(Comparison comparison, const Level& level) {
  if (level.severity.empty()) return Error::of("a level needs a severity");
  if (!std::isfinite(level.bound)) {
    return Error::of("the bound of level \"" + level.severity + "\" must be a finite number");
  }
  const bool strict = comparison == Comparison::kGreater || comparison == Comparison::kLess;
  if (level.inclusive && !strict) {
    return Error::of("level \"" + level.severity + "\" cannot be inclusive",
                     "Only the comparisons > and < leave the bound out.");
  }
  if (!level.resolve_at) return std::nullopt;
  const bool beyond = upwards(comparison)     ? *level.resolve_at > level.bound
                      : downwards(comparison) ? *level.resolve_at < level.bound
                                              : true;
  if (!beyond && std::isfinite(*level.resolve_at)) return std::nullopt;
  return Error::of("resolve_at of level \"" + level.severity + "\" lies where the alert fires",
                   "With > and >= it is at most the bound, with < and <= at least; = and != have "
                   "none.");
}

bool named_before(const std::vector<Level>& levels, std::size_t at) {
  return std::any_of(levels.begin(), levels.begin() + static_cast<std::ptrdiff_t>(at),
                     [&](const Level& level) { return level.severity == levels[at].severity; });
}

/// Whether some value meets the more severe level and not the next one.
bool fires_before(Comparison comparison, const Level& severer, const Level& next) {
  if (!upwards(comparison) && !downwards(comparison)) return false;
  if (severer.bound == next.bound) return severer.inclusive && !next.inclusive;
  return upwards(comparison) ? severer.bound < next.bound : severer.bound > next.bound;
}

/// Whether a firing level is over: the value has come back to resolve_at.
bool passed(Comparison comparison, double value, double resolve_at) {
  return upwards(comparison) ? value <= resolve_at : value >= resolve_at;
}

Labels level_labels(const Threshold& threshold, const Labels& sample, const Level& level) {
  Labels labels = sample;
  labels.erase("__name__");
  labels.set("alertname", threshold.alert_name);
  labels.set("severity", level.severity);
  return labels;
}

bool fires(const std::vector<Instance>& instances, const Labels& labels) {
  const auto fingerprint = labels.fingerprint();
  return std::any_of(instances.begin(), instances.end(), [&](const Instance& instance) {
    return instance.fingerprint == fingerprint && instance.state == AlertState::kFiring &&
           instance.labels == labels;
  });
}

bool level_is_met(const Threshold& threshold, const Level& level, double value,
                  const Labels& labels, const std::vector<Instance>& previous) {
  if (holds(comparison_of(threshold.comparison, level), value, level.bound)) return true;
  if (!level.resolve_at || std::isnan(value)) return false;
  return !passed(threshold.comparison, value, *level.resolve_at) && fires(previous, labels);
}

/// Position in the ladder: 0 is the most severe. The ladder's size for any other severity.
std::size_t rank(const Threshold& threshold, std::string_view severity) {
  std::size_t at = 0;
  while (at < threshold.levels.size() && threshold.levels[at].severity != severity) ++at;
  return at;
}

}  // namespace

std::optional<Comparison> comparison_from_text(std::string_view text) {
  for (const auto& [comparison, name] : kComparisons) {
    if (name == text) return comparison;
  }
  return std::nullopt;
}

std::string_view to_text(Comparison comparison) {
  return kComparisons[static_cast<std::size_t>(comparison)].second;
}

std::optional<Aggregate> aggregate_from_text(std::string_view text) {
  for (const auto& [aggregate, name] : kAggregates) {
    if (name == text) return aggregate;
  }
  return std::nullopt;
}

std::string_view to_text(Aggregate aggregate) {
  return kAggregates[static_cast<std::size_t>(aggregate)].second;
}

std::string aggregate_names() {
  std::string names;
  for (const auto& [unused, name] : kAggregates) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

bool holds(Comparison comparison, double value, double bound) {
  switch (comparison) {
    case Comparison::kGreater:
      return value > bound;
    case Comparison::kGreaterEqual:
      return value >= bound;
    case Comparison::kLess:
      return value < bound;
    case Comparison::kLessEqual:
      return value <= bound;
    case Comparison::kEqual:
      return value == bound;
    case Comparison::kNotEqual:
      return value != bound;
  }
  return false;
}

Result<Threshold> Threshold::ladder(std::string alert_name, Comparison comparison,
                                    std::vector<Level> levels) {
  if (levels.empty()) return Error::of("a threshold needs at least one level");
  if (levels.size() > kMostLevels) {
    return Error::of("a threshold has at most " + std::to_string(kMostLevels) + " levels");
  }
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (auto error = check_level(comparison, levels[i])) return *error;
    if (named_before(levels, i)) {
      return Error::of("level \"" + levels[i].severity + "\" is there twice");
    }
    if (i > 0 && fires_before(comparison, levels[i - 1], levels[i])) {
      return Error::of("level \"" + levels[i - 1].severity + "\" would fire before \"" +
                           levels[i].severity + "\", which is less severe",
                       "With > and >= the more severe level has the higher bound, with < and <= "
                       "the lower one.");
    }
  }
  return Threshold{std::move(alert_name), comparison, std::move(levels)};
}

Result<Threshold> Threshold::make(std::string alert_name, Comparison comparison,
                                  std::optional<double> warning, std::optional<double> critical,
                                  std::optional<double> resolve_at) {
  std::vector<Level> levels;
  if (critical) levels.push_back({"critical", *critical, std::nullopt});
  if (warning) levels.push_back({"warning", *warning, std::nullopt});
  if (!levels.empty()) levels.back().resolve_at = resolve_at;
  return ladder(std::move(alert_name), comparison, std::move(levels));
}

Outcome threshold_elements(const Threshold& threshold, const std::vector<Sample>& samples,
                           const std::vector<Instance>& previous) {
  std::vector<Element> elements;
  for (const auto& sample : samples) {
    if (const auto* name = find_reserved_label(sample.labels)) return reserved_label_error(*name);
    for (const auto& level : threshold.levels) {
      Element element;
      element.labels = level_labels(threshold, sample.labels, level);
      element.value = sample.value;
      const bool met =
          !sample.value || level_is_met(threshold, level, *sample.value, element.labels, previous);
      if (met) elements.push_back(std::move(element));
    }
  }
  return elements;
}

std::vector<std::uint64_t> inhibited_by_severer_level(const Threshold& threshold,
                                                      const std::vector<Instance>& instances) {
  std::vector<std::uint64_t> inhibited;
  for (const auto& instance : instances) {
    if (!instance.active() || instance.origin != Origin::kElement) continue;
    const auto own_rank = rank(threshold, instance.labels.get("severity"));
    if (own_rank == threshold.levels.size()) continue;
    Labels severer = instance.labels;
    for (std::size_t i = 0; i < own_rank; ++i) {
      severer.set("severity", threshold.levels[i].severity);
      if (!fires(instances, severer)) continue;
      inhibited.push_back(instance.fingerprint);
      break;
    }
  }
  return inhibited;
}

std::optional<double> same_hour_baseline(const std::vector<HourlyPoint>& points, Instant now,
                                         int days, std::size_t at_least) {
  constexpr Duration kHour = std::chrono::hours(1);
  constexpr Duration kDay = std::chrono::hours(24);
  auto since_hour = now.time_since_epoch() % kHour;
  if (since_hour < Duration{0}) since_hour += kHour;
  const Instant this_hour = now - since_hour;
  std::vector<double> values;
  for (const auto& point : points) {
    const auto age = this_hour - point.hour_start;
    const bool same_hour = age > Duration{0} && age % kDay == Duration{0} && age <= days * kDay;
    if (same_hour && std::isfinite(point.value)) values.push_back(point.value);
  }
  if (values.empty() || values.size() < at_least) return std::nullopt;
  std::sort(values.begin(), values.end());
  const auto middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return values[middle - 1] / 2 + values[middle] / 2;
}

}  // namespace monitoring::alerting
