#include "monitoring/promql/engine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "monitoring/promql/functions.hpp"
#include "monitoring/promql/memory_source.hpp"
#include "monitoring/promql/parser.hpp"
#include "monitoring/promql/text.hpp"

namespace monitoring::promql {
namespace {

constexpr std::int64_t kMinuteMs = 60 * 1000;

/// Hands out another source's samples in blocks of a few, from memory that it overwrites, and
/// counts.
class BlockSource final : public SeriesSource {
 public:
  BlockSource(SeriesSource& source, std::size_t block_size)
      : source_(source), block_size_(block_size) {}

  Result<std::unique_ptr<SeriesCursor>> select(const Selection& selection,
                                               CancelToken& cancel) override {
    ++selects;
    auto cursor = source_.select(selection, cancel);
    if (!cursor) return cursor.error();
    return std::unique_ptr<SeriesCursor>(
        std::make_unique<Cursor>(std::move(cursor).value(), block_size_));
  }

  std::size_t selects = 0;

 private:
  class Cursor final : public SeriesCursor {
   public:
    Cursor(std::unique_ptr<SeriesCursor> cursor, std::size_t block_size)
        : cursor_(std::move(cursor)), block_size_(block_size) {}
    Result<bool> next_series() override {
      auto more = cursor_->next_series();
      at_ = 0;
      if (more && *more) all_ = *cursor_->next_block();
      return more;
    }
    const Labels& labels() const override { return cursor_->labels(); }
    Result<SampleBlock> next_block() override {
      const std::size_t size = std::min(block_size_, all_.size - at_);
      times_ms_.assign(all_.times_ms + at_, all_.times_ms + at_ + size);
      values_.assign(all_.values + at_, all_.values + at_ + size);
      at_ += size;
      return SampleBlock{times_ms_.data(), values_.data(), size};
    }

   private:
    std::unique_ptr<SeriesCursor> cursor_;
    std::size_t block_size_;
    SampleBlock all_;
    std::size_t at_ = 0;
    std::vector<std::int64_t> times_ms_;
    std::vector<double> values_;
  };

  SeriesSource& source_;
  std::size_t block_size_;
};

/// Fails where it is told to.
class BrokenSource final : public SeriesSource {
 public:
  Result<std::unique_ptr<SeriesCursor>> select(const Selection&, CancelToken&) override {
    return Error::of("chunk 7 of series 42 is damaged");
  }
};

class CancelledAfter final : public CancelToken {
 public:
  explicit CancelledAfter(int questions) : left_(questions) {}
  bool cancelled() override { return left_-- <= 0; }

 private:
  int left_;
};

class PromqlEngine : public testing::Test {
 protected:
  /// Counters that fall, gauges with gaps, NaN and infinities; histograms.
  void SetUp() override {
    std::mt19937 random(7);
    for (int i = 0; i < 6; ++i) {
      const std::string host = "host-" + std::to_string(i);
      double counter = 0;
      for (std::int64_t at = 0; at < 600; ++at) {
        const std::int64_t time_ms = at * 15'000 + static_cast<std::int64_t>(random() % 500);
        counter = random() % 50 == 0 ? 0 : counter + static_cast<double>(random() % 100);
        source_.append({{"__name__", "c_total"}, {"host", host}}, time_ms, counter);
        if (random() % 10 == 0) continue;
        double gauge = static_cast<double>(random() % 1000) / 7;
        if (i == 4 && random() % 40 == 0) gauge = std::nan("");
        if (i == 5 && random() % 60 == 0) gauge = std::numeric_limits<double>::infinity();
        if (random() % 30 == 0) gauge = stale_marker();
        source_.append({{"__name__", "g"}, {"host", host}}, time_ms, gauge);
        for (const char* bound : {"0.5", "1", "+Inf"}) {
          source_.append({{"__name__", "h_bucket"}, {"host", host}, {"le", bound}}, time_ms,
                         counter * std::stod(bound[0] == '+' ? "2" : bound));
        }
      }
    }
  }

