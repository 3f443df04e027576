#include "promqltest.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <sstream>
#include <vector>

#include "monitoring/promql/memory_source.hpp"
#include "monitoring/promql/text.hpp"

namespace monitoring::promql {

namespace {

struct Item {
  enum class Kind { kValue, kNone, kHistogram };
  Kind kind = Kind::kValue;
  double value = 0;
};

struct SeriesLine {
  Labels labels;
  std::vector<Item> items;
  bool has_start_times = false;

  bool has_histograms() const {
    return std::any_of(items.begin(), items.end(),
                       [](const Item& item) { return item.kind == Item::Kind::kHistogram; });
  }
};

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

std::optional<double> number_of(std::string text) {
  double sign = 1;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    if (text[0] == '-') sign = -1;
    text.erase(0, 1);
  }
  const auto number = parse_number(text);
  if (!number) return {};
  return sign * *number;
}

std::optional<std::int64_t> time_of(std::string text) {
  const bool is_negative = starts_with(text, "-");
  const auto ms = parse_duration(is_negative ? text.substr(1) : text);
  if (!ms) return {};
  return is_negative ? -*ms : *ms;
}

/// `5`, `0+10x3`, `_x2`, `stale`, `{{...}}x4`.
bool add_item(const std::string& word, std::vector<Item>& items) {
  if (word.find("{{") != std::string::npos) {
    const auto times = word.rfind("}}x");
    const std::size_t count =
        times == std::string::npos ? 1 : std::stoul(word.substr(times + 3)) + 1;
    items.insert(items.end(), count, Item{Item::Kind::kHistogram, 0});
    return true;
  }
  static const re2::RE2 kBlank("_(?:x(\\d+))?");
  static const re2::RE2 kValues(
      R"(([-+]?(?:[0-9.]+(?:e[-+]?\d+)?|inf|nan))(?:([-+](?:[0-9.]+(?:e[-+]?\d+)?|inf))?x(\d+))?)",
      [] {
        re2::RE2::Options options;
        options.set_case_sensitive(false);
        return options;
      }());
  std::string first;
  std::string step;
  std::string times;
  if (re2::RE2::FullMatch(word, kBlank, &times)) {
    items.insert(items.end(), times.empty() ? 1 : std::stoul(times), Item{Item::Kind::kNone, 0});
    return true;
  }
  if (word == "stale") {
    items.push_back({Item::Kind::kValue, stale_marker()});
    return true;
  }
  if (!re2::RE2::FullMatch(word, kValues, &first, &step, &times)) return false;
  const auto value = number_of(first);
  const auto increment = step.empty() ? std::optional<double>(0) : number_of(step);
  if (!value || !increment) return false;
  const std::size_t count = times.empty() ? 0 : std::stoul(times);
  double next = *value;
  for (std::size_t i = 0; i <= count; ++i, next += *increment) {
    items.push_back({Item::Kind::kValue, next});
  }
  return true;
}

/// Words divided by blanks, except in {{ }}.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '{') ++depth;
    if (c == '}') --depth;
    if ((c == ' ' || c == '\t') && depth == 0) {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back().push_back(c);
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

/// Where the metric of a line ends: at the first blank outside of braces and quotes.
std::size_t metric_end(std::string_view line) {
  bool in_braces = false;
  char quote = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    if (quote != 0) {
      if (c == '\\' && quote != '`') ++at;
      if (c == quote) quote = 0;
    } else if (in_braces) {
      if (c == '"' || c == '\'' || c == '`') quote = c;
      if (c == '}') in_braces = false;
    } else if (c == '{' && !starts_with(line.substr(at), "{{")) {
      in_braces = true;
    } else if (c == ' ' || c == '\t') {
      return at;
    }
  }
  return line.size();
}

std::optional<Labels> labels_of_metric(std::string_view text) {
  if (text == "{}") return Labels{};
  auto matchers = parse_selector(text);
  if (!matchers) {
    // A metric may lack what a selector must have.
    Labels labels;
    if (text.size() < 2 || text[0] != '{') return {};
    matchers = parse_selector("x" + std::string(text));
    if (!matchers) return {};
    for (const Matcher& matcher : *matchers) {
      if (matcher.name() != kNameLabel && !matcher.value().empty()) {
        labels.set(matcher.name(), matcher.value());
      }
    }
    return labels;
  }
  Labels labels;
  for (const Matcher& matcher : *matchers) {
    if (!matcher.value().empty()) labels.set(matcher.name(), matcher.value());
  }
  return labels;
}

std::optional<SeriesLine> series_of(const std::string& line) {
  SeriesLine series;
  const std::size_t end = metric_end(line);
  std::string metric = line.substr(0, end);
  const std::string st = "@st";
  if (metric.size() > st.size() && metric.substr(metric.size() - st.size()) == st) {
    metric.resize(metric.size() - st.size());
    series.has_start_times = true;
  }
  const auto labels = labels_of_metric(metric);
  if (!labels) return {};
  series.labels = *labels;
  if (series.has_start_times) return series;
  for (const std::string& word : words_of(std::string_view(line).substr(end))) {
    if (!add_item(word, series.items)) return {};
  }
  return series;
}

bool almost_equal(double a, double b) {
  constexpr double kTolerance = 1e-6;
  constexpr double kLeast = std::numeric_limits<double>::min();
  if (std::isnan(a) && std::isnan(b)) return is_stale(a) == is_stale(b);
  if (a == b) return true;
  const double sum = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  if (a == 0 || b == 0 || sum < kLeast) return difference < kTolerance * kLeast;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kTolerance;
}

/// What an annotation or error has to say.
struct Expectation {
  std::string kind;  ///< fail, warn, info, no_warn, no_info, ordered, string
  bool is_regex = false;
  std::string text;  ///< "": anything

