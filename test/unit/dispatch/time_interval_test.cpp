#include "monitoring/dispatch/time_interval.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace monitoring::dispatch {
namespace {

/// Etc/GMT-2 is two hours ahead; Berlin has its summer time of 2026. Like the server it takes
/// formulas.
class TestZones final : public UtcOffsetProvider {
 public:
  std::optional<std::chrono::seconds> offset_at(std::string_view zone,
                                                Instant instant) const override;
};

Instant utc(int year, int month, int day, int hour = 0, int minute = 0) {
  std::tm tm{};
  tm.tm_year = year - 1900;
  tm.tm_mon = month - 1;
  tm.tm_mday = day;
  tm.tm_hour = hour;
  tm.tm_min = minute;
  return Instant{std::chrono::seconds(timegm(&tm))};
}

std::optional<std::chrono::seconds> TestZones::offset_at(std::string_view zone,
                                                         Instant instant) const {
  using std::chrono::hours;
  if (zone == "Etc/GMT-2") return hours(2);
  if (zone == "Etc/GMT+5") return hours(-5);
  if (zone.find_first_of("0123456789") != zone.npos) return hours(0);
  if (zone != "Europe/Berlin") return std::nullopt;
  const bool summer = instant >= utc(2026, 3, 29, 1) && instant < utc(2026, 10, 25, 1);
  return hours(summer ? 2 : 1);
}

const TestZones kZones;

std::vector<TimeInterval> intervals(const std::string& json) {
  return parse_time_intervals(json, kZones).value();
}

bool inside(const std::string& json, Instant instant) {
  return contains(intervals(json).at(0), instant, kZones).value();
}

std::string error_of(const std::string& json) {
  const auto result = parse_time_intervals(json, kZones);
  return result ? "parsed" : result.error().message;
}

TEST(TimeInterval, NothingSaidIsAlways) {
  EXPECT_TRUE(inside("{}", utc(2026, 1, 1)));
}

TEST(TimeInterval, TimesExcludeTheirEnd) {
  const std::string office = R"({"times": [{"start_time": "09:00", "end_time": "17:00"}]})";
  EXPECT_FALSE(inside(office, utc(2026, 1, 1, 8, 59)));
  EXPECT_TRUE(inside(office, utc(2026, 1, 1, 9, 0)));
  EXPECT_TRUE(inside(office, utc(2026, 1, 1, 16, 59)));
  EXPECT_FALSE(inside(office, utc(2026, 1, 1, 17, 0)));
  const std::string late = R"({"times": [{"start_time": "22:00", "end_time": "24:00"}]})";
  EXPECT_TRUE(inside(late, utc(2026, 1, 1, 23, 59)));
}

TEST(TimeInterval, WeekdaysIncludeBothEnds) {
  const std::string week = R"({"weekdays": ["monday:friday"]})";
  EXPECT_TRUE(inside(week, utc(2026, 11, 20)));   // Friday
  EXPECT_FALSE(inside(week, utc(2026, 11, 21)));  // Saturday
  EXPECT_FALSE(inside(week, utc(2026, 11, 22)));
  EXPECT_TRUE(inside(week, utc(2026, 11, 23)));
  EXPECT_TRUE(inside(R"({"weekdays": ["sunday"]})", utc(1969, 12, 28))) << "before the epoch";
}

TEST(TimeInterval, DaysOfMonthCountFromEitherEnd) {
  EXPECT_TRUE(inside(R"({"days_of_month": ["-1"]})", utc(2028, 2, 29)));
  EXPECT_FALSE(inside(R"({"days_of_month": ["-1"]})", utc(2028, 2, 28)));
  EXPECT_TRUE(inside(R"({"days_of_month": ["-1"]})", utc(2026, 2, 28)));
  EXPECT_TRUE(inside(R"({"days_of_month": ["-3:-1"]})", utc(2026, 4, 28)));
  EXPECT_FALSE(inside(R"({"days_of_month": ["-3:-1"]})", utc(2026, 4, 27)));
  EXPECT_TRUE(inside(R"({"days_of_month": ["1:5"]})", utc(2026, 4, 5)));
  EXPECT_TRUE(inside(R"({"days_of_month": ["20:-1"]})", utc(2026, 4, 30)));
}

TEST(TimeInterval, DaysThatAMonthLacksAreNoDays) {
  EXPECT_TRUE(inside(R"({"days_of_month": ["27:31"]})", utc(2026, 2, 28)));
  EXPECT_FALSE(inside(R"({"days_of_month": ["30:31"]})", utc(2026, 2, 28)));
  EXPECT_TRUE(inside(R"({"days_of_month": ["-31:-1"]})", utc(2026, 2, 1)));
}

TEST(TimeInterval, MonthsAndYears) {
  EXPECT_TRUE(inside(R"({"months": ["may:august", "12"]})", utc(2026, 8, 31)));
  EXPECT_TRUE(inside(R"({"months": ["may:august", "12"]})", utc(2026, 12, 1)));
  EXPECT_FALSE(inside(R"({"months": ["may:august", "12"]})", utc(2026, 9, 1)));
  EXPECT_TRUE(inside(R"({"years": ["2026:2028", 2030]})", utc(2030, 1, 1)));
  EXPECT_FALSE(inside(R"({"years": ["2026:2028"]})", utc(2029, 1, 1)));
}

TEST(TimeInterval, AllFieldsHaveToAgree) {
  const std::string both = R"({"weekdays": ["friday"], "months": ["november"]})";
  EXPECT_TRUE(inside(both, utc(2026, 11, 20)));
  EXPECT_FALSE(inside(both, utc(2026, 11, 19)));
  EXPECT_FALSE(inside(both, utc(2026, 10, 30)));
}

TEST(TimeInterval, LocationMovesTheDay) {
  const std::string friday = R"({"weekdays": ["friday"], "location": "Etc/GMT-2"})";
  EXPECT_FALSE(inside(friday, utc(2026, 11, 19, 21, 59)));
  EXPECT_TRUE(inside(friday, utc(2026, 11, 19, 22, 0)));
  const std::string new_year = R"({"years": ["2025"], "location": "Etc/GMT+5"})";
  EXPECT_TRUE(inside(new_year, utc(2026, 1, 1, 4, 59)));
}

TEST(TimeInterval, SummerTimeIsTheZones) {
  const std::string nine = R"({"times": [{"start_time": "09:00", "end_time": "10:00"}],
                               "location": "Europe/Berlin"})";
  EXPECT_TRUE(inside(nine, utc(2026, 3, 28, 8, 0)));
  EXPECT_FALSE(inside(nine, utc(2026, 3, 30, 8, 0)));
  EXPECT_TRUE(inside(nine, utc(2026, 3, 30, 7, 0)));
}

