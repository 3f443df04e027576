#include "monitoring/foreign/exporter_queries.hpp"

#include <gtest/gtest.h>

namespace monitoring::foreign {
namespace {

constexpr Version kServer{15, 4, 0};

std::string error_of(const std::string& yaml) {
  const auto read = parse_exporter_queries(yaml, kServer);
  return read ? "no error" : read.error().message;
}

/// One query with these columns.
std::string with_columns(const std::string& columns) {
  return "app:\n  query: SELECT 1\n  metrics:\n" + columns;
}

std::vector<std::string> messages_of(const std::vector<Note>& notes) {
  std::vector<std::string> messages;
  for (const Note& note : notes) messages.push_back(note.message);
  return messages;
}

ExporterQuery query_of(const std::string& yaml) {
  const auto read = parse_exporter_queries(yaml, kServer);
  EXPECT_TRUE(read) << read.error().message;
  return read->queries.at(0);
}

TEST(ExporterQueries, ReadsAllKeys) {
  const auto read = parse_exporter_queries(
      "pg_jobs:\n"
      "  query: |\n"
      "    SELECT state, count(*) FROM jobs GROUP BY 1\n"
      "  master: true\n"
      "  cache_seconds: 30\n"
      "  runonserver: '>=10.0.0'\n"
      "  metrics:\n"
      "    - state: {usage: LABEL, description: State of the job}\n"
      "    - count:\n"
      "        usage: GAUGE\n"
      "        description: Jobs\n"
      "    - mood: {usage: MAPPEDMETRIC, metric_mapping: {good: 1, bad: -0.5}}\n"
      "    - later: {usage: COUNTER, pg_version: '>=17.0.0'}\n",
      kServer);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->notes.empty());
  ASSERT_EQ(read->queries.size(), 1U);
  const ExporterQuery& query = read->queries[0];
  EXPECT_EQ(query.name, "pg_jobs");
  EXPECT_EQ(query.query, "SELECT state, count(*) FROM jobs GROUP BY 1\n");
  EXPECT_TRUE(query.is_of_cluster);
  EXPECT_EQ(query.cache_seconds, 30);
  ASSERT_EQ(query.columns.size(), 4U);
  EXPECT_EQ(query.columns[0].usage, ColumnUsage::label);
  EXPECT_EQ(query.columns[0].description, "State of the job");
  EXPECT_EQ(query.columns[1].usage, ColumnUsage::gauge);
  EXPECT_EQ(query.columns[1].line, 10);
  const std::vector<std::pair<std::string, double>> mapping{{"good", 1}, {"bad", -0.5}};
  EXPECT_EQ(query.columns[2].mapping, mapping);
  EXPECT_EQ(query.columns[3].usage, ColumnUsage::discard) << "not of this server";
}

TEST(ExporterQueries, SaysWhatHasNoEffect) {
  const auto read = parse_exporter_queries(
      "old:\n  query: SELECT 1\n  runonserver: <10.0.0\n"
      "app:\n  query: SELECT 1\n  sql: x\n  metrics:\n    - a: {usage: GAUGE, help: x}\n",
      kServer);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->queries.size(), 1U);
  EXPECT_EQ(
      messages_of(read->notes),
      (std::vector<std::string>{"line 2: \"old\" is left out: it is for servers of other versions",
                                "line 6: \"sql\" is no key of a query and has no effect",
                                "line 8: \"help\" is no key of a column and has no effect"}));
}

