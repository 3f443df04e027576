#pragma once
// What alerting remembers of times, after the clock was set back, or after a pass at a wrong time.

#include "monitoring/pg/spi.hpp"

namespace monitoring::routing {

/// The last pass was at `last`, which is later than `now`, the time that counts from here on. Times
/// that alerting has stored and that lie behind `now` cannot be right: they are moved back by the
/// step between the two, so that what had passed of a `for`, a group_interval or a repeat_interval
/// has passed still, to within the step. Earlier times, which may be right, and what people said
/// (silences, acknowledgements) stay, and so do the records of what happened. The caller holds the
/// lock of the passes.
void rebase_alerting(pg::Spi& spi, Instant last, Instant now);

}  // namespace monitoring::routing
