// Google Benchmark over the rooms without Postgres: what the roll-up pass and the alerting loop
// call for every row, series or label set. `make bench` puts the times into its table.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "monitoring/alerting/state_machine.hpp"
#include "monitoring/dispatch/matcher.hpp"
#include "monitoring/metrics/moments.hpp"
#include "monitoring/metrics/sketch.hpp"
#include "monitoring/metrics/sketch_pile.hpp"
#include "monitoring/template/template.hpp"

namespace monitoring {
namespace {

/// Durations in ms, as a service with a long tail has them; the same on every machine.
std::vector<double> durations() {
  std::vector<double> values(4096);
  std::uint64_t state = 1;
  for (double& value : values) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    value = 1 + static_cast<double>((state >> 33) % 1000) * static_cast<double>((state >> 50) % 97);
  }
  return values;
}

metrics::Sketch filled_sketch() {
  metrics::Sketch sketch;
  for (const double value : durations()) sketch.add(value);
  return sketch;
}

void sketch_add(benchmark::State& state) {
  const auto values = durations();
  metrics::Sketch sketch;
  std::size_t i = 0;
  for (auto _ : state) sketch.add(values[i++ % values.size()]);
  benchmark::DoNotOptimize(sketch.count());
}
BENCHMARK(sketch_add);

void sketch_merge(benchmark::State& state) {
  const metrics::Sketch other = filled_sketch();
  metrics::Sketch sketch;
  for (auto _ : state) sketch.merge(other);
  benchmark::DoNotOptimize(sketch.count());
}
BENCHMARK(sketch_merge);

void sketch_quantile(benchmark::State& state) {
  const metrics::Sketch sketch = filled_sketch();
  for (auto _ : state) benchmark::DoNotOptimize(sketch.quantile(0.95));
}
BENCHMARK(sketch_quantile);

/// What a view does for a group of two roll-up states.
void sketch_pile_quantile(benchmark::State& state) {
  const std::string bytes = filled_sketch().serialize();
  for (auto _ : state) {
    metrics::SketchPile pile;
    pile.add(bytes);
    pile.add(bytes);
    benchmark::DoNotOptimize(*pile.quantile(0.95));
  }
}
BENCHMARK(sketch_pile_quantile);

void moments_add(benchmark::State& state) {
  const auto values = durations();
  metrics::Moments moments;
  std::size_t i = 0;
  for (auto _ : state) moments.add(values[i++ % values.size()]);
  benchmark::DoNotOptimize(moments);
}
BENCHMARK(moments_add);

void template_render(benchmark::State& state) {
  using namespace templates;
  const auto text = Template::parse(
      "{{ $labels.job }} on {{ $labels.instance }} is {{ $value | humanizePercentage }}",
      Dialect::kPrometheus, {"labels", "value"});
  if (!text.ok()) return state.SkipWithError("the template does not parse");
  RenderContext context;
  context.variables = {
      {"labels", Value::map(MapType::kStrings, Labels{{"job", "api"}, {"instance", "host-1"}})},
      {"value", 0.25}};
  for (auto _ : state) benchmark::DoNotOptimize(text->render({}, context));
}
BENCHMARK(template_render);

void matchers_of_a_route(benchmark::State& state) {
  const auto matchers = dispatch::parse_matchers(R"({severity="critical",team=~"core|data.*"})");
  if (!matchers.ok()) return state.SkipWithError("the matchers do not parse");
  const Labels labels{{"alertname", "Slow"}, {"severity", "critical"}, {"team", "database"}};
  for (auto _ : state) benchmark::DoNotOptimize(dispatch::matches_all(*matchers, labels));
}
BENCHMARK(matchers_of_a_route);

/// One evaluation of a rule with 1,000 firing instances.
void state_machine_step_1000(benchmark::State& state) {
  using namespace alerting;
  Policy policy;
  policy.rule_name = "Slow";
  policy.max_instances = 2000;
  std::vector<Element> elements(1000);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    elements[i].labels = {{"alertname", "Slow"}, {"host", "host-" + std::to_string(i)}};
    elements[i].value = 1.0;
  }
  const Outcome outcome = elements;
  Instant now{std::chrono::hours(1000)};
  Step last = step(policy, {}, outcome, now);
  for (auto _ : state) {
    now += std::chrono::seconds(15);
    last = step(policy, last.instances, outcome, now);
  }
  benchmark::DoNotOptimize(last);
}
BENCHMARK(state_machine_step_1000);

}  // namespace
}  // namespace monitoring

BENCHMARK_MAIN();
