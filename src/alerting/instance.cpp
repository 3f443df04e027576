#include "monitoring/alerting/instance.hpp"

#include <array>
#include <utility>

namespace monitoring::alerting {

namespace {

template <class Enum, std::size_t kSize>
using Names = std::array<std::pair<Enum, std::string_view>, kSize>;

constexpr Names<AlertState, 4> kStates{{{AlertState::kInactive, "inactive"},
                                        {AlertState::kPending, "pending"},
                                        {AlertState::kFiring, "firing"},
                                        {AlertState::kResolved, "resolved"}}};

constexpr Names<Origin, 3> kOrigins{{{Origin::kElement, "element"},
                                     {Origin::kRuleError, "rule_error"},
                                     {Origin::kEvaluationFailed, "evaluation_failed"}}};

constexpr Names<Cause, 7> kCauses{{{Cause::kConditionMet, "condition met"},
                                   {Cause::kForElapsed, "for elapsed"},
                                   {Cause::kConditionCleared, "condition cleared"},
                                   {Cause::kForRaised, "for raised"},
                                   {Cause::kNoData, "no data"},
                                   {Cause::kEvaluationFailed, "evaluation failed"},
                                   {Cause::kEvaluationRecovered, "evaluation recovered"}}};

template <class Enum, std::size_t kSize>
std::string_view name_of(const Names<Enum, kSize>& names, Enum value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  return {};
}

template <class Enum, std::size_t kSize>
std::optional<Enum> value_of(const Names<Enum, kSize>& names, std::string_view text) {
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_text(AlertState state) {
  return name_of(kStates, state);
}
std::string_view to_text(Origin origin) {
  return name_of(kOrigins, origin);
}
std::string_view to_text(Cause cause) {
  return name_of(kCauses, cause);
}

std::optional<AlertState> alert_state_from_text(std::string_view text) {
  return value_of(kStates, text);
}

std::optional<Origin> origin_from_text(std::string_view text) {
  return value_of(kOrigins, text);
}

}  // namespace monitoring::alerting
