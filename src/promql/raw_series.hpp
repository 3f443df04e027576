#pragma once
// Series as the source has them, read once each.

#include <memory>
#include <vector>

#include "promql/streams.hpp"

namespace monitoring::promql {

/// All samples of one series that a selector needs, markers of staleness included.
struct RawSamples {
  const std::int64_t* times_ms = nullptr;
  const double* values = nullptr;
  std::size_t size = 0;
};

class RawCursor {
 public:
  virtual ~RawCursor() = default;
  /// False at the end and once the evaluation has failed.
  virtual bool next() = 0;
  virtual const Labels& labels() const = 0;
  virtual RawSamples samples() const = 0;
};

std::unique_ptr<RawCursor> open_raw(const std::vector<Matcher>& matchers, std::int64_t start_ms,
                                    std::int64_t end_ms, Evaluation& evaluation);

/// A part of the source that several selectors of a query read: held from the first on.
struct SharedSelection {
  Selection selection;
  std::size_t uses = 0;
  bool is_loaded = false;
  struct Stored {
    Labels labels;
    std::vector<std::int64_t> times_ms;
    std::vector<double> values;
  };
  std::vector<Stored> series;
  std::unique_ptr<Held> held;
};

class SharedSelections {
 public:
  void set(std::vector<SharedSelection> selections) { selections_ = std::move(selections); }
  /// nullptr where only one selector reads it.
  SharedSelection* find(const std::vector<Matcher>& matchers, std::int64_t start_ms,
                        std::int64_t end_ms);

 private:
  std::vector<SharedSelection> selections_;
};

/// What each selector of the expression reads, those of the same matchers joined where their times
/// touch; with the number of selectors.
std::vector<SharedSelection> planned_selections(const Expr& expr, const Steps& steps,
                                                const QueryRange& range,
                                                const EngineOptions& options);

/// `offset` and `@`, resolved.
struct Shift {
  std::int64_t offset_ms = 0;
  std::optional<std::int64_t> at_ms;

  std::int64_t reference(std::int64_t step_ms) const { return at_ms.value_or(step_ms) - offset_ms; }
};

/// Errors of durations that are computed are told by resolve_durations() before anything is read.
Shift shift_of(const TimeShift& shift, const QueryRange& range);
std::int64_t duration_ms(const DurationValue& duration, const QueryRange& range);
/// The first duration of the expression that cannot be used in this query.
std::optional<Error> problem_of_durations(const Expr& expr, const QueryRange& range);

/// The steps of a subquery whose expression is evaluated for these steps. None: there are too many.
std::optional<Steps> subquery_steps(const Subquery& node, const Steps& outer,
                                    const QueryRange& range, const EngineOptions& options);

}  // namespace monitoring::promql
