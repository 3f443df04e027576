#include "chunk/times.hpp"

#include "monitoring/chunk/chunk.hpp"

namespace monitoring::chunk {

namespace {
/// Of two times in range.
constexpr std::int64_t kLongestDistanceMs = kLastTimeMs - kFirstTimeMs;
}  // namespace

void append_times(std::string& bytes, const std::vector<std::int64_t>& times_ms) {
  append_varint(bytes, times_ms.size());
  append_varint(bytes, zigzag(times_ms[0]));
  std::int64_t before_ms = 0;
  for (std::size_t i = 1; i < times_ms.size(); ++i) {
    const std::int64_t distance_ms = times_ms[i] - times_ms[i - 1];
    append_varint(
        bytes, i == 1 ? static_cast<std::uint64_t>(distance_ms) : zigzag(distance_ms - before_ms));
    before_ms = distance_ms;
  }
}

Result<TimesReader> TimesReader::open(std::string_view bytes) {
  TimesReader reader(bytes);
  const std::uint64_t count = reader.reader_.next();
  if (count == 0 || count > kMostSamples) {
    return Error::at(0, "the number of samples of a run is out of range");
  }
  reader.count_ = count;
  return reader;
}

bool TimesReader::next() {
  const std::uint64_t code = reader_.next();
  if (code == VarintReader::kBad) return false;
  if (position_ == 0) {
    time_ms_ = unzigzag(code);
    return time_ms_ >= kFirstTimeMs && time_ms_ <= kLastTimeMs;
  }
  // Both are checked before they are added: nothing overflows.
  const std::int64_t change_ms = position_ == 1 ? static_cast<std::int64_t>(code) : unzigzag(code);
  if (change_ms > kLongestDistanceMs || change_ms < -kLongestDistanceMs) return false;
  distance_ms_ += change_ms;
  if (distance_ms_ <= 0 || distance_ms_ > kLastTimeMs - time_ms_) return false;
  time_ms_ += distance_ms_;
  return true;
}

bool TimesReader::fill(std::int64_t* times_ms, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i, ++position_) {
    if (!next()) return false;
    times_ms[i] = time_ms_;
  }
  return position_ < count_ || reader_.at_end();
}

}  // namespace monitoring::chunk
