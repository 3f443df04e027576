// Sketches, records and the exposition text.

#include <cmath>
#include <string>

#include "metrics/sketch_tally.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/metrics/exposition.hpp"
#include "monitoring/metrics/metric.hpp"
#include "monitoring/metrics/record.hpp"
#include "monitoring/metrics/sketch.hpp"
#include "monitoring/metrics/sketch_pile.hpp"
#include "monitoring/metrics/summary.hpp"
#include "monitoring/metrics/text_parser.hpp"
#include "target.hpp"

using namespace monitoring;
using namespace monitoring::metrics;
using fuzz::Input;
using fuzz::require;

FUZZ_TARGET(sketch) {
  SketchTally tally;
  tally.add(bytes);
  SketchPile pile;
  for (int i = 0; i < 10; ++i) pile.add(bytes);
  (void)pile.quantile(0.5);
  auto parsed = Sketch::parse(bytes);
  if (!parsed) return;
  Sketch sketch = std::move(parsed).value();
  require(sketch.serialize() == bytes);
  require(sketch.memory_bytes() <= 70 * 1000);
  summary_of(Moments{}, sketch);
  Sketch twice = sketch;
  twice.merge(sketch);
  require(twice.count() >= sketch.count());
  if (!sketch.empty()) require(std::isfinite(sketch.quantile(0.99)));
  const auto again = Sketch::parse(twice.serialize());
  require(again.ok());
}

FUZZ_TARGET(record) {
  // Only what a ring has written is read there; a length that lies is to be seen, not followed.
  const auto record = read_record(bytes);
  if (record) require(record_size(*record) > 0);
}

namespace {

MetricSpec spec_of(Input& input) {
  const auto type = static_cast<MetricType>(input.byte() % 3);
  const std::string_view name = input.text();
  const std::string_view help = input.text();
  static constexpr double kBounds[] = {0.5, 1};
  const bool has_buckets = type == MetricType::histogram;
  return {name, type, help, input.text(), has_buckets ? kBounds : nullptr, has_buckets ? 2U : 0U};
}

}  // namespace

FUZZ_TARGET(exposition) {
  Input input(bytes);
  Exposition exposition;
  static constexpr std::uint64_t kBuckets[] = {1, ~std::uint64_t{0}, 3};
  while (!input.empty()) {
    const MetricSpec spec = spec_of(input);
    if (check_metric_name(spec.name)) continue;
    Labels labels;
    const std::string label(input.text());
    if (!check_label_name(label)) labels.set(label, std::string(input.text()));
    const std::string_view kept = exposition.keep(label_bytes(labels));
    if (spec.type == MetricType::histogram) {
      exposition.add_histogram(spec, kept, std::nan(""), kBuckets, input.text());
    } else {
      exposition.add(spec, kept, 1e300, input.text());
    }
  }
  exposition.text(ExpositionFormat::prometheus);
  exposition.text(ExpositionFormat::openmetrics);
}

FUZZ_TARGET(text_parser) {
  for (const auto format : {ExpositionFormat::prometheus, ExpositionFormat::openmetrics}) {
    TextParser parser(bytes, format);
    for (std::size_t entries = 0;; ++entries) {
      // Each entry takes a byte at the least.
      require(entries <= bytes.size());
      const auto entry = parser.next();
      if (!entry) {
        require(entry.error().position.value_or(0) <= bytes.size());
        break;
      }
      if (*entry == TextParser::Entry::kEnd) break;
    }
  }
}
