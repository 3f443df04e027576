#pragma once
// Chunks of samples: a few series of one metric over some hours, compressed (src/chunk/FORMAT.md).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/result.hpp"

namespace monitoring::chunk {

constexpr std::size_t kMostRuns = 64;
constexpr std::size_t kMostSamples = 16384;  ///< of a run
constexpr std::size_t kLargestBody = std::size_t{16} << 20;
/// Times lie between these.
constexpr std::int64_t kLastTimeMs = std::int64_t{1} << 54;
constexpr std::int64_t kFirstTimeMs = -kLastTimeMs;

/// Samples of one series: two columns of one length, times rising strictly.
struct SampleRun {
  std::uint64_t series_id = 0;
  std::vector<std::int64_t> times_ms;
  std::vector<double> values;
};

enum class Packing : std::uint8_t { kPlain = 0, kZstd = 1 };

struct EncoderOptions {
  /// What the writer may use; plain is used all the same where zstd gains nothing.
  Packing packing = Packing::kZstd;
  /// Only for measurements: values by XOR where decimals would do.
  bool xor_only = false;
};

/// The chunk of these runs, series ids rising strictly. An error is a caller's mistake: too many
/// runs or samples, none, times or ids that do not rise.
Result<std::string> encode(const std::vector<SampleRun>& runs, const EncoderOptions& options = {});

/// Walks over the samples of one run, some at a time. The chunk must outlive it.
class SampleIterator {
 public:
  SampleIterator(SampleIterator&&) noexcept;
  SampleIterator& operator=(SampleIterator&&) noexcept;
  ~SampleIterator();

  /// Writes the next samples, at most `most`, and says how many: 0 at the end. Damage that the
  /// check did not show is an error that names its place.
  Result<std::size_t> next(std::int64_t* times_ms, double* values, std::size_t most);

 private:
  friend class Chunk;
  struct State;
  explicit SampleIterator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A chunk whose check is right, and whose runs lie where they should. Owns its unpacked body; what
/// is wrong within a run shows when that is read.
class Chunk {
 public:
  static Result<Chunk> open(std::string_view bytes);

  std::size_t runs() const { return runs_.size(); }
  std::uint64_t series_id(std::size_t run) const { return runs_[run].series_id; }
  std::size_t samples(std::size_t run) const { return runs_[run].count; }

  Result<SampleIterator> iterate(std::size_t run) const;
  /// All samples of a run.
  Result<SampleRun> decode(std::size_t run) const;

 private:
  Chunk() = default;
  Result<bool> read_body();

  /// Bytes of the body.
  struct Part {
    std::size_t at = 0;
    std::size_t size = 0;
  };
  struct Place {
    std::uint64_t series_id = 0;
    std::size_t count = 0;
    Part times;
    Part values;
  };
  class PlaceReader;
  std::string_view bytes_of(Part part) const {
    return std::string_view(body_).substr(part.at, part.size);
  }

  std::string body_;
  std::vector<Place> runs_;
};

}  // namespace monitoring::chunk
