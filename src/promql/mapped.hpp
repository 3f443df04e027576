#pragma once
// Streams that change each series of another one.

#include <utility>

#include "promql/streams.hpp"

namespace monitoring::promql {

template <class Change>
class MappedStream final : public SeriesStream {
 public:
  MappedStream(StreamPtr stream, Evaluation& evaluation, Change change)
      : stream_(std::move(stream)), evaluation_(evaluation), change_(std::move(change)) {}

  bool next(StepSeries& series) override {
    if (evaluation_.failed() || !stream_->next(series)) return false;
    change_(series);
    return !evaluation_.failed();
  }

 private:
  StreamPtr stream_;
  Evaluation& evaluation_;
  Change change_;
};

template <class Change>
StreamPtr mapped(StreamPtr stream, Evaluation& evaluation, Change change) {
  return std::make_unique<MappedStream<Change>>(std::move(stream), evaluation, std::move(change));
}

/// Each value by `value_of(value, step)`; the name goes. `from` is what the stream evaluates.
template <class ValueOf>
StreamPtr mapped_values(const Expr& from, const Steps& steps, Evaluation& evaluation,
                        ValueOf value_of) {
  StreamPtr stream = mapped(open_vector(from, steps, evaluation), evaluation,
                            [&evaluation, value_of = std::move(value_of)](StepSeries& series) {
                              for (std::size_t i = 0; i < series.values.size(); ++i) {
                                double& value = series.values[i];
                                if (!is_absent(value)) value = value_of(value, i);
                              }
                              drop_name(series, evaluation.options());
                            });
  const bool may_collide =
      !evaluation.options().delayed_name_removal && may_have_several_names(from);
  return may_collide ? unique(std::move(stream), evaluation, steps) : std::move(stream);
}

/// A list of series that is made when the first is asked for.
template <class Make>
class LateStream final : public SeriesStream {
 public:
  LateStream(Evaluation& evaluation, Make make) : evaluation_(evaluation), make_(std::move(make)) {}

  bool next(StepSeries& series) override {
    if (stream_ == nullptr) {
      auto made = std::make_unique<HeldSeries>(evaluation_);
      make_(*made);
      stream_ = stream_of(std::move(made));
    }
    return !evaluation_.failed() && stream_->next(series);
  }

 private:
  Evaluation& evaluation_;
  Make make_;
  StreamPtr stream_;
};

/// `make(series)` fills the list.
template <class Make>
StreamPtr late(Evaluation& evaluation, Make make) {
  return std::make_unique<LateStream<Make>>(evaluation, std::move(make));
}

}  // namespace monitoring::promql
