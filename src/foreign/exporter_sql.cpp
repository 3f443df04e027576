// An exporter's query as one that gives metric_name, value and labels: the query itself, and for
// each of its rows one row for each metric.

#include <algorithm>
#include <charconv>
#include <cmath>

#include "monitoring/base/json.hpp"
#include "monitoring/foreign/exporter_queries.hpp"
#include "monitoring/foreign/yaml.hpp"
#include "monitoring/metrics/metric.hpp"

namespace monitoring::foreign {

namespace {

constexpr const char* kBlank = " \t\r\n";

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

std::string doubled(const std::string& text, char quote) {
  std::string result;
  for (const char c : text) result.append(c == quote ? 2 : 1, c);
  return result;
}

std::string identifier(const std::string& name) {
  return "q.\"" + doubled(name, '"') + "\"";
}

/// The same whatever standard_conforming_strings is.
std::string literal(const std::string& text) {
  if (text.find('\\') == std::string::npos) return "'" + doubled(text, '\'') + "'";
  return "E'" + doubled(doubled(text, '\''), '\\') + "'";
}

std::string literal(double number) {
  if (std::isinf(number)) return number > 0 ? "'Infinity'" : "'-Infinity'";
  char digits[40];
  return {digits, std::to_chars(digits, digits + sizeof digits, number).ptr};
}

std::string joined(const std::vector<std::string>& parts, const char* separator) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : separator) + part;
  return text;
}

/// As a subquery has it: without the semicolon that may end it.
std::string body_of(const std::string& query) {
  const std::size_t begin = query.find_first_not_of(kBlank);
  const std::size_t end = query.find_last_not_of(std::string(kBlank) + ";");
  return query.substr(begin, end - begin + 1);
}

/// Writes one collector's query.
class CollectorWriter {
 public:
  CollectorWriter(const ExporterQuery& query,
                  const std::optional<std::vector<ResultColumn>>& result)
      : query_(query), result_(result) {}

  Result<ExporterCollector> write();

 private:
  const ResultColumn* find(const std::string& name) const;
  const ExporterColumn* described(const std::string& name) const;
  bool is_part_of_histogram(const std::string& name) const;

  std::optional<Error> add_described(const ExporterColumn& column);
  void add_undescribed(const ResultColumn& column);
  void add_label(const ExporterColumn& column);
  std::optional<Error> add_histogram(const ExporterColumn& column);
  std::optional<std::string> value_of(const ExporterColumn& column) const;
  /// Unless the column is no number. A text that is described may be one.
  std::optional<std::string> number_of(const std::string& column) const;

  void add_metric(const std::string& name, const char* type, const std::string& help,
                  const std::string& value, const char* bound = "NULL");
  void note(int line, const std::string& what, std::string hint);
  std::string text() const;

  const ExporterQuery& query_;
  const std::optional<std::vector<ResultColumn>>& result_;
  /// A row of VALUES.
  struct Value {
    std::string metric;
    std::string value;
    const char* bound;  ///< of a bucket
  };
  std::vector<std::string> labels_;
  std::vector<Value> values_;
  std::vector<std::string> histograms_;
  Json metrics_ = Json::object();
  ExporterCollector collector_;
};

const ResultColumn* CollectorWriter::find(const std::string& name) const {
  const auto found = std::find_if(result_->begin(), result_->end(),
                                  [&](const ResultColumn& column) { return column.name == name; });
  return found == result_->end() ? nullptr : &*found;
}

const ExporterColumn* CollectorWriter::described(const std::string& name) const {
  const auto& columns = query_.columns;
  const auto found =
      std::find_if(columns.begin(), columns.end(),
                   [&](const ExporterColumn& column) { return column.name == name; });
  return found == columns.end() ? nullptr : &*found;
}

bool CollectorWriter::is_part_of_histogram(const std::string& name) const {
  for (const char* suffix : {"_bucket", "_sum", "_count"}) {
    const std::size_t length = std::string_view(suffix).size();
    if (name.size() <= length || name.compare(name.size() - length, length, suffix) != 0) continue;
    const ExporterColumn* const of = described(name.substr(0, name.size() - length));
    if (of != nullptr && of->usage == ColumnUsage::histogram) return true;
  }
  return false;
}

void CollectorWriter::note(int line, const std::string& what, std::string hint) {
  collector_.notes.push_back({error_at(line, what).message, std::move(hint)});
}

void CollectorWriter::add_metric(const std::string& name, const char* type, const std::string& help,
                                 const std::string& value, const char* bound) {
  collector_.metric_names.push_back(name);
  metrics_[name] = {{"type", type}, {"help", help}};
  values_.push_back({name, value, bound});
}

std::optional<std::string> CollectorWriter::number_of(const std::string& column) const {
  const std::string name = identifier(column);
  switch (result_ ? find(column)->kind : ValueKind::digits) {
    case ValueKind::number:
      return name + "::float8";
    case ValueKind::digits:
      return name + "::text::float8";
    case ValueKind::boolean:
      return name + "::int::float8";
    case ValueKind::time:
      return "floor(extract(epoch FROM " + name + "))::float8";
    case ValueKind::text:
      if (described(column) != nullptr) return name + "::float8";
      return std::nullopt;
    case ValueKind::other:
      break;
  }
  return std::nullopt;
}

/// Whole milliseconds, of an interval or of a text such as 1m30s; -1 stands for none.
std::string duration_of(const ExporterColumn& column) {
  const std::string text = identifier(column.name) + "::text";
  return "CASE WHEN " + text + " <> '-1' THEN trunc(extract(epoch FROM " + text +
         "::interval) * 1000)::float8 END";
}

