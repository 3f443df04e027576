#include "monitoring/metrics/sketch_pile.hpp"

#include <cstring>

#include "metrics/sketch_tally.hpp"

namespace monitoring::metrics {

namespace {

constexpr std::uint32_t kMostKept = 8;

/// Calls visit(sketch) for each sketch that lies behind its length, until one gives an error.
template <class Visit>
std::optional<Error> for_each_kept(std::string_view kept, Visit&& visit) {
  while (!kept.empty()) {
    std::uint32_t length;
    std::memcpy(&length, kept.data(), sizeof length);
    if (std::optional<Error> error = visit(kept.substr(sizeof length, length))) return error;
    kept.remove_prefix(sizeof length + length);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> SketchPile::add(std::string_view sketch) {
  if (kept_count_ == kMostKept) {
    if (std::optional<Error> error = merge_kept()) return error;
  }
  const auto length = static_cast<std::uint32_t>(sketch.size());
  kept_.append(reinterpret_cast<const char*>(&length), sizeof length).append(sketch);
  ++kept_count_;
  return std::nullopt;
}

std::optional<Error> SketchPile::merge_kept() {
  const std::optional<Error> error =
      for_each_kept(kept_, [this](std::string_view bytes) -> std::optional<Error> {
        Result<Sketch> sketch = Sketch::parse(bytes);
        if (!sketch) return sketch.error();
        merged_.merge(std::move(sketch).value());
        return std::nullopt;
      });
  kept_.clear();
  kept_count_ = 0;
  return error;
}

Result<double> SketchPile::quantile(double q) const {
  if (kept_.empty()) return merged_.quantile(q);
  SketchTally tally;
  const auto add = [&tally](std::string_view sketch) { return tally.add(sketch); };
  if (const std::optional<Error> error = for_each_kept(kept_, add)) return *error;
  if (!merged_.empty()) tally.add(merged_.serialize());
  return tally.quantile(q);
}

}  // namespace monitoring::metrics
