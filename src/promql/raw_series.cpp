#include "promql/raw_series.hpp"

#include <algorithm>

namespace monitoring::promql {

namespace {

/// Reads from the source. A series that comes in one block is not copied.
class SourceCursor final : public RawCursor {
 public:
  SourceCursor(Selection selection, Evaluation& evaluation)
      : evaluation_(evaluation), held_(evaluation) {
    if (!evaluation.goes_on()) return;
    auto cursor = evaluation.source().select(selection, evaluation.cancel());
    if (cursor) {
      cursor_ = std::move(cursor).value();
    } else {
      fail(cursor.error());
    }
  }

  bool next() override {
    held_.release();
    if (cursor_ == nullptr || !evaluation_.goes_on()) return false;
    const Result<bool> more = cursor_->next_series();
    if (!more) return fail(more.error());
    return *more && read_blocks();
  }
  const Labels& labels() const override { return cursor_->labels(); }
  RawSamples samples() const override { return samples_; }

 private:
  bool fail(const Error& error) {
    // A source that was cancelled says so in its own words.
    if (!evaluation_.goes_on()) return false;
    return evaluation_.fail(QueryFailure::Kind::kExecution,
                            Error::of("expanding series: " + error.message, error.hint));
  }

  bool read_blocks() {
    times_ms_.clear();
    values_.clear();
    while (true) {
      const Result<SampleBlock> block = cursor_->next_block();
      if (!block) return fail(block.error());
      if (block->size == 0) break;
      if (!held_.add(block->size, 0)) return false;
      evaluation_.count_read(block->size);
      if (block->is_last && times_ms_.empty()) {
        samples_ = {block->times_ms, block->values, block->size};
        return true;
      }
      times_ms_.insert(times_ms_.end(), block->times_ms, block->times_ms + block->size);
      values_.insert(values_.end(), block->values, block->values + block->size);
      if (block->is_last) break;
    }
    samples_ = {times_ms_.data(), values_.data(), times_ms_.size()};
    return true;
  }

  Evaluation& evaluation_;
  Held held_;
  std::unique_ptr<SeriesCursor> cursor_;
  std::vector<std::int64_t> times_ms_;
  std::vector<double> values_;
  RawSamples samples_;
};

/// Reads what is held, between two times.
class StoredCursor final : public RawCursor {
 public:
  StoredCursor(const SharedSelection& shared, std::int64_t start_ms, std::int64_t end_ms,
               Evaluation& evaluation)
      : shared_(shared), start_ms_(start_ms), end_ms_(end_ms), evaluation_(evaluation) {}

  bool next() override {
    if (next_ == shared_.series.size() || !evaluation_.goes_on()) return false;
    current_ = &shared_.series[next_++];
    const auto& times = current_->times_ms;
    const auto from = std::lower_bound(times.begin(), times.end(), start_ms_);
    const auto to = std::upper_bound(from, times.end(), end_ms_);
    const auto skipped = from - times.begin();
    samples_ = {times.data() + skipped, current_->values.data() + skipped,
                static_cast<std::size_t>(to - from)};
    return true;
  }
  const Labels& labels() const override { return current_->labels; }
  RawSamples samples() const override { return samples_; }

 private:
  const SharedSelection& shared_;
  std::int64_t start_ms_;
  std::int64_t end_ms_;
  Evaluation& evaluation_;
  std::size_t next_ = 0;
  const SharedSelection::Stored* current_ = nullptr;
  RawSamples samples_;
};

void load(SharedSelection& shared, Evaluation& evaluation) {
  shared.is_loaded = true;
  shared.held = std::make_unique<Held>(evaluation);
  SourceCursor cursor(shared.selection, evaluation);
  while (cursor.next()) {
    const RawSamples samples = cursor.samples();
    const std::size_t bytes =
        label_bytes(cursor.labels()) + samples.size * (sizeof(std::int64_t) + sizeof(double));
    if (!shared.held->add(samples.size, bytes)) return;
    shared.series.push_back({cursor.labels(),
                             {samples.times_ms, samples.times_ms + samples.size},
                             {samples.values, samples.values + samples.size}});
  }
}

}  // namespace

std::unique_ptr<RawCursor> open_raw(const std::vector<Matcher>& matchers, std::int64_t start_ms,
                                    std::int64_t end_ms, Evaluation& evaluation) {
  SharedSelection* shared = evaluation.shared().find(matchers, start_ms, end_ms);
  if (shared == nullptr) {
    return std::make_unique<SourceCursor>(Selection{matchers, start_ms, end_ms}, evaluation);
  }
  if (!shared->is_loaded) load(*shared, evaluation);
  return std::make_unique<StoredCursor>(*shared, start_ms, end_ms, evaluation);
}

SharedSelection* SharedSelections::find(const std::vector<Matcher>& matchers, std::int64_t start_ms,
                                        std::int64_t end_ms) {
  const auto at = std::find_if(selections_.begin(), selections_.end(), [&](const auto& shared) {
    const Selection& selection = shared.selection;
    return selection.start_ms <= start_ms && selection.end_ms >= end_ms &&
           selection.matchers == matchers;
  });
  return at == selections_.end() || at->uses < 2 ? nullptr : &*at;
}

}  // namespace monitoring::promql
