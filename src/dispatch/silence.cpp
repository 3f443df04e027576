#include "monitoring/dispatch/silence.hpp"

#include <algorithm>

namespace monitoring::dispatch {

SilenceState silence_state(const Silence& silence, Instant now) {
  if (now < silence.starts_at) return SilenceState::kPending;
  return now < silence.ends_at ? SilenceState::kActive : SilenceState::kExpired;
}

std::optional<Error> check_silence(const Silence& silence) {
  const bool narrow = std::any_of(silence.matchers.begin(), silence.matchers.end(),
                                  [](const Matcher& m) { return !m.matches_value(""); });
  if (!narrow) {
    return Error::of("at least one matcher must not match the empty string",
                     "Without such a matcher the silence would hold for alerts that do not have "
                     "the label at all.");
  }
  if (silence.ends_at <= silence.starts_at) {
    return Error::of("a silence must end after it starts");
  }
  return std::nullopt;
}

bool silences(const Silence& silence, const Labels& labels, Instant now) {
  return silence_state(silence, now) == SilenceState::kActive &&
         matches_all(silence.matchers, labels);
}

const Silence* find_silence(const std::vector<Silence>& all, const Labels& labels, Instant now) {
  const auto at = std::find_if(all.begin(), all.end(), [&](const Silence& silence) {
    return silences(silence, labels, now);
  });
  return at == all.end() ? nullptr : &*at;
}

std::vector<std::size_t> settle_silences(std::vector<Silence>& all,
                                         const std::vector<notify::AlertView>& alerts,
                                         Instant now) {
  std::vector<std::size_t> changed;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Silence& silence = all[i];
    if (!silence.until_resolved || silence_state(silence, now) != SilenceState::kActive) continue;
    const bool fires =
        std::any_of(alerts.begin(), alerts.end(), [&](const notify::AlertView& alert) {
          return !notify::resolved_at(alert, now) && matches_all(silence.matchers, alert.labels);
        });
    if (fires == silence.matched) continue;
    if (fires) silence.matched = true;
    if (!fires) silence.ends_at = now;
    changed.push_back(i);
  }
  return changed;
}

}  // namespace monitoring::dispatch
