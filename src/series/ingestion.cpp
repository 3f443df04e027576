#include "monitoring/series/ingestion.hpp"

#include <algorithm>
#include <tuple>

#include "monitoring/base/labels_json.hpp"
#include "monitoring/metrics/metric.hpp"
#include "series/late_check.hpp"
#include "series/series_resolver.hpp"
#include "series/store_rows.hpp"

namespace monitoring::series {

namespace {

constexpr std::size_t kMostLabelBytes = 16 * 1024;
constexpr std::size_t kMostLabels = 256;
constexpr std::size_t kLongestLabelName = 1024;
constexpr std::int64_t kFutureMs = 10 * 60 * 1000;

Labels without_empty(const Labels& labels) {
  Labels kept;
  for (const auto& [name, value] : labels) {
    if (!value.empty()) kept.set(name, value);
  }
  return kept;
}

/// Postgres has no zero byte in a text.
bool can_be_stored(const Labels& labels) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : labels) {
    if (name.empty() || name.size() > kLongestLabelName) return false;
    if (name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) return false;
    bytes += name.size() + value.size();
  }
  return bytes <= kMostLabelBytes && labels.size() <= kMostLabels;
}

}  // namespace

void Ingestion::refuse(const char* reason, const Labels& labels, std::uint64_t samples) {
  Refused& refused = outcome_.refused[reason];
  if (refused.samples == 0) {
    // Whatever is in it, it is to be stored itself.
    std::string text;
    for (const auto& [name, value] : labels) text += name + "=" + value + " ";
    text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
    refused.example = can_be_stored(labels) ? json_of(labels).dump() : text.substr(0, 200);
  }
  refused.samples += samples;
}

void Ingestion::add(const Labels& given, std::int64_t time_ms, double value) {
  if (time_ms < kFirstStoredMs || time_ms > kLastStoredMs) return refuse("time", given, 1);
  if (time_ms > ms_of(now_) + kFutureMs) return refuse("future", given, 1);
  const Labels labels = without_empty(given);
  if (!can_be_stored(labels)) return refuse("labels", labels, 1);
  std::string hash = hash_text(metrics::label_bytes(labels));
  const auto [at, is_new] = by_hash_.try_emplace(hash, series_.size());
  if (is_new) {
    series_.emplace_back();
    series_.back().labels = labels;
    series_.back().hash = std::move(hash);
  }
  series_[at->second].points.push_back({time_ms, value});
}

/// By time; of those of one time the last.
void Ingestion::sort_points() {
  for (Incoming& series : series_) {
    std::vector<Point>& points = series.points;
    std::stable_sort(points.begin(), points.end(),
                     [](const Point& a, const Point& b) { return a.time_ms < b.time_ms; });
    std::vector<Point> last;
    for (const Point& point : points) {
      if (!last.empty() && last.back().time_ms == point.time_ms) last.pop_back();
      last.push_back(point);
    }
    points = std::move(last);
  }
}

IngestOutcome Ingestion::write(pg::Spi& spi) {
  sort_points();
  if (!series_.empty()) {
    SeriesResolver(spi, *this).resolve();
    LateCheck(spi, *this).apply();
  }
  std::vector<chunk::Sample> samples;
  for (const Incoming& series : series_) {
    for (const Point& point : series.points) {
      samples.push_back({static_cast<std::uint64_t>(series.series_id), point.time_ms, point.value});
    }
  }
  std::sort(samples.begin(), samples.end(), [](const auto& a, const auto& b) {
    return std::tie(a.series_id, a.time_ms) < std::tie(b.series_id, b.time_ms);
  });
  write_batches(spi, samples);
  write_refused(spi);
  outcome_.taken = samples.size();
  return std::move(outcome_);
}

void Ingestion::write_refused(pg::Spi& spi) {
  for (const auto& [reason, refused] : outcome_.refused) {
    spi.execute(
        "INSERT INTO monitoring_internal.refused_samples (refused_at, reason, samples, example)"
        " VALUES ($1, $2, $3, $4)",
        {pg::timestamptz(now_), pg::text(reason),
         pg::int8(static_cast<std::int64_t>(refused.samples)), pg::text(refused.example)});
  }
}

void store_metadata(pg::Spi& spi, const std::map<std::string, Metadata>& metadata) {
  std::vector<std::string> names, types, helps, units;
  for (const auto& [name, told] : metadata) {
    names.push_back(name);
    types.push_back(told.type);
    helps.push_back(told.help);
    units.push_back(told.unit);
  }
  if (names.empty()) return;
  // What has not changed is not locked; the rest in one order by all.
  spi.execute(
      "INSERT INTO monitoring_internal.told_metadata AS m (metric_name, metric_type, help, unit)"
      " SELECT u.n, nullif(u.t, ''), nullif(u.h, ''), nullif(u.u, '')"
      " FROM unnest($1, $2, $3, $4) AS u (n, t, h, u)"
      " LEFT JOIN monitoring_internal.told_metadata AS k ON k.metric_name = u.n"
      " WHERE k.metric_name IS NULL OR u.t <> '' AND u.t IS DISTINCT FROM k.metric_type"
      "  OR u.h <> '' AND u.h IS DISTINCT FROM k.help OR u.u <> '' AND u.u IS DISTINCT FROM k.unit"
      " ORDER BY u.n COLLATE \"C\""
      " ON CONFLICT (metric_name) DO UPDATE SET"
      "  metric_type = coalesce(excluded.metric_type, m.metric_type),"
      "  help = coalesce(excluded.help, m.help), unit = coalesce(excluded.unit, m.unit)",
      {pg::text_array(names), pg::text_array(types), pg::text_array(helps), pg::text_array(units)});
}

}  // namespace monitoring::series
