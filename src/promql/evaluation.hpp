#pragma once
// What all parts of one evaluation share: its limits, its failure, its annotations.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/promql/engine.hpp"

namespace monitoring::promql {

class SharedSelections;

/// The instants at which an expression is evaluated.
struct Steps {
  std::int64_t start_ms = 0;
  std::int64_t interval_ms = 1;
  std::size_t count = 1;

  std::int64_t at(std::size_t i) const {
    return start_ms + static_cast<std::int64_t>(i) * interval_ms;
  }
  std::int64_t last_ms() const { return at(count - 1); }
  bool is_single() const { return count == 1; }
};

/// How many turns a loop over steps makes between two looks at whether it is to stop.
inline constexpr std::size_t kTurnsBetweenLooks = 1U << 16;

/// One evaluation. Whoever finds an error calls fail(); from then on every stream is at its end, so
/// that nobody but the entry has to look.
class Evaluation {
 public:
  Evaluation(std::string_view query, const QueryRange& range, SeriesSource& source,
             const EngineOptions& options, CancelToken& cancel);
  ~Evaluation();

  const EngineOptions& options() const { return options_; }
  const QueryRange& range() const { return range_; }
  SeriesSource& source() { return source_; }
  CancelToken& cancel() { return cancel_; }
  SharedSelections& shared() { return *shared_; }

  bool failed() const { return failure_.has_value(); }
  const QueryFailure& failure() const { return *failure_; }
  /// Only the first failure counts. Always false.
  bool fail(QueryFailure::Kind kind, Error error);
  bool fail(std::string message) {
    return fail(QueryFailure::Kind::kExecution, Error::of(std::move(message)));
  }
  bool fail_at(const Span& span, std::string message) {
    return fail(QueryFailure::Kind::kExecution, Error::at(span.start, std::move(message)));
  }
  /// Of the same labels twice at one instant.
  bool fail_of_duplicates() { return fail("vector cannot contain metrics with the same labelset"); }

  /// False once the evaluation has failed or is to stop. Cheap; to be asked once a series, and in
  /// long loops every some thousand turns.
  bool goes_on();

  /// False where the samples or bytes are too many with those that are held already.
  bool hold(std::size_t samples, std::size_t bytes);
  void release(std::size_t samples, std::size_t bytes);
  void count_read(std::size_t samples) { samples_read_ += samples; }
  std::size_t samples_read() const { return samples_read_; }
  std::size_t peak_samples() const { return peak_samples_; }

  void warn(const std::string& text, const Span& span) {
    add_note(warnings_, "warning", text, span);
  }
  void inform(const std::string& text, const Span& span) { add_note(infos_, "info", text, span); }
  std::vector<std::string> warnings() const { return {warnings_.begin(), warnings_.end()}; }
  std::vector<std::string> infos() const { return {infos_.begin(), infos_.end()}; }

 private:
  void add_note(std::set<std::string>& notes, const char* kind, const std::string& text,
                const Span& span);

  std::string_view query_;
  QueryRange range_;
  SeriesSource& source_;
  const EngineOptions& options_;
  CancelToken& cancel_;
  std::unique_ptr<SharedSelections> shared_;
  std::optional<QueryFailure> failure_;
  std::size_t samples_ = 0;
  std::size_t bytes_ = 0;
  std::size_t peak_samples_ = 0;
  std::size_t samples_read_ = 0;
  std::set<std::string> warnings_;
  std::set<std::string> infos_;
};

/// What an object holds of samples and bytes, given back with it.
class Held {
 public:
  explicit Held(Evaluation& evaluation) : evaluation_(evaluation) {}
  ~Held() { release(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  bool add(std::size_t samples, std::size_t bytes) {
    samples_ += samples;
    bytes_ += bytes;
    return evaluation_.hold(samples, bytes);
  }
  void release() {
    evaluation_.release(samples_, bytes_);
    samples_ = 0;
    bytes_ = 0;
  }

 private:
  Evaluation& evaluation_;
  std::size_t samples_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace monitoring::promql
