#include "monitoring/base/encoding.hpp"

#include <gtest/gtest.h>

namespace monitoring {
namespace {

TEST(Encoding, Utf8SequencesOfEachLength) {
  EXPECT_EQ(utf8_sequence("a"), 1u);
  EXPECT_EQ(utf8_sequence("\xC3\xA9"), 2u);
  EXPECT_EQ(utf8_sequence("\xE2\x82\xAC!"), 3u);
  EXPECT_EQ(utf8_sequence("\xF0\x9F\x94\xA5"), 4u);
  EXPECT_EQ(utf8_sequence(""), 0u);
}

TEST(Encoding, WhatIsNoUtf8) {
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x80\x80", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(utf8_sequence(bad), 0u) << bad;
  }
}

TEST(Encoding, InvalidBytesAreReplacedOneByOne) {
  EXPECT_EQ(valid_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(valid_utf8("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(valid_utf8("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
}

TEST(Encoding, TruncationBetweenCharacters) {
  EXPECT_EQ(truncated_characters("abc", 3), "abc");
  EXPECT_EQ(truncated_characters("abcd", 3), "ab\xE2\x80\xA6");
  EXPECT_EQ(truncated_characters("\xC3\xA9\xC3\xA9\xC3\xA9", 3), "\xC3\xA9\xC3\xA9\xC3\xA9");
  EXPECT_EQ(truncated_characters("\xC3\xA9\xC3\xA9\xC3\xA9", 2), "\xC3\xA9\xE2\x80\xA6");
  EXPECT_EQ(utf8_length(truncated_characters(std::string(5000, 'x'), 1024)), 1024u);
}

TEST(Encoding, TruncationWithinBytes) {
  EXPECT_EQ(truncated_bytes("abcdef", 6), "abcdef");
  EXPECT_EQ(truncated_bytes("abcdefg", 6), "abc\xE2\x80\xA6");
  // The byte limit falls into the second character: it goes as a whole.
  EXPECT_EQ(truncated_bytes("a\xF0\x9F\x94\xA5zzzz", 6), "a\xE2\x80\xA6");
  EXPECT_EQ(truncated_bytes("abcdefg", 3), "\xE2\x80\xA6");
}

TEST(Encoding, Base64VectorsOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xFF\xFE\xFD"), "//79");
}

TEST(Encoding, PercentEncodingAndBack) {
  EXPECT_EQ(percent_encoded("a b&c=\xC3\xA9~"), "a%20b%26c%3D%C3%A9~");
  EXPECT_EQ(percent_decoded("a%20b%26c%3D%c3%A9~"), "a b&c=\xC3\xA9~");
  EXPECT_EQ(percent_decoded("50%"), std::nullopt);
  EXPECT_EQ(percent_decoded("%2"), std::nullopt);
  EXPECT_EQ(percent_decoded("%zz"), std::nullopt);
}

}  // namespace
}  // namespace monitoring
