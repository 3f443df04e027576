#include "monitoring/series/store_source.hpp"

#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <unordered_map>

#include "series/store_rows.hpp"

namespace monitoring::series {

namespace {

/// Samples of a slice, if its series have one every 15 s.
constexpr std::int64_t kSliceSamples = 1000 * 1000;
constexpr std::int64_t kUsualStepMs = 15 * 1000;
constexpr std::int64_t kMostSliceSeries = 1024;
constexpr std::uint64_t kCancelEvery = 64;

/// The samples of one series, from chunks first, then from batches as they were written.
struct Samples {
  std::vector<std::int64_t> times_ms;
  std::vector<double> values;
  bool is_sorted = true;

  void add(std::int64_t time_ms, double value) {
    is_sorted = is_sorted && (times_ms.empty() || times_ms.back() < time_ms);
    times_ms.push_back(time_ms);
    values.push_back(value);
  }
  /// In order of time; of several of one time, the one that was written first.
  void settle();
};

void Samples::settle() {
  if (is_sorted) return;
  std::vector<std::size_t> order(times_ms.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return times_ms[a] < times_ms[b]; });
  Samples settled;
  for (const std::size_t i : order) {
    if (!settled.times_ms.empty() && settled.times_ms.back() == times_ms[i]) continue;
    settled.add(times_ms[i], values[i]);
  }
  *this = std::move(settled);
}

class StoreCursor final : public promql::SeriesCursor {
 public:
  StoreCursor(std::vector<SelectedSeries> series, const promql::Selection& selection,
              CancelToken& cancel)
      : series_(std::move(series)),
        start_ms_(std::clamp(selection.start_ms, kFirstStoredMs, kLastStoredMs)),
        end_ms_(std::clamp(selection.end_ms, kFirstStoredMs, kLastStoredMs)),
        cancel_(cancel) {}

  Result<bool> next_series() override {
    while (next_ < series_.size()) {
      if (next_ == slice_end_) {
        if (cancel_.cancelled()) return Error::of("the query was cancelled");
        read_slice();
      }
      at_ = next_++;
      block_given_ = false;
      Samples& samples = slice_[at_ - slice_start_];
      samples.settle();
      if (!samples.times_ms.empty()) return true;
    }
    return false;
  }

  const Labels& labels() const override { return series_[at_].labels; }

  Result<promql::SampleBlock> next_block() override {
    if (block_given_) return promql::SampleBlock{};
    block_given_ = true;
    const Samples& samples = slice_[at_ - slice_start_];
    return promql::SampleBlock{samples.times_ms.data(), samples.values.data(),
                               samples.times_ms.size()};
  }

 private:
  void read_slice();
  void read_chunks(pg::Spi& spi);
  void read_batches(pg::Spi& spi);
  void add_run(const chunk::Chunk& chunk, std::size_t run, std::int64_t chunk_id);
  Samples* wanted(std::uint64_t series_id) {
    const auto found = positions_.find(static_cast<std::int64_t>(series_id));
    return found == positions_.end() ? nullptr : &slice_[found->second];
  }

