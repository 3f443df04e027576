#include "monitoring/pg/intervals.hpp"
#include "monitoring/pg/spi.hpp"

#include "routing/maintenances.hpp"

#include "monitoring/dispatch/maintenance.hpp"
#include "monitoring/routing/config.hpp"
#include "monitoring/routing/time_zones.hpp"

namespace monitoring::routing {

namespace {

/// Longer than that it is no maintenance, and its start is not looked for.
constexpr Duration kLongest = std::chrono::hours(24 * 31);

[[noreturn]] void fail(const std::string& what, const Error& error) {
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, what + ": " + error.message).hint(error.hint);
}

dispatch::Maintenance maintenance_row(const pg::Rows& rows, std::uint64_t row,
                                      const std::string& what) {
  auto matchers = dispatch::parse_matcher_list(text_list(*rows.text(row, 2), what));
  if (!matchers) fail(what, matchers.error());
  auto schedule = dispatch::parse_maintenance_schedule(*rows.text(row, 3));
  if (!schedule) fail(what + ", schedule", schedule.error());
  const Duration duration = *pg::interval_at(rows, row, 4);
  if (duration > kLongest) fail(what, Error::of("a maintenance lasts 31 days at most"));
  dispatch::Maintenance maintenance{*rows.text(row, 1), std::move(matchers).value(),
                                    std::move(schedule).value(), duration, *rows.text(row, 5)};
  dispatch::Silence silence;
  silence.matchers = maintenance.matchers;
  silence.ends_at = silence.starts_at + std::chrono::seconds(1);
  if (const auto error = dispatch::check_silence(silence)) fail(what, *error);
  return maintenance;
}

}  // namespace

std::vector<dispatch::Silence> load_open_maintenances(pg::Spi& spi, std::optional<Instant> now,
                                                      issues::UnusableObjects* unusable) {
  const pg::Rows rows = spi.query(
      "SELECT maintenance_name, to_json(matchers)::text, schedule, duration, time_zone"
      " FROM monitoring.maintenances WHERE enabled ORDER BY maintenance_name");
  std::vector<dispatch::Silence> open;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const std::string what = "maintenance \"" + *rows.text(row, 1) + "\"";
    try {
      const auto window = dispatch::open_window(maintenance_row(rows, row, what),
                                                now.value_or(Instant{}), ServerTimeZones());
      if (!window) fail(what, window.error());
      if (now && *window) open.push_back(**window);
    } catch (const pg::Report& report) {
      if (unusable == nullptr) throw;
      unusable->add(what, report.what());
    }
  }
  return open;
}

}  // namespace monitoring::routing
