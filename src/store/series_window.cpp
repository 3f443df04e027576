#include "monitoring/store/series_window.hpp"

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <utils/builtins.h>
}

namespace monitoring::store {

namespace {

std::string literal(const std::string& text) {
  const char* quoted = pg::call([&] { return quote_literal_cstr(text.c_str()); });
  return quoted;
}

/// "timestamp" is compared as it stands, so that partitions are pruned and the index is used.
std::string samples(const SeriesWindow& window) {
  const std::string length =
      "interval '" + std::to_string(window.over_last.count()) + " microseconds'";
  // Tags that are no object contain no object, but where nothing is asked for they match.
  const std::string matching =
      window.matching == "{}" ? "" : " AND m.tags @> " + literal(window.matching) + "::jsonb";
  return "WITH definition AS MATERIALIZED (SELECT (SELECT d.dimension_keys"
         "  FROM monitoring.effective_metric_definitions d WHERE d.metric_name = " +
         literal(window.metric_name) +
         ") AS keys),"
         " sample AS (SELECT m.\"timestamp\" AS at, m.metric_value AS v,"
         "  CASE WHEN jsonb_typeof(m.tags) IS DISTINCT FROM 'object' THEN '{}'::jsonb"
         "   ELSE coalesce((SELECT jsonb_object_agg(t.key, t.value)"
         "    FROM jsonb_each_text(m.tags) AS t"
         "    WHERE definition.keys IS NULL OR t.key = ANY (definition.keys)), '{}') END AS labels"
         " FROM monitoring.pipeline_metrics m, definition"
         " WHERE m.metric_name = " +
         literal(window.metric_name) + " AND m.\"timestamp\" > $1 - " + length +
         " AND m.\"timestamp\" <= $1" + matching +
         " AND m.metric_value > '-infinity' AND m.metric_value < 'infinity') ";
}

/// Prometheus's rate(): a value below its predecessor is a reset to 0; extrapolated to an edge of
/// the window that is closer than 1.1 times the mean spacing, otherwise by half a spacing; at the
/// start never below the point where the counter was 0. One sample has no rate. increase() is the
/// rate times the window.
std::string rate_or_increase(const SeriesWindow& window) {
  const std::string seconds = "(" + std::to_string(window.over_last.count()) + " / 1e6::float8)";
  return "WITH stepped AS (SELECT labels, at, v,"
         "  v - CASE WHEN before <= v THEN before ELSE 0 END AS gain,"
         "  first_value(v) OVER (PARTITION BY labels ORDER BY at) AS first_v, before"
         " FROM (SELECT *, lag(v) OVER (PARTITION BY labels ORDER BY at) AS before"
         "  FROM sample) AS s),"
         " span AS (SELECT labels, count(*) AS n,"
         "  sum(CASE WHEN before IS NULL THEN 0 ELSE gain END) AS increase, min(first_v) AS "
         "first_v,"
         "  extract(epoch FROM max(at) - min(at))::float8 AS sampled,"
         "  " +
         seconds +
         " - extract(epoch FROM $1 - min(at))::float8 AS to_start,"
         "  extract(epoch FROM $1 - max(at))::float8 AS to_end"
         " FROM stepped GROUP BY labels),"
         " edge AS (SELECT labels, n, increase, sampled,"
         "  CASE WHEN increase > 0 AND first_v >= 0"
         "   THEN least(near_start, sampled * first_v / increase) ELSE near_start END AS at_start,"
         "  CASE WHEN to_end >= 1.1 * spacing THEN spacing / 2 ELSE to_end END AS at_end"
         " FROM (SELECT *, CASE WHEN to_start >= 1.1 * spacing THEN spacing / 2 ELSE to_start END"
         "   AS near_start FROM (SELECT *, sampled / nullif(n - 1, 0) AS spacing FROM span) AS a)"
         "  AS b)"
         " SELECT labels, CASE WHEN n > 1 AND sampled > 0"
         "  THEN increase * (sampled + at_start + at_end) / sampled" +
         (window.aggregate == "rate" ? " / " + seconds : "") + " END AS value FROM edge";
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

}  // namespace

std::string series_query(const SeriesWindow& window) {
  const bool is_increase = window.aggregate == "rate" || window.aggregate == "increase";
  const bool adds_up = is_increase || window.aggregate == "last";
  const std::string labels = window.by_labels ? projected("labels", *window.by_labels) : "labels";
  const std::string grouped = adds_up ? "labels" : labels;
  const std::string series = is_increase ? rate_or_increase(window)
                                         : "SELECT " + grouped + " AS labels, " +
                                               aggregate_of(window.aggregate) +
                                               "::float8 AS value FROM sample GROUP BY 1";
  const std::string result = window.by_labels && adds_up
                                 ? labels + " AS labels, sum(value) AS value FROM series GROUP BY 1"
                                 : "labels, value FROM series";
  return samples(window) + ", series AS (" + series + ") SELECT " + result;
}

}  // namespace monitoring::store