TEST(TimeInterval, CalendarAgreesWithTheCLibrary) {
  for (std::time_t t = -2000000000; t < 6000000000; t += 86400 * 17 + 12345) {
    std::tm tm{};
    ASSERT_NE(gmtime_r(&t, &tm), nullptr);
    TimeInterval exact;
    exact.years = {{tm.tm_year + 1900, tm.tm_year + 1900}};
    exact.months = {{tm.tm_mon + 1, tm.tm_mon + 1}};
    exact.days_of_month = {{tm.tm_mday, tm.tm_mday}};
    exact.weekdays = {{tm.tm_wday, tm.tm_wday}};
    exact.times = {{tm.tm_hour * 60 + tm.tm_min, tm.tm_hour * 60 + tm.tm_min + 1}};
    ASSERT_TRUE(contains(exact, Instant{std::chrono::seconds(t)}, kZones).value()) << t;
  }
}

TEST(TimeInterval, RefusesMalformedRanges) {
  for (const char* text : {"9:00", "09:60", "24:01", "25:00", "0900", "", "09:00 "}) {
    EXPECT_FALSE(parse_time_of_day(text).ok()) << text;
  }
  EXPECT_FALSE(parse_time_range("22:00", "06:00").ok());
  EXPECT_FALSE(parse_time_range("09:00", "09:00").ok());
  for (const char* text : {"mon", " monday", "Friday:Monday", "monday:", ":", "1"}) {
    EXPECT_FALSE(parse_weekdays(text).ok()) << text;
  }
  for (const char* text : {"0", "32", "-32", "-1:5", "5:1", "-1:-5", "1:x", "31:-28"}) {
    EXPECT_FALSE(parse_days_of_month(text).ok()) << text;
  }
  for (const char* text : {"13", "0", "may:april", "Mai"}) {
    EXPECT_FALSE(parse_months(text).ok()) << text;
  }
  EXPECT_FALSE(parse_years("2027:2026").ok());
  EXPECT_FALSE(parse_years("99999999999").ok());
  EXPECT_EQ(parse_weekdays("monday:foo").error().position, 7U);
}

// amtool check-config of Alertmanager 0.25 takes and refuses these.
TEST(TimeInterval, NamesAreTakenInAnyCaseAndNumbersWithASign) {
  EXPECT_TRUE(inside(R"({"weekdays": ["Saturday"]})", utc(2026, 11, 21)));
  EXPECT_TRUE(inside(R"({"weekdays": ["MONDAY:friday"]})", utc(2026, 11, 20)));
  EXPECT_TRUE(inside(R"({"months": ["January:NOVEMBER"]})", utc(2026, 11, 20)));
  EXPECT_TRUE(inside(R"({"months": ["+11"], "days_of_month": ["+20"], "years": ["+2026"]})",
                     utc(2026, 11, 20)));
  EXPECT_FALSE(parse_months("JAN").ok());
  EXPECT_FALSE(parse_years("+-2026").ok());
  EXPECT_FALSE(parse_years("+").ok());
}

