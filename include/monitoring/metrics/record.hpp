#pragma once
// One recorded measurement as bytes, for the shared ring and the file that survives a restart.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace monitoring::metrics {

/// A measurement. The views are into memory of the caller, or into the bytes it was read from.
struct Record {
  std::int64_t recorded_at = 0;  // microseconds since 2000-01-01 00:00 UTC, as timestamptz counts
  double value = 0;
  std::string_view name;
  std::optional<std::string_view> tags;  // nullopt: NULL. Opaque here; 8-byte aligned when read
};

/// Bytes of a record start with their own number, which is never zero and a multiple of 8:
///
///   offset  0  uint32  length of the whole record
///           4  uint32  length of the name
///           8  uint32  length of the tags; 0xffffffff for NULL
///          12  uint32  zero
///          16  int64   recorded_at
///          24  double  value
///          32          name, padded with zeros to a multiple of 8; tags, padded likewise
///
/// All in the byte order of the machine: the bytes never leave it.
inline constexpr std::size_t kRecordHeaderBytes = 32;
inline constexpr std::size_t kRecordAlignment = 8;

/// Bytes that the record takes.
std::size_t record_size(const Record& record);

/// Writes everything but the first four bytes, so that the writer of the length can publish the
/// record in one store. `to` has record_size() bytes, 8-byte aligned.
void write_record_body(const Record& record, char* to);

/// The record at the start of the bytes, 8-byte aligned. nullopt if they do not hold one.
std::optional<Record> read_record(std::string_view bytes);

/// The length that the bytes start with; 0 if the record is not published. Needs four bytes.
std::uint32_t record_length(const char* bytes);

}  // namespace monitoring::metrics
