#pragma once
// Silences: alerts with certain labels are not notified about for a while.

#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/dispatch/matcher.hpp"
#include "monitoring/notify/notification.hpp"

namespace monitoring::dispatch {

struct Silence {
  std::string id;
  Matchers matchers;
  Instant starts_at{};
  /// The first instant at which it no longer holds. Expiring a silence sets it to that moment.
  Instant ends_at{};
  /// Ends as soon as it has matched a firing alert and no such alert fires any more.
  bool until_resolved = false;
  /// Whether it has matched a firing alert yet; kept by settle_silences.
  bool matched = false;
};

enum class SilenceState { kPending, kActive, kExpired };

SilenceState silence_state(const Silence& silence, Instant now);

/// What is wrong with a silence, if anything: no matcher that keeps out the empty value (such a
/// silence would hold for everything), or an end that is not after the start.
std::optional<Error> check_silence(const Silence& silence);

/// Whether the silence holds for these labels at `now`.
bool silences(const Silence& silence, const Labels& labels, Instant now);

/// The first active silence that holds for these labels, or null.
const Silence* find_silence(const std::vector<Silence>& all, const Labels& labels, Instant now);

/// Brings until_resolved silences up to date with the alerts known at `now`: notes in `matched`
/// which have met a firing alert, and ends those whose alerts have all resolved. Returns the
/// indexes of the silences that changed.
std::vector<std::size_t> settle_silences(std::vector<Silence>& all,
                                         const std::vector<notify::AlertView>& alerts, Instant now);

}  // namespace monitoring::dispatch
