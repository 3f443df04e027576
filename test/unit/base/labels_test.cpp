#include "monitoring/base/labels.hpp"

#include <gtest/gtest.h>

#include "monitoring/base/labels_json.hpp"

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

/// What is read quickly is read as the JSON parser reads it, and what is not is left to it.
TEST(Labels, PlainOnesAreReadAsTheParserReadsThem) {
  for (const char* text :
       {R"({})", R"({"a": "x"})", R"({"b": "", "a": "1 {}:,"})", R"({"": "x"})"}) {
    const auto plain = plain_labels_of_stored(text);
    ASSERT_TRUE(plain.has_value()) << text;
    EXPECT_EQ(*plain, labels_of(Json::parse_stored(text))) << text;
  }
  for (const char* text :
       {"", "{", "[]", R"({"a": 1})", R"({"a": null})", R"({"a": "x\"y"})", R"({"a": "\u0001"})",
        "{\"a\": \"\xc3\xa4\"}", "{\"a\": \"\xff\"}", R"({"a":"x"})", R"({"a": "x"} )",
        R"({"a": "x",})", R"({"a": {"b": "c"}})", R"({"a": "x)"}) {
    EXPECT_FALSE(plain_labels_of_stored(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace monitoring