  QueryOutcome instant(const std::string& query, std::int64_t at_ms, SeriesSource& source) {
    const auto expr = parse(query, {true});
    if (!expr) return QueryFailure{QueryFailure::Kind::kExecution, expr.error()};
    return run_instant_query(query, **expr, at_ms, source, options_, never_);
  }
  QueryOutcome instant(const std::string& query, std::int64_t at_ms) {
    return instant(query, at_ms, source_);
  }
  QueryOutcome range(const std::string& query, const QueryRange& range, SeriesSource& source,
                     CancelToken& cancel) {
    const auto expr = parse(query, {true});
    if (!expr) return QueryFailure{QueryFailure::Kind::kExecution, expr.error()};
    return run_range_query(query, **expr, range, source, options_, cancel);
  }
  QueryOutcome range(const std::string& query, const QueryRange& r) {
    return range(query, r, source_, never_);
  }

  static std::string failure_of(const QueryOutcome& outcome) {
    const auto* failure = std::get_if<QueryFailure>(&outcome);
    return failure == nullptr ? "" : failure->error.message;
  }
  static QueryResult result_of(const QueryOutcome& outcome) {
    const auto* result = std::get_if<QueryResult>(&outcome);
    EXPECT_NE(result, nullptr) << failure_of(outcome);
    return result == nullptr ? QueryResult() : *result;
  }
  static std::string text_of(const QueryResult& result) {
    std::string text;
    for (const ResultSeries& series : result.series) {
      text += labels_text(series.labels);
      for (const Point& point : series.points) {
        text += " " + std::to_string(point.time_ms) + ":" + number_text(point.value);
      }
      text += "\n";
    }
    return text;
  }

