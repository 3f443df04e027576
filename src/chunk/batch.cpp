#include "monitoring/chunk/batch.hpp"

#include "chunk/bits.hpp"
#include "chunk/decimal.hpp"
#include "chunk/frame.hpp"
#include "monitoring/base/varint.hpp"
#include "monitoring/chunk/chunk.hpp"

namespace monitoring::chunk {

namespace {

constexpr std::uint64_t kSeriesLimit = std::uint64_t{1} << 63;
constexpr char kNoDecimal = 16;

bool in_range(const Sample& sample) {
  return sample.series_id < kSeriesLimit && sample.time_ms >= kFirstTimeMs &&
         sample.time_ms <= kLastTimeMs;
}

bool comes_after(const Sample& sample, const Sample& before) {
  return sample.series_id > before.series_id ||
         (sample.series_id == before.series_id && sample.time_ms > before.time_ms);
}

void append_value(double value, std::string* kinds, std::string* numbers) {
  const auto [exponent, mantissa] = decimal_of(value);
  kinds->push_back(exponent < 0 ? kNoDecimal : static_cast<char>(exponent));
  if (exponent < 0) return append_eight(*numbers, bits_of(value));
  append_varint(*numbers, zigzag(mantissa));
}

Error damaged(const VarintReader& reader, const char* message) {
  return Error::at(reader.position(), message, "The batch is damaged.");
}

bool read_value(char kind, VarintReader& reader, double* value) {
  if (kind == kNoDecimal) {
    const std::string_view eight = reader.take(8);
    if (eight.empty()) return false;
    *value = double_of(read_eight(eight.data()));
    return true;
  }
  const std::uint64_t code = reader.next();
  return code != VarintReader::kBad && decimal_value(kind, unzigzag(code), value);
}

/// Of one sample after the one before; false where it makes no sense.
bool read_place(VarintReader& reader, const Sample& before, Sample* sample) {
  const std::uint64_t distance = reader.next();
  const std::uint64_t code = reader.next();
  if (code == VarintReader::kBad || distance >= kSeriesLimit - before.series_id) return false;
  sample->series_id = before.series_id + distance;
  const std::int64_t change_ms = unzigzag(code);
  if (change_ms > kLastTimeMs - kFirstTimeMs || change_ms < kFirstTimeMs - kLastTimeMs)
    return false;
  sample->time_ms = before.time_ms + change_ms;
  return in_range(*sample);
}

}  // namespace

Result<std::string> encode_batch(const std::vector<Sample>& samples) {
  if (samples.empty() || samples.size() > kMostBatchSamples) {
    return Error::of("a batch has " + std::to_string(samples.size()) + " samples, not 1 to " +
                     std::to_string(kMostBatchSamples));
  }
  std::string places, kinds, numbers;
  Sample before;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Sample& sample = samples[i];
    if (!in_range(sample)) return Error::of("the series or time of a sample is out of range");
    if (i > 0 && !comes_after(sample, before)) return Error::of("the samples do not rise");
    append_varint(places, sample.series_id - before.series_id);
    append_varint(places, zigzag(sample.time_ms - before.time_ms));
    append_value(sample.value, &kinds, &numbers);
    before = sample;
  }
  std::string body;
  append_varint(body, samples.size());
  return framed(body + places + kinds + numbers, Packing::kZstd);
}

Result<std::vector<Sample>> decode_batch(std::string_view bytes) {
  const Result<std::string> body = unframed(bytes);
  if (!body) return body.error();
  VarintReader reader(*body);
  const std::uint64_t count = reader.next();
  // Each sample takes four bytes at the least.
  if (count == 0 || count > kMostBatchSamples || count > body->size() / 4) {
    return damaged(reader, "the number of samples is out of range");
  }
  std::vector<Sample> samples(count);
  Sample before;
  for (std::size_t i = 0; i < count; ++i) {
    if (!read_place(reader, before, &samples[i]) || (i > 0 && !comes_after(samples[i], before))) {
      return damaged(reader, "the series or time of a sample makes no sense");
    }
    before = samples[i];
  }
  const std::string_view kinds = reader.take(count);
  if (kinds.empty()) return damaged(reader, "the batch ends too early");
  for (std::size_t i = 0; i < count; ++i) {
    if (!read_value(kinds[i], reader, &samples[i].value)) {
      return damaged(reader, "the value of a sample makes no sense");
    }
  }
  if (!reader.at_end()) return damaged(reader, "something follows the last sample");
  return samples;
}

}  // namespace monitoring::chunk
