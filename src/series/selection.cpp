// Which series matchers select: by the inverted index over pairs of label and value.

#include "monitoring/pg/prepared.hpp"
#include "monitoring/series/store_source.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "monitoring/base/labels_json.hpp"
#include "series/series_resolver.hpp"

namespace monitoring::series {

namespace {

/// More values than this are compared with each series' labels instead of looked up.
constexpr std::size_t kMostAlternatives = 4096;
constexpr std::uint64_t kCancelEvery = 1024;

/// One of these labels is there.
using OneOf = std::vector<std::int64_t>;

std::vector<std::int64_t> ids_of(const pg::Rows& rows) {
  std::vector<std::int64_t> ids;
  for (std::uint64_t row = 0; row < rows.size(); ++row) ids.push_back(*rows.int8(row, 1));
  return ids;
}

OneOf ids_of_values(pg::Spi& spi, const std::string& name, const std::vector<std::string>& values) {
  static pg::Prepared statement(
      "SELECT label_id FROM monitoring_internal.label_values WHERE label_hash = ANY ($1::uuid[])",
      {TEXTARRAYOID});
  std::vector<std::string> hashes;
  for (const std::string& value : values) hashes.push_back(pair_hash(name, value));
  return ids_of(statement.read(spi, {pg::text_array(hashes)}));
}

/// The labels of the matcher's name whose value it matches.
OneOf ids_by_expression(pg::Spi& spi, const promql::Matcher& matcher, CancelToken& cancel) {
  static pg::Prepared statement(
      "SELECT label_id, label_value FROM monitoring_internal.label_values WHERE label_name = $1",
      {TEXTOID});
  const pg::Rows rows = statement.read(spi, {pg::text(matcher.name())});
  OneOf ids;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    if (row % kCancelEvery == 0 && cancel.cancelled()) break;
    if (matcher.matches(*rows.text(row, 2))) ids.push_back(*rows.int8(row, 1));
  }
  return ids;
}

OneOf ids_for(pg::Spi& spi, const promql::Matcher& matcher, CancelToken& cancel) {
  if (matcher.op() == promql::MatchOp::kEqual) {
    return ids_of_values(spi, matcher.name(), {matcher.value()});
  }
  const std::vector<std::string> alternatives =
      matcher.op() == promql::MatchOp::kRegex ? matcher.alternatives() : std::vector<std::string>();
  if (!alternatives.empty()) return ids_of_values(spi, matcher.name(), alternatives);
  return ids_by_expression(spi, matcher, cancel);
}

std::string array_text(const std::vector<std::int64_t>& ids) {
  std::string text;
  for (const std::int64_t id : ids) text += (text.empty() ? "{" : ",") + std::to_string(id);
  return "'" + (text.empty() ? std::string("{") : text) + "}'::integer[]";
}

}  // namespace

std::vector<SelectedSeries> select_series(pg::Spi& spi,
                                          const std::vector<promql::Matcher>& matchers,
                                          CancelToken& cancel) {
  // Numbers only: nothing of a user's gets into the statement.
  std::string conditions;
  std::vector<std::int64_t> all_of;
  std::vector<promql::Matcher> rest;
  {
    pg::Spi lookups;
    for (const promql::Matcher& matcher : matchers) {
      if (matcher.matches_empty()) {
        rest.push_back(matcher);
        continue;
      }
      const OneOf ids = ids_for(lookups, matcher, cancel);
      if (ids.empty()) return {};
      if (ids.size() == 1) {
        all_of.push_back(ids[0]);
      } else if (ids.size() <= kMostAlternatives) {
        conditions += " AND label_ids && " + array_text(ids);
      } else {
        rest.push_back(matcher);
      }
    }
  }
  if (!all_of.empty()) conditions += " AND label_ids @> " + array_text(all_of);
  const std::string sql =
      "SELECT series_id, group_id, labels FROM monitoring_internal.stored_series WHERE true" +
      conditions + " ORDER BY group_id, series_id";
  const pg::Rows rows = spi.read(sql.c_str());
  std::vector<SelectedSeries> found;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    if (row % kCancelEvery == 0 && cancel.cancelled()) break;
    Labels labels = labels_of_stored(*rows.text(row, 3));
    if (!promql::matches_all(rest, labels)) continue;
    found.push_back({*rows.int8(row, 1), *rows.int8(row, 2), std::move(labels)});
  }
  return found;
}

}  // namespace monitoring::series