  MemorySource source_;
  EngineOptions options_;
  NeverCancelled never_;
};

constexpr QueryRange kRange{30 * kMinuteMs, 140 * kMinuteMs, 7 * kMinuteMs + 300};

/// Of every function, aggregation and operator one query at least.
std::vector<std::string> queries_of_all_kinds() {
  std::vector<std::string> queries = {"g",      "g offset 3m", "g @ 3600",          "-g",
                                      "time()", "1 + 2",       "vector(1) + time()"};
  for (const Function& function : all_functions()) {
    std::string arguments;
    for (const ValueType type : function.argument_types) {
      if (!arguments.empty()) arguments += ", ";
      if (type == ValueType::kScalar) arguments += "0.3";
      if (type == ValueType::kString) arguments += "\"host\"";
      if (type == ValueType::kMatrix) arguments += "RANGE";
      if (type == ValueType::kVector) {
        arguments += function.name.find("histogram_") == 0 ? "h_bucket" : "g";
      }
    }
    const std::string call = std::string(function.name) + "(" + arguments + ")";
    const std::size_t at = call.find("RANGE");
    if (at == std::string::npos) {
      queries.push_back(call);
      continue;
    }
    for (const char* samples : {"c_total[2m]", "g[1h]", "g[50m:2m]", "g[10m] @ 5000"}) {
      queries.push_back(call.substr(0, at) + samples + call.substr(at + 5));
    }
  }
  for (int i = 0; i <= static_cast<int>(Aggregator::kLimitRatio); ++i) {
    const auto op = static_cast<Aggregator>(i);
    const std::string parameter = op == Aggregator::kCountValues ? "\"v\", "
                                  : takes_parameter(op)          ? "0.7, "
                                                                 : "";
    const std::string name(promql::text_of(op));
    queries.push_back(name + "(" + parameter + "g)");
    queries.push_back(name + " by (host) (" + parameter + "c_total)");
    if (op == Aggregator::kTopk || op == Aggregator::kBottomk) queries.push_back(name + "(2, g)");
  }
  for (int i = 0; i <= static_cast<int>(Operator::kUnless); ++i) {
    const std::string op(promql::text_of(static_cast<Operator>(i)));
    queries.push_back("g " + op + " c_total");
    queries.push_back("g " + op + " on (host) group_left c_total");
    queries.push_back("g " + op + " 50");
    queries.push_back("50 " + op + " g");
  }
  return queries;
}

bool almost_equal(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::fabs(a - b) <= 1e-9 * std::max({1.0, std::fabs(a), std::fabs(b)});
}

/// Moving windows, streams and merges against the same query at one instant after the other.
TEST_F(PromqlEngine, RangeQueriesAnswerAsInstantQueriesAtEachStep) {
  std::size_t compared = 0;
  for (const std::string& query : queries_of_all_kinds()) {
    // These ask for the query's own times.
    if (query == "start()" || query == "end()" || query == "range()" || query == "step()") continue;
    const QueryOutcome over_range = range(query, kRange);
    std::map<std::pair<std::string, std::int64_t>, double> points;
    if (const auto* result = std::get_if<QueryResult>(&over_range)) {
      for (const ResultSeries& series : result->series) {
        for (const Point& point : series.points) {
          points[{labels_text(series.labels), point.time_ms}] = point.value;
        }
      }
    }
    std::size_t found = 0;
    for (std::int64_t at = kRange.start_ms; at <= kRange.end_ms; at += kRange.step_ms) {
      const QueryOutcome single = instant(query, at);
      if (!failure_of(over_range).empty() || !failure_of(single).empty()) {
        EXPECT_EQ(failure_of(over_range), failure_of(single)) << query;
        break;
      }
      for (const ResultSeries& series : result_of(single).series) {
        const auto place = points.find({labels_text(series.labels), at});
        ASSERT_NE(place, points.end()) << query << " " << labels_text(series.labels) << " " << at;
        EXPECT_TRUE(almost_equal(place->second, series.points[0].value))
            << query << " " << labels_text(series.labels) << " at " << at << ": " << place->second
            << " and " << series.points[0].value;
        ++found;
      }
    }
    if (failure_of(over_range).empty()) {
      EXPECT_EQ(found, points.size()) << query;
    }
    compared += found;
  }
  EXPECT_GT(compared, 10'000U);
}

TEST_F(PromqlEngine, BlocksMakeNoDifference) {
  for (const std::size_t size : {1U, 7U, 100'000U}) {
    BlockSource blocks(source_, size);
    for (const std::string& query : queries_of_all_kinds()) {
      const QueryOutcome wanted = range(query, kRange);
      const QueryOutcome got = range(query, kRange, blocks, never_);
      ASSERT_EQ(failure_of(wanted), failure_of(got)) << query;
      if (!failure_of(wanted).empty()) continue;
      EXPECT_EQ(text_of(result_of(wanted)), text_of(result_of(got))) << query;
    }
  }
}

TEST_F(PromqlEngine, ReadsASelectorOnce) {
  BlockSource counting(source_, 100);
  const auto selects = [&](const std::string& query) {
    counting.selects = 0;
    result_of(range(query, kRange, counting, never_));
    return counting.selects;
  };
  EXPECT_EQ(selects("rate(c_total[5m]) / rate(c_total[5m])"), 1U);
  EXPECT_EQ(selects("rate(c_total[5m]) - rate(c_total[1h]) + c_total"), 1U);
  EXPECT_EQ(selects("max_over_time(g[10m]) - g offset 5m"), 1U);
  EXPECT_EQ(selects("c_total - c_total offset 1w"), 2U) << "what lies between is not wanted";
  EXPECT_EQ(selects("c_total + g"), 2U);
  const std::string twice = "rate(c_total[5m]) + rate(c_total[5m] offset 10m)";
  EXPECT_EQ(text_of(result_of(range(twice, kRange, counting, never_))),
            text_of(result_of(range("rate(c_total[5m]) + on (host) rate({__name__=\"c_total\"}[5m] "
                                    "offset 10m)",
                                    kRange))));
}

TEST_F(PromqlEngine, TellsWhatItWouldRead) {
  const std::string query = "rate(c_total[5m]) + on (host) (g offset 1h)";
  const auto selections = selections_of(**parse(query), {1'000'000, 2'000'000, 1000}, options_);
  ASSERT_EQ(selections.size(), 2U);
  EXPECT_EQ(selections[0].start_ms, 1'000'000 - 5 * kMinuteMs + 1);
  EXPECT_EQ(selections[0].end_ms, 2'000'000);
  EXPECT_EQ(selections[1].start_ms, 1'000'000 - 65 * kMinuteMs + 1);
  EXPECT_EQ(selections[1].end_ms, 2'000'000 - 60 * kMinuteMs);
}

/// An aggregation holds its groups, not the matrix below it.
TEST_F(PromqlEngine, AggregatesWithoutTheMatrix) {
  const QueryRange fine{0, 140 * kMinuteMs, 1000};
  const QueryResult sum = result_of(range("sum(rate(c_total[5m]))", fine));
  const std::size_t steps = sum.series.at(0).points.size();
  EXPECT_LT(sum.peak_samples, 3 * steps);
  EXPECT_EQ(sum.samples_read, 6U * 600 - 6 * 40);
}

TEST_F(PromqlEngine, RefusesTooManySamples) {
  const char* const kMessage =
      "query processing would load too many samples into memory in query execution";
  options_.max_samples = 1000;
  EXPECT_EQ(failure_of(range("c_total", {0, 140 * kMinuteMs, 15'000})), kMessage);
  EXPECT_EQ(failure_of(instant("c_total[3h]", 140 * kMinuteMs)), kMessage);
  EXPECT_EQ(failure_of(instant("sum_over_time(vector(1)[1y:1ms])", 0)), kMessage);
  EXPECT_EQ(failure_of(range("vector(1)", {0, 1'000'000'000'000, 1})), kMessage);
  EXPECT_EQ(failure_of(range("c_total - c_total", {0, 140 * kMinuteMs, 60'000})), kMessage);
  EXPECT_EQ(failure_of(range("max(c_total)", {0, 140 * kMinuteMs, 60'000})), "");
}

TEST_F(PromqlEngine, RefusesTooManyBytes) {
  options_.max_bytes = 100'000;
  for (const std::string& query : queries_of_all_kinds()) {
    // Whatever there is, it ends, and with this failure if with any new one.
    options_.max_bytes = 100'000;
    const std::string small = failure_of(range(query, {0, 140 * kMinuteMs, 1000}));
    options_.max_bytes = EngineOptions().max_bytes;
    const std::string large = failure_of(range(query, {0, 140 * kMinuteMs, 100'000}));
    if (large.empty() && !small.empty()) {
      EXPECT_NE(small.find("too many samples"), std::string::npos) << query;
    }
  }
}

/// What streams keep beside the series counts, too.
TEST_F(PromqlEngine, CountsScalarsThatAreKept) {
  const auto nested = [](int levels) {
    std::string vector = "vector(1)";
    for (int i = 0; i < levels; ++i) vector = "clamp_max(" + vector + ", 1)";
    return "sum_over_time(" + vector + "[1h:1s])";
  };
  options_.max_bytes = 500'000;
  EXPECT_EQ(failure_of(instant(nested(2), 0)), "");
  EXPECT_NE(failure_of(instant(nested(50), 0)).find("too many samples"), std::string::npos);
}

TEST_F(PromqlEngine, StopsWhereverItIsCancelled) {
  for (const std::string& query : queries_of_all_kinds()) {
    const std::string whole = failure_of(range(query, kRange));
    for (const int questions : {0, 1, 2, 3, 5, 8, 13, 21}) {
      CancelledAfter cancel(questions);
      const QueryOutcome outcome = range(query, kRange, source_, cancel);
      const auto* failure = std::get_if<QueryFailure>(&outcome);
      if (failure == nullptr || failure->error.message == whole) continue;
      EXPECT_EQ(failure->kind, QueryFailure::Kind::kCanceled) << query;
      EXPECT_EQ(failure->error.message, "query was canceled in expression evaluation") << query;
    }
  }
}

TEST_F(PromqlEngine, StopsWhenItsTimeIsOver) {
  CancelledAfter time_limit(3);
  options_.time_limit = &time_limit;
  const QueryOutcome outcome = range("sum(rate(c_total[5m]))", kRange);
  const auto* failure = std::get_if<QueryFailure>(&outcome);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->kind, QueryFailure::Kind::kTimeout);
  EXPECT_EQ(failure->error.message, "query timed out in expression evaluation");
}

TEST_F(PromqlEngine, PassesErrorsOfTheSourceOn) {
  BrokenSource broken;
  for (const char* query : {"g", "rate(g[5m])", "g + g", "scalar(g)", "sum(g) or g[5m:]"}) {
    const std::string message = failure_of(instant(query, 0, broken));
    if (std::string(query) == "sum(g) or g[5m:]") continue;
    EXPECT_EQ(message, "expanding series: chunk 7 of series 42 is damaged") << query;
  }
}

TEST_F(PromqlEngine, RefusesImpossibleTimes) {
  EXPECT_NE(failure_of(range("g", {10, 5, 1})), "");
  EXPECT_NE(failure_of(range("g", {0, 5, 0})), "");
  EXPECT_NE(failure_of(range("g", {0, 5, -1})), "");
  EXPECT_NE(failure_of(instant("g", INT64_MAX)), "");
  EXPECT_NE(failure_of(instant("g", INT64_MIN)), "");
  EXPECT_EQ(failure_of(instant("g @ 3e15 offset 100y", kFarthestMs)), "");
  EXPECT_NE(failure_of(range("\"text\"", {0, 5, 1})), "");
  EXPECT_NE(failure_of(range("g[5m]", {0, 5, 1})), "");
}

TEST_F(PromqlEngine, AnswersByType) {
  EXPECT_EQ(result_of(instant("1 + 1", 5)).type, ValueType::kScalar);
  EXPECT_EQ(result_of(instant("1 + 1", 5)).series.at(0).points.at(0).value, 2);
  EXPECT_EQ(result_of(instant("\"text\"", 5)).text, "text");
  EXPECT_EQ(result_of(instant("g[5m]", 10 * kMinuteMs)).type, ValueType::kMatrix);
  EXPECT_EQ(result_of(range("1", {0, 10, 5})).type, ValueType::kMatrix);
  EXPECT_EQ(result_of(range("1", {0, 10, 5})).series.at(0).points.size(), 3U);
  EXPECT_EQ(result_of(range("1", {7, 7, 5})).series.at(0).points.size(), 1U);
}

TEST_F(PromqlEngine, AnnotatesWithPlaces) {
  const QueryResult result = result_of(instant("sum(\n  rate(g[5m])) + quantile(2, g)", 600'000));
  ASSERT_EQ(result.infos.size(), 1U);
  EXPECT_EQ(result.infos[0],
            "PromQL info: metric might not be a counter, name does not end in "
            "_total/_sum/_count/_bucket: \"g\" (2:8)");
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_EQ(result.warnings[0],
            "PromQL warning: quantile value should be between 0 and 1, got 2 (2:27)");
}

TEST_F(PromqlEngine, SaysWhatItDoesNotHave) {
  for (const char* function : {"avg", "count", "sum", "stddev", "stdvar"}) {
    EXPECT_EQ(failure_of(instant("histogram_" + std::string(function) + "(h_bucket)", 0)),
              "histogram_" + std::string(function) +
                  "() works on native histograms, which are not supported");
  }
  EXPECT_EQ(failure_of(instant("info(g)", 0)), "function \"info\" is not supported");
}

/// Series may name annotations; there never are many.
TEST_F(PromqlEngine, BoundsAnnotations) {
  MemorySource many;
  for (int i = 0; i < 1000; ++i) {
    many.append({{"__name__", "x"}, {"le", "bad" + std::to_string(i)}}, 0, 1);
  }
  EXPECT_LE(result_of(instant("histogram_quantile(0.5, x)", 0, many)).warnings.size(), 100U);
}

TEST_F(PromqlEngine, KeepsPrometheus2sLeftEnds) {
  MemorySource source;
  for (int i = 0; i <= 5; ++i) source.append({{"__name__", "x"}}, i * kMinuteMs, i);
  const auto value = [&](const std::string& query, std::int64_t at_ms) {
    const QueryResult result = result_of(instant(query, at_ms, source));
    return result.series.empty() ? -1 : result.series[0].points[0].value;
  };
  EXPECT_EQ(value("count_over_time(x[2m])", 5 * kMinuteMs), 2);
  EXPECT_EQ(value("x", 10 * kMinuteMs), -1);
  EXPECT_EQ(value("count_over_time(x[2m:1m])", 5 * kMinuteMs), 2);
  options_.as_before_3 = true;
  EXPECT_EQ(value("count_over_time(x[2m])", 5 * kMinuteMs), 3);
  EXPECT_EQ(value("x", 10 * kMinuteMs), 5);
  EXPECT_EQ(value("count_over_time(x[2m:1m])", 5 * kMinuteMs), 3);
}

TEST(PromqlMemorySource, SelectsByMatchersAndTime) {
  MemorySource source;
  const Labels labels{{"__name__", "x"}, {"a", "1"}};
  for (const std::int64_t at : {30, 10, 20, 10}) source.append(labels, at, static_cast<double>(at));
  source.append(labels, 20, 7);
  source.append({{"__name__", "y"}}, 1, 1);
  NeverCancelled never;
  auto cursor = source.select({{Matcher::equal("a", "1")}, 10, 20}, never);
  ASSERT_TRUE(cursor.ok());
  ASSERT_TRUE(*(*cursor)->next_series());
  EXPECT_EQ((*cursor)->labels(), labels);
  const SampleBlock block = *(*cursor)->next_block();
  ASSERT_EQ(block.size, 2U);
  EXPECT_EQ(block.times_ms[0], 10);
  EXPECT_EQ(block.values[1], 7);
  EXPECT_EQ((*cursor)->next_block()->size, 0U);
  EXPECT_FALSE(*(*cursor)->next_series());
}

}  // namespace
}  // namespace monitoring::promql
