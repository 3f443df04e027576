#pragma once
// postgres_exporter's queries.yaml: read, and turned into collectors. What becomes of its keys is
// in src/foreign/QUERIES.md.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/base/result.hpp"
#include "monitoring/foreign/version_range.hpp"

namespace monitoring::foreign {

enum class ColumnUsage { discard, label, counter, gauge, histogram, mapped_metric, duration };

struct ExporterColumn {
  std::string name;
  ColumnUsage usage = ColumnUsage::discard;
  std::string description;
  /// Of a mapped metric: the number that stands for each text.
  std::vector<std::pair<std::string, double>> mapping;
  int line = 0;
};

struct ExporterQuery {
  std::string name;  ///< the first part of its metrics' names
  std::string query;
  std::vector<ExporterColumn> columns;
  bool is_of_cluster = false;
  std::optional<std::int64_t> cache_seconds;
  int line = 0;
};

/// Something that the user should know of, and that stops nothing.
struct Note {
  std::string message;  ///< begins with its line
  std::string hint;
};

struct ExporterQueries {
  std::vector<ExporterQuery> queries;
  std::vector<Note> notes;
};

/// Those for a server of this version.
Result<ExporterQueries> parse_exporter_queries(const std::string& yaml, const Version& server);

/// How a column of a query's result becomes a number.
enum class ValueKind {
  number,
  digits,  ///< an oid or the like: its text is a number
  boolean,
  time,
  text,
  other,
};

struct ResultColumn {
  std::string name;
  ValueKind kind = ValueKind::other;
};

/// The query as a collector's: it returns metric_name, value and labels.
struct ExporterCollector {
  std::string query;
  std::string metrics;  ///< {"name": {"type": "counter", "help": "..."}}
  std::vector<std::string> metric_names;
  std::vector<Note> notes;
};

/// Without the result's columns, because the query does not work yet, all of them are taken to be
/// what the file says.
Result<ExporterCollector> collector_of(const ExporterQuery& query,
                                       const std::optional<std::vector<ResultColumn>>& result);

}  // namespace monitoring::foreign
