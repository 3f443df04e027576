#include "monitoring/metrics/record.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace monitoring::metrics {
namespace {

/// The bytes of a published record, aligned as the ring aligns them.
std::vector<std::uint64_t> bytes_of(const Record& record) {
  const std::size_t size = record_size(record);
  std::vector<std::uint64_t> words(size / kRecordAlignment, ~std::uint64_t{0});
  const auto length = static_cast<std::uint32_t>(size);
  write_record_body(record, reinterpret_cast<char*>(words.data()));
  std::memcpy(words.data(), &length, sizeof length);
  return words;
}

std::string_view view_of(const std::vector<std::uint64_t>& words) {
  return {reinterpret_cast<const char*>(words.data()), words.size() * sizeof(std::uint64_t)};
}

TEST(Record, RoundTrips) {
  for (const std::size_t name : {1, 7, 8, 9, 300}) {
    for (const std::size_t tags : {0, 1, 8, 12, 9000}) {
      Record record;
      record.recorded_at = -5;
      record.value = NAN;
      const std::string name_text(name, 'n');
      const std::string tags_bytes(tags, '\x01');
      record.name = name_text;
      record.tags = tags_bytes;
      const std::vector<std::uint64_t> words = bytes_of(record);
      const std::optional<Record> again = read_record(view_of(words));
      ASSERT_TRUE(again);
      EXPECT_EQ(again->recorded_at, -5);
      EXPECT_TRUE(std::isnan(again->value));
      EXPECT_EQ(again->name, name_text);
      EXPECT_EQ(*again->tags, tags_bytes);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(again->tags->data()) % kRecordAlignment, 0u);
      EXPECT_EQ(record_length(view_of(words).data()), record_size(record));
    }
  }
}

TEST(Record, NullTagsAreNotEmptyTags) {
  Record record;
  record.name = "jobs";
  EXPECT_FALSE(read_record(view_of(bytes_of(record)))->tags.has_value());
  record.tags = "";
  EXPECT_TRUE(read_record(view_of(bytes_of(record)))->tags.has_value());
}

TEST(Record, WritingTheBodyDoesNotPublish) {
  Record record;
  record.name = "jobs";
  std::vector<std::uint64_t> words(record_size(record) / kRecordAlignment, 0);
  write_record_body(record, reinterpret_cast<char*>(words.data()));
  EXPECT_EQ(record_length(view_of(words).data()), 0u);
  EXPECT_FALSE(read_record(view_of(words)));
}

TEST(Record, RefusesEveryTruncation) {
  Record record;
  record.name = "queue_processing";
  record.tags = "0123456789";
  const std::vector<std::uint64_t> words = bytes_of(record);
  for (std::size_t length = 0; length < view_of(words).size(); ++length) {
    EXPECT_FALSE(read_record(view_of(words).substr(0, length))) << length;
  }
}

TEST(Record, SurvivesDamage) {
  Record record;
  record.name = "queue_processing";
  record.tags = "0123456789";
  const std::vector<std::uint64_t> whole = bytes_of(record);
  std::mt19937_64 random(1);
  for (int round = 0; round < 100000; ++round) {
    std::vector<std::uint64_t> words = whole;
    auto* bytes = reinterpret_cast<unsigned char*>(words.data());
    bytes[random() % 16] = static_cast<unsigned char>(random());
    const std::optional<Record> read = read_record(view_of(words));
    if (!read) continue;
    EXPECT_LE(read->name.size() + read->tags.value_or("").size(), view_of(words).size());
  }
}

}  // namespace
}  // namespace monitoring::metrics
