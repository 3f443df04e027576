#include "monitoring/foreign/exporter_queries.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>

#include "monitoring/foreign/yaml.hpp"
#include "monitoring/metrics/metric.hpp"

namespace monitoring::foreign {

namespace {

using Kind = Yaml::Kind;
using Failure = std::optional<Error>;

struct UsageName {
  const char* name;
  ColumnUsage usage;
};
constexpr UsageName kUsages[] = {
    {"DISCARD", ColumnUsage::discard},           {"LABEL", ColumnUsage::label},
    {"COUNTER", ColumnUsage::counter},           {"GAUGE", ColumnUsage::gauge},
    {"HISTOGRAM", ColumnUsage::histogram},       {"DURATION", ColumnUsage::duration},
    {"MAPPEDMETRIC", ColumnUsage::mapped_metric}};
constexpr const char* kUsageHint =
    "There are DISCARD, LABEL, COUNTER, GAUGE, HISTOGRAM, MAPPEDMETRIC and DURATION.";
constexpr std::int64_t kLongestCacheS = 366 * 86400;

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

Result<std::string> text_of(const std::string& key, const Yaml& node) {
  if (node.kind == Kind::null) return std::string();
  if (node.kind == Kind::scalar) return node.text;
  return error_at(node.line, quoted(key) + " must be a text");
}

Result<bool> boolean_of(const std::string& key, const Yaml& node) {
  static const std::map<std::string, bool> kWords = {
      {"true", true},   {"True", true},   {"TRUE", true},   {"yes", true}, {"on", true},
      {"false", false}, {"False", false}, {"FALSE", false}, {"no", false}, {"off", false}};
  const auto found = kWords.find(node.text);
  if (found != kWords.end()) return found->second;
  return error_at(node.line, quoted(key) + " must be true or false");
}

Result<std::int64_t> seconds_of(const std::string& key, const Yaml& node) {
  std::int64_t seconds = 0;
  const char* const end = node.text.data() + node.text.size();
  const auto read = std::from_chars(node.text.data(), end, seconds);
  const bool is_whole = read.ec == std::errc() && read.ptr == end && seconds >= 0;
  if (is_whole && seconds <= kLongestCacheS) return seconds;
  return error_at(node.line, quoted(key) + " must be a number of seconds, at most a year");
}

Result<double> number_of(const std::string& key, const Yaml& node) {
  char* end = nullptr;
  const double number = std::strtod(node.text.c_str(), &end);
  if (!node.text.empty() && *end == '\0' && !std::isnan(number)) return number;
  return error_at(node.line, quoted(key) + " must be mapped to a number");
}

Result<bool> server_is_within(const std::string& key, const Yaml& node, const Version& server) {
  const auto text = text_of(key, node);
  if (!text) return text.error();
  if (text->empty()) return true;
  const auto within = is_within(server, *text);
  if (within) return *within;
  return error_at(node.line, quoted(key) + ": " + within.error().message, within.error().hint);
}

/// Reads one file. Every step returns what is wrong, if anything is.
class QueriesReader {
 public:
  explicit QueriesReader(const Version& server) : server_(server) {}

  Failure read(const Yaml& root);
  ExporterQueries take() { return std::move(found_); }

 private:
  /// A query or column, and whether it is for this server.
  template <class Thing>
  struct Read {
    Thing thing;
    bool is_wanted = true;
  };

  Failure read_query(const std::string& name, const Yaml& node);
  Failure read_query_key(const std::string& key, const Yaml& node, Read<ExporterQuery>* read);
  Failure read_columns(const Yaml& node, ExporterQuery* query);
  Failure read_column(const std::string& name, const Yaml& node, ExporterQuery* query);
  Failure read_column_key(const std::string& key, const Yaml& node, Read<ExporterColumn>* read);
  static Failure read_usage(const Yaml& node, ExporterColumn* column);
  static Failure read_mapping(const Yaml& node, ExporterColumn* column);
  static Failure check_column(const ExporterColumn& column, const ExporterQuery& query);
  static Failure check_query(const ExporterQuery& query);
  void note(int line, const std::string& what, std::string hint);

