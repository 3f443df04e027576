#include <algorithm>

#include "chunk/frame.hpp"
#include "chunk/times.hpp"
#include "chunk/values.hpp"
#include "monitoring/base/varint.hpp"
#include "monitoring/chunk/chunk.hpp"

namespace monitoring::chunk {

namespace {

constexpr std::uint64_t kSeriesLimit = std::uint64_t{1} << 63;

std::optional<Error> wrong_times(const std::vector<std::int64_t>& times_ms) {
  if (times_ms.front() < kFirstTimeMs || times_ms.back() > kLastTimeMs) {
    return Error::of("the time of a sample is out of range");
  }
  const bool rise = std::adjacent_find(times_ms.begin(), times_ms.end(), std::greater_equal<>()) ==
                    times_ms.end();
  return rise ? std::nullopt : std::optional(Error::of("the times of a run do not rise"));
}

std::optional<Error> wrong_run(const SampleRun& run) {
  if (run.series_id >= kSeriesLimit) return Error::of("the id of a series is out of range");
  if (run.times_ms.size() != run.values.size()) {
    return Error::of("a run has not as many values as times");
  }
  if (run.values.empty() || run.values.size() > kMostSamples) {
    return Error::of("a run has " + std::to_string(run.values.size()) + " samples, not 1 to " +
                     std::to_string(kMostSamples));
  }
  return wrong_times(run.times_ms);
}

std::optional<Error> wrong_runs(const std::vector<SampleRun>& runs) {
  if (runs.empty() || runs.size() > kMostRuns) {
    return Error::of("a chunk has " + std::to_string(runs.size()) + " runs, not 1 to " +
                     std::to_string(kMostRuns));
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (auto error = wrong_run(runs[i])) return error;
    if (i > 0 && runs[i].series_id <= runs[i - 1].series_id) {
      return Error::of("the series of a chunk do not rise");
    }
  }
  return std::nullopt;
}

/// The number, from 1, of an earlier run with the same times; 0: none.
std::size_t source_of_times(const std::vector<SampleRun>& runs, std::size_t run) {
  for (std::size_t earlier = 0; earlier < run; ++earlier) {
    if (runs[earlier].times_ms == runs[run].times_ms) return earlier + 1;
  }
  return 0;
}

void append_part(std::string& body, const std::string& part) {
  append_varint(body, part.size());
  body += part;
}

}  // namespace

Result<std::string> encode(const std::vector<SampleRun>& runs, const EncoderOptions& options) {
  if (auto error = wrong_runs(runs)) return std::move(*error);
  std::string body;
  append_varint(body, runs.size());
  std::uint64_t series_before = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    append_varint(body, runs[i].series_id - series_before);
    series_before = runs[i].series_id;
    const std::size_t source = source_of_times(runs, i);
    append_varint(body, source);
    std::string part;
    if (source == 0) {
      append_times(part, runs[i].times_ms);
      append_part(body, part);
      part.clear();
    }
    append_values(part, runs[i].values, options.xor_only);
    append_part(body, part);
  }
  if (body.size() > kLargestBody) return Error::of("the samples of a chunk take more than 16 MiB");
  return framed(body, options.packing);
}

}  // namespace monitoring::chunk
