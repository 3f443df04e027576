// Google Benchmark over the PromQL engine: the queries of the table of figures, over 1,000 series
// of 6 hours at 15 seconds in memory.

#include <benchmark/benchmark.h>

#include <string>

#include "monitoring/promql/engine.hpp"
#include "monitoring/promql/memory_source.hpp"
#include "monitoring/promql/parser.hpp"

namespace monitoring::promql {
namespace {

constexpr std::int64_t kStartMs = 1'735'689'600'000;
constexpr std::int64_t kSpanMs = 6LL * 3600 * 1000;
constexpr std::int64_t kScrapeMs = 15'000;
constexpr int kSeries = 1000;
constexpr int kSeriesOfRoute = 12;
constexpr const char* kBounds[] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                   "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};

void add(MemorySource& source, const Labels& labels, std::uint64_t& state, std::uint64_t most) {
  double value = 0;
  for (std::int64_t at = 0; at < kSpanMs; at += kScrapeMs) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    value += static_cast<double>((state >> 33) % most);
    source.append(labels, kStartMs + at, value);
  }
}

/// The same on every machine.
MemorySource& requests() {
  static auto& source = *[] {
    auto* made = new MemorySource;
    std::uint64_t state = 1;
    for (int i = 0; i < kSeries; ++i) {
      const std::string route = "/api/" + std::to_string(i / kSeriesOfRoute);
      add(*made,
          {{"__name__", "http_requests_total"},
           {"instance", "host-" + std::to_string(i)},
           {"route", route},
           {"status", "200"}},
          state, 100);
      const int bucket = i % kSeriesOfRoute;
      add(*made,
          {{"__name__", "http_request_duration_seconds_bucket"},
           {"le", kBounds[bucket]},
           {"route", route}},
          state, static_cast<std::uint64_t>(bucket + 1) * 10);
    }
    return made;
  }();
  return source;
}

void check(benchmark::State& state, const QueryOutcome& outcome) {
  const auto* result = std::get_if<QueryResult>(&outcome);
  if (result == nullptr || result->series.empty()) state.SkipWithError("the query has no result");
}

void range(benchmark::State& state, const char* query, int step_seconds) {
  const auto expr = parse(query);
  MemorySource& source = requests();  // made before the time counts
  NeverCancelled cancel;
  const QueryRange range{kStartMs, kStartMs + kSpanMs, step_seconds * 1000LL};
  for (auto _ : state) {
    check(state, run_range_query(query, **expr, range, source, EngineOptions(), cancel));
  }
}

void instant(benchmark::State& state, const char* query) {
  const auto expr = parse(query);
  MemorySource& source = requests();  // made before the time counts
  NeverCancelled cancel;
  const std::int64_t at_ms = kStartMs + kSpanMs - kScrapeMs;
  for (auto _ : state) {
    check(state, run_instant_query(query, **expr, at_ms, source, EngineOptions(), cancel));
  }
}

constexpr char kRate[] = "rate(http_requests_total[5m])";
constexpr char kSum[] = "sum(rate(http_requests_total[5m]))";
constexpr char kSumByRoute[] = "sum by (route) (rate(http_requests_total[5m]))";
constexpr char kQuantile[] =
    "histogram_quantile(0.95, sum by (route, le) (rate(http_request_duration_seconds_bucket[5m])))";

constexpr auto kUnit = benchmark::kMillisecond;
BENCHMARK_CAPTURE(range, promql_sum_by_route_60s, kSumByRoute, 60)->Unit(kUnit);
BENCHMARK_CAPTURE(range, promql_sum_15s, kSum, 15)->Unit(kUnit);
BENCHMARK_CAPTURE(range, promql_quantile_60s, kQuantile, 60)->Unit(kUnit);
BENCHMARK_CAPTURE(range, promql_rate_60s, kRate, 60)->Unit(kUnit);
BENCHMARK_CAPTURE(range, promql_max_over_1h_60s, "max_over_time(http_requests_total[1h])", 60)
    ->Unit(kUnit);
BENCHMARK_CAPTURE(instant, promql_rate, kRate)->Unit(kUnit);
BENCHMARK_CAPTURE(instant, promql_sum_by_route, kSumByRoute)->Unit(kUnit);
BENCHMARK_CAPTURE(instant, promql_quantile, kQuantile)->Unit(kUnit);
BENCHMARK_CAPTURE(instant, promql_increase_1h, "increase(http_requests_total[1h])")->Unit(kUnit);
BENCHMARK_CAPTURE(instant, promql_max_6h, "max(max_over_time(http_requests_total[6h]))")
    ->Unit(kUnit);

}  // namespace
}  // namespace monitoring::promql