  bool fits(const std::string& message) const {
    if (text.empty()) return true;
    return is_regex ? re2::RE2::PartialMatch(message, text) : message == text;
  }
};

struct Eval {
  std::size_t line = 0;
  bool is_range = false;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;
  std::string query;
  std::vector<Expectation> expectations;
  std::vector<SeriesLine> series;
  std::optional<double> scalar;
  std::optional<std::string> string;
  /// Of a range vector.
  std::optional<std::int64_t> vector_start_ms;
  std::int64_t vector_step_ms = 0;

  bool expects(const std::string& kind) const {
    return std::any_of(expectations.begin(), expectations.end(),
                       [&](const Expectation& e) { return e.kind == kind; });
  }
};

std::string text_of(const QueryResult& result) {
  std::string text;
  for (const ResultSeries& series : result.series) {
    text += "\n      " + labels_text(series.labels);
    for (const Point& point : series.points) {
      text += " " + number_text(point.value) + "@" + std::to_string(point.time_ms);
    }
  }
  return text.empty() ? "nothing" : text;
}

/// " (1:6)" stands behind what promqltest knows without places.
std::string without_place(const std::string& note) {
  static const re2::RE2 kPlace(" \\(\\d+:\\d+\\)$");
  std::string text = note;
  re2::RE2::Replace(&text, kPlace, "");
  return text;
}

class Runner {
 public:
  Runner(std::string_view script, const ScriptOptions& options,
         const std::function<void(const ScriptVerdict&)>& tell)
      : options_(options), tell_(tell) {
    std::istringstream lines{std::string(script)};
    for (std::string line; std::getline(lines, line);) {
      line = trimmed(line);
      lines_.push_back(starts_with(line, "#") ? "" : line);
    }
  }

  void run() {
    for (at_ = 0; at_ < lines_.size(); ++at_) {
      const std::string& line = lines_[at_];
      if (line.empty()) continue;
      if (line == "clear") {
        source_.clear();
        unsupported_.clear();
      } else if (starts_with(line, "load")) {
        load();
      } else if (starts_with(line, "eval")) {
        eval();
      } else {
        fail("not a command: " + line);
      }
    }
  }

 private:
  void fail(const std::string& why) {
    tell_({ScriptVerdict::Kind::kFailed, at_ + 1, lines_[at_], why});
  }

  void load() {
    const auto words = words_of(lines_[at_]);
    const auto step_ms = words.size() > 1 ? time_of(words[1]) : std::nullopt;
    if (!step_ms) return fail("no interval");
    const bool with_native = words[0] == "load_with_nhcb";
    while (at_ + 1 < lines_.size() && !lines_[at_ + 1].empty()) {
      ++at_;
      const auto series = series_of(lines_[at_]);
      if (!series) {
        fail("not a series");
        continue;
      }
      store(*series, *step_ms, with_native);
    }
  }

  void store(const SeriesLine& series, std::int64_t step_ms, bool with_native) {
    if (series.has_histograms()) unsupported_.push_back({series.labels, "native histograms"});
    if (series.has_start_times) {
      unsupported_.push_back({series.labels, "start timestamps of samples"});
    }
    if (with_native) mark_native_of(series.labels);
    for (std::size_t i = 0; i < series.items.size(); ++i) {
      if (series.items[i].kind != Item::Kind::kValue) continue;
      source_.append(series.labels, static_cast<std::int64_t>(i) * step_ms, series.items[i].value);
    }
  }

