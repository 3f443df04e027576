#include "monitoring/base/labels.hpp"

#include <gtest/gtest.h>

namespace monitoring {
namespace {

TEST(Labels, AreSortedAndUnique) {
  Labels labels{{"b", "2"}, {"a", "1"}, {"b", "3"}};
  ASSERT_EQ(labels.size(), 2U);
  EXPECT_EQ(labels.begin()->first, "a");
  EXPECT_EQ(labels.get("b"), "3");
  EXPECT_EQ(labels.get("missing"), "");
  EXPECT_FALSE(labels.has("missing"));
  labels.erase("a");
  EXPECT_EQ(labels, (Labels{{"b", "3"}}));
}

TEST(Labels, EmptySetHasTheFnvOffsetAsFingerprint) {
  EXPECT_EQ(fingerprint_text(Labels{}.fingerprint()), "cbf29ce484222325");
}

TEST(Labels, FingerprintDoesNotDependOnTheOrderGiven) {
  EXPECT_EQ((Labels{{"a", "1"}, {"b", "2"}}).fingerprint(),
            (Labels{{"b", "2"}, {"a", "1"}}).fingerprint());
  EXPECT_NE((Labels{{"a", "1b"}}).fingerprint(), (Labels{{"a", "1"}, {"b", ""}}).fingerprint());
}

}  // namespace
}  // namespace monitoring
