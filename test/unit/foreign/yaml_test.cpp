#include "monitoring/foreign/yaml.hpp"

#include <gtest/gtest.h>

namespace monitoring::foreign {
namespace {

std::string error_of(const std::string& text) {
  const auto read = read_yaml(text);
  return read ? "no error" : read.error().message;
}

TEST(Yaml, KnowsTheLineOfEverything) {
  const auto read = read_yaml("# a comment\na:\n  - 'b: c'\n  - ~\n");
  ASSERT_TRUE(read);
  const Yaml& root = **read;
  ASSERT_EQ(root.entries.size(), 1U);
  const auto& [key, list] = root.entries.front();
  EXPECT_EQ(key->text, "a");
  EXPECT_EQ(key->line, 2);
  ASSERT_EQ(list->items.size(), 2U);
  EXPECT_EQ(list->items[0]->text, "b: c");
  EXPECT_EQ(list->items[0]->line, 3);
  EXPECT_EQ(list->items[1]->kind, Yaml::Kind::null);
}

TEST(Yaml, AnAliasIsWhatItStandsFor) {
  const auto read = read_yaml("a: &x [1, 2]\nb: *x\n");
  ASSERT_TRUE(read);
  EXPECT_EQ((*read)->entries[0].second, (*read)->entries[1].second);
}

TEST(Yaml, SaysWhereItIsWrong) {
  EXPECT_EQ(error_of(""), "there is nothing in it");
  EXPECT_EQ(error_of("# only a comment\n"), "there is nothing in it");
  EXPECT_EQ(error_of("a: 1\nb: 2\na: 3\n"), "line 3: \"a\" comes twice");
  EXPECT_EQ(error_of("a: &x\n  b: *x\n"), "line 2: an alias within what it stands for");
  EXPECT_EQ(error_of("a: 1\n<<: {b: 2}\n"), "line 2: merge keys (<<) are not supported");
  EXPECT_EQ(error_of("{[a]: 1}"), "line 1: a key must be a text");
  EXPECT_EQ(error_of("a: 1\n---\nb: 2\n"), "line 3: a second document");
  EXPECT_EQ(error_of("a: [1, 2\nb: 3\n").substr(0, 5), "line ");
  EXPECT_EQ(error_of("a: \"\\q\"").substr(0, 7), "line 1:");
  EXPECT_EQ(error_of("a: *nobody").substr(0, 7), "line 1:");
}

TEST(Yaml, IsNoBiggerOrDeeperThanItsReaderCanBear) {
  EXPECT_EQ(error_of(std::string(kMostYamlBytes + 1, ' ')), "it is longer than 1048576 bytes");
  EXPECT_EQ(error_of(std::string(100000, '[')), "line 1: nested deeper than 32 levels");
  std::string block;
  for (int i = 0; i < 40; ++i) block += "- ";
  EXPECT_EQ(error_of(block + "x"), "line 1: nested deeper than 32 levels");
  // Each alias stands for one level more.
  std::string chain = "a0: &a0 x\n";
  for (int i = 1; i < 40; ++i) {
    const std::string name = "a" + std::to_string(i);
    chain += name + ": &" + name + " [*a" + std::to_string(i - 1) + "]\n";
  }
  EXPECT_EQ(error_of(chain), "line 32: nested deeper than 32 levels");
}

}  // namespace
}  // namespace monitoring::foreign
