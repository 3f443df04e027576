#include "monitoring/base/rfc3339.hpp"

#include <gtest/gtest.h>

namespace monitoring {
namespace {

Instant at(std::int64_t micros) {
  return Instant(Duration(micros));
}

TEST(Rfc3339, WritesUtcWithoutTrailingZeros) {
  EXPECT_EQ(rfc3339(at(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(at(1600000)), "1970-01-01T00:00:01.6Z");
  EXPECT_EQ(rfc3339(at(1)), "1970-01-01T00:00:00.000001Z");
  EXPECT_EQ(rfc3339(at(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(rfc3339(at(951782400000000)), "2000-02-29T00:00:00Z");
  EXPECT_EQ(rfc3339(at(1709251199000000)), "2024-02-29T23:59:59Z");
}

TEST(Rfc3339, ExtremesStayDateTimes) {
  EXPECT_EQ(rfc3339(Instant::max()), "9999-12-31T23:59:59Z");
  EXPECT_EQ(rfc3339(Instant::min()), "0000-01-01T00:00:00Z");
}

TEST(Rfc3339, ReadsWhatItWrites) {
  for (std::int64_t day = -800000; day < 2900000; day += 97) {
    const Instant instant = at((day * 86400 + day % 86400) * 1000000 + (day & 0xffff));
    const std::string text = rfc3339(instant);
    if (text == "0000-01-01T00:00:00Z" || text == "9999-12-31T23:59:59Z") continue;
    ASSERT_EQ(parse_rfc3339(text), instant) << text;
  }
}

TEST(Rfc3339, ReadsOffsetsAndLongFractions) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T02:00:00+02:00"), at(0));
  EXPECT_EQ(parse_rfc3339("1969-12-31T18:30:00-05:30"), at(0));
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00.123456789Z"), at(123456));
  EXPECT_EQ(parse_rfc3339("1970-01-01t00:00:00z"), at(0));
  EXPECT_TRUE(parse_rfc3339(kZeroTimeText).has_value());
}

TEST(Rfc3339, RefusesWhatIsNoDateTime) {
  for (const char* text :
       {"", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "1970-02-29T00:00:00Z",
        "1970-01-00T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Zx",
        "1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+0200", "x970-01-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_rfc3339(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace monitoring
