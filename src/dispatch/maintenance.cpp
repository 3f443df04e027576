#include "monitoring/dispatch/maintenance.hpp"

namespace monitoring::dispatch {

namespace {

/// Windows that begin while another of theirs is open are looked at one after the other.
constexpr int kMostStarts = 100;

}  // namespace

Result<CronSchedule> parse_maintenance_schedule(const std::string& text) {
  if (text.find("second") != std::string::npos) {
    return Error::of("a maintenance cannot begin every few seconds",
                     "Write five fields, such as \"0 2 * * 0\" for Sundays at two o'clock.");
  }
  return CronSchedule::parse(text);
}

Result<std::optional<Silence>> open_window(const Maintenance& maintenance, Instant now,
                                           const UtcOffsetProvider& zones) {
  const auto offset = zones.offset_at(maintenance.zone, now);
  if (!offset) {
    return Error::of("unknown time zone \"" + maintenance.zone + "\"",
                     "pg_timezone_names lists those that this server knows.");
  }
  // Clocks may have been changed since the window began: an hour more is looked at.
  const Instant local_now = now + *offset;
  Instant local_start = local_now - maintenance.duration - std::chrono::hours(1);
  for (int i = 0; i < kMostStarts; ++i) {
    const auto next = maintenance.schedule.next_after(local_start);
    if (!next || *next > local_now + std::chrono::hours(1)) return std::optional<Silence>();
    local_start = *next;
    const Instant guess = local_start - *offset;
    const Instant starts_at =
        local_start - zones.offset_at(maintenance.zone, guess).value_or(*offset);
    if (starts_at > now || now >= starts_at + maintenance.duration) continue;
    Silence silence;
    silence.id = "maintenance \"" + maintenance.name + "\"";
    silence.matchers = maintenance.matchers;
    silence.starts_at = starts_at;
    silence.ends_at = starts_at + maintenance.duration;
    return std::optional<Silence>(std::move(silence));
  }
  return std::optional<Silence>();
}

}  // namespace monitoring::dispatch
