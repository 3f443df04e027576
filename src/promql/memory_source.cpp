#include "monitoring/promql/memory_source.hpp"

#include <algorithm>

namespace monitoring::promql {

class MemoryCursor final : public SeriesCursor {
 public:
  MemoryCursor(const MemorySource& source, Selection selection, CancelToken& cancel)
      : next_(source.series_.begin()),
        end_(source.series_.end()),
        selection_(std::move(selection)),
        cancel_(cancel) {}

  Result<bool> next_series() override {
    for (; next_ != end_; ++next_) {
      if (cancel_.cancelled()) return Error::of("the query was cancelled");
      if (!matches_all(selection_.matchers, next_->first)) continue;
      current_ = next_++;
      block_is_due_ = true;
      return true;
    }
    return false;
  }

  const Labels& labels() const override { return current_->first; }

  Result<SampleBlock> next_block() override {
    if (!block_is_due_) return SampleBlock{};
    block_is_due_ = false;
    const auto& times = current_->second.times_ms;
    const auto from = std::lower_bound(times.begin(), times.end(), selection_.start_ms);
    const auto to = std::upper_bound(from, times.end(), selection_.end_ms);
    const auto skipped = from - times.begin();
    return SampleBlock{times.data() + skipped, current_->second.values.data() + skipped,
                       static_cast<std::size_t>(to - from), true};
  }

 private:
  using Place = std::map<Labels, MemorySource::Samples>::const_iterator;

  Place next_;
  Place end_;
  Place current_;
  Selection selection_;
  CancelToken& cancel_;
  bool block_is_due_ = false;
};

void MemorySource::append(const Labels& labels, std::int64_t time_ms, double value) {
  Samples& samples = series_[labels];
  if (samples.times_ms.empty() || samples.times_ms.back() < time_ms) {
    samples.times_ms.push_back(time_ms);
    samples.values.push_back(value);
    return;
  }
  const auto at = std::lower_bound(samples.times_ms.begin(), samples.times_ms.end(), time_ms);
  const auto value_at = samples.values.begin() + (at - samples.times_ms.begin());
  if (*at == time_ms) {
    *value_at = value;
    return;
  }
  samples.times_ms.insert(at, time_ms);
  samples.values.insert(value_at, value);
}

Result<std::unique_ptr<SeriesCursor>> MemorySource::select(const Selection& selection,
                                                           CancelToken& cancel) {
  return std::unique_ptr<SeriesCursor>(std::make_unique<MemoryCursor>(*this, selection, cancel));
}

}  // namespace monitoring::promql
