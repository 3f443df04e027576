#include "promql/evaluation.hpp"

#include <algorithm>

#include "monitoring/promql/text.hpp"
#include "promql/raw_series.hpp"

namespace monitoring::promql {

namespace {

/// Of each kind. Series make them, and those may be many.
constexpr std::size_t kMostNotes = 100;

}  // namespace

Evaluation::Evaluation(std::string_view query, const QueryRange& range, SeriesSource& source,
                       const EngineOptions& options, CancelToken& cancel)
    : query_(query),
      range_(range),
      source_(source),
      options_(options),
      cancel_(cancel),
      shared_(std::make_unique<SharedSelections>()) {}

Evaluation::~Evaluation() {
  shared_.reset();  // while what it gives back can be counted
}

bool Evaluation::fail(QueryFailure::Kind kind, Error error) {
  if (!failure_) failure_ = QueryFailure{kind, std::move(error)};
  return false;
}

bool Evaluation::goes_on() {
  if (failed()) return false;
  if (options_.time_limit != nullptr && options_.time_limit->cancelled()) {
    return fail(QueryFailure::Kind::kTimeout,
                Error::of("query timed out in expression evaluation"));
  }
  if (cancel_.cancelled()) {
    return fail(QueryFailure::Kind::kCanceled,
                Error::of("query was canceled in expression evaluation"));
  }
  return true;
}

bool Evaluation::hold(std::size_t samples, std::size_t bytes) {
  samples_ += samples;
  bytes_ += bytes;
  peak_samples_ = std::max(peak_samples_, samples_);
  if (samples_ <= options_.max_samples && bytes_ <= options_.max_bytes) return !failed();
  return fail(
      QueryFailure::Kind::kExecution,
      Error::of("query processing would load too many samples into memory in query execution",
                "Select fewer series, a shorter time or a longer step."));
}

void Evaluation::release(std::size_t samples, std::size_t bytes) {
  samples_ -= samples;
  bytes_ -= bytes;
}

void Evaluation::add_note(std::set<std::string>& notes, const char* kind, const std::string& text,
                          const Span& span) {
  if (notes.size() >= kMostNotes) return;
  notes.insert(std::string("PromQL ") + kind + ": " + text + " (" + place_text(query_, span.start) +
               ")");
}

}  // namespace monitoring::promql
