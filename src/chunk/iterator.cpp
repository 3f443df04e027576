#include <algorithm>
#include <utility>

#include "chunk/times.hpp"
#include "chunk/values.hpp"
#include "monitoring/chunk/chunk.hpp"

namespace monitoring::chunk {

namespace {

Error damaged(const std::string& message, std::size_t position) {
  return Error::at(position, message, "The chunk is damaged.");
}

}  // namespace

struct SampleIterator::State {
  TimesReader times;
  ValuesReader values;
  std::size_t left;
  std::size_t times_at;
  std::size_t values_at;
};

SampleIterator::SampleIterator(std::unique_ptr<State> state) : state_(std::move(state)) {}
SampleIterator::SampleIterator(SampleIterator&&) noexcept = default;
SampleIterator& SampleIterator::operator=(SampleIterator&&) noexcept = default;
SampleIterator::~SampleIterator() = default;

Result<std::size_t> SampleIterator::next(std::int64_t* times_ms, double* values, std::size_t most) {
  const std::size_t count = std::min(most, state_->left);
  if (count == 0) return count;
  if (!state_->times.fill(times_ms, count)) {
    return damaged("the times of a run make no sense", state_->times_at);
  }
  if (!state_->values.fill(values, count)) {
    return damaged("the values of a run make no sense", state_->values_at);
  }
  state_->left -= count;
  return count;
}

Result<SampleIterator> Chunk::iterate(std::size_t run) const {
  const Place& place = runs_[run];
  Result<TimesReader> times = TimesReader::open(bytes_of(place.times));
  if (!times) return damaged(times.error().message, place.times.at);
  Result<ValuesReader> values = ValuesReader::open(bytes_of(place.values), place.count);
  if (!values) {
    return damaged(values.error().message, place.values.at + values.error().position.value_or(0));
  }
  return SampleIterator(std::make_unique<SampleIterator::State>(SampleIterator::State{
      std::move(*times), std::move(*values), place.count, place.times.at, place.values.at}));
}

}  // namespace monitoring::chunk