TEST(ExporterQueries, SaysWhereItIsWrong) {
  EXPECT_EQ(error_of("- a\n"), "line 1: queries by their names are expected");
  EXPECT_EQ(error_of("a: 1\n"), "line 1: \"a\" must have a query and its metrics");
  EXPECT_EQ(error_of("a-b:\n  query: SELECT 1\n").substr(0, 8), "line 2: ");
  EXPECT_EQ(error_of("app:\n  master: true\n"), "line 2: \"app\" has no query");
  EXPECT_EQ(error_of("app:\n  query: ' ; '\n"), "line 2: \"app\" has no query");
  EXPECT_EQ(error_of("app:\n  query: [1]\n"), "line 2: \"query\" must be a text");
  EXPECT_EQ(error_of("app:\n  query: x\n  master: maybe\n"),
            "line 3: \"master\" must be true or false");
  EXPECT_EQ(error_of("app:\n  query: x\n  cache_seconds: -1\n"),
            "line 3: \"cache_seconds\" must be a number of seconds, at most a year");
  EXPECT_EQ(error_of("app:\n  query: x\n  runonserver: new\n"),
            "line 3: \"runonserver\": \"new\" is no range of versions");
  EXPECT_EQ(error_of("app:\n  query: x\n  metrics: {a: 1}\n"),
            "line 3: \"metrics\" must be a list");
  EXPECT_EQ(error_of(with_columns("    - a\n")), "line 4: a column and its usage are expected");
  EXPECT_EQ(error_of(with_columns("    - a: GAUGE\n")), "line 4: column \"a\" must have a usage");
  EXPECT_EQ(error_of(with_columns("    - a: {description: x}\n")),
            "line 4: column \"a\" has no usage");
  EXPECT_EQ(error_of(with_columns("    - a: {usage: gauge}\n")),
            "line 4: there is no usage \"gauge\"");
  EXPECT_EQ(error_of(with_columns("    - a: {usage: MAPPEDMETRIC}\n")),
            "line 4: column \"a\" has no metric_mapping");
  EXPECT_EQ(error_of(with_columns("    - a: {usage: MAPPEDMETRIC, metric_mapping: {x: y}}\n")),
            "line 4: \"x\" must be mapped to a number");
  EXPECT_EQ(error_of(with_columns("    - a: {usage: GAUGE}\n    - a: {usage: LABEL}\n")),
            "line 5: column \"a\" comes twice");
  EXPECT_EQ(error_of(with_columns("    - a-b: {usage: GAUGE}\n")).substr(0, 8), "line 4: ");
  EXPECT_EQ(error_of(with_columns("    - le: {usage: LABEL}\n")).substr(0, 8), "line 4: ");
  EXPECT_EQ(error_of("a:\n  query: x\n  metrics: [b_c: {usage: GAUGE}]\n"
                     "a_b:\n  query: x\n  metrics: [c: {usage: GAUGE}]\n"),
            "line 6: metric \"a_b_c\" comes of \"a\" already");
}

TEST(ExporterCollector, HasOneRowForEachMetric) {
  const ExporterQuery query = query_of(
      "app:\n  query: SELECT * FROM t;\n  metrics:\n"
      "    - host: {usage: LABEL}\n"
      "    - jobs: {usage: COUNTER, description: Jobs}\n"
      "    - wait: {usage: DURATION}\n"
      "    - pid: {usage: DISCARD}\n");
  const auto collector = collector_of(query, std::nullopt);
  ASSERT_TRUE(collector) << collector.error().message;
  EXPECT_EQ(collector->query,
            "SELECT m.metric_name, m.value,\n"
            "    jsonb_build_object('host', q.\"host\"::text) AS labels\n"
            "FROM (\nSELECT * FROM t\n) AS q, LATERAL (VALUES\n"
            "    ('app_jobs', q.\"jobs\"::text::float8),\n"
            "    ('app_wait_milliseconds', CASE WHEN q.\"wait\"::text <> '-1' THEN"
            " trunc(extract(epoch FROM q.\"wait\"::text::interval) * 1000)::float8 END)\n"
            ") AS m (metric_name, value)");
  EXPECT_EQ(collector->metrics, R"({"app_jobs":{"help":"Jobs","type":"counter"},)"
                                R"("app_wait_milliseconds":{"help":"","type":"gauge"}})");
  EXPECT_EQ(collector->metric_names,
            (std::vector<std::string>{"app_jobs", "app_wait_milliseconds"}));
}

