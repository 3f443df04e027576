#pragma once
// Go's package time as far as templates use it: layouts, durations, civil dates. UTC only.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "monitoring/template/value.hpp"

namespace monitoring::templates {

/// A GoTime taken apart.
struct CivilTime {
  std::int64_t year = 1;
  int month = 1;    // 1..12
  int day = 1;      // 1..31
  int weekday = 0;  // 0 is Sunday
  int year_day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
};
CivilTime civil_time(const GoTime& time);
std::string_view month_name(int month);
std::string_view weekday_name(int weekday);

/// Time.Format with Go's reference time "Mon Jan 2 15:04:05 MST 2006".
std::string format_go_time(const GoTime& time, std::string_view layout);
/// Time.String.
std::string go_time_text(const GoTime& time);
/// time.Time's GoString, for %#v.
std::string go_time_syntax(const GoTime& time);
/// Time.MarshalJSON without the quotes: RFC 3339 with the fraction that is there.
std::string rfc3339_text(const GoTime& time);
/// Duration.String: "1h2m3.5s".
std::string go_duration_text(const GoDuration& duration);
/// Prometheus' model.ParseDuration ("1d12h"), in seconds.
std::optional<double> parse_prometheus_duration(std::string_view text);

}  // namespace monitoring::templates