  /// load_with_nhcb makes a native histogram beside each classic one.
  void mark_native_of(const Labels& bucket) {
    Labels labels = bucket;
    std::string name(bucket.get(kNameLabel));
    const std::string end = "_bucket";
    if (name.size() <= end.size() || name.substr(name.size() - end.size()) != end) return;
    name.resize(name.size() - end.size());
    labels.set(std::string(kNameLabel), name);
    labels.erase("le");
    unsupported_.push_back({labels, "native histograms"});
  }

  void eval() {
    static const re2::RE2 kInstant(
        R"(eval(?:_(fail|warn|ordered|info))?\s+instant\s+at\s+(\S+)\s+(.+))");
    static const re2::RE2 kRange(
        R"(eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+))");
    Eval eval;
    eval.line = at_ + 1;
    std::string kind;
    std::string start;
    std::string end;
    std::string step;
    const std::string& line = lines_[at_];
    if (re2::RE2::FullMatch(line, kRange, &kind, &start, &end, &step, &eval.query)) {
      eval.is_range = true;
    } else if (re2::RE2::FullMatch(line, kInstant, &kind, &start, &eval.query)) {
      end = start;
      step = "1s";
    } else {
      return fail("not an eval");
    }
    const auto start_ms = time_of(start);
    const auto end_ms = time_of(end);
    const auto step_ms = time_of(step);
    if (!start_ms || !end_ms || !step_ms) return fail("not a time");
    eval.start_ms = *start_ms;
    eval.end_ms = *end_ms;
    eval.step_ms = *step_ms;
    if (!kind.empty()) eval.expectations.push_back({kind, false, ""});
    while (at_ + 1 < lines_.size() && !lines_[at_ + 1].empty()) {
      ++at_;
      if (!read_expectation(eval)) return fail("not an expectation");
    }
    judge(eval);
  }

  bool read_expectation(Eval& eval) {
    const std::string& line = lines_[at_];
    static const re2::RE2 kExpect(
        R"(expect\s+(ordered|fail|warn|info|no_warn|no_info)(?:\s+(msg|regex):\s*(.+))?)");
    static const re2::RE2 kVector(
        R"(expect\s+range\s+vector\s+from\s+(\S+)\s+to\s+\S+\s+step\s+(\S+))");
    static const re2::RE2 kString(R"(expect\s+string\s+(.+))");
    static const re2::RE2 kOldFailure(R"(expected_fail_(message|regexp)\s+(.+))");
    std::string kind;
    std::string how;
    std::string text;
    if (re2::RE2::FullMatch(line, kExpect, &kind, &how, &text)) {
      eval.expectations.push_back({kind, how == "regex", text});
      return true;
    }
    if (re2::RE2::FullMatch(line, kOldFailure, &how, &text)) {
      eval.expectations.push_back({"fail", how == "regexp", text});
      return true;
    }
    if (re2::RE2::FullMatch(line, kVector, &kind, &how)) {
      eval.vector_start_ms = time_of(kind);
      eval.vector_step_ms = time_of(how).value_or(0);
      return eval.vector_start_ms.has_value();
    }
    if (re2::RE2::FullMatch(line, kString, &text)) {
      const auto parsed = parse(text);
      if (!parsed || (*parsed)->kind != Expr::Kind::kString) return false;
      eval.string = as<StringLiteral>(**parsed).value;
      return true;
    }
    if (const auto number = number_of(line)) {
      eval.scalar = number;
      return true;
    }
    const auto series = series_of(line);
    if (series) eval.series.push_back(*series);
    return series.has_value();
  }

  void tell(const Eval& eval, ScriptVerdict::Kind kind, const std::string& why) {
    tell_({kind, eval.line, eval.query, why});
  }

  void judge(const Eval& eval) {
    if (const auto reason = reason_to_skip(eval)) {
      return tell(eval, ScriptVerdict::Kind::kSkipped, *reason);
    }
    const QueryOutcome outcome =
        run_query(eval, eval.start_ms, eval.end_ms, eval.step_ms, eval.is_range);
    auto problem = problem_of(eval, outcome);
    if (!problem) problem = problem_in_range_mode(eval, outcome);
    if (!problem) return tell(eval, ScriptVerdict::Kind::kPassed, "");
    const auto* result = std::get_if<QueryResult>(&outcome);
    tell(eval, ScriptVerdict::Kind::kFailed,
         *problem + (result == nullptr ? "" : "; got " + text_of(*result)));
  }

