#include "series/series_resolver.hpp"

#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <set>

#include "monitoring/base/labels_json.hpp"
#include "monitoring/base/sha256.hpp"
#include "monitoring/issues/issues.hpp"
#include "monitoring/metrics/text_parser.hpp"
#include "series/store_rows.hpp"

namespace monitoring::series {

namespace {

/// Series of one metric whose samples share chunks.
constexpr std::int64_t kGroupSize = 8;

}  // namespace

std::string hash_text(std::string_view bytes) {
  return hex_text(sha256(bytes)).substr(0, 32);
}

std::string pair_hash(std::string_view name, std::string_view value) {
  std::string bytes(name);
  bytes.push_back('\0');
  bytes += value;
  return hash_text(bytes);
}

std::vector<std::size_t> Ingestion::SeriesResolver::missing() const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < ingestion_.series_.size(); ++i) {
    if (ingestion_.series_[i].series_id == 0 && !ingestion_.series_[i].points.empty()) {
      found.push_back(i);
    }
  }
  return found;
}

void Ingestion::SeriesResolver::resolve() {
  find(missing());
  const std::vector<std::size_t> wanted = missing();
  if (wanted.empty()) return;
  const std::vector<std::size_t> allowed = within_limit(wanted);
  if (allowed.empty()) return;
  make_labels(allowed);
  create(allowed);
  find(allowed);
  if (missing().empty()) return;
  // Another transaction has made it, and this one may not see that.
  throw pg::Report(ERRCODE_T_R_SERIALIZATION_FAILURE,
                   "could not serialize access due to concurrent creation of a series")
      .hint("Run the transaction again.");
}

void Ingestion::SeriesResolver::find(const std::vector<std::size_t>& wanted) {
  static pg::Prepared statement(
      "SELECT u.n, s.series_id, s.group_id, s.last_at, s.retired_by IS NOT NULL"
      " FROM unnest($1::uuid[]) WITH ORDINALITY AS u (labels_hash, n)"
      " JOIN monitoring_internal.stored_series AS s USING (labels_hash)",
      {TEXTARRAYOID});
  std::vector<std::string> hashes;
  for (const std::size_t i : wanted) hashes.push_back(ingestion_.series_[i].hash);
  const pg::Rows rows = statement.query(spi_, {pg::text_array(hashes)});
  std::vector<std::int64_t> retired;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    Incoming& series = ingestion_.series_[wanted[static_cast<std::size_t>(*rows.int8(row, 1)) - 1]];
    series.series_id = *rows.int8(row, 2);
    series.group_id = *rows.int8(row, 3);
    if (const auto last = rows.timestamptz(row, 4)) {
      series.newest_ms = ms_of(*last);
      series.has_stored = true;
    }
    if (*rows.boolean(row, 5)) retired.push_back(series.series_id);
  }
  if (!retired.empty()) bring_back(retired);
}

/// Retention is about to remove them, or has just done so: then they are made anew.
void Ingestion::SeriesResolver::bring_back(const std::vector<std::int64_t>& retired) {
  const pg::Rows rows = spi_.query(
      "UPDATE monitoring_internal.stored_series SET retired_by = NULL"
      " WHERE series_id = ANY ($1) RETURNING series_id",
      {pg::int8_array(retired)});
  std::set<std::int64_t> kept;
  for (std::uint64_t row = 0; row < rows.size(); ++row) kept.insert(*rows.int8(row, 1));
  for (Incoming& series : ingestion_.series_) {
    const bool was_retired =
        std::find(retired.begin(), retired.end(), series.series_id) != retired.end();
    if (!was_retired || kept.count(series.series_id) > 0) continue;
    series.series_id = 0;
    series.has_stored = false;
  }
}

/// Exact but for those that were removed since the worker last counted.
std::int64_t Ingestion::SeriesResolver::stored_count() {
  return *spi_.query(
                  "SELECT m.counted_series + (SELECT count(*) FROM "
                  "monitoring_internal.stored_series"
                  "  WHERE series_id > m.counted_through)"
                  " FROM monitoring_internal.sample_maintenance AS m")
              .int8(0, 1);
}

std::vector<std::size_t> Ingestion::SeriesResolver::within_limit(
    const std::vector<std::size_t>& wanted) {
  const std::int64_t count = stored_count();
  const auto room =
      static_cast<std::size_t>(std::max<std::int64_t>(ingestion_.limits_.max_series - count, 0));
  if (wanted.size() <= room) return wanted;
  const auto end_of_room = wanted.begin() + static_cast<std::ptrdiff_t>(room);
  const std::vector<std::size_t> refused(end_of_room, wanted.end());
  note_high_cardinality(refused, count);
  for (const std::size_t i : refused) {
    Incoming& series = ingestion_.series_[i];
    ingestion_.refuse("max_series", series.labels, series.points.size());
    series.points.clear();
  }
  return {wanted.begin(), end_of_room};
}