TEST(ExporterCollector, GoesByTheTypesOfTheResult) {
  const ExporterQuery query = query_of(
      "app:\n  query: SELECT 1\n  metrics:\n"
      "    - at: {usage: GAUGE}\n    - up: {usage: GAUGE}\n    - words: {usage: GAUGE}\n"
      "    - gone: {usage: GAUGE}\n    - since: {usage: LABEL}\n    - span: {usage: GAUGE}\n");
  const auto collector = collector_of(query, {{{"at", ValueKind::time},
                                               {"up", ValueKind::boolean},
                                               {"words", ValueKind::text},
                                               {"since", ValueKind::time},
                                               {"span", ValueKind::other},
                                               {"extra", ValueKind::number},
                                               {"name", ValueKind::text}}});
  ASSERT_TRUE(collector) << collector.error().message;
  const auto has = [&](const char* part) {
    return collector->query.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has("('app_at', floor(extract(epoch FROM q.\"at\"))::float8)"));
  EXPECT_TRUE(has("('app_up', q.\"up\"::int::float8)"));
  EXPECT_TRUE(has("('app_words', q.\"words\"::float8)"));
  EXPECT_TRUE(has("('app_extra', q.\"extra\"::float8)"));
  EXPECT_TRUE(has("'since', floor(extract(epoch FROM q.\"since\"))::bigint::text"));
  EXPECT_EQ(messages_of(collector->notes),
            (std::vector<std::string>{"line 7: the result has no column \"gone\"",
                                      "line 9: column \"span\" is left out: it is no number",
                                      "line 2: column \"name\" of \"app\" is left out"}));
}

TEST(ExporterCollector, AHistogramIsItsBuckets) {
  const ExporterQuery query = query_of(with_columns("    - took: {usage: HISTOGRAM}\n"));
  const auto collector = collector_of(query, std::nullopt);
  ASSERT_TRUE(collector);
  EXPECT_EQ(collector->query,
            "SELECT m.metric_name, m.value,\n    jsonb_build_object('le', m.le) AS labels\n"
            "FROM (\nSELECT 1\n) AS q, LATERAL (VALUES\n"
            "    ('app_took_bucket', q.\"took_count\"::text::float8, '+Inf'),\n"
            "    ('app_took_sum', q.\"took_sum\"::text::float8, NULL),\n"
            "    ('app_took_count', q.\"took_count\"::text::float8, NULL)\n"
            "    UNION ALL SELECT 'app_took_bucket', b.count::float8, b.bound::float8::text\n"
            "    FROM unnest(q.\"took\", q.\"took_bucket\") AS b (bound, count)"
            " WHERE b.bound < 'Infinity' AND b.count IS NOT NULL\n"
            ") AS m (metric_name, value, le)");
  const auto lacking = collector_of(query, {{{"took", ValueKind::other}}});
  ASSERT_FALSE(lacking);
  EXPECT_EQ(lacking.error().message, "line 4: histogram \"took\" needs a column \"took_bucket\"");
}

TEST(ExporterCollector, QuotesWhatTheFileSays) {
  const ExporterQuery query = query_of(with_columns(
      "    - mood: {usage: MAPPEDMETRIC, metric_mapping: {\"it's\": 1, 'a\\b': 2}}\n"));
  const auto collector = collector_of(query, std::nullopt);
  ASSERT_TRUE(collector);
  EXPECT_NE(collector->query.find("WHEN 'it''s' THEN 1::float8 WHEN E'a\\\\b' THEN 2::float8"),
            std::string::npos)
      << collector->query;
}

TEST(ExporterCollector, NeedsAMetric) {
  const auto collector =
      collector_of(query_of(with_columns("    - a: {usage: LABEL}\n")), std::nullopt);
  ASSERT_FALSE(collector);
  EXPECT_EQ(collector.error().message, "line 2: \"app\" has no metric");
}

}  // namespace
}  // namespace monitoring::foreign
