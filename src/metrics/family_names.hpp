#pragma once
// Who has which name on a page that many databases share. A scraper takes no page on which a name
// has two types, and nobody may lose a series because of what another database calls its own.

#include <string>
#include <vector>

#include "monitoring/metrics/metric.hpp"

namespace monitoring::metrics {

struct FamilyName {
  std::string name;
  MetricType type;
  /// The extension's own, which nobody else's takes the place of.
  bool is_own = false;
  /// Others have one of its samples' names: each name is a family without a type.
  bool is_untyped = false;
};

/// The names of the samples of a family.
std::vector<std::string> sample_names(const std::string& name, MetricType type);

/// Settles who goes by which name. What meets a name of the extension's own is shown as
/// exported_<name>, as Prometheus does with labels; what else meet keep their names and lose their
/// types, which no expression asks for. No two entries have the same name and type.
void settle_names(std::vector<FamilyName>* families);

}  // namespace monitoring::metrics
