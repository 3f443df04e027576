#include "monitoring/base/cron.hpp"

#include <gtest/gtest.h>

#include "monitoring/base/rfc3339.hpp"

namespace monitoring {
namespace {

/// The due time after `from`, or "never", or the error's text.
std::string next(const char* schedule, const char* from) {
  const Result<CronSchedule> parsed = CronSchedule::parse(schedule);
  if (!parsed) return parsed.error().message;
  const auto due = parsed->next_after(*parse_rfc3339(from));
  return due ? rfc3339(*due) : "never";
}

TEST(Cron, RunsLaterThanTheGivenInstant) {
  EXPECT_EQ(next("5 * * * *", "2026-03-01T10:04:59Z"), "2026-03-01T10:05:00Z");
  EXPECT_EQ(next("5 * * * *", "2026-03-01T10:05:00Z"), "2026-03-01T11:05:00Z");
  EXPECT_EQ(next("5 * * * *", "2026-12-31T23:05:00.000001Z"), "2027-01-01T00:05:00Z");
  EXPECT_EQ(next("* * * * *", "1969-12-31T23:59:30Z"), "1970-01-01T00:00:00Z");
}

TEST(Cron, KnowsListsRangesAndSteps) {
  EXPECT_EQ(next("*/20 * * * *", "2026-03-01T10:20:00Z"), "2026-03-01T10:40:00Z");
  EXPECT_EQ(next("10-30/10 * * * *", "2026-03-01T10:30:00Z"), "2026-03-01T11:10:00Z");
  EXPECT_EQ(next("0 9,17 * * *", "2026-03-01T10:00:00Z"), "2026-03-01T17:00:00Z");
  EXPECT_EQ(next("0 0 */2147483647 * *", "2026-03-01T10:00:00Z"), "2026-04-01T00:00:00Z");
}

TEST(Cron, CountsWeekdaysFromSunday) {
  // 2026-03-01 is a Sunday.
  EXPECT_EQ(next("0 0 * * 0", "2026-03-01T00:00:00Z"), "2026-03-08T00:00:00Z");
  EXPECT_EQ(next("0 0 * * 7", "2026-03-01T00:00:00Z"), "2026-03-08T00:00:00Z");
  EXPECT_EQ(next("0 0 * * Mon-fri", "2026-03-06T00:00:00Z"), "2026-03-09T00:00:00Z");
  EXPECT_EQ(next("0 0 * * 5-7", "2026-03-07T00:00:00Z"), "2026-03-08T00:00:00Z");
}

TEST(Cron, TakesEitherDayFieldWhenBothAreRestricted) {
  EXPECT_EQ(next("0 0 13 * fri", "2026-03-01T00:00:00Z"), "2026-03-06T00:00:00Z");
  EXPECT_EQ(next("0 0 13 * fri", "2026-04-10T00:00:00Z"), "2026-04-13T00:00:00Z");
  EXPECT_EQ(next("0 0 13 * *", "2026-03-14T00:00:00Z"), "2026-04-13T00:00:00Z");
  EXPECT_EQ(next("0 0 */2 * sun", "2026-03-01T00:00:00Z"), "2026-03-15T00:00:00Z");
}

TEST(Cron, FindsLeapDaysAndTheLastDayOfTheMonth) {
  EXPECT_EQ(next("0 0 29 feb *", "2096-03-01T00:00:00Z"), "2104-02-29T00:00:00Z");
  EXPECT_EQ(next("30 1 $ * *", "2026-01-31T02:00:00Z"), "2026-02-28T01:30:00Z");
  EXPECT_EQ(next("30 1 $ * *", "2028-02-01T02:00:00Z"), "2028-02-29T01:30:00Z");
  EXPECT_EQ(next("0 0 30 2 *", "2026-01-01T00:00:00Z"), "never");
}

TEST(Cron, KnowsShortFormsAndSeconds) {
  EXPECT_EQ(next("@hourly", "2026-03-01T10:04:59Z"), "2026-03-01T11:00:00Z");
  EXPECT_EQ(next("@weekly", "2026-03-02T10:04:59Z"), "2026-03-08T00:00:00Z");
  EXPECT_EQ(next("30 seconds", "2026-03-01T10:04:59.5Z"), "2026-03-01T10:05:29.5Z");
  EXPECT_EQ(next("60 seconds", "2026-03-01T10:04:59Z"), "a schedule has five fields, not 2");
}

TEST(Cron, SaysWhatIsWrongAndWhere) {
  const auto position = [](const char* schedule) {
    return CronSchedule::parse(schedule).error().position;
  };
  EXPECT_EQ(next("", "2026-03-01T00:00:00Z"), "a schedule has five fields, not 0");
  EXPECT_EQ(next("60 * * * *", "2026-03-01T00:00:00Z"), "minute must be from 0 to 59");
  EXPECT_EQ(position("0 24 * * *"), 2U);
  EXPECT_EQ(next("0 0 0 * *", "2026-03-01T00:00:00Z"), "day of month must be from 1 to 31");
  EXPECT_EQ(next("0 0 * foo *", "2026-03-01T00:00:00Z"), "\"foo\" is no month");
  EXPECT_EQ(position("0 0 * jan,foo *"), 10U);
  EXPECT_EQ(next("5-1 * * * *", "2026-03-01T00:00:00Z"), "the range ends before it starts");
  EXPECT_EQ(next("5/2 * * * *", "2026-03-01T00:00:00Z"), "a step needs a range or \"*\" before it");
  EXPECT_EQ(next("*/0 * * * *", "2026-03-01T00:00:00Z"), "a step must be a positive number");
  EXPECT_EQ(next("1,, * * * *", "2026-03-01T00:00:00Z"), "\"\" is no minute");
  EXPECT_EQ(next("99999999999 * * * *", "2026-03-01T00:00:00Z"), "\"99999999999\" is no minute");
  EXPECT_EQ(next("* * * * * *", "2026-03-01T00:00:00Z"), "a schedule has five fields, not 6");
}

TEST(Cron, NothingComesDueBehindTheEndOfTime) {
  for (const char* text : {"30 seconds", "* * * * *", "0 0 29 2 *"}) {
    const auto schedule = CronSchedule::parse(text);
    ASSERT_TRUE(schedule.ok()) << text;
    EXPECT_EQ(schedule->next_after(Instant::max()), std::nullopt) << text;
    EXPECT_GT(schedule->next_after(Instant::min()), Instant::min()) << text;
  }
}

}  // namespace
}  // namespace monitoring
