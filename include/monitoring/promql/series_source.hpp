#pragma once
// What PromQL reads from: series selected by matchers and time, one after the other, each with its
// samples in order of time. The store of samples implements it; MemorySource does for tests.
//
// Times are milliseconds of the Unix epoch, Prometheus's own precision. Bytes that a source hands
// out (labels, arrays) stay valid until the next call on the cursor that they came from.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "monitoring/base/cancel.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/promql/matcher.hpp"

namespace monitoring::promql {

/// The NaN by which Prometheus marks the end of a series. It is a sample like any other in a store;
/// only these bits mean it, other NaNs are values.
inline constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;

inline double stale_marker() {
  double marker;
  std::memcpy(&marker, &kStaleBits, sizeof marker);
  return marker;
}

inline bool is_stale(double value) {
  std::uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits == kStaleBits;
}

/// A run of samples, as two columns of the same length. Times rise strictly within a block and from
/// one block of a series to the next.
struct SampleBlock {
  const std::int64_t* times_ms = nullptr;
  const double* values = nullptr;
  std::size_t size = 0;
  /// Nothing of this series follows: saves the reader a call, and a copy where it is the first.
  bool is_last = false;
};

/// Walks over the selected series:
///
///   while (true) {
///     Result<bool> more = cursor->next_series();   // an error ends the query
///     if (!more || !*more) break;
///     use(cursor->labels());
///     while (true) {
///       Result<SampleBlock> block = cursor->next_block();
///       if (!block || block->size == 0) break;     // an empty block: the series is at its end
///       ...
///     }
///   }
class SeriesCursor {
 public:
  virtual ~SeriesCursor() = default;

  /// Moves to the next series; false after the last. Blocks of the series before it that were not
  /// asked for are skipped.
  virtual Result<bool> next_series() = 0;
  /// Of the series that next_series() moved to, the metric's name included as __name__. No label is
  /// empty.
  virtual const Labels& labels() const = 0;
  /// The next samples of this series that lie within the selection, markers of staleness included;
  /// an empty block at the end.
  virtual Result<SampleBlock> next_block() = 0;
};

/// Which series, and which of their samples.
struct Selection {
  std::vector<Matcher> matchers;
  /// Both ends are included. A series without a sample in between may be left out.
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
};

class SeriesSource {
 public:
  virtual ~SeriesSource() = default;

  /// A label set comes once, whatever it is stored in; the order of series is the source's. The
  /// cursor asks the token where it works long; token and source outlive the cursor. Several
  /// cursors of one source may be open at once.
  virtual Result<std::unique_ptr<SeriesCursor>> select(const Selection& selection,
                                                       CancelToken& cancel) = 0;
};

}  // namespace monitoring::promql
