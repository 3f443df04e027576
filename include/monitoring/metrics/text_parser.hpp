#pragma once
// Reads what Prometheus reads: the text format 0.0.4 and OpenMetrics 1.0, with names in quotes as
// Prometheus 3 has them. It accepts and refuses what Prometheus's own parsers do (model/textparse):
// these look at syntax. Whether a histogram has all of its buckets is no question of theirs.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "monitoring/base/labels.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/metrics/exposition.hpp"

namespace monitoring::metrics {

/// The label of a sample that holds the metric's name.
inline constexpr std::string_view kMetricNameLabel = "__name__";

/// Walks over a text that it does not own, entry by entry.
class TextParser {
 public:
  enum class Entry { kEnd, kType, kHelp, kUnit, kSample };

  TextParser(std::string_view text, ExpositionFormat format)
      : text_(text), is_openmetrics_(format == ExpositionFormat::openmetrics) {}

  /// Moves to the next entry; an error ends the walk. Its position is that of the byte in the text.
  Result<Entry> next();

  // Of a type, help or unit.
  const std::string& metric_name() const { return name_; }
  /// The type, the help or the unit; escapes are resolved.
  const std::string& content() const { return content_; }

  // Of a sample.
  const Labels& labels() const { return labels_; }
  double value() const { return value_; }
  /// Milliseconds of the Unix epoch, where the text says a time.
  std::optional<std::int64_t> time_ms() const { return time_ms_; }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool at_end() const { return at_ >= text_.size(); }
  bool take(std::string_view word);
  bool take_blanks();
  void skip_line();
  std::string_view rest_of_line() const;
  Error expected(const char* what) const;

  Result<Entry> next_of_openmetrics();
  Result<Entry> read_metadata(Entry kind);
  Result<Entry> read_sample();
  std::optional<Error> check_content(Entry kind, std::size_t name_at, std::size_t content_at) const;
  std::optional<Error> read_metric_name(std::string* name);
  std::optional<Error> read_quoted(std::string* text, const char* what);
  std::optional<Error> read_label_list(bool may_have_metric_name);
  std::optional<Error> read_label(std::string* name, bool may_be_metric_name);
  std::optional<Error> add_label(std::string name, std::string value, std::size_t at);
  std::optional<Error> read_number(double* value, const char* what);
  std::optional<Error> read_time();
  std::optional<Error> read_seconds(const char* what, std::int64_t* time_ms);
  std::optional<Error> read_exemplar();
  std::optional<Error> finish_sample();

  std::string_view text_;
  std::size_t at_ = 0;
  bool is_openmetrics_;
  std::string name_;
  std::string content_;
  Labels labels_;
  double value_ = 0;
  std::optional<std::int64_t> time_ms_;
};

/// Where a byte of a text is: line and column from 1, the column in bytes.
struct TextPlace {
  std::size_t line = 1;
  std::size_t column = 1;
};
TextPlace place_of(std::string_view text, std::size_t position);

}  // namespace monitoring::metrics
