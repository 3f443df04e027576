// Snapshot: the registry copied out under the shared lock, then read at leisure.

#include <algorithm>

#include "monitoring/metrics/query_duration.hpp"
#include "shmem/registry_layout.hpp"

namespace monitoring::shmem {

namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

std::size_t words_for(std::size_t bytes) {
  return (bytes + kWord - 1) / kWord;
}

bool wanted(const MetricNode& metric, std::optional<Oid> database) {
  if (metric.alive_count == 0) return false;
  return !database || metric.database == *database || metric.database == kWholeCluster;
}

/// What a copy needs, or has used up.
struct Room {
  std::size_t words = 0;
  std::size_t metrics = 0;
  std::size_t samples = 0;

  bool fits_in(const Room& other) const {
    return words <= other.words && metrics <= other.metrics && samples <= other.samples;
  }
};

std::size_t words_of(const MetricNode& metric) {
  return metric.bound_count +
         words_for(metric.name_length + metric.help_length + metric.unit_length);
}

std::size_t words_of(const Series& series) {
  return series.value_count + words_for(series.labels_length);
}

Room needed(std::optional<Oid> database) {
  Room room;
  for_each_metric([&](std::uint32_t cell) {
    const MetricNode& metric = at<MetricNode>(cell);
    if (!wanted(metric, database)) return;
    room.metrics += 1;
    room.words += words_of(metric);
    for_each_series(metric, [&](std::uint32_t index) {
      if (!alive(at<Series>(index))) return;
      room.samples += 1;
      room.words += words_of(at<Series>(index));
    });
  });
  return room;
}

/// Puts copies one behind the other.
class Copier {
 public:
  explicit Copier(std::uint64_t* to) : to_(to) {}

  std::uint64_t* words(std::size_t count) { return std::exchange(to_, to_ + count); }
  const char* bytes(const char* from, std::size_t size) {
    auto* const copy = reinterpret_cast<char*>(to_);
    std::memcpy(copy, from, size);
    to_ += words_for(size);
    return copy;
  }

 private:
  std::uint64_t* to_;
};

Snapshot::Metric copy_metric(Copier& copier, MetricNode& metric) {
  Snapshot::Metric copy = {};
  copy.database = metric.database;
  copy.type = metric.type;
  copy.bound_count = metric.bound_count;
  copy.bounds = reinterpret_cast<const double*>(copier.bytes(
      reinterpret_cast<const char*>(metric.bounds()), metric.bound_count * sizeof(double)));
  auto* const text = reinterpret_cast<char*>(
      copier.words(words_for(metric.name_length + metric.help_length + metric.unit_length)));
  std::memcpy(text, metric.name_bytes(), metric.name_length);
  if (metric.text != kNoCell) {
    std::memcpy(text + metric.name_length, cell_at(metric.text),
                metric.help_length + metric.unit_length);
  }
  copy.name = {text, metric.name_length};
  copy.help = {text + metric.name_length, metric.help_length};
  copy.unit = {text + metric.name_length + metric.help_length, metric.unit_length};
  return copy;
}

Snapshot::Sample copy_series(Copier& copier, Series& series, std::uint32_t metric) {
  Snapshot::Sample copy = {};
  std::uint64_t* const values = copier.words(series.value_count);
  read_values(series, values);
  copy.metric = metric;
  copy.origin = series.origin;
  copy.value = double_of(values[0]);
  copy.buckets = series.value_count > 1 ? values + 1 : nullptr;
  copy.labels = {copier.bytes(series.label_bytes(), series.labels_length), series.labels_length};
  return copy;
}

bool is_query_seconds(const Snapshot::Metric& metric) {
  const MetricSpec& spec = metrics::kQuerySeconds;
  return metric.name == spec.name && metric.type == spec.type &&
         std::equal(metric.bounds, metric.bounds + metric.bound_count, spec.bounds,
                    spec.bounds + spec.bound_count);
}

Snapshot::Metric in_milliseconds(const Snapshot::Metric& metric) {
  const MetricSpec& spec = metrics::kQueryMs;
  return {metric.database, spec.type,   spec.name,       spec.help,
          spec.unit,       spec.bounds, spec.bound_count};
}

/// With the life of the original, and an origin of its own.
Snapshot::Sample in_milliseconds(Snapshot::Sample sample, std::uint32_t metric) {
  constexpr std::uint64_t kOtherHalf = std::uint64_t{1} << 63;
  sample.metric = metric;
  sample.origin ^= kOtherHalf;
  sample.value *= 1000;
  return sample;
}

}  // namespace

