#pragma once
// Times of a run: the differences of their distances (FORMAT.md, "Times").

#include <cstdint>
#include <string>
#include <vector>

#include "monitoring/base/result.hpp"
#include "monitoring/base/varint.hpp"

namespace monitoring::chunk {

/// Count and times; they rise strictly and lie in range.
void append_times(std::string& bytes, const std::vector<std::int64_t>& times_ms);

/// Reads what append_times wrote, some times at a time.
class TimesReader {
 public:
  /// `bytes`: the body from the count on.
  static Result<TimesReader> open(std::string_view bytes);
  std::size_t count() const { return count_; }
  /// The next times; false if they make no sense, or if something follows the last one. The caller
  /// asks for no more than there are.
  bool fill(std::int64_t* times_ms, std::size_t count);

 private:
  explicit TimesReader(std::string_view bytes) : reader_(bytes) {}
  bool next();

  VarintReader reader_;
  std::size_t count_ = 0;
  std::size_t position_ = 0;
  std::int64_t time_ms_ = 0;
  std::int64_t distance_ms_ = 0;
};

}  // namespace monitoring::chunk
