#include "monitoring/measurements/partitions.hpp"

#include "monitoring/base/civil.hpp"
#include "monitoring/measurements/raw_scan.hpp"
#include "monitoring/pg/transaction.hpp"

extern "C" {
#include <catalog/namespace.h>
#include <catalog/pg_inherits.h>
#include <utils/guc.h>
#include <utils/lsyscache.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <set>
#include <string_view>

namespace monitoring::measurements {

namespace {

constexpr std::string_view kPrefix = "pipeline_metrics_";

/// How far back days get a partition where raw data is kept for ever.
constexpr std::int64_t kDaysBackAtMost = 14;

/// A day that begins sooner than this gets no partition any more: an INSERT of its rows that was on
/// its way to the default partition would fail there once the partition is attached.
constexpr Duration kNotice = std::chrono::minutes(10);

std::string name_of(pg::Spi& spi, Instant day) {
  return std::string(kPrefix) +
         *spi.query("SELECT pg_catalog.to_char($1 AT TIME ZONE 'UTC', 'YYYYMMDD')",
                    {pg::timestamptz(day)})
              .text(0, 1);
}

/// pipeline_metrics_YYYYMMDD; a table that somebody attached may be called anything.
std::optional<Instant> day_in_name(std::string_view name) {
  if (name.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size());
  const bool is_number = digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (digits.size() != 8 || !is_number) return std::nullopt;
  const int number = std::stoi(std::string(digits));
  const Date date{number / 10000, number / 100 % 100, number % 100};
  if (date.month < 1 || date.month > 12) return std::nullopt;
  if (date.day < 1 || date.day > days_in_month(date.year, date.month)) return std::nullopt;
  return Instant(Duration(days_of(date) * kDayUs));
}

/// Under pg::call; nullptr for a relation of another schema, or of none any more.
const char* name_in_internal_schema(Oid relation) {
  const Oid ours = get_namespace_oid("monitoring_internal", false);
  return get_rel_namespace(relation) == ours ? get_rel_name(relation) : nullptr;
}

bool default_has_rows(pg::Spi& spi, Instant day) {
  return *spi.query(
                 "SELECT EXISTS (SELECT FROM monitoring_internal.pipeline_metrics_default"
                 " WHERE \"timestamp\" >= $1 AND \"timestamp\" < $2)",
                 {pg::timestamptz(day), pg::timestamptz(day + Duration(kDayUs))})
              .boolean(0, 1);
}

void create_table(pg::Spi& spi, const std::string& name) {
  spi.run_script(("CREATE TABLE monitoring_internal." + name +
                  " (LIKE monitoring.pipeline_metrics INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
                  " INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION) USING heap;"
                  " COMMENT ON TABLE monitoring_internal." +
                  name +
                  " IS 'The measurements of one UTC day; made and dropped by the extension.'")
                     .c_str());
  spi.execute(
      "SELECT monitoring_internal.own_partition($1::regclass), "
      "monitoring_internal.index_partition($1::regclass)",
      {pg::text("monitoring_internal." + name)});
}

void attach(pg::Spi& spi, const std::string& name, Instant day) {
  const auto literal = [&](Instant instant) {
    return *spi.query(
                   "SELECT pg_catalog.quote_literal(pg_catalog.to_char($1 AT TIME ZONE 'UTC',"
                   " 'YYYY-MM-DD HH24:MI:SS+00'))",
                   {pg::timestamptz(instant)})
                .text(0, 1);
  };
  spi.run_script(("ALTER TABLE monitoring.pipeline_metrics ATTACH PARTITION monitoring_internal." +
                  name + " FOR VALUES FROM (" + literal(day) + ") TO (" +
                  literal(day + Duration(kDayUs)) + ")")
                     .c_str());
}

/// A day whose rows lie in the default partition stays there.
bool make_partition(pg::Spi& spi, Instant day) {
  if (default_has_rows(spi, day)) return false;
  const std::string name = name_of(spi, day);
  return with_short_lock_waits(spi, [&] {
    create_table(spi, name);
    attach(spi, name, day);
  });
}

}  // namespace

Instant day_of(Instant instant) {
  return pg::instant_of(pg::timestamptz_of(instant) / kDayUs * kDayUs);
}

std::vector<DayPartition> day_partitions() {
  const List* children =
      pg::call([] { return find_inheritance_children(measurements_table(), NoLock); });
  std::vector<DayPartition> partitions;
  const ListCell* cell = nullptr;
  foreach (cell, children) {
    const char* name = pg::call([&] { return name_in_internal_schema(lfirst_oid(cell)); });
    if (name == nullptr) continue;
    if (const auto start = day_in_name(name))
      partitions.push_back({lfirst_oid(cell), name, *start});
  }
  std::sort(partitions.begin(), partitions.end(),
            [](const DayPartition& a, const DayPartition& b) { return a.start < b.start; });
  return partitions;
}

bool with_short_lock_waits(pg::Spi& spi, const std::function<void()>& body) {
  const auto error = pg::attempt([&] {
    spi.run_script("SET LOCAL lock_timeout = '100ms'");
    body();
    spi.run_script("SET LOCAL lock_timeout = DEFAULT");
  });
  if (!error) return true;
  if (error->sqlstate() == ERRCODE_LOCK_NOT_AVAILABLE) return false;
  throw pg::PgError(*error);
}

std::optional<Instant> cutoff(pg::Spi& spi, const char* kind, Instant now) {
  return spi
      .query("SELECT $2 - keep FROM monitoring.effective_retention WHERE kind = $1",
             {pg::text(kind), pg::timestamptz(now)})
      .timestamptz(0, 1);
}

int maintain_partitions(pg::Spi& spi, Instant now, Days days, int days_ahead) {
  if (days_ahead < 0 || days_ahead > 366) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "days_ahead must be between 0 and 366");
  }
  std::set<Instant> existing;
  for (const DayPartition& partition : day_partitions()) existing.insert(partition.start);
  const Instant today = day_of(now);
  const Instant earliest = today - Duration(kDayUs * kDaysBackAtMost);
  const Instant first =
      days == Days::to_come
          ? day_of(now + kNotice) + Duration(kDayUs)
          : std::max(day_of(cutoff(spi, "raw", now).value_or(earliest)), earliest);
  int made = 0;
  for (Instant day = first; day <= today + Duration(kDayUs * days_ahead); day += Duration(kDayUs)) {
    if (existing.count(day) == 0 && make_partition(spi, day)) ++made;
  }
  return made;
}

}  // namespace monitoring::measurements