void Snapshot::add_milliseconds() {
  const std::size_t count = metrics_.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_query_seconds(metrics_[i])) continue;
    const Metric twin = in_milliseconds(metrics_[i]);
    const bool taken = std::any_of(metrics_.begin(), metrics_.end(), [&](const Metric& metric) {
      return metric.database == twin.database && metric.name == twin.name;
    });
    if (taken) continue;
    const auto index = static_cast<std::uint32_t>(metrics_.size());
    metrics_.push_back(twin);
    const std::size_t samples = samples_.size();
    for (std::size_t j = 0; j < samples; ++j) {
      if (samples_[j].metric == i) samples_.push_back(in_milliseconds(samples_[j], index));
    }
  }
}

Snapshot::Snapshot(std::optional<Oid> database) {
  Room room = registry_locked(LW_SHARED, [&] { return needed(database); });
  for (bool copied = false; !copied;) {
    // Room first, and a little more: nothing is allocated while the lock is held.
    bytes_.resize(room.words + room.words / 8 + 64);
    metrics_.resize(room.metrics + 8);
    samples_.resize(room.samples + room.samples / 8 + 8);
    const Room here = {bytes_.size(), metrics_.size(), samples_.size()};
    Room used;
    copied = registry_locked(LW_SHARED, [&] {
      room = needed(database);
      if (!room.fits_in(here)) return false;
      Copier copier(bytes_.data());
      for_each_metric([&](std::uint32_t cell) {
        MetricNode& metric = at<MetricNode>(cell);
        if (!wanted(metric, database)) return;
        const auto index = static_cast<std::uint32_t>(used.metrics++);
        metrics_[index] = copy_metric(copier, metric);
        for_each_series(metric, [&](std::uint32_t series) {
          if (!alive(at<Series>(series))) return;
          samples_[used.samples++] = copy_series(copier, at<Series>(series), index);
        });
      });
      return true;
    });
    metrics_.resize(used.metrics);
    samples_.resize(used.samples);
  }
  add_milliseconds();
}

std::vector<NamedMetric> metric_names() {
  struct Name {
    Oid database;
    MetricType type;
    std::uint32_t length;
  };
  std::vector<Name> names;
  std::vector<char> text;
  const auto for_each_wanted = [](auto&& visit) {
    for_each_metric([&](std::uint32_t cell) {
      MetricNode& metric = at<MetricNode>(cell);
      if (wanted(metric, std::nullopt)) visit(metric);
    });
  };
  // Room first, as above.
  Room room;
  for (bool copied = false; !copied;) {
    names.reserve(room.metrics);
    text.reserve(room.words);
    copied = registry_locked(LW_SHARED, [&] {
      room = {};
      for_each_wanted([&](MetricNode& metric) {
        room.metrics += 1;
        room.words += metric.name_length;
      });
      if (room.metrics > names.capacity() || room.words > text.capacity()) return false;
      for_each_wanted([&](MetricNode& metric) {
        names.push_back({metric.database, metric.type, metric.name_length});
        text.insert(text.end(), metric.name_bytes(), metric.name_bytes() + metric.name_length);
      });
      return true;
    });
  }
  std::vector<NamedMetric> found;
  const char* at_name = text.data();
  for (const Name& name : names) {
    found.push_back({name.database, name.type, std::string(at_name, name.length)});
    at_name += name.length;
  }
  return found;
}

}  // namespace monitoring::shmem