  /// What the query reads or is to answer that this engine does not have.
  std::optional<std::string> reason_to_skip(const Eval& eval) const {
    for (const SeriesLine& series : eval.series) {
      if (series.has_histograms()) return "native histograms";
    }
    static const re2::RE2 kNative(R"(\bhistogram_(avg|count|sum|stddev|stdvar)\b|</|>/)");
    if (re2::RE2::PartialMatch(eval.query, kNative)) return "native histograms";
    static const re2::RE2 kExtended(R"(\b(anchored|smoothed)\b)");
    if (re2::RE2::PartialMatch(eval.query, kExtended)) {
      return "anchored and smoothed, which are experimental";
    }
    if (re2::RE2::PartialMatch(eval.query, R"(\binfo\()")) return "info(), which is experimental";
    if (re2::RE2::PartialMatch(eval.query, R"(\bstart_timestamp\()")) {
      return "start timestamps of samples";
    }
    if (re2::RE2::PartialMatch(eval.query, R"(\bholt_winters\()")) {
      return "holt_winters(), which 3.x has under another name";
    }
    const auto parsed = parse(eval.query, options_.parser);
    if (!parsed) return {};
    const QueryRange range{eval.start_ms, eval.end_ms, eval.step_ms};
    for (const Selection& selection : selections_of(**parsed, range, options_.engine)) {
      for (const auto& [labels, reason] : unsupported_) {
        if (matches_all(selection.matchers, labels)) return reason;
      }
    }
    return {};
  }

  QueryOutcome run_query(const Eval& eval, std::int64_t start_ms, std::int64_t end_ms,
                         std::int64_t step_ms, bool is_range) {
    const auto parsed = parse(eval.query, options_.parser);
    if (!parsed) return QueryFailure{QueryFailure::Kind::kExecution, parsed.error()};
    NeverCancelled cancel;
    if (!is_range) {
      return run_instant_query(eval.query, **parsed, start_ms, source_, options_.engine, cancel);
    }
    return run_range_query(eval.query, **parsed, {start_ms, end_ms, step_ms}, source_,
                           options_.engine, cancel);
  }

  static std::optional<std::string> problem_of(const Eval& eval, const QueryOutcome& outcome) {
    if (const auto* failure = std::get_if<QueryFailure>(&outcome)) {
      if (!eval.expects("fail")) return "failed: " + failure->error.message;
      for (const Expectation& expectation : eval.expectations) {
        if (expectation.kind == "fail" && !expectation.fits(failure->error.message)) {
          return "wanted the failure " + expectation.text + ", got " + failure->error.message;
        }
      }
      return {};
    }
    if (eval.expects("fail")) return "did not fail";
    const QueryResult& result = *std::get_if<QueryResult>(&outcome);
    if (auto problem = problem_of_notes(eval, "warn", "no_warn", result.warnings)) return problem;
    if (auto problem = problem_of_notes(eval, "info", "no_info", result.infos)) return problem;
    return eval.is_range ? problem_of_range(eval, result) : problem_of_instant(eval, result);
  }

  static std::optional<std::string> problem_of_notes(const Eval& eval, const std::string& wanted,
                                                     const std::string& unwanted,
                                                     const std::vector<std::string>& notes) {
    if (eval.expects(unwanted) && !notes.empty()) return "unexpected: " + notes[0];
    if (!eval.expects(wanted)) return {};
    std::set<std::string> unexplained;
    for (const std::string& note : notes) unexplained.insert(without_place(note));
    const std::set<std::string> all = unexplained;
    for (const Expectation& expectation : eval.expectations) {
      if (expectation.kind != wanted) continue;
      bool is_there = false;
      for (const std::string& note : all) {
        if (!expectation.fits(note)) continue;
        is_there = true;
        unexplained.erase(note);
      }
      if (!is_there) return "lacks the " + wanted + " " + expectation.text;
    }
    if (unexplained.empty()) return {};
    return "unexpected: " + *unexplained.begin();
  }

  static std::optional<std::string> problem_of_instant(const Eval& eval,
                                                       const QueryResult& result) {
    if (eval.string) {
      return result.text == *eval.string ? std::nullopt
                                         : std::optional<std::string>("text: " + result.text);
    }
    if (result.type == ValueType::kScalar) {
      const double value = result.series[0].points[0].value;
      if (eval.scalar && almost_equal(*eval.scalar, value)) return {};
      return "the scalar is " + number_text(value);
    }
    if (eval.vector_start_ms) {
      return problem_of_points(eval, result, *eval.vector_start_ms, eval.vector_step_ms);
    }
    if (result.series.size() != eval.series.size()) return "wrong number of series";
    for (std::size_t i = 0; i < result.series.size(); ++i) {
      const ResultSeries& got = result.series[i];
      const auto wanted =
          std::find_if(eval.series.begin(), eval.series.end(),
                       [&](const SeriesLine& series) { return series.labels == got.labels; });
      if (wanted == eval.series.end()) return "unexpected series " + labels_text(got.labels);
      const auto place = static_cast<std::size_t>(wanted - eval.series.begin());
      if (eval.expects("ordered") && place != i) return "wrong order";
      if (wanted->items.empty()) return "nothing is wanted of " + labels_text(got.labels);
      if (!almost_equal(wanted->items[0].value, got.points[0].value)) {
        return "wanted " + number_text(wanted->items[0].value) + " for " + labels_text(got.labels);
      }
    }
    return {};
  }

