// PromQL: texts that are parsed and printed, and queries that are evaluated over a few series.

#include <string>
#include <variant>

#include "monitoring/promql/engine.hpp"
#include "monitoring/promql/memory_source.hpp"
#include "monitoring/promql/parser.hpp"
#include "monitoring/promql/printer.hpp"
#include "monitoring/promql/text.hpp"
#include "target.hpp"

using namespace monitoring;
using namespace monitoring::promql;
using fuzz::require;

FUZZ_TARGET(promql_parse) {
  (void)parse(bytes);
  (void)parse_selector(bytes);
  (void)parse_number(bytes);
  if (const auto ms = parse_duration(bytes)) require(*parse_duration(duration_text(*ms)) == *ms);
  const auto expr = parse(bytes, {true});
  if (!expr) {
    require(expr.error().position.has_value());
    require(*expr.error().position <= bytes.size());
    (void)caret_text(bytes, *expr.error().position);
    return;
  }
  // What is printed is the same query.
  const std::string text = printed(**expr);
  const auto again = parse(text, {true});
  require(again.ok());
  require(printed(**again) == text);
  const auto lines = parse(pretty(**expr), {true});
  require(lines.ok());
  require(printed(**lines) == text);
}

namespace {

/// Ends a query that is allowed but long.
class CancelledLate final : public CancelToken {
 public:
  bool cancelled() override { return ++questions_ > 20'000; }

 private:
  int questions_ = 0;
};

MemorySource& few_series() {
  static auto& source = *[] {
    auto* made = new MemorySource;
    const double values[] = {1, 5, 0, stale_marker(), 1e300, -7, 0.5, 3};
    for (const char* name : {"a", "b", "c_bucket"}) {
      for (const char* label : {"1", "2", "+Inf"}) {
        for (std::int64_t i = 0; i < 40; ++i) {
          made->append({{"__name__", name}, {"le", label}, {"x", name}}, i * 15'000,
                       values[(i + label[0]) % 8]);
        }
      }
    }
    return made;
  }();
  return source;
}

}  // namespace

FUZZ_TARGET(promql_eval) {
  const auto expr = parse(bytes, {true});
  if (!expr) return;
  EngineOptions options;
  options.max_samples = 20'000;
  options.max_bytes = 64 << 20;
  for (const bool other : {false, true}) {
    options.as_before_3 = other;
    options.delayed_name_removal = other;
    CancelledLate cancel;
    const QueryRange range{60'000, 540'000, 37'000};
    (void)selections_of(**expr, range, options);
    const auto outcome = run_range_query(bytes, **expr, range, few_series(), options, cancel);
    if (const auto* result = std::get_if<QueryResult>(&outcome)) {
      require(result->peak_samples <= options.max_samples);
      for (std::size_t i = 1; i < result->series.size(); ++i) {
        require(result->series[i - 1].labels < result->series[i].labels);
      }
    }
    (void)run_instant_query(bytes, **expr, 300'000, few_series(), options, cancel);
  }
}