TEST(TimeInterval, ZonesAreNamesAndNoFormulas) {
  for (const char* zone : {"Etc/GMT+5", "Etc/GMT-14", "Etc/GMT0", "GMT0", "GMT+0", "EST5EDT",
                           "posix/Etc/GMT+5", "Europe/Berlin"}) {
    EXPECT_EQ(error_of(std::string("{\"location\": \"") + zone + "\"}"), "parsed") << zone;
  }
  for (const char* zone :
       {"UTC+2", "UTC0", "GMT+5", "<+02>-2", "CET-1CEST", "MST7", "Etc/GMT+13", "Etc/GMT-15",
        "Etc/GMT+05", "Etc/UTC+2", "Etc/EST5EDT", "EST5EDT,M3.2.0"}) {
    EXPECT_NE(error_of(std::string("{\"location\": \"") + zone + "\"}"), "parsed") << zone;
  }
}

TEST(TimeInterval, ErrorsOfTheJsonNameTheirPlace) {
  EXPECT_EQ(error_of("[{}, {\"weekdays\": [\"x\"]}]"),
            "time interval 2: weekdays: \"x\" is not a valid weekday");
  EXPECT_EQ(error_of(R"({"times": [{"start_time": "09:00"}]})"),
            "time interval 1: times: both start_time and end_time must be provided");
  EXPECT_EQ(error_of(R"({"location": "Mars"})"),
            "time interval 1: location: unknown time zone \"Mars\"");
  EXPECT_EQ(error_of(R"({"weekday": []})"), "time interval 1: unknown field \"weekday\"");
  EXPECT_EQ(error_of("[1]"), "time interval 1: an object is wanted");
  EXPECT_EQ(error_of("3"), "time intervals: a list of objects is wanted");
  EXPECT_EQ(error_of("{"), "time intervals are not valid JSON");
  EXPECT_EQ(error_of(std::string(100000, '[')), "time intervals are longer than 64 kB");
  EXPECT_EQ(error_of(std::string(1000, '[')), "time intervals are nested too deeply");
}

class MutedByTime : public ::testing::Test {
 protected:
  std::string muted(Instant now) {
    const auto result = muted_by_time(options_, intervals_, now, kZones);
    if (!result) return result.error().message;
    if (!*result) return "told";
    return std::string(suppression_text((*result)->first)) + ": " + (*result)->second;
  }

  RouteOptions options_;
  TimeIntervals intervals_ = {
      {"nights", intervals(R"([{"times": [{"start_time": "22:00", "end_time": "24:00"}]},
                               {"times": [{"start_time": "00:00", "end_time": "06:00"}]}])")},
      {"workdays", intervals(R"({"weekdays": ["monday:friday"]})")}};
};

TEST_F(MutedByTime, MuteTimes) {
  EXPECT_EQ(muted(utc(2026, 11, 20, 23)), "told");
  options_.mute_time_intervals = {"nights"};
  EXPECT_EQ(muted(utc(2026, 11, 20, 23)), "mute_time: inside the mute time nights");
  EXPECT_EQ(muted(utc(2026, 11, 20, 5)), "mute_time: inside the mute time nights");
  EXPECT_EQ(muted(utc(2026, 11, 20, 12)), "told");
}

TEST_F(MutedByTime, ActiveTimes) {
  options_.active_time_intervals = {"workdays"};
  EXPECT_EQ(muted(utc(2026, 11, 20, 12)), "told");
  EXPECT_EQ(muted(utc(2026, 11, 21, 12)),
            "outside_active_time: outside of the active times workdays");
  options_.mute_time_intervals = {"nights"};
  EXPECT_EQ(muted(utc(2026, 11, 20, 23)), "mute_time: inside the mute time nights");
}

TEST_F(MutedByTime, NamesWhatDoesNotExist) {
  options_.mute_time_intervals = {"gone"};
  EXPECT_EQ(muted(utc(2026, 11, 20)), "time interval \"gone\" does not exist");
  TimeInterval mars;
  mars.location = "Mars";
  intervals_["gone"] = {mars};
  EXPECT_EQ(muted(utc(2026, 11, 20)), "unknown time zone \"Mars\"");
}

}  // namespace
}  // namespace monitoring::dispatch
