#include "monitoring/shmem/registry.hpp"

extern "C" {
#include <storage/proc.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <iterator>

#include "monitoring/base/hash128.hpp"
#include "monitoring/pg/settings.hpp"
#include "shmem/registry_layout.hpp"

namespace monitoring::shmem {

namespace {

/// So many times two processes must have met on a series before its writers are spread.
constexpr std::uint32_t kMeetings = 64;

std::uint64_t hash_of(Oid database, std::string_view name) {
  return hash128(name, registry().seed ^ database).low;
}

std::uint64_t hash_of(const MetricNode& metric, std::string_view labels) {
  return hash128(labels, metric.node.hash).low;
}

std::uint32_t series_cell(std::uint32_t metric, std::string_view labels) {
  return find_node(hash_of(at<MetricNode>(metric), labels), [&](std::uint32_t cell) {
    if (at<Node>(cell).kind != NodeKind::series) return false;
    Series& series = at<Series>(cell);
    return series.metric == metric && series.labels() == labels;
  });
}

bool is_metric(std::uint32_t cell, Oid database, std::string_view name) {
  if (at<Node>(cell).kind != NodeKind::metric) return false;
  MetricNode& metric = at<MetricNode>(cell);
  return metric.database == database && metric.name() == name;
}

struct Bounds {
  const double* first;
  std::uint32_t count;
};

/// Of a metric that is made.
Bounds bounds_of(const MetricSpec& spec) {
  if (spec.type != MetricType::histogram) return {nullptr, 0};
  if (spec.bounds != nullptr) return {spec.bounds, spec.bound_count};
  return {metrics::kDefaultBounds, std::size(metrics::kDefaultBounds)};
}

std::uint32_t cells_of_metric(const MetricSpec& spec) {
  return cells_for(sizeof(MetricNode) + bounds_of(spec).count * sizeof(double) + spec.name.size());
}

/// Of a histogram: the sum, the buckets, and that of +Inf.
std::uint32_t values_of(const MetricNode& metric) {
  return metric.type == MetricType::histogram ? metric.bound_count + 2 : 1;
}

std::uint32_t cells_of_series(const MetricNode& metric, std::string_view labels) {
  return cells_for(sizeof(Series) + values_of(metric) * sizeof(pg_atomic_uint64) + labels.size());
}

bool same_bounds(MetricNode& metric, const MetricSpec& spec) {
  if (metric.type != MetricType::histogram || spec.bounds == nullptr) return true;
  return std::equal(metric.bounds(), metric.bounds() + metric.bound_count, spec.bounds,
                    spec.bounds + spec.bound_count);
}

Refusal conflict(MetricNode& metric, const MetricSpec& spec) {
  if (metric.type != spec.type) return Refusal::other_type;
  return same_bounds(metric, spec) ? Refusal::none : Refusal::other_bounds;
}

/// Help and unit as given; where there is no memory for them, none.
void describe(MetricNode& metric, const MetricSpec& spec) {
  const std::string_view old(metric.text == kNoCell ? "" : cell_at(metric.text),
                             metric.help_length + metric.unit_length);
  const bool same =
      metric.help_length == spec.help.size() && metric.unit_length == spec.unit.size() &&
      old.substr(0, metric.help_length) == spec.help && old.substr(metric.help_length) == spec.unit;
  if (same) return;
  if (metric.text != kNoCell) free_cells(metric.text, metric.text_cells);
  metric.text_cells = cells_for(spec.help.size() + spec.unit.size());
  metric.text = metric.text_cells == 0 ? kNoCell : take_cells(metric.text_cells);
  const bool has_room = metric.text != kNoCell;
  metric.help_length = has_room ? static_cast<std::uint32_t>(spec.help.size()) : 0;
  metric.unit_length = has_room ? static_cast<std::uint32_t>(spec.unit.size()) : 0;
  if (!has_room) return;
  std::memcpy(cell_at(metric.text), spec.help.data(), spec.help.size());
  std::memcpy(cell_at(metric.text) + spec.help.size(), spec.unit.data(), spec.unit.size());
}

/// Values to zero, also those of writers who are at it: their counts fall to either side.
void start_from_zero(Series& series) {
  const std::uint32_t stripes = pg_atomic_read_u32(&series.stripes);
  for (std::uint32_t i = 0; i < series.value_count; ++i) {
    pg_atomic_write_u64(&series.values()[i], 0);
    for (std::uint32_t stripe = 0; stripes != kNoCell && stripe < kStripes; ++stripe) {
      auto* const values = &at<pg_atomic_uint64>(stripes + stripe * series.stripe_cells());
      pg_atomic_write_u64(&values[i], 0);
    }
  }
  series.origin = ++registry().sequence;
}

void revive(Series& series) {
  if (pg_atomic_read_u32(&series.alive) != 0) return;
  start_from_zero(series);
  pg_atomic_write_u32(&series.alive, 1);
  at<MetricNode>(series.metric).alive_count += 1;
  registry().series_count += 1;
}

/// Leaves memory and values to those who still point to it.
void end(Series& series) {
  if (pg_atomic_exchange_u32(&series.alive, 0) == 0) return;
  at<MetricNode>(series.metric).alive_count -= 1;
  registry().series_count -= 1;
}

void unlink_metric(std::uint32_t cell) {
  std::uint32_t* link = &registry().first_metric;
  while (*link != cell) link = &at<MetricNode>(*link).next;
  *link = at<MetricNode>(cell).next;
  registry().metric_count -= 1;
  for_each_series(at<MetricNode>(cell), [](std::uint32_t series) { erase_node(series); });
  erase_node(cell);
}

/// One that was retired, of this very type and with these buckets: processes may still point to its
/// series, which is why it stays, and it is as good as new.
std::uint32_t retired_metric_cell(Oid database, const MetricSpec& spec) {
  return find_node(hash_of(database, spec.name), [&](std::uint32_t cell) {
    if (!is_metric(cell, database, spec.name)) return false;
    MetricNode& metric = at<MetricNode>(cell);
    const Bounds bounds = bounds_of(spec);
    return metric.retired && metric.type == spec.type &&
           std::equal(metric.bounds(), metric.bounds() + metric.bound_count, bounds.first,
                      bounds.first + bounds.count);
  });
}

/// The metric that fits the description, made where there is none or where one without series is in
/// the way.
Refusal settle_metric(Oid database, const MetricSpec& spec, std::uint32_t* cell) {
  const std::uint32_t present = metric_cell(database, spec.name);
  if (present != kNoCell) {
    *cell = present;
    MetricNode& metric = at<MetricNode>(present);
    const Refusal refusal = conflict(metric, spec);
    if (refusal == Refusal::none || metric.alive_count > 0) return refusal;
  }
  *cell = retired_metric_cell(database, spec);
  const bool returns = *cell != kNoCell;
  if (!returns) *cell = make_metric(database, spec);
  if (*cell == kNoCell) return Refusal::memory;
  if (returns) describe(at<MetricNode>(*cell), spec);
  if (present != kNoCell) at<MetricNode>(present).retired = true;
  at<MetricNode>(*cell).retired = false;
  return Refusal::none;
}

bool has_room(const MetricNode& metric) {
  return metric.alive_count < static_cast<std::uint32_t>(pg::settings().max_series_per_metric);
}

/// Known without a search: whoever counts on what has no room should not make others wait.
Refusal refusal_of_memory(std::uint32_t cells) {
  return cells >= registry().smallest_failure ? Refusal::memory : Refusal::none;
}

Found find(Oid database, const MetricSpec& spec, std::string_view labels) {
  const std::uint32_t metric = metric_cell(database, spec.name);
  if (metric == kNoCell) return {nullptr, refusal_of_memory(cells_of_metric(spec))};
  MetricNode& node = at<MetricNode>(metric);
  const Refusal refusal = conflict(node, spec);
  if (refusal != Refusal::none) {
    return {nullptr, node.alive_count > 0 ? refusal : Refusal::none};
  }
  const std::uint32_t cell = series_cell(metric, labels);
  if (cell != kNoCell && alive(at<Series>(cell))) return {&at<Series>(cell), Refusal::none};
  if (!has_room(node)) return {nullptr, Refusal::series_limit};
  if (cell != kNoCell) return {nullptr, Refusal::none};
  return {nullptr, refusal_of_memory(cells_of_series(node, labels))};
}

Found create(Oid database, const MetricSpec& spec, std::string_view labels) {
  std::uint32_t metric;
  const Refusal refusal = settle_metric(database, spec, &metric);
  if (refusal != Refusal::none) return {nullptr, refusal};
  std::uint32_t cell = series_cell(metric, labels);
  const bool is_alive = cell != kNoCell && alive(at<Series>(cell));
  if (!is_alive && !has_room(at<MetricNode>(metric))) return {nullptr, Refusal::series_limit};
  if (cell == kNoCell) cell = make_series(metric, labels);
  if (cell == kNoCell) return {nullptr, Refusal::memory};
  revive(at<Series>(cell));
  return {&at<Series>(cell), Refusal::none};
}

Found counted(Found found) {
  if (found.refusal != Refusal::none) {
    pg_atomic_fetch_add_u64(&registry().refused[static_cast<int>(found.refusal)], 1);
  }
  return found;
}

/// Adds to a double; false if another process came between.
bool add_to(pg_atomic_uint64& word, double by) {
  bool alone = true;
  std::uint64_t seen = pg_atomic_read_u64(&word);
  while (!pg_atomic_compare_exchange_u64(&word, &seen, bits_of(double_of(seen) + by))) {
    alone = false;
  }
  return alone;
}

/// Gives the series its stripes, if the lock and memory are free.
void spread_writers(Series& series) {
  if (!LWLockConditionalAcquire(registry().lock, LW_EXCLUSIVE)) return;
  if (pg_atomic_read_u32(&series.stripes) == kNoCell && alive(series)) {
    const std::uint32_t cells = take_cells(kStripes * series.stripe_cells());
    pg_write_barrier();
    pg_atomic_write_u32(&series.stripes, cells);
  }
  LWLockRelease(registry().lock);
}

/// Where this process counts.
pg_atomic_uint64* own_values(Series& series) {
  const std::uint32_t stripes = pg_atomic_read_u32(&series.stripes);
  if (stripes == kNoCell) return series.values();
  const auto stripe = static_cast<std::uint32_t>(MyProcPid) % kStripes;
  return &at<pg_atomic_uint64>(stripes + stripe * series.stripe_cells());
}

/// A gauge is also set, and so stays in one place.
void note_meeting(Series& series) {
  if (at<MetricNode>(series.metric).type == MetricType::gauge) return;
  if (pg_atomic_read_u32(&series.stripes) != kNoCell) return;
  if ((pg_atomic_add_fetch_u32(&series.collisions, 1) % kMeetings) == 0) spread_writers(series);
}

}  // namespace

std::uint32_t metric_cell(Oid database, std::string_view name) {
  return find_node(hash_of(database, name), [&](std::uint32_t cell) {
    return is_metric(cell, database, name) && !at<MetricNode>(cell).retired;
  });
}

std::uint32_t make_metric(Oid database, const MetricSpec& spec) {
  const Bounds bounds = bounds_of(spec);
  const std::uint32_t cells = cells_of_metric(spec);
  const std::uint32_t cell = take_cells(cells);
  if (cell == kNoCell) return kNoCell;

  MetricNode& metric = at<MetricNode>(cell);
  metric.node = {hash_of(database, spec.name), NodeKind::metric, cells};
  metric.database = database;
  metric.type = spec.type;
  metric.bound_count = bounds.count;
  metric.name_length = static_cast<std::uint32_t>(spec.name.size());
  std::copy_n(bounds.first, bounds.count, metric.bounds());
  std::memcpy(metric.name_bytes(), spec.name.data(), spec.name.size());
  describe(metric, spec);
  metric.next = std::exchange(registry().first_metric, cell);
  registry().metric_count += 1;
  insert_node(cell);
  return cell;
}

std::uint32_t make_series(std::uint32_t metric, std::string_view labels) {
  MetricNode& owner = at<MetricNode>(metric);
  const std::uint32_t value_count = values_of(owner);
  const std::uint32_t cells = cells_of_series(owner, labels);
  const std::uint32_t cell = take_cells(cells);
  if (cell == kNoCell) return kNoCell;

  Series& series = at<Series>(cell);
  series.node = {hash_of(owner, labels), NodeKind::series, cells};
  series.metric = metric;
  series.value_count = value_count;
  series.labels_length = static_cast<std::uint32_t>(labels.size());
  pg_atomic_init_u32(&series.alive, 0);
  pg_atomic_init_u32(&series.stripes, kNoCell);
  pg_atomic_init_u32(&series.collisions, 0);
  for (std::uint32_t i = 0; i < value_count; ++i) pg_atomic_init_u64(&series.values()[i], 0);
  std::memcpy(series.label_bytes(), labels.data(), labels.size());
  series.next = std::exchange(owner.first_series, cell);
  insert_node(cell);
  return cell;
}

void read_values(Series& series, std::uint64_t* values) {
  const std::uint32_t stripes = pg_atomic_read_u32(&series.stripes);
  for (std::uint32_t i = 0; i < series.value_count; ++i) {
    values[i] = pg_atomic_read_u64(&series.values()[i]);
    if (stripes == kNoCell) continue;
    for (std::uint32_t stripe = 0; stripe < kStripes; ++stripe) {
      auto* const more = &at<pg_atomic_uint64>(stripes + stripe * series.stripe_cells());
      const std::uint64_t part = pg_atomic_read_u64(&more[i]);
      values[i] = i == 0 ? bits_of(double_of(values[i]) + double_of(part)) : values[i] + part;
    }
  }
}

Found find_or_create(Oid database, const MetricSpec& spec, std::string_view labels) {
  if (MyProc == nullptr) return {nullptr, Refusal::unavailable};
  const Found found = registry_locked(LW_SHARED, [&] { return find(database, spec, labels); });
  if (found.series != nullptr || found.refusal != Refusal::none) return counted(found);
  return counted(registry_locked(LW_EXCLUSIVE, [&] { return create(database, spec, labels); }));
}

bool alive(const Series& series) {
  return pg_atomic_read_u32(const_cast<pg_atomic_uint32*>(&series.alive)) != 0;
}

void add(Series& series, double by) {
  if (!add_to(own_values(series)[0], by)) note_meeting(series);
}

void set(Series& series, double value) {
  pg_atomic_write_u64(&series.values()[0], bits_of(value));
}

void observe(Series& series, double value) {
  MetricNode& metric = at<MetricNode>(series.metric);
  pg_atomic_uint64* const values = own_values(series);
  const std::size_t bucket = metrics::bucket_of(metric.bounds(), metric.bound_count, value);
  pg_atomic_fetch_add_u64(&values[1 + bucket], 1);
  if (!add_to(values[0], value)) note_meeting(series);
}

Series* HookSeries::get(const MetricSpec& spec, std::string_view labels, Oid database) {
  if (series_ == nullptr || !alive(*series_)) {
    series_ = find_or_create(database, spec, labels).series;
  }
  return series_;
}

void HookSeries::add(const MetricSpec& spec, double by, std::string_view labels, Oid database) {
  Series* const series = get(spec, labels, database);
  if (series != nullptr) shmem::add(*series, by);
}

void HookSeries::set(const MetricSpec& spec, double value, std::string_view labels, Oid database) {
  Series* const series = get(spec, labels, database);
  if (series != nullptr) shmem::set(*series, value);
}

void HookSeries::observe(const MetricSpec& spec, double value, std::string_view labels,
                         Oid database) {
  Series* const series = get(spec, labels, database);
  if (series != nullptr) shmem::observe(*series, value);
}

std::optional<MetricFacts> find_metric(Oid database, std::string_view name) {
  return registry_locked(LW_SHARED, [&]() -> std::optional<MetricFacts> {
    const std::uint32_t cell = metric_cell(database, name);
    if (cell == kNoCell) return std::nullopt;
    return MetricFacts{at<MetricNode>(cell).type, at<MetricNode>(cell).alive_count};
  });
}

Refusal define_metric(Oid database, const MetricSpec& spec) {
  const Refusal refusal = registry_locked(LW_EXCLUSIVE, [&] {
    std::uint32_t cell;
    const Refusal settled = settle_metric(database, spec, &cell);
    if (settled == Refusal::none) describe(at<MetricNode>(cell), spec);
    return settled;
  });
  return counted({nullptr, refusal}).refusal;
}

Refusal check_definition(Oid database, const MetricSpec& spec) {
  return registry_locked(LW_SHARED, [&] {
    const std::uint32_t cell = metric_cell(database, spec.name);
    if (cell == kNoCell || at<MetricNode>(cell).alive_count == 0) return Refusal::none;
    return conflict(at<MetricNode>(cell), spec);
  });
}

void remove(Series& series) {
  registry_locked(LW_EXCLUSIVE, [&] { end(series); });
}

std::uint32_t remove_metric(Oid database, std::string_view name) {
  return registry_locked(LW_EXCLUSIVE, [&] {
    const std::uint32_t cell = metric_cell(database, name);
    if (cell == kNoCell) return std::uint32_t{0};
    const std::uint32_t before = at<MetricNode>(cell).alive_count;
    for_each_series(at<MetricNode>(cell), [](std::uint32_t series) { end(at<Series>(series)); });
    return before;
  });
}

void remove_metrics(Oid database) {
  registry_locked(LW_EXCLUSIVE, [&] {
    for_each_metric([&](std::uint32_t cell) {
      if (at<MetricNode>(cell).database != database) return;
      for_each_series(at<MetricNode>(cell), [](std::uint32_t series) { end(at<Series>(series)); });
    });
  });
}

std::vector<Oid> databases_with_metrics() {
  // Room first: nothing is allocated while the lock is held. A metric more can wait.
  std::vector<Oid> databases(registry_status().metrics);
  const std::size_t found = registry_locked(LW_SHARED, [&] {
    std::size_t count = 0;
    for_each_metric([&](std::uint32_t cell) {
      if (count < databases.size()) databases[count++] = at<MetricNode>(cell).database;
    });
    return count;
  });
  databases.resize(found);
  std::sort(databases.begin(), databases.end());
  databases.erase(std::unique(databases.begin(), databases.end()), databases.end());
  databases.erase(std::remove(databases.begin(), databases.end(), kWholeCluster), databases.end());
  return databases;
}

void discard_metrics(Oid database) {
  registry_locked(LW_EXCLUSIVE, [&] {
    for_each_metric([&](std::uint32_t cell) {
      MetricNode& metric = at<MetricNode>(cell);
      if (metric.database != database) return;
      unlink_metric(cell);
      for_each_series(metric, [](std::uint32_t index) {
        Series& series = at<Series>(index);
        end(series);
        const std::uint32_t stripes = pg_atomic_read_u32(&series.stripes);
        if (stripes != kNoCell) free_cells(stripes, kStripes * series.stripe_cells());
        free_cells(index, series.node.cells);
      });
      if (metric.text != kNoCell) free_cells(metric.text, metric.text_cells);
      free_cells(cell, metric.node.cells);
    });
  });
}

RegistryStatus registry_status() {
  Registry& r = registry();
  const auto refused = [&](Refusal refusal) {
    return pg_atomic_read_u64(&r.refused[static_cast<int>(refusal)]);
  };
  return registry_locked(LW_SHARED, [&] {
    return RegistryStatus{std::uint64_t{r.cell_count} * kCellBytes,
                          std::uint64_t{r.used_cells} * kCellBytes,
                          r.metric_count,
                          r.series_count,
                          refused(Refusal::memory),
                          refused(Refusal::series_limit),
                          refused(Refusal::other_type) + refused(Refusal::other_bounds)};
  });
}

}  // namespace monitoring::shmem
