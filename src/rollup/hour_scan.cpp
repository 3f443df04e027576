#include "rollup/hour_scan.hpp"

extern "C" {
#include <utils/timestamp.h>
}

namespace monitoring::rollup {

std::unordered_map<std::string, MetricShape> metric_shapes(pg::Spi& spi) {
  const pg::Rows rows = spi.read(
      "SELECT metric_name, pg_catalog.unnest(dimension_keys)"
      " FROM monitoring.effective_metric_definitions WHERE dimension_keys IS NOT NULL"
      " UNION ALL SELECT metric_name, NULL FROM monitoring.effective_metric_definitions"
      " WHERE dimension_keys = '{}'");
  std::unordered_map<std::string, MetricShape> shapes;
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    MetricShape& shape = shapes[*rows.text(i, 1)];
    shape.split = true;
    if (auto key = rows.text(i, 2)) shape.dimension_keys.push_back(std::move(*key));
  }
  return shapes;
}

void HourScan::block(BlockNumber block) {
  const bool unsettled = scan_.page(block, [&](measurements::RawRow* rows, int count) {
    const int taken = take(rows, count);
    table_.add(rows, taken);
    found_.rows_taken += taken;
  });
  if (unsettled && wanted_.seen != nullptr) found_.unsettled.push_back(block);
}

void HourScan::look_at_hour(std::int64_t hour) {
  hour_ = hour;
  is_wanted_ = wanted_.contains(hour);
  const auto kept = wanted_.kept.find(hour);
  kept_ = kept == wanted_.kept.end() ? nullptr : &kept->second;
}

bool HourScan::is_kept(const measurements::RawRow& row) const {
  const struct varlena* name = pg_detoast_datum_packed(row.metric_name);
  return kept_->count(std::string(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))) != 0;
}

/// Moves the rows to take to the front. Returns how many they are.
int HourScan::take(measurements::RawRow* rows, int count) {
  int taken = 0;
  for (int i = 0; i < count; ++i) {
    const measurements::RawRow& row = rows[i];
    if (TIMESTAMP_NOT_FINITE(row.timestamp)) continue;
    if (!is_in_hour(row.timestamp, hour_)) look_at_hour(hour_of(row.timestamp));
    const bool is_wanted = kept_ == nullptr ? is_wanted_ : is_wanted_ != is_kept(row);
    if (!is_wanted) continue;
    if (taken != i) rows[taken] = row;
    ++taken;
  }
  return taken;
}

}  // namespace monitoring::rollup
