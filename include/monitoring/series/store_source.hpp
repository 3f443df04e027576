#pragma once
// The store of samples as the source of series that PromQL reads from.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <memory>
#include <vector>

#include "monitoring/promql/series_source.hpp"

namespace monitoring::series {

/// A stored series that a selection is about.
struct SelectedSeries {
  std::int64_t series_id = 0;
  std::int64_t group_id = 0;
  Labels labels;  ///< with __name__
};

/// Those that all matchers match, in the order of their groups and ids.
std::vector<SelectedSeries> select_series(pg::Spi& spi,
                                          const std::vector<promql::Matcher>& matchers,
                                          CancelToken& cancel);

/// Reads on the active snapshot, so that every committed sample is there once, whatever is
/// compacted meanwhile. Holds the labels of all selected series, and the samples of some of them at
/// a time (about a million, but of one group of eight series at the least), 16 bytes each. Damage
/// is error XX001, thrown.
class StoreSource final : public promql::SeriesSource {
 public:
  Result<std::unique_ptr<promql::SeriesCursor>> select(const promql::Selection& selection,
                                                       CancelToken& cancel) override;
};

}  // namespace monitoring::series