std::string mapped(const ExporterColumn& column) {
  std::string expression = "CASE " + identifier(column.name) + "::text";
  for (const auto& [text, number] : column.mapping) {
    expression += " WHEN " + literal(text) + " THEN " + literal(number) + "::float8";
  }
  return expression + " END";
}

std::optional<std::string> CollectorWriter::value_of(const ExporterColumn& column) const {
  if (column.usage == ColumnUsage::duration) return duration_of(column);
  if (column.usage == ColumnUsage::mapped_metric) return mapped(column);
  return number_of(column.name);
}

void CollectorWriter::add_label(const ExporterColumn& column) {
  const bool is_time = result_ && find(column.name)->kind == ValueKind::time;
  const std::string name = identifier(column.name);
  labels_.push_back(literal(column.name) + ", " +
                    (is_time ? "floor(extract(epoch FROM " + name + "))::bigint" : name) +
                    "::text");
}

/// Its buckets, sum and count are metrics of their own here, under the names of a histogram's.
std::optional<Error> CollectorWriter::add_histogram(const ExporterColumn& column) {
  for (const char* suffix : {"_bucket", "_sum", "_count"}) {
    if (!result_ || find(column.name + suffix) != nullptr) continue;
    return error_at(
        column.line,
        "histogram " + quoted(column.name) + " needs a column " + quoted(column.name + suffix),
        "The column itself has the bounds, _bucket the counts below each of them.");
  }
  const std::string metric = query_.name + "_" + column.name;
  const std::string sum = identifier(column.name + "_sum") + "::text::float8";
  const std::string count = identifier(column.name + "_count") + "::text::float8";
  add_metric(metric + "_bucket", "counter", column.description, count, "'+Inf'");
  add_metric(metric + "_sum", "counter", column.description, sum);
  add_metric(metric + "_count", "counter", column.description, count);
  histograms_.push_back("SELECT " + literal(metric + "_bucket") +
                        ", b.count::float8, b.bound::float8::text\n    FROM unnest(" +
                        identifier(column.name) + ", " + identifier(column.name + "_bucket") +
                        ") AS b (bound, count) WHERE b.bound < 'Infinity' AND b.count IS NOT NULL");
  return std::nullopt;
}

std::optional<Error> CollectorWriter::add_described(const ExporterColumn& column) {
  if (column.usage == ColumnUsage::discard) return std::nullopt;
  if (result_ && find(column.name) == nullptr) {
    note(column.line, "the result has no column " + quoted(column.name),
         "Import again when the query has it.");
    return std::nullopt;
  }
  if (column.usage == ColumnUsage::histogram) return add_histogram(column);
  if (column.usage == ColumnUsage::label) {
    add_label(column);
    return std::nullopt;
  }
  const auto value = value_of(column);
  if (!value) {
    note(column.line, "column " + quoted(column.name) + " is left out: it is no number",
         "Make it one in the query, or give it another usage.");
    return std::nullopt;
  }
  const char* const type = column.usage == ColumnUsage::counter ? "counter" : "gauge";
  const char* const unit = column.usage == ColumnUsage::duration ? "_milliseconds" : "";
  add_metric(query_.name + "_" + column.name + unit, type, column.description, *value);
  return std::nullopt;
}

/// As the exporter does: a number that nothing is said of is a metric, too.
void CollectorWriter::add_undescribed(const ResultColumn& column) {
  if (described(column.name) != nullptr || is_part_of_histogram(column.name)) return;
  const std::string metric = query_.name + "_" + column.name;
  const auto value = number_of(column.name);
  if (value && !metrics::check_metric_name(metric)) {
    add_metric(metric, "gauge", "Unknown metric from " + query_.name, *value);
    return;
  }
  note(query_.line, "column " + quoted(column.name) + " of " + quoted(query_.name) + " is left out",
       "Name it among the metrics, as a LABEL, or with the usage DISCARD if it is not wanted.");
}

std::string CollectorWriter::text() const {
  const bool has_bounds = !histograms_.empty();
  std::vector<std::string> labels = labels_;
  if (has_bounds) labels.emplace_back("'le', m.le");
  std::string text = "SELECT m.metric_name, m.value";
  if (!labels.empty()) text += ",\n    jsonb_build_object(" + joined(labels, ", ") + ") AS labels";
  std::vector<std::string> rows;
  for (const Value& value : values_) {
    const std::string bound = has_bounds ? std::string(", ") + value.bound : "";
    rows.push_back("    (" + literal(value.metric) + ", " + value.value + bound + ")");
  }
  text += "\nFROM (\n" + body_of(query_.query) + "\n) AS q, LATERAL (VALUES\n";
  text += joined(rows, ",\n") + "\n";
  for (const std::string& histogram : histograms_) text += "    UNION ALL " + histogram + "\n";
  return text + ") AS m (metric_name, value" + (has_bounds ? ", le)" : ")");
}

Result<ExporterCollector> CollectorWriter::write() {
  for (const ExporterColumn& column : query_.columns) {
    if (auto failure = add_described(column)) return *failure;
  }
  if (result_) {
    for (const ResultColumn& column : *result_) add_undescribed(column);
  }
  if (values_.empty()) {
    return error_at(query_.line, quoted(query_.name) + " has no metric",
                    "A column needs one of the usages COUNTER, GAUGE, HISTOGRAM, MAPPEDMETRIC and "
                    "DURATION.");
  }
  collector_.query = text();
  collector_.metrics = metrics_.dump();
  return std::move(collector_);
}

}  // namespace

Result<ExporterCollector> collector_of(const ExporterQuery& query,
                                       const std::optional<std::vector<ResultColumn>>& result) {
  return CollectorWriter(query, result).write();
}

}  // namespace monitoring::foreign