  static std::optional<std::string> problem_of_range(const Eval& eval, const QueryResult& result) {
    if (eval.scalar) {
      for (const Point& point : result.series.at(0).points) {
        if (!almost_equal(point.value, *eval.scalar)) return "wrong scalar";
      }
      return {};
    }
    return problem_of_points(eval, result, eval.start_ms, eval.step_ms);
  }

  static std::optional<std::string> problem_of_points(const Eval& eval, const QueryResult& result,
                                                      std::int64_t start_ms, std::int64_t step_ms) {
    std::set<Labels> seen;
    for (const ResultSeries& got : result.series) {
      const auto wanted =
          std::find_if(eval.series.begin(), eval.series.end(),
                       [&](const SeriesLine& series) { return series.labels == got.labels; });
      if (wanted == eval.series.end()) return "unexpected series " + labels_text(got.labels);
      seen.insert(got.labels);
      std::size_t at = 0;
      for (std::size_t i = 0; i < wanted->items.size(); ++i) {
        if (wanted->items[i].kind == Item::Kind::kNone) continue;
        const std::int64_t time_ms = start_ms + static_cast<std::int64_t>(i) * step_ms;
        if (at == got.points.size() || got.points[at].time_ms != time_ms ||
            !almost_equal(got.points[at].value, wanted->items[i].value)) {
          return "wanted " + number_text(wanted->items[i].value) + " at " +
                 std::to_string(time_ms) + " for " + labels_text(got.labels);
        }
        ++at;
      }
      if (at != got.points.size()) return "too many points for " + labels_text(got.labels);
    }
    for (const SeriesLine& series : eval.series) {
      const bool has_values =
          std::any_of(series.items.begin(), series.items.end(),
                      [](const Item& item) { return item.kind != Item::Kind::kNone; });
      if (has_values && seen.count(series.labels) == 0)
        return "lacks " + labels_text(series.labels);
    }
    return {};
  }

  /// An instant query answers what a range query answers at that step.
  std::optional<std::string> problem_in_range_mode(const Eval& eval, const QueryOutcome& outcome) {
    const auto* result = std::get_if<QueryResult>(&outcome);
    if (result == nullptr || eval.is_range || eval.expects("ordered")) return {};
    if (result->type != ValueType::kVector && result->type != ValueType::kScalar) return {};
    constexpr std::int64_t kMinuteMs = 60 * 1000;
    // What asks for the query's own times has other answers in another query.
    if (re2::RE2::PartialMatch(eval.query, R"(\b(start|end|step|range)\s*\()")) return {};
    const QueryOutcome in_range =
        run_query(eval, eval.start_ms - kMinuteMs, eval.start_ms + kMinuteMs, kMinuteMs, true);
    if (const auto* failure = std::get_if<QueryFailure>(&in_range)) {
      return "in range mode: " + failure->error.message;
    }
    std::size_t found = 0;
    for (const ResultSeries& series : std::get_if<QueryResult>(&in_range)->series) {
      for (const Point& point : series.points) {
        if (point.time_ms != eval.start_ms) continue;
        ++found;
        const auto same =
            std::find_if(result->series.begin(), result->series.end(),
                         [&](const ResultSeries& other) { return other.labels == series.labels; });
        if (same == result->series.end() || !almost_equal(same->points[0].value, point.value)) {
          return "in range mode: " + labels_text(series.labels) + " " + number_text(point.value);
        }
      }
    }
    if (found != result->series.size())
      return "in range mode: " + std::to_string(found) + " series";
    return {};
  }

  const ScriptOptions& options_;
  const std::function<void(const ScriptVerdict&)>& tell_;
  std::vector<std::string> lines_;
  std::size_t at_ = 0;
  MemorySource source_;
  std::vector<std::pair<Labels, std::string>> unsupported_;
};

}  // namespace

void run_script(std::string_view script, const ScriptOptions& options,
                const std::function<void(const ScriptVerdict&)>& tell) {
  Runner(script, options, tell).run();
}

}  // namespace monitoring::promql
