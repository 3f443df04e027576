#include <utility>

#include "chunk/frame.hpp"
#include "chunk/times.hpp"
#include "monitoring/base/varint.hpp"
#include "monitoring/chunk/chunk.hpp"

namespace monitoring::chunk {

namespace {
constexpr std::uint64_t kSeriesLimit = std::uint64_t{1} << 63;
}

/// Reads where the runs of a body lie.
class Chunk::PlaceReader {
 public:
  explicit PlaceReader(std::string_view body) : reader_(body), body_(body) {}

  Result<std::vector<Place>> read() {
    const std::uint64_t runs = reader_.next();
    if (runs == 0 || runs > kMostRuns) return damaged("the number of runs is out of range");
    for (std::uint64_t i = 0; i < runs; ++i) {
      if (const char* problem = read_run()) return damaged(problem);
    }
    if (!reader_.at_end()) return damaged("something follows the last run");
    return std::move(places_);
  }

 private:
  Error damaged(const char* message) const {
    return Error::at(reader_.position(), message, "The chunk is damaged.");
  }

  /// nullptr: all is well.
  const char* read_run() {
    Place place;
    const std::uint64_t distance = reader_.next();
    if (distance >= kSeriesLimit - series_id_ || (distance == 0 && !places_.empty())) {
      return "the id of a series is out of range";
    }
    place.series_id = series_id_ += distance;
    const std::uint64_t source = reader_.next();
    if (source > places_.size()) return "a run has the times of a run that comes later";
    if (source > 0) {
      place.times = places_[source - 1].times;
      place.count = places_[source - 1].count;
    } else {
      if (!read_part(&place.times)) return "the times of a run end too early";
      const Result<TimesReader> times =
          TimesReader::open(body_.substr(place.times.at, place.times.size));
      if (!times) return "the number of samples of a run is out of range";
      place.count = times->count();
    }
    if (!read_part(&place.values)) return "the values of a run end too early";
    places_.push_back(place);
    return nullptr;
  }

  bool read_part(Part* part) {
    part->size = reader_.next();
    part->at = reader_.position();
    if (part->size > body_.size() - part->at) return false;
    reader_.skip(part->size);
    return true;
  }

  VarintReader reader_;
  std::string_view body_;
  std::vector<Place> places_;
  std::uint64_t series_id_ = 0;
};

Result<Chunk> Chunk::open(std::string_view bytes) {
  Result<std::string> body = unframed(bytes);
  if (!body) return body.error();
  Chunk chunk;
  chunk.body_ = std::move(body).value();
  Result<std::vector<Place>> runs = PlaceReader(chunk.body_).read();
  if (!runs) return runs.error();
  chunk.runs_ = std::move(runs).value();
  return chunk;
}

Result<SampleRun> Chunk::decode(std::size_t run) const {
  Result<SampleIterator> samples = iterate(run);
  if (!samples) return samples.error();
  SampleRun decoded;
  decoded.series_id = runs_[run].series_id;
  decoded.times_ms.resize(runs_[run].count);
  decoded.values.resize(runs_[run].count);
  const Result<std::size_t> got =
      samples->next(decoded.times_ms.data(), decoded.values.data(), runs_[run].count);
  if (!got) return got.error();
  return decoded;
}

}  // namespace monitoring::chunk
