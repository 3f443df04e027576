#include "monitoring/metrics/record.hpp"

#include <cstring>
#include <limits>

namespace monitoring::metrics {
namespace {

constexpr std::uint32_t kNoTags = std::numeric_limits<std::uint32_t>::max();

struct Header {
  std::uint32_t length;
  std::uint32_t name_length;
  std::uint32_t tags_length;
  std::uint32_t zero;
  std::int64_t recorded_at;
  double value;
};
static_assert(sizeof(Header) == kRecordHeaderBytes);

std::size_t padded(std::size_t length) {
  return (length + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

/// Copies and returns the end of what was written, padding included.
char* write_padded(char* to, std::string_view bytes) {
  std::memcpy(to, bytes.data(), bytes.size());
  std::memset(to + bytes.size(), 0, padded(bytes.size()) - bytes.size());
  return to + padded(bytes.size());
}

}  // namespace

std::size_t record_size(const Record& record) {
  const std::size_t tags = record.tags ? padded(record.tags->size()) : 0;
  return kRecordHeaderBytes + padded(record.name.size()) + tags;
}

void write_record_body(const Record& record, char* to) {
  const Header header = {
      0,
      static_cast<std::uint32_t>(record.name.size()),
      record.tags ? static_cast<std::uint32_t>(record.tags->size()) : kNoTags,
      0,
      record.recorded_at,
      record.value,
  };
  constexpr std::size_t kAfterLength = sizeof header.length;
  std::memcpy(to + kAfterLength, reinterpret_cast<const char*>(&header) + kAfterLength,
              sizeof header - kAfterLength);
  char* const tags = write_padded(to + kRecordHeaderBytes, record.name);
  if (record.tags) write_padded(tags, *record.tags);
}

std::optional<Record> read_record(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.length > bytes.size()) return std::nullopt;

  const bool has_tags = header.tags_length != kNoTags;
  // 64 bits: no sum of three such lengths wraps.
  const std::uint64_t name = padded(header.name_length);
  const std::uint64_t tags = has_tags ? padded(header.tags_length) : 0;
  if (sizeof header + name + tags != header.length) return std::nullopt;

  Record record;
  record.recorded_at = header.recorded_at;
  record.value = header.value;
  record.name = bytes.substr(sizeof header, header.name_length);
  if (has_tags) record.tags = bytes.substr(sizeof header + name, header.tags_length);
  return record;
}

std::uint32_t record_length(const char* bytes) {
  std::uint32_t length;
  std::memcpy(&length, bytes, sizeof length);
  return length;
}

}  // namespace monitoring::metrics
