#include "monitoring/foreign/version_range.hpp"

#include <gtest/gtest.h>

namespace monitoring::foreign {
namespace {

bool within(const Version& version, const char* range) {
  const auto found = is_within(version, range);
  EXPECT_TRUE(found) << range;
  return found && *found;
}

TEST(VersionRange, Compares) {
  const Version server{15, 4, 0};
  for (const char* range :
       {">=10.0.0", ">= 10.0.0", ">15.3.9", "<=15.4.0", "<15.4.1", "=15.4.0", "==15.4.0", "15.4.0",
        "!=15.4.1", "!14.0.0", ">=10.0.0 <16.0.0", "<10.0.0 || >=15.0.0", "15.x", "15", "15.4",
        "<=15", ">=15", "15.*.*", "9.x || 15.x"}) {
    EXPECT_TRUE(within(server, range)) << range;
  }
  for (const char* range : {">=16.0.0", "<15.4.0", ">15.4.0", "!=15.4.0", ">=10.0.0 <15.0.0",
                            "<10.0.0 || >16.0.0", "14.x", ">15", "15.3"}) {
    EXPECT_FALSE(within(server, range)) << range;
  }
}

TEST(VersionRange, RefusesWhatIsNone) {
  for (const char* range : {"", " ", "abc", "1.2.3.4", "1..2", "1.", ">=", "=>1.0.0", "1.0.0 || ",
                            "x.1", "-1", "99999999999"}) {
    EXPECT_FALSE(is_within({15, 0, 0}, range)) << range;
  }
}

}  // namespace
}  // namespace monitoring::foreign