/// The metric with most of the refused series, and its label with most values.
void Ingestion::SeriesResolver::note_high_cardinality(const std::vector<std::size_t>& refused,
                                                      std::int64_t count) {
  std::map<std::string, std::size_t> metrics;
  for (const std::size_t i : refused) {
    ++metrics[std::string(ingestion_.series_[i].labels.get(metrics::kMetricNameLabel))];
  }
  const auto by_count = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto metric = std::max_element(metrics.begin(), metrics.end(), by_count);
  std::map<std::string, std::set<std::string>> values;
  for (const std::size_t i : refused) {
    const Labels& labels = ingestion_.series_[i].labels;
    if (labels.get(metrics::kMetricNameLabel) != metric->first) continue;
    for (const auto& [name, value] : labels) values[name].insert(value);
  }
  values.erase(std::string(metrics::kMetricNameLabel));
  const auto label = std::max_element(
      values.begin(), values.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  const std::string label_name = label == values.end() ? "" : label->first;
  issues::Issue issue;
  issue.worker_name = "samples";
  issue.issue_type = "high_cardinality";
  issue.message = "new series of metric \"" + metric->first + "\" are refused: the store has " +
                  "monitoring.max_series of them" +
                  (label_name.empty() ? "" : "; label \"" + label_name + "\" has most values");
  issue.details = Json({{"metric_name", metric->first},
                        {"label", label_name},
                        {"series", count},
                        {"max_series", ingestion_.limits_.max_series}})
                      .dump();
  issues::keep_issue(spi_, issue);
}

/// With `lock`, nobody removes the pairs that are found before this transaction ends.
void Ingestion::SeriesResolver::find_labels(bool lock) {
  std::vector<std::string> hashes;
  for (const auto& [hash, pair] : pairs_) hashes.push_back(hash);
  const pg::Rows rows = spi_.query(
      lock ? "SELECT replace(label_hash::text, '-', ''), label_id"
             " FROM monitoring_internal.label_values WHERE label_hash = ANY ($1::uuid[])"
             " ORDER BY label_hash FOR KEY SHARE"
           : "SELECT replace(label_hash::text, '-', ''), label_id"
             " FROM monitoring_internal.label_values WHERE label_hash = ANY ($1::uuid[])",
      {pg::text_array(hashes)});
  for (auto& [hash, pair] : pairs_) pair.label_id = 0;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    pairs_.at(*rows.text(row, 1)).label_id = *rows.int8(row, 2);
  }
}

void Ingestion::SeriesResolver::make_labels(const std::vector<std::size_t>& wanted) {
  for (const std::size_t i : wanted) {
    for (const auto& [name, value] : ingestion_.series_[i].labels) {
      pairs_.try_emplace(pair_hash(name, value), LabelPair{name, value, 0});
    }
  }
  find_labels(false);
  std::vector<std::string> hashes, names, values;
  for (const auto& [hash, pair] : pairs_) {
    if (pair.label_id != 0) continue;
    hashes.push_back(hash);
    names.push_back(pair.name);
    values.push_back(pair.value);
  }
  // In the order of their hashes, as everybody does: nobody waits in a circle.
  if (!hashes.empty()) {
    spi_.execute(
        "INSERT INTO monitoring_internal.label_values (label_hash, label_name, label_value)"
        " SELECT u.h::uuid, u.n, u.v FROM unnest($1, $2, $3) AS u (h, n, v) ORDER BY 1"
        " ON CONFLICT DO NOTHING",
        {pg::text_array(hashes), pg::text_array(names), pg::text_array(values)});
  }
  find_labels(true);
}

/// A group of the metric that has room for one more.
std::int64_t Ingestion::SeriesResolver::group_for(std::int64_t name_id) {
  const auto [group, is_new] = groups_.try_emplace(name_id);
  OpenGroup& open = group->second;
  if (is_new) {
    const pg::Rows rows = spi_.query(
        "SELECT group_id, count(*) FROM monitoring_internal.stored_series WHERE name_id = $1"
        " AND group_id = (SELECT max(group_id) FROM monitoring_internal.stored_series"
        "  WHERE name_id = $1) GROUP BY group_id",
        {pg::int8(name_id)});
    open = rows.empty() ? OpenGroup{0, kGroupSize} : OpenGroup{*rows.int8(0, 1), *rows.int8(0, 2)};
  }
  if (open.used >= kGroupSize) {
    open.group_id = *spi_.query("SELECT nextval('monitoring_internal.series_groups')").int8(0, 1);
    open.used = 0;
  }
  ++open.used;
  return open.group_id;
}

void Ingestion::SeriesResolver::create(const std::vector<std::size_t>& wanted) {
  // Neighbours in a group should be alike: by labels, which begin with the metric's name.
  std::vector<std::size_t> ordered = wanted;
  std::sort(ordered.begin(), ordered.end(), [&](std::size_t a, std::size_t b) {
    return ingestion_.series_[a].labels < ingestion_.series_[b].labels;
  });
  std::vector<std::string> hashes, label_ids, labels;
  std::vector<std::int64_t> groups, names;
  for (const std::size_t i : ordered) {
    const Incoming& series = ingestion_.series_[i];
    std::string ids;
    std::int64_t name_id = 0;
    for (const auto& [name, value] : series.labels) {
      const std::int64_t label_id = pairs_.at(pair_hash(name, value)).label_id;
      if (label_id == 0) {
        throw pg::Report(ERRCODE_T_R_SERIALIZATION_FAILURE,
                         "could not serialize access due to concurrent creation of a label")
            .hint("Run the transaction again.");
      }
      if (name == metrics::kMetricNameLabel) name_id = label_id;
      ids += (ids.empty() ? "{" : ",") + std::to_string(label_id);
    }
    hashes.push_back(series.hash);
    groups.push_back(group_for(name_id));
    names.push_back(name_id);
    label_ids.push_back(ids + "}");
    labels.push_back(json_of(series.labels).dump());
  }
  // A group's series have neighbouring ids, so that a batch of one scrape covers few others.
  spi_.execute(
      "INSERT INTO monitoring_internal.stored_series"
      " (labels_hash, group_id, name_id, label_ids, labels)"
      " SELECT u.h::uuid, u.g, u.m::integer, u.i::integer[], u.l::jsonb"
      " FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS u (h, g, m, i, l, n) ORDER BY u.n"
      " ON CONFLICT (labels_hash) DO NOTHING",
      {pg::text_array(hashes), pg::int8_array(groups), pg::int8_array(names),
       pg::text_array(label_ids), pg::text_array(labels)});
}

}  // namespace monitoring::series