  std::vector<SelectedSeries> series_;
  std::int64_t start_ms_;
  std::int64_t end_ms_;
  CancelToken& cancel_;
  std::size_t next_ = 0;
  std::size_t at_ = 0;
  bool block_given_ = true;
  std::size_t slice_start_ = 0;
  std::size_t slice_end_ = 0;
  std::vector<Samples> slice_;
  std::unordered_map<std::int64_t, std::size_t> positions_;
};

void StoreCursor::read_slice() {
  // An open range is as long as what is stored, which is not known: a day's worth of series.
  constexpr std::int64_t kDayMs = 24 * 3600 * 1000;
  const std::int64_t range_ms = std::max<std::int64_t>(end_ms_ - start_ms_, 0);
  const std::int64_t steps = (range_ms > 60 * kDayMs ? kDayMs : range_ms) / kUsualStepMs + 1;
  const std::int64_t count = std::clamp<std::int64_t>(kSliceSamples / steps, 1, kMostSliceSeries);
  slice_start_ = slice_end_;
  slice_end_ = std::min(slice_start_ + static_cast<std::size_t>(count), series_.size());
  // A group's chunks are read once.
  while (slice_end_ < series_.size() &&
         series_[slice_end_].group_id == series_[slice_end_ - 1].group_id) {
    ++slice_end_;
  }
  slice_.assign(slice_end_ - slice_start_, Samples());
  positions_.clear();
  for (std::size_t i = slice_start_; i < slice_end_; ++i) {
    positions_.emplace(series_[i].series_id, i - slice_start_);
  }
  if (start_ms_ > end_ms_) return;
  pg::Spi spi;
  read_chunks(spi);
  read_batches(spi);
}

void StoreCursor::add_run(const chunk::Chunk& chunk, std::size_t run, std::int64_t chunk_id) {
  Samples* samples = wanted(chunk.series_id(run));
  if (samples == nullptr) return;
  const chunk::SampleRun decoded = run_of(chunk, run, chunk_id);
  const auto& times = decoded.times_ms;
  const auto first = std::lower_bound(times.begin(), times.end(), start_ms_) - times.begin();
  const auto last = std::upper_bound(times.begin(), times.end(), end_ms_) - times.begin();
  if (first >= last) return;
  samples->is_sorted =
      samples->is_sorted && (samples->times_ms.empty() || samples->times_ms.back() < times[first]);
  samples->times_ms.insert(samples->times_ms.end(), times.begin() + first, times.begin() + last);
  samples->values.insert(samples->values.end(), decoded.values.begin() + first,
                         decoded.values.begin() + last);
}

void StoreCursor::read_chunks(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT chunk_id, samples FROM monitoring_internal.sample_chunks"
      " WHERE group_id = ANY ($1) AND end_at >= $2 AND start_at <= $3 ORDER BY chunk_id",
      {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID});
  std::vector<std::int64_t> groups;
  for (std::size_t i = slice_start_; i < slice_end_; ++i) {
    if (groups.empty() || groups.back() != series_[i].group_id)
      groups.push_back(series_[i].group_id);
  }
  const pg::Rows rows =
      statement.read(spi, {pg::int8_array(groups), pg::timestamptz(instant_of_ms(start_ms_)),
                           pg::timestamptz(instant_of_ms(end_ms_))});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    if (row % kCancelEvery == 0 && cancel_.cancelled()) return;
    const chunk::Chunk chunk = chunk_at(rows, row, 1, 2);
    for (std::size_t run = 0; run < chunk.runs(); ++run) {
      add_run(chunk, run, *rows.int8(row, 1));
    }
  }
}

void StoreCursor::read_batches(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT batch_id, samples FROM monitoring_internal.sample_batches WHERE end_at >= $1"
      " AND start_at <= $2 AND first_series <= $4 AND last_series >= $3 ORDER BY batch_id",
      {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID});
  const auto by_id = [](const SelectedSeries& a, const SelectedSeries& b) {
    return a.series_id < b.series_id;
  };
  const auto [first, last] =
      std::minmax_element(series_.begin() + static_cast<std::ptrdiff_t>(slice_start_),
                          series_.begin() + static_cast<std::ptrdiff_t>(slice_end_), by_id);
  const pg::Rows rows = statement.read(
      spi, {pg::timestamptz(instant_of_ms(start_ms_)), pg::timestamptz(instant_of_ms(end_ms_)),
            pg::int8(first->series_id), pg::int8(last->series_id)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    if (row % kCancelEvery == 0 && cancel_.cancelled()) return;
    for (const chunk::Sample& sample : batch_at(rows, row, 1, 2)) {
      if (sample.time_ms < start_ms_ || sample.time_ms > end_ms_) continue;
      if (Samples* samples = wanted(sample.series_id)) samples->add(sample.time_ms, sample.value);
    }
  }
}

}  // namespace

Result<std::unique_ptr<promql::SeriesCursor>> StoreSource::select(
    const promql::Selection& selection, CancelToken& cancel) {
  pg::Spi spi;
  return std::unique_ptr<promql::SeriesCursor>(std::make_unique<StoreCursor>(
      select_series(spi, selection.matchers, cancel), selection, cancel));
}

}  // namespace monitoring::series
