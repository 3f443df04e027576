#include "series/store_rows.hpp"

#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/version.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <fmgr.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>

namespace monitoring::series {

namespace {

/// Few enough that a reader of one series skips most of what others wrote, many enough that a row's
/// own bytes do not count.
constexpr std::size_t kBatchSamples = 1000;

[[noreturn]] void refuse_damaged(const char* what, std::int64_t id, const Error& error) {
  const std::string place =
      error.position ? " at byte " + std::to_string(*error.position) : std::string();
  throw pg::Report(ERRCODE_DATA_CORRUPTED, std::string(what) + " " + std::to_string(id) +
                                               " is damaged: " + error.message + place)
      .hint("Restore it from a backup, or delete this row of monitoring_internal.sample_" +
            std::string(what) + (what[0] == 'b' ? "es." : "s."));
}

}  // namespace

std::int64_t ms_of(Instant instant) {
  if (instant == Instant::min()) return kFirstStoredMs;
  if (instant == Instant::max()) return kLastStoredMs;
  const std::int64_t us = instant.time_since_epoch().count();
  return std::clamp((us - (us % 1000 + 1000) % 1000) / 1000, kFirstStoredMs, kLastStoredMs);
}

Instant instant_of_ms(std::int64_t time_ms) {
  return Instant(std::chrono::milliseconds(time_ms));
}

std::int64_t window_of(std::int64_t time_ms) {
  return time_ms - ((time_ms % kWindowMs) + kWindowMs) % kWindowMs;
}

pg::Param bytes_param(const std::string& bytes) {
  const char* from = bytes.data();
  const std::size_t size = bytes.size();
  const Datum datum = pg::call([&] {
    auto* value = static_cast<bytea*>(palloc(VARHDRSZ + size));
    SET_VARSIZE(value, VARHDRSZ + size);
    std::memcpy(VARDATA(value), from, size);
    return PointerGetDatum(value);
  });
  return pg::datum(BYTEAOID, datum);
}

std::string bytes_at(const pg::Rows& rows, std::uint64_t row, int column) {
  bool is_null = false;
  const Datum value = rows.raw(row, column, &is_null);
  if (is_null) return {};
  const bytea* bytes = pg::call([&] { return DatumGetByteaPP(value); });
  return {VARDATA_ANY(bytes), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(bytes))};
}

chunk::Chunk chunk_at(const pg::Rows& rows, std::uint64_t row, int id, int bytes) {
  Result<chunk::Chunk> chunk = chunk::Chunk::open(bytes_at(rows, row, bytes));
  if (!chunk) refuse_damaged("chunk", *rows.int8(row, id), chunk.error());
  return std::move(chunk).value();
}

std::vector<chunk::Sample> batch_at(const pg::Rows& rows, std::uint64_t row, int id, int bytes) {
  Result<std::vector<chunk::Sample>> samples = chunk::decode_batch(bytes_at(rows, row, bytes));
  if (!samples) refuse_damaged("batch", *rows.int8(row, id), samples.error());
  return std::move(samples).value();
}

chunk::SampleRun run_of(const chunk::Chunk& chunk, std::size_t run, std::int64_t chunk_id) {
  Result<chunk::SampleRun> decoded = chunk.decode(run);
  if (!decoded) refuse_damaged("chunk", chunk_id, decoded.error());
  return std::move(decoded).value();
}

void write_batches(pg::Spi& spi, const std::vector<chunk::Sample>& samples) {
  static pg::Prepared statement(
      "INSERT INTO monitoring_internal.sample_batches"
      " (first_series, last_series, start_at, end_at, sample_count, samples)"
      " VALUES ($1, $2, $3, $4, $5, $6)",
      {INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, BYTEAOID});
  for (std::size_t at = 0; at < samples.size(); at += kBatchSamples) {
    const auto first = samples.begin() + static_cast<std::ptrdiff_t>(at);
    const auto last =
        samples.begin() + static_cast<std::ptrdiff_t>(std::min(at + kBatchSamples, samples.size()));
    const std::vector<chunk::Sample> part(first, last);
    const Result<std::string> bytes = chunk::encode_batch(part);
    if (!bytes) throw pg::Report(ERRCODE_INTERNAL_ERROR, bytes.error());
    const auto [earliest, latest] = std::minmax_element(
        first, last, [](const auto& a, const auto& b) { return a.time_ms < b.time_ms; });
    statement.execute(spi, {pg::int8(static_cast<std::int64_t>(part.front().series_id)),
                            pg::int8(static_cast<std::int64_t>(part.back().series_id)),
                            pg::timestamptz(instant_of_ms(earliest->time_ms)),
                            pg::timestamptz(instant_of_ms(latest->time_ms)),
                            pg::int4(static_cast<std::int32_t>(part.size())), bytes_param(*bytes)});
  }
}

bool lock_maintenance(pg::Spi& spi, bool wait) {
  const char* sql =
      wait ? "SELECT FROM monitoring_internal.sample_maintenance FOR UPDATE"
           : "SELECT FROM monitoring_internal.sample_maintenance FOR UPDATE SKIP LOCKED";
  return !spi.query(sql).empty();
}

}  // namespace monitoring::series
