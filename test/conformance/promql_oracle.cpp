// What a Prometheus 2.42 answered to queries over known samples (oracle-promql), and that the
// queries of the compliance tests evaluate (compliance-promql), whose own data is not there.

#include <yaml-cpp/yaml.h>

#include <cmath>
#include <limits>
#include <random>

#include "monitoring/promql/engine.hpp"
#include "monitoring/promql/memory_source.hpp"
#include "monitoring/promql/parser.hpp"
#include "monitoring/promql/text.hpp"
#include "registry.hpp"

namespace monitoring::conformance {
namespace {

using nlohmann::json;
using promql::QueryFailure;
using promql::QueryOutcome;
using promql::QueryResult;

// As the answers were asked for.
constexpr std::int64_t kRangeSeconds = 5400;
constexpr std::int64_t kStepSeconds = 300;

void load(const json& document, promql::MemorySource& source) {
  const std::int64_t start_ms = document["t0"].get<std::int64_t>() * 1000;
  const std::int64_t step_ms = document["step"].get<std::int64_t>() * 1000;
  for (const json& series : document["series"]) {
    Labels labels;
    for (const auto& [name, value] : series["labels"].items()) labels.set(name, value);
    std::int64_t time_ms = start_ms;
    for (const json& value : series["values"]) {
      if (!value.is_null()) source.append(labels, time_ms, value);
      time_ms += step_ms;
    }
  }
}

double number_of(const std::string& text) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  return std::stod(text);
}

/// Sums are compensated in 3.x, so that last digits differ.
bool almost_equal(double a, double b) {
  if (std::isnan(a) && std::isnan(b)) return true;
  return a == b || std::fabs(a - b) <= 1e-9 * std::max(std::fabs(a), std::fabs(b));
}

/// Every point with its labels and time, in order: what answers are compared by.
struct Answer {
  std::map<std::pair<std::string, std::int64_t>, double> points;
  std::string error;
};

Answer answer_of(const json& data) {
  Answer answer;
  if (data.contains("error")) {
    answer.error = data["error"];
    return answer;
  }
  const auto add = [&](const std::string& labels, const json& point) {
    const auto time_ms = static_cast<std::int64_t>(std::llround(point[0].get<double>() * 1000));
    answer.points[{labels, time_ms}] = number_of(point[1]);
  };
  if (data["resultType"] == "scalar") {
    add("{}", data["result"]);
    return answer;
  }
  for (const json& series : data["result"]) {
    Labels labels;
    for (const auto& [name, value] : series["metric"].items()) labels.set(name, value);
    const std::string text = promql::labels_text(labels);
    if (series.contains("value")) add(text, series["value"]);
    if (!series.contains("values")) continue;
    for (const json& point : series["values"]) add(text, point);
  }
  return answer;
}

Answer answer_of(const QueryOutcome& outcome) {
  Answer answer;
  if (const auto* failure = std::get_if<QueryFailure>(&outcome)) {
    answer.error = failure->error.message;
    return answer;
  }
  for (const auto& series : std::get_if<QueryResult>(&outcome)->series) {
    const std::string text = promql::labels_text(series.labels);
    for (const auto& point : series.points) answer.points[{text, point.time_ms}] = point.value;
  }
  return answer;
}

void compare(const std::string& name, const Answer& wanted, const Answer& got, Report& report) {
  if (!wanted.error.empty() || !got.error.empty()) {
    const bool same = !got.error.empty() && wanted.error.find(got.error) != std::string::npos;
    if (same) return report.pass();
    return report.expect_equal(name, wanted.error, got.error);
  }
  for (const auto& [place, value] : wanted.points) {
    const auto at = got.points.find(place);
    if (at != got.points.end() && almost_equal(at->second, value)) continue;
    const std::string instead =
        at == got.points.end() ? "nothing" : promql::number_text(at->second);
    return report.fail(name, "wanted " + promql::number_text(value) + " for " + place.first +
                                 " at " + std::to_string(place.second) + ", got " + instead);
  }
  if (got.points.size() == wanted.points.size()) return report.pass();
  report.fail(name, "too many points");
}

QueryOutcome run_query(const std::string& query, std::int64_t start_ms, std::int64_t end_ms,
                       bool is_range, promql::SeriesSource& source) {
  promql::EngineOptions options;
  options.as_before_3 = true;
  NeverCancelled cancel;
  const auto expr = promql::parse(query);
  if (!expr) {
    return QueryFailure{QueryFailure::Kind::kExecution,
                        Error::of(promql::parse_error_text(query, expr.error()))};
  }
  if (!is_range) {
    return run_instant_query(query, **expr, start_ms, source, options, cancel);
  }
  return run_range_query(query, **expr, {start_ms, end_ms, kStepSeconds * 1000}, source, options,
                         cancel);
}

void run_oracle(const std::filesystem::path& folder, Report& report) {
  const json series = read_json(folder / "series.json", report);
  const json answers = read_json(folder / "answers.json", report);
  if (!series.is_object() || !answers.is_array()) return;
  promql::MemorySource source;
  load(series, source);
  const std::int64_t start_ms = series["t0"].get<std::int64_t>() * 1000;
  for (const json& entry : answers) {
    const std::string query = entry["query"];
    for (const auto& [time, data] : entry["instant"].items()) {
      const std::int64_t at_ms = std::stoll(time) * 1000;
      compare(query + " at " + time, answer_of(data),
              answer_of(run_query(query, at_ms, at_ms, false, source)), report);
    }
    compare(query + ", range", answer_of(entry["range"]),
            answer_of(run_query(query, start_ms, start_ms + kRangeSeconds * 1000, true, source)),
            report);
  }
}

/// What the templates of the compliance tests stand for.
const std::map<std::string, std::vector<std::string>>& variants() {
  static const auto& all = *new std::map<std::string, std::vector<std::string>>{
      {"range", {"1s", "15s", "1m", "5m", "15m", "1h"}},
      {"offset", {"1m", "5m", "10m"}},
      {"instantRateFunc", {"irate", "idelta"}},
      {"rateFunc", {"rate", "increase"}},
      {"extrapolatedRateFunc", {"rate", "increase", "delta"}},
      {"simpleAggrOp", {"sum", "avg", "max", "min", "count", "stddev", "stdvar"}},
      {"topBottomOp", {"topk", "bottomk"}},
      {"quantile", {"-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"}},
      {"arithBinOp", {"+", "-", "*", "/", "%", "^"}},
      {"compBinOp", {"==", "!=", "<", ">", "<=", ">="}},
      {"binOp", {"+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="}},
      {"simpleMathFunc", {"abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10"}},
      {"dateFunc",
       {"day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"}},
      {"simpleTimeAggrOp", {"sum", "avg", "max", "min", "count", "stddev", "stdvar", "last"}},
  };
  return all;
}

std::vector<std::string> expanded(const std::string& query) {
  const std::size_t open = query.find("{{.");
  if (open == std::string::npos) return {query};
  const std::size_t close = query.find("}}", open);
  const auto known = variants().find(query.substr(open + 3, close - open - 3));
  std::vector<std::string> queries;
  if (known == variants().end()) return queries;
  for (const std::string& variant : known->second) {
    const std::string next = query.substr(0, open) + variant + query.substr(close + 2);
    for (std::string& rest : expanded(next)) queries.push_back(std::move(rest));
  }
  return queries;
}

/// Series like those of Prometheus's demo service.
void load_demo(promql::MemorySource& source) {
  std::mt19937 random(1);
  for (const char* instance : {"demo:10000", "demo:10001", "demo:10002"}) {
    const auto add = [&](Labels labels, double rate) {
      labels.set("instance", instance);
      labels.set("job", "demo");
      double value = 0;
      for (std::int64_t at_ms = 0; at_ms < 3'600'000; at_ms += 5000) {
        value += rate * static_cast<double>(random() % 10);
        source.append(labels, at_ms, value);
      }
    };
    for (const char* type : {"free", "used", "cached"}) {
      add({{"__name__", "demo_memory_usage_bytes"}, {"type", type}}, 1e6);
    }
    add({{"__name__", "demo_num_cpus"}}, 1);
    add({{"__name__", "demo_disk_usage_bytes"}}, 1e3);
    add({{"__name__", "demo_cpu_usage_seconds_total"}, {"mode", "user"}}, 0.1);
    for (const char* bound : {"0.1", "1", "+Inf"}) {
      add({{"__name__", "demo_api_request_duration_seconds_bucket"}, {"le", bound}}, 1);
    }
  }
}

void run_compliance(const std::filesystem::path& folder, Report& report) {
  promql::MemorySource source;
  load_demo(source);
  for (const auto& file : files_with_extension(folder, ".yml")) {
    const YAML::Node document = YAML::LoadFile(file);
    for (const YAML::Node& entry : document["test_cases"]) {
      const auto pattern = entry["query"].as<std::string>();
      const bool should_fail = entry["should_fail"] && entry["should_fail"].as<bool>();
      const auto queries = expanded(pattern);
      if (queries.empty()) report.fail(pattern, "an unknown variant");
      for (const std::string& query : queries) {
        if (query.find("~invalid") != std::string::npos) {
          report.skip(query, "since Prometheus 3 any UTF-8 text may name a label");
          continue;
        }
        const QueryOutcome outcome = run_query(query, 600'000, 3'000'000, true, source);
        const auto* failure = std::get_if<QueryFailure>(&outcome);
        if ((failure != nullptr) == should_fail) {
          report.pass();
        } else {
          report.fail(query, failure == nullptr ? "did not fail" : failure->error.message);
        }
      }
    }
  }
}

const Registration kOracle{"oracle-promql", run_oracle};
const Registration kCompliance{"compliance-promql", run_compliance};

}  // namespace
}  // namespace monitoring::conformance
