#pragma once
// Times and bytes between the tables of the store and C++.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <string>
#include <vector>

#include "monitoring/chunk/batch.hpp"
#include "monitoring/chunk/chunk.hpp"

namespace monitoring::series {

/// What both a timestamptz and microseconds since 1970 hold.
constexpr std::int64_t kFirstStoredMs = -210866803200000;
constexpr std::int64_t kLastStoredMs = 9223372036854774;
/// The time that one row of a chunk is about.
constexpr std::int64_t kWindowMs = 2 * 3600 * 1000;

/// Infinities become the limits above.
std::int64_t ms_of(Instant instant);
Instant instant_of_ms(std::int64_t time_ms);
/// The start of the window that a time lies in.
std::int64_t window_of(std::int64_t time_ms);

pg::Param bytes_param(const std::string& bytes);
std::string bytes_at(const pg::Rows& rows, std::uint64_t row, int column);

/// Of the row's columns `id` and `bytes`; error XX001 names the chunk or batch.
chunk::Chunk chunk_at(const pg::Rows& rows, std::uint64_t row, int id, int bytes);
std::vector<chunk::Sample> batch_at(const pg::Rows& rows, std::uint64_t row, int id, int bytes);
chunk::SampleRun run_of(const chunk::Chunk& chunk, std::size_t run, std::int64_t chunk_id);

/// Writes samples, which rise by series and time, as batches.
void write_batches(pg::Spi& spi, const std::vector<chunk::Sample>& samples);

/// Locks the row of sample_maintenance: one at a time moves or removes samples. False if somebody
/// else has it and `wait` is not set.
bool lock_maintenance(pg::Spi& spi, bool wait);

}  // namespace monitoring::series
