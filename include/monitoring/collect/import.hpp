#pragma once
// Collectors from a file of postgres_exporter's.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/foreign/exporter_queries.hpp"

namespace monitoring::collect {

struct ImportSettings {
  pg::Param every;                   ///< an interval, where the file says nothing
  std::optional<std::string> owner;  ///< nobody: the current user
  std::string search_path;           ///< of the queries
  Instant now;
};

struct ImportedCollector {
  std::string name;
  std::vector<std::string> metric_names;
};

struct CollectorImport {
  std::vector<ImportedCollector> collectors;
  std::vector<foreign::Note> notes;
};

/// Adds the collectors of the file, or changes those of their names, in the current transaction.
/// Throws 22023 for a file that cannot be read, 42501 for an owner that the user may not act as.
CollectorImport import_collectors(pg::Spi& spi, const std::string& yaml,
                                  const ImportSettings& settings);

}  // namespace monitoring::collect