  /// Stores the value of a Result, or hands its error on.
  template <class Value, class Target>
  static Failure take(Result<Value> result, Target* target) {
    if (!result) return result.error();
    *target = std::move(*result);
    return std::nullopt;
  }

  Version server_;
  ExporterQueries found_;
};

void QueriesReader::note(int line, const std::string& what, std::string hint) {
  Error error = error_at(line, what, std::move(hint));
  found_.notes.push_back({std::move(error.message), std::move(error.hint)});
}

Failure QueriesReader::read(const Yaml& root) {
  if (root.kind != Kind::map) {
    return error_at(root.line, "queries by their names are expected",
                    "Each is written as \"name:\" with \"query:\" and \"metrics:\" below it.");
  }
  for (const auto& [key, node] : root.entries) {
    if (auto failure = read_query(key->text, *node)) return failure;
  }
  return std::nullopt;
}

Failure QueriesReader::read_query(const std::string& name, const Yaml& node) {
  if (node.kind != Kind::map) {
    return error_at(node.line, quoted(name) + " must have a query and its metrics");
  }
  if (const auto error = metrics::check_metric_name(name)) {
    return error_at(node.line, error->message, "Metrics are named after it.");
  }
  Read<ExporterQuery> read;
  read.thing.name = name;
  read.thing.line = node.line;
  for (const auto& [key, value] : node.entries) {
    if (auto failure = read_query_key(key->text, *value, &read)) return failure;
  }
  if (auto failure = check_query(read.thing)) return failure;
  if (read.is_wanted) {
    found_.queries.push_back(std::move(read.thing));
  } else {
    note(node.line, quoted(name) + " is left out: it is for servers of other versions",
         "Its key runonserver says so.");
  }
  return std::nullopt;
}

Failure QueriesReader::read_query_key(const std::string& key, const Yaml& node,
                                      Read<ExporterQuery>* read) {
  ExporterQuery* const query = &read->thing;
  if (key == "query") return take(text_of(key, node), &query->query);
  if (key == "master") return take(boolean_of(key, node), &query->is_of_cluster);
  if (key == "cache_seconds") return take(seconds_of(key, node), &query->cache_seconds);
  if (key == "runonserver") return take(server_is_within(key, node, server_), &read->is_wanted);
  if (key == "metrics") return read_columns(node, query);
  note(node.line, quoted(key) + " is no key of a query and has no effect",
       "There are query, metrics, master, cache_seconds and runonserver.");
  return std::nullopt;
}

Failure QueriesReader::read_columns(const Yaml& node, ExporterQuery* query) {
  if (node.kind == Kind::null) return std::nullopt;
  if (node.kind != Kind::sequence) {
    return error_at(node.line, "\"metrics\" must be a list", "Each column begins with a dash.");
  }
  for (const YamlNode& item : node.items) {
    if (item->kind != Kind::map) return error_at(item->line, "a column and its usage are expected");
    for (const auto& [key, value] : item->entries) {
      if (auto failure = read_column(key->text, *value, query)) return failure;
    }
  }
  return std::nullopt;
}

Failure QueriesReader::read_column(const std::string& name, const Yaml& node,
                                   ExporterQuery* query) {
  if (node.kind != Kind::map) {
    return error_at(node.line, "column " + quoted(name) + " must have a usage", kUsageHint);
  }
  Read<ExporterColumn> read;
  read.thing.name = name;
  read.thing.line = node.line;
  bool has_usage = false;
  for (const auto& [key, value] : node.entries) {
    has_usage = has_usage || key->text == "usage";
    if (auto failure = read_column_key(key->text, *value, &read)) return failure;
  }
  if (!has_usage) {
    return error_at(node.line, "column " + quoted(name) + " has no usage", kUsageHint);
  }
  if (!read.is_wanted) read.thing.usage = ColumnUsage::discard;
  if (auto failure = check_column(read.thing, *query)) return failure;
  query->columns.push_back(std::move(read.thing));
  return std::nullopt;
}

Failure QueriesReader::read_column_key(const std::string& key, const Yaml& node,
                                       Read<ExporterColumn>* read) {
  if (key == "usage") return read_usage(node, &read->thing);
  if (key == "description") return take(text_of(key, node), &read->thing.description);
  if (key == "metric_mapping") return read_mapping(node, &read->thing);
  if (key == "pg_version") return take(server_is_within(key, node, server_), &read->is_wanted);
  note(node.line, quoted(key) + " is no key of a column and has no effect",
       "There are usage, description, metric_mapping and pg_version.");
  return std::nullopt;
}

Failure QueriesReader::read_usage(const Yaml& node, ExporterColumn* column) {
  for (const UsageName& usage : kUsages) {
    if (node.text != usage.name) continue;
    column->usage = usage.usage;
    return std::nullopt;
  }
  return error_at(node.line, "there is no usage " + quoted(node.text), kUsageHint);
}

Failure QueriesReader::read_mapping(const Yaml& node, ExporterColumn* column) {
  if (node.kind != Kind::map) {
    return error_at(node.line, "\"metric_mapping\" must have a number for each text");
  }
  for (const auto& [key, value] : node.entries) {
    const auto number = number_of(key->text, *value);
    if (!number) return number.error();
    column->mapping.emplace_back(key->text, *number);
  }
  return std::nullopt;
}

Failure QueriesReader::check_column(const ExporterColumn& column, const ExporterQuery& query) {
  const auto is_same = [&](const ExporterColumn& other) { return other.name == column.name; };
  if (std::any_of(query.columns.begin(), query.columns.end(), is_same)) {
    return error_at(column.line, "column " + quoted(column.name) + " comes twice");
  }
  if (column.usage == ColumnUsage::mapped_metric && column.mapping.empty()) {
    return error_at(column.line, "column " + quoted(column.name) + " has no metric_mapping",
                    "MAPPEDMETRIC needs a number for each text.");
  }
  if (column.usage == ColumnUsage::discard) return std::nullopt;
  const auto error = column.usage == ColumnUsage::label
                         ? metrics::check_label_name(column.name)
                         : metrics::check_metric_name(query.name + "_" + column.name);
  if (error) return error_at(column.line, error->message);
  return std::nullopt;
}

Failure QueriesReader::check_query(const ExporterQuery& query) {
  const bool is_blank = query.query.find_first_not_of(" \t\r\n;") == std::string::npos;
  if (is_blank) return error_at(query.line, quoted(query.name) + " has no query");
  return std::nullopt;
}

/// One metric has one query: two would take turns in its series.
Failure refuse_shared_metrics(const std::vector<ExporterQuery>& queries) {
  std::map<std::string, std::string> owners;
  for (const ExporterQuery& query : queries) {
    for (const ExporterColumn& column : query.columns) {
      const bool is_metric =
          column.usage != ColumnUsage::discard && column.usage != ColumnUsage::label;
      if (!is_metric) continue;
      const std::string metric = query.name + "_" + column.name;
      const auto [owner, is_new] = owners.emplace(metric, query.name);
      if (is_new) continue;
      return error_at(column.line, "metric " + quoted(metric) + " comes of " +
                                       quoted(owner->second) + " already");
    }
  }
  return std::nullopt;
}

}  // namespace

Result<ExporterQueries> parse_exporter_queries(const std::string& yaml, const Version& server) {
  const auto root = read_yaml(yaml);
  if (!root) return root.error();
  QueriesReader reader(server);
  if (const auto failure = reader.read(**root)) return *failure;
  ExporterQueries found = reader.take();
  if (const auto failure = refuse_shared_metrics(found.queries)) return *failure;
  return found;
}

}  // namespace monitoring::foreign
