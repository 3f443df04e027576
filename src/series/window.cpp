#include "monitoring/series/window.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/builtins.h>
}
// clang-format keeps the server's header first.
#include <algorithm>

namespace monitoring::series {

namespace {

std::string literal(const std::string& text) {
  const char* quoted = pg::call([&] { return quote_literal_cstr(text.c_str()); });
  return quoted;
}

/// $1 the end of the window, $2 its start, $3 metric names, $4 what their tags contain. "timestamp"
/// is compared as it stands, so that partitions are pruned and the index is used. Tags are told
/// apart by their text: what is done for each set of tags is much, what is done for each sample is
/// little. Tags that are no object contain no object, but where nothing is asked for they match.
constexpr const char* kSamples =
    "WITH asked AS MATERIALIZED (SELECT w.n - 1 AS selector, w.metric_name,"
    "  w.matching::jsonb AS matching"
    "  FROM unnest($3, $4) WITH ORDINALITY AS w(metric_name, matching, n)),"
    " seen AS MATERIALIZED (SELECT m.metric_name, coalesce(m.tags::text, 'null') AS tags,"
    "  m.\"timestamp\" AS at, m.metric_value AS v FROM monitoring.pipeline_metrics m"
    "  WHERE m.metric_name = ANY ($3) AND m.\"timestamp\" > $2 AND m.\"timestamp\" <= $1"
    "  AND m.metric_value > '-infinity' AND m.metric_value < 'infinity'),"
    " tagged AS MATERIALIZED (SELECT t.metric_name, t.tags, t.tags::jsonb AS object,"
    "  CASE WHEN jsonb_typeof(t.tags::jsonb) <> 'object' THEN '{}'::jsonb"
    "   ELSE coalesce((SELECT jsonb_object_agg(l.key, l.value)"
    "    FROM jsonb_each_text(t.tags::jsonb) AS l"
    "    WHERE d.dimension_keys IS NULL OR l.key = ANY (d.dimension_keys)), '{}') END AS labels,"
    "  EXISTS (SELECT FROM monitoring_internal.recorded_increases i"
    "   WHERE i.recorded_name = t.metric_name) AS is_increase"
    "  FROM (SELECT DISTINCT metric_name, tags FROM seen) AS t"
    "  LEFT JOIN monitoring.effective_metric_definitions d USING (metric_name)),"
    " sample AS (SELECT a.selector, t.labels, s.at, s.v, t.is_increase FROM asked a"
    "  JOIN tagged t ON t.metric_name = a.metric_name"
    "   AND (a.matching = '{}' OR t.object @> a.matching)"
    "  JOIN seen s ON s.metric_name = t.metric_name AND s.tags = t.tags) ";

/// Prometheus's rate(): a value below its predecessor is a reset to 0; extrapolated to an edge of
/// the window that is closer than 1.1 times the mean spacing, otherwise by half a spacing; at the
/// start never below the point where the counter was 0. One sample has no rate. increase() is the
/// rate times the window. Samples that are increases are added up, and each is all of what it says.
std::string rate_or_increase(const SeriesWindow& window) {
  const std::string seconds = "(" + std::to_string(window.over_last.count()) + " / 1e6::float8)";
  return "WITH stepped AS (SELECT selector, labels, at, v,"
         "  v - CASE WHEN before <= v THEN before ELSE 0 END AS gain,"
         "  first_value(v) OVER (PARTITION BY selector, labels ORDER BY at) AS first_v, before"
         " FROM (SELECT *, lag(v) OVER (PARTITION BY selector, labels ORDER BY at) AS before"
         "  FROM sample WHERE NOT is_increase) AS s),"
         " span AS (SELECT selector, labels, count(*) AS n,"
         "  sum(CASE WHEN before IS NULL THEN 0 ELSE gain END) AS increase, min(first_v) AS "
         "first_v,"
         "  extract(epoch FROM max(at) - min(at))::float8 AS sampled,"
         "  " +
         seconds +
         " - extract(epoch FROM $1 - min(at))::float8 AS to_start,"
         "  extract(epoch FROM $1 - max(at))::float8 AS to_end"
         " FROM stepped GROUP BY selector, labels),"
         " edge AS (SELECT selector, labels, n, increase, sampled,"
         "  CASE WHEN increase > 0 AND first_v >= 0"
         "   THEN least(near_start, sampled * first_v / increase) ELSE near_start END AS at_start,"
         "  CASE WHEN to_end >= 1.1 * spacing THEN spacing / 2 ELSE to_end END AS at_end"
         " FROM (SELECT *, CASE WHEN to_start >= 1.1 * spacing THEN spacing / 2 ELSE to_start END"
         "   AS near_start FROM (SELECT *, sampled / nullif(n - 1, 0) AS spacing FROM span) AS a)"
         "  AS b)"
         " SELECT selector, labels, CASE WHEN n > 1 AND sampled > 0"
         "  THEN increase * (sampled + at_start + at_end) / sampled" +
         (window.aggregate == "rate" ? " / " + seconds : "") +
         " END AS value FROM edge UNION ALL SELECT selector, labels, sum(v)" +
         (window.aggregate == "rate" ? " / " + seconds : "") +
         " FROM sample WHERE is_increase GROUP BY 1, 2";
}

std::string aggregate_of(const std::string& name) {
  if (name == "last") return "(array_agg(v ORDER BY at DESC))[1]";
  if (name[0] == 'p') return "percentile_cont(0." + name.substr(1) + ") WITHIN GROUP (ORDER BY v)";
  return name + "(v)";
}

/// Only these of the labels.
std::string projected(const std::string& labels, const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + literal(name);
  return "coalesce((SELECT jsonb_object_agg(l.key, l.value) FROM jsonb_each(" + labels +
         ") AS l WHERE l.key = ANY (ARRAY[" + list + "]::text[])), '{}')";
}

/// Of histograms whose snapshots were recorded: what the aggregate is of the values that they have
/// observed in the window. They do not know the least, the greatest and the last one.
std::string histogram_query(const SeriesWindow& window) {
  const std::string& name = window.aggregate;
  const std::string labels =
      window.by_labels ? projected("o.labels", *window.by_labels) : "o.labels";
  const std::string observed =
      "observed AS (SELECT a.selector, i.suffix, m.tags ->> 'le' AS le, m.metric_value AS v,"
      "  coalesce((SELECT jsonb_object_agg(l.key, l.value) FROM jsonb_each_text("
      "    CASE jsonb_typeof(m.tags) WHEN 'object' THEN m.tags ELSE '{}' END) AS l"
      "   WHERE l.key <> 'le' AND (d.dimension_keys IS NULL OR l.key = ANY (d.dimension_keys))),"
      "   '{}') AS labels"
      "  FROM asked a JOIN monitoring_internal.recorded_increases i"
      "   ON i.metric_name = a.metric_name AND i.suffix <> ''"
      "  LEFT JOIN monitoring.metric_definitions d ON d.metric_name = a.metric_name"
      "  JOIN monitoring.pipeline_metrics m ON m.metric_name = i.recorded_name"
      "   AND m.\"timestamp\" > $2 AND m.\"timestamp\" <= $1"
      "   AND (a.matching = '{}' OR m.tags @> a.matching)), ";
  if (name[0] == 'p') {
    return observed + "bucket AS (SELECT o.selector, " + labels +
           " AS labels, o.le::float8 AS le, sum(o.v) AS n FROM observed o"
           " WHERE o.suffix = '_bucket' GROUP BY 1, 2, 3),"
           " histogram AS (SELECT selector, labels, monitoring_internal.bucket_quantile(0." +
           name.substr(1) +
           ", array_agg(le ORDER BY le), array_agg(n ORDER BY le)) AS value"
           " FROM bucket GROUP BY 1, 2)";
  }
  const auto total = [](const char* suffix) {
    return std::string("sum(o.v) FILTER (WHERE o.suffix = '") + suffix + "')";
  };
  const std::string seconds = "(" + std::to_string(window.over_last.count()) + " / 1e6::float8)";
  const std::string value = name == "avg" ? total("_sum") + " / nullif(" + total("_count") + ", 0)"
                            : name == "sum"  ? total("_sum")
                            : name == "rate" ? total("_count") + " / " + seconds
                            : name == "count" || name == "increase" ? total("_count")
                                                                    : "NULL::float8";
  return observed + "histogram AS (SELECT o.selector, " + labels + " AS labels, " + value +
         " AS value FROM observed o GROUP BY 1, 2)";
}

/// Whether any of these is a histogram of which there are snapshots.
bool has_histogram(pg::Spi& spi, const std::vector<std::string>& names) {
  return *spi.query(
                 "SELECT EXISTS (SELECT FROM monitoring_internal.recorded_increases i"
                 " WHERE i.suffix <> '' AND i.metric_name = ANY ($1))",
                 {pg::text_array(names)})
              .boolean(0, 1);
}

std::string series_query(const SeriesWindow& window, bool with_histograms) {
  const bool is_increase = window.aggregate == "rate" || window.aggregate == "increase";
  const bool adds_up = is_increase || window.aggregate == "last";
  const std::string labels = window.by_labels ? projected("labels", *window.by_labels) : "labels";
  const std::string grouped = adds_up ? "labels" : labels;
  const std::string series = is_increase ? rate_or_increase(window)
                                         : "SELECT selector, " + grouped + " AS labels, " +
                                               aggregate_of(window.aggregate) +
                                               "::float8 AS value FROM sample GROUP BY 1, 2";
  const std::string result =
      window.by_labels && adds_up
          ? "selector, " + labels + " AS labels, sum(value) AS value FROM series GROUP BY 1, 2"
          : "selector, labels, value FROM series";
  const std::string query = kSamples + (", series AS (" + series) + ")";
  if (!with_histograms) return query + " SELECT " + result;
  return query + ", " + histogram_query(window) + " SELECT " + result +
         " UNION ALL SELECT selector, labels, value FROM histogram";
}

/// No timestamp lies further back than that, and no arithmetic overflows.
Instant start_of(const SeriesWindow& window, Instant until) {
  constexpr Duration kLongest = std::chrono::hours(24 * 366 * 10000);
  if (until == Instant::min()) return until;
  return until - std::min<Duration>(window.over_last, kLongest);
}

}  // namespace

pg::Rows read_series(pg::Spi& spi, const SeriesWindow& window,
                     const std::vector<SeriesSelector>& selectors, Instant until, long limit) {
  std::vector<std::string> names;
  std::vector<std::string> matchings;
  for (const SeriesSelector& selector : selectors) {
    names.push_back(selector.metric_name);
    matchings.push_back(selector.matching);
  }
  const std::string query = series_query(window, has_histogram(spi, names));
  return spi.query(query.c_str(),
                   {pg::timestamptz(until), pg::timestamptz(start_of(window, until)),
                    pg::text_array(names), pg::text_array(matchings)},
                   limit);
}

}  // namespace monitoring::series
