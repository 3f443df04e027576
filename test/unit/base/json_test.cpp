#include "monitoring/base/json.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "monitoring/base/labels_json.hpp"

namespace monitoring {
namespace {

std::string again(const char* text) {
  return Json::parse(text).value().dump();
}

TEST(JsonTest, IsAnObjectWhereEachItemIsANamedValueAndAnArrayOtherwise) {
  const Json object = {{"b", 1}, {"a", {{"x", nullptr}}}, {"c", Json::array({"one", 2.5})}};
  EXPECT_EQ(object.dump(), R"({"a":{"x":null},"b":1,"c":["one",2.5]})");
  EXPECT_EQ((Json{"a", "b"}).dump(), R"(["a","b"])");
  EXPECT_EQ((Json{{1, 2}, {3, 4}}).dump(), "[[1,2],[3,4]]");
  EXPECT_EQ(Json::array({Json::array({"a", 1})}).dump(), R"([["a",1]])");
}

TEST(JsonTest, TakesWhatProgramsHave) {
  const std::optional<double> nothing;
  const std::optional<std::string> something = "x";
  const Json json = {{"nothing", nothing},
                     {"something", something},
                     {"texts", std::vector<std::string>{"b", "a"}},
                     {"set", std::set<std::string>{"b", "a"}},
                     {"flag", true},
                     {"most", std::numeric_limits<std::uint64_t>::max()},
                     {"least", std::numeric_limits<std::int64_t>::min()}};
  EXPECT_EQ(json.dump(), R"({"flag":true,"least":-9223372036854775808,"most":18446744073709551615,)"
                         R"("nothing":null,"set":["a","b"],"something":"x","texts":["b","a"]})");
}

TEST(JsonTest, KeepsTheOrderWhereAsked) {
  Json json = Json::in_order({{"z", 1}, {"a", 2}});
  json["m"] = 3;
  json["z"] = 4;
  EXPECT_EQ(json.dump(), R"({"z":4,"a":2,"m":3})");
  EXPECT_EQ(json, (Json{{"a", 2}, {"m", 3}, {"z", 4}}));
}

TEST(JsonTest, ReadsWhatItWrites) {
  EXPECT_EQ(again(R"( {"b" : [1, -2, 0.5, true, false, null], "a": {}, "c": []} )"),
            R"({"a":{},"b":[1,-2,0.5,true,false,null],"c":[]})");
  EXPECT_EQ(again(R"("\u00e4\n\"\\\u0000")"), "\"\xC3\xA4\\n\\\"\\\\\\u0000\"");
  EXPECT_EQ(again(R"({"a": 1, "b": 2, "a": 3})"), R"({"a":3,"b":2})") << "the last one counts";
  EXPECT_EQ(again("7"), "7");
}

TEST(JsonTest, RefusesWhatIsNoJson) {
  for (const char* text :
       {"", "{", "[1,", "{\"a\"}", "nul", "1e999", "[1] 2", "\"\xFF\"", "{'a':1}"}) {
    EXPECT_FALSE(Json::parse(text).ok()) << text;
    EXPECT_TRUE(Json::parse_or_null(text).is_null()) << text;
  }
  EXPECT_EQ(Json::parse("[1, x]").error().position, 4U);
}

TEST(JsonTest, BoundsTheDepthOfWhatItReads) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(Json::parse(nested(512)).ok());
  EXPECT_FALSE(Json::parse(nested(513)).ok());
  EXPECT_FALSE(Json::parse(std::string(10'000'000, '[')).ok());
}

TEST(JsonTest, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(Json("a\xFFz").dump(), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ((Json{{"k\xC3", 1}}).dump(), "{\"k\xEF\xBF\xBD\":1}");
  EXPECT_EQ(Json::parse_stored("{\"a\":\"\xE4\"}").dump(), "{\"a\":\"\xEF\xBF\xBD\"}");
}

TEST(JsonTest, TellsNumbersApart) {
  const Json numbers = Json::parse("[1, -1, 1.0, 18446744073709551615, 1e3]").value();
  EXPECT_TRUE(numbers[0].is_count());
  EXPECT_TRUE(numbers[1].is_integer() && !numbers[1].is_count());
  EXPECT_TRUE(numbers[2].is_number() && !numbers[2].is_integer());
  EXPECT_EQ(numbers[3].count(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(numbers[1].integer(), -1);
  EXPECT_EQ(numbers[4].number(), 1000);
  EXPECT_EQ(Json(1), Json(1.0));
  EXPECT_NE(Json(-1), Json(std::numeric_limits<std::uint64_t>::max()));
}

TEST(JsonTest, LooksMembersUp) {
  Json json = {{"a", 1}};
  const Json& unchanged = json;
  EXPECT_TRUE(unchanged["b"].is_null());
  EXPECT_EQ(json.find("b"), nullptr);
  EXPECT_FALSE(Json(3).contains("b"));
  EXPECT_EQ(json.value("b", "fallback"), "fallback");
  json["b"] = 2;
  json.update({{"a", 5}, {"c", 6}});
  json.erase("b");
  EXPECT_EQ(json.dump(), R"({"a":5,"c":6})");
}

TEST(JsonTest, HasNoElementsWhereItIsNoArray) {
  EXPECT_TRUE(static_cast<const Json&>(Json("text")).elements().empty());
  EXPECT_TRUE(static_cast<const Json&>(Json("text")).members().empty());
  EXPECT_TRUE(Json("text").empty());
}

TEST(LabelsJsonTest, NullIsNoLabelAndWhatIsNoTextIsSpelled) {
  const Json object = Json::parse(R"({"b": null, "a": "x", "n": 1.5, "t": true, "e": ""})").value();
  EXPECT_EQ(labels_of(object), (Labels{{"a", "x"}, {"e", ""}, {"n", "1.5"}, {"t", "true"}}));
  EXPECT_EQ(labels_of(Json::array()), Labels());
  EXPECT_EQ(json_of(Labels{{"b", "2"}, {"a", "1"}}).dump(), R"({"a":"1","b":"2"})");
}

TEST(LabelsJsonTest, ObjectsWithObjectsInThemAreNoLabels) {
  EXPECT_TRUE(are_labels(Json::object()));
  EXPECT_TRUE(are_labels({{"a", 1}}));
  EXPECT_FALSE(are_labels({{"a", Json::array()}}));
  EXPECT_FALSE(are_labels("text"));
}

}  // namespace
}  // namespace monitoring
