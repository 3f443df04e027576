// The leader shares out chunks of blocks by a counter in dynamic shared memory. A worker groups the
// rows of its chunks in a table of its own and sends the series, and what else it found, through a
// queue when no chunk is left. Transaction, snapshot and user of a worker are the leader's.

#include "rollup/parallel_scan.hpp"

#include "monitoring/base/distinct.hpp"
#include "monitoring/pg/memory.hpp"

extern "C" {
#include <access/parallel.h>
#include <access/xact.h>
#include <miscadmin.h>
#include <optimizer/paths.h>
#include <storage/shm_mq.h>
#include <utils/builtins.h>
#include <utils/fmgrprotos.h>
#include <utils/snapmgr.h>

PGDLLEXPORT void monitoring_rollup_scan_main(dsm_segment* segment, shm_toc* contents);
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

namespace monitoring::rollup {

namespace {

/// Starting a worker takes about as long as scanning twice min_parallel_table_scan_size: so much
/// more there must be of it.
constexpr std::size_t kMinScansPerWorker = 4;
constexpr std::uint32_t kChunk = 64;
constexpr std::size_t kSampleBlocks = 128;
/// Rows of each series from which on sharing out pays, measured with two workers on two cores.
constexpr double kRowsPerSeries = 64;
constexpr std::size_t kQueueBytes = 256UL * 1024;

enum Key : std::uint64_t { kKeyOrder = 1, kKeyHours, kKeyBlocks, kKeyQueues };

struct Order {
  Oid partition;
  bool by_progress;
  bool only_these;
  std::uint32_t hours;
  std::uint32_t blocks;
  std::size_t memory_limit;  // of each table
  pg_atomic_uint32 next_chunk;
  pg_atomic_uint32 is_full;  // a table has reached the limit
};

/// The next chunk to scan as [first, end); empty when there is none.
struct Chunk {
  std::uint32_t first, end;
};

Chunk next_chunk(Order* order) {
  if (pg_atomic_read_u32(&order->is_full) != 0) return {0, 0};
  const std::uint32_t first = pg_atomic_fetch_add_u32(&order->next_chunk, 1) * kChunk;
  return {std::min(first, order->blocks), std::min(first + kChunk, order->blocks)};
}

void scan_chunks(Order* order, const BlockNumber* blocks, HourScan& scan,
                 const SeriesTable& table) {
  pg::ScratchContext scratch("roll-up chunk");
  for (Chunk chunk = next_chunk(order); chunk.first < chunk.end; chunk = next_chunk(order)) {
    for (std::uint32_t i = chunk.first; i < chunk.end; ++i) {
      scan.block(blocks[i]);
      scratch.reset();
    }
    if (table.memory_bytes() > order->memory_limit) pg_atomic_write_u32(&order->is_full, 1);
  }
}

// ---- Messages: one for each series, one with what else was found, which is the last.

enum class Kind : std::uint64_t { series, found };

struct SeriesHeader {
  Kind kind;
  std::int64_t hour;
  metrics::Moments moments;
  Hash128 dimensions_hash;
  // The parts behind it, each aligned; 0: there is none.
  std::uint64_t name, dimensions, measures, sketch;
};

struct FoundHeader {
  Kind kind;
  std::int64_t rows_taken;
  std::uint64_t unsettled;  // how many follow
};

void append(std::string* message, const void* bytes, std::size_t size) {
  if (size == 0) return;
  message->append(static_cast<const char*>(bytes), size);
  message->resize(MAXALIGN(message->size()));
}

/// The next part of a message.
std::string_view take_part(const char** at, std::uint64_t size) {
  const std::string_view part(*at, size);
  *at += MAXALIGN(size);
  return part;
}

void write_series(const SeriesTable& table, Series& series, std::string* message) {
  const std::string& metric = table.metric_name(series);
  const std::string measures = series.measures != nullptr ? table.measures_json(series) : "";
  const text* name = nullptr;
  const Jsonb* measures_json = nullptr;
  pg::call([&] {
    name = cstring_to_text_with_len(metric.data(), static_cast<int>(metric.size()));
    if (measures.empty()) return;
    measures_json =
        DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(measures.c_str())));
  });
  const auto size_of = [](const void* value) { return value != nullptr ? VARSIZE_ANY(value) : 0; };
  const std::string sketch = series.values.sketch().serialize();
  const SeriesHeader header{Kind::series,           series.hour,   series.values.moments(),
                            series.dimensions_hash, size_of(name), size_of(series.dimensions),
                            size_of(measures_json), sketch.size()};
  message->clear();
  append(message, &header, sizeof header);
  append(message, name, header.name);
  append(message, series.dimensions, header.dimensions);
  append(message, measures_json, header.measures);
  append(message, sketch.data(), header.sketch);
}

void read_series(const char* message, SeriesTable& table) {
  SeriesHeader header;
  std::memcpy(&header, message, sizeof header);
  const char* at = message + MAXALIGN(sizeof header);
  const auto name = take_part(&at, header.name);
  const auto dimensions = take_part(&at, header.dimensions);
  const auto measures = take_part(&at, header.measures);
  auto sketch = metrics::Sketch::parse(take_part(&at, header.sketch));
  if (!sketch) throw pg::Report(ERRCODE_INTERNAL_ERROR, sketch.error());
  const auto json = [](std::string_view part) {
    return part.empty() ? nullptr : reinterpret_cast<const Jsonb*>(part.data());
  };
  const SeriesTable::State state{header.hour,
                                 reinterpret_cast<struct varlena*>(const_cast<char*>(name.data())),
                                 header.dimensions_hash,
                                 json(dimensions),
                                 header.moments,
                                 &*sketch,
                                 json(measures)};
  pg::call([&] { table.add(state); });
}

void write_found(const Found& found, std::string* message) {
  const FoundHeader header{Kind::found, found.rows_taken, found.unsettled.size()};
  message->clear();
  append(message, &header, sizeof header);
  append(message, found.unsettled.data(), found.unsettled.size() * sizeof(BlockNumber));
}

void read_found(const char* message, Found& found) {
  FoundHeader header;
  std::memcpy(&header, message, sizeof header);
  const char* at = message + MAXALIGN(sizeof header);
  const auto* blocks = reinterpret_cast<const BlockNumber*>(
      take_part(&at, header.unsettled * sizeof(BlockNumber)).data());
  found.rows_taken += header.rows_taken;
  found.unsettled.insert(found.unsettled.end(), blocks, blocks + header.unsettled);
}

// ---- The leader.

/// Trivially destructible: an error ends parallel mode and the workers with the transaction.
struct Workers {
  ParallelContext* context;
  Order* order;
  BlockNumber* blocks;
  shm_mq_handle** queues;
};

template <class T>
T* share(ParallelContext* context, Key key, const T* values, std::size_t count) {
  auto* place =
      static_cast<T*>(shm_toc_allocate(context->toc, std::max<std::size_t>(1, count) * sizeof(T)));
  if (count > 0) std::memcpy(place, values, count * sizeof(T));
  shm_toc_insert(context->toc, key, place);
  return place;
}

void end_workers(const Workers& workers) {
  WaitForParallelWorkersToFinish(workers.context);
  DestroyParallelContext(workers.context);
  ExitParallelMode();
}

/// Under pg::call. Without dynamic shared memory there are no workers, and the leader does it all.
Workers start_workers(const Order& order, const std::int64_t* hours, const BlockNumber* blocks,
                      int count) {
  EnterParallelMode();
  ParallelContext* context =
      CreateParallelContext("monitoring", "monitoring_rollup_scan_main", count);
  shm_toc_estimator* estimator = &context->estimator;
  shm_toc_estimate_chunk(estimator, sizeof(Order));
  shm_toc_estimate_chunk(estimator, (order.hours + 1) * sizeof(std::int64_t));
  shm_toc_estimate_chunk(estimator, order.blocks * sizeof(BlockNumber));
  shm_toc_estimate_chunk(estimator, kQueueBytes * static_cast<std::size_t>(count));
  shm_toc_estimate_keys(estimator, 4);
  InitializeParallelDSM(context);

  Workers workers{context, nullptr, nullptr, nullptr};
  workers.order = share(context, kKeyOrder, &order, 1);
  pg_atomic_init_u32(&workers.order->next_chunk, 0);
  pg_atomic_init_u32(&workers.order->is_full, 0);
  share(context, kKeyHours, hours, order.hours);
  workers.blocks = share(context, kKeyBlocks, blocks, order.blocks);
  if (context->nworkers == 0) return workers;

  auto* queues = static_cast<char*>(
      shm_toc_allocate(context->toc, kQueueBytes * static_cast<std::size_t>(context->nworkers)));
  shm_toc_insert(context->toc, kKeyQueues, queues);
  for (int i = 0; i < context->nworkers; ++i) {
    shm_mq* queue = shm_mq_create(queues + static_cast<std::size_t>(i) * kQueueBytes, kQueueBytes);
    shm_mq_set_receiver(queue, MyProc);
  }
  LaunchParallelWorkers(context);
  workers.queues = static_cast<shm_mq_handle**>(
      palloc(sizeof(shm_mq_handle*) * static_cast<std::size_t>(context->nworkers)));
  for (int i = 0; i < context->nworkers_launched; ++i) {
    auto* queue = reinterpret_cast<shm_mq*>(queues + static_cast<std::size_t>(i) * kQueueBytes);
    workers.queues[i] = shm_mq_attach(queue, context->seg, context->worker[i].bgwhandle);
  }
  return workers;
}

/// nullptr after the last message. An error of the worker itself is raised by end_workers().
const char* receive(shm_mq_handle* queue) {
  void* message = nullptr;
  pg::call([&] {
    CHECK_FOR_INTERRUPTS();
    Size size = 0;
    if (shm_mq_receive(queue, &size, &message, false) != SHM_MQ_SUCCESS) message = nullptr;
  });
  return static_cast<const char*>(message);
}

/// Whether everything came, up to the last message.
bool collect(shm_mq_handle* queue, SeriesTable& table, Found& found) {
  pg::ScratchContext scratch("series of a parallel worker");
  while (const char* message = receive(queue)) {
    Kind kind;
    std::memcpy(&kind, message, sizeof kind);
    if (kind == Kind::found) {
      read_found(message, found);
      return true;
    }
    read_series(message, table);
    scratch.reset();
  }
  return false;
}

// ---- A worker.

enum class Flush : bool { later, now };

void send(shm_mq_handle* queue, const std::string& message, Flush flush) {
  pg::call([&] {
    const bool sent = shm_mq_send(queue, message.size(), message.data(), false,
                                  flush == Flush::now) == SHM_MQ_SUCCESS;
    if (sent) return;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the leader of this roll-up has gone")));
  });
}

void send_all(shm_mq_handle* queue, SeriesTable& table, const Found& found) {
  pg::ScratchContext scratch("series of a parallel worker");
  std::string message;
  for (Series& series : table.series()) {
    write_series(table, series, &message);
    send(queue, message, Flush::later);
    scratch.reset();
  }
  write_found(found, &message);
  send(queue, message, Flush::now);
}

void work(dsm_segment* segment, shm_toc* contents) {
  Order* order = nullptr;
  const std::int64_t* hours = nullptr;
  const BlockNumber* blocks = nullptr;
  shm_mq_handle* queue = nullptr;
  pg::call([&] {
    order = static_cast<Order*>(shm_toc_lookup(contents, kKeyOrder, false));
    hours = static_cast<const std::int64_t*>(shm_toc_lookup(contents, kKeyHours, false));
    blocks = static_cast<const BlockNumber*>(shm_toc_lookup(contents, kKeyBlocks, false));
    auto* queues = static_cast<char*>(shm_toc_lookup(contents, kKeyQueues, false));
    auto* mine = reinterpret_cast<shm_mq*>(queues + static_cast<std::size_t>(ParallelWorkerNumber) *
                                                        kQueueBytes);
    shm_mq_set_sender(mine, MyProc);
    queue = shm_mq_attach(mine, segment, nullptr);
  });
  pg::Spi spi;
  const measurements::Progress seen =
      order->by_progress ? measurements::Progress::read(spi) : measurements::Progress();
  const std::set<std::int64_t> wanted_hours(hours, hours + order->hours);
  const Wanted wanted{order->by_progress ? &seen : nullptr, order->only_these, wanted_hours,
                      KeptMetrics()};
  SeriesTable table(metric_shapes(spi));
  Found found;
  {
    measurements::Partition partition(order->partition);
    if (!partition.open()) return;
    HourScan scan(partition, GetActiveSnapshot(), wanted, table, found);
    scan_chunks(order, blocks, scan, table);
  }
  send_all(queue, table, found);
}

}  // namespace

int parallel_workers(std::size_t blocks) {
  if (IsInParallelMode() || !IsUnderPostmaster) return 0;
  const auto smallest = static_cast<std::size_t>(min_parallel_table_scan_size);
  const std::size_t worth = blocks / std::max<std::size_t>(1, smallest * kMinScansPerWorker);
  const auto most = static_cast<std::size_t>(max_parallel_maintenance_workers);
  return static_cast<int>(std::min(worth, most));
}

std::size_t sample_first(std::vector<BlockNumber>& blocks) {
  if (min_parallel_table_scan_size == 0) return 0;
  const std::size_t sample = std::min(kSampleBlocks, blocks.size());
  const std::size_t stride = blocks.size() / std::max<std::size_t>(1, sample);
  for (std::size_t i = 0; i < sample; ++i) std::swap(blocks[i], blocks[i * stride]);
  return sample;
}

bool pays_to_share(const Sample& sample) {
  const double rows = static_cast<double>(sample.rows) / sample.part;
  const double series =
      expected_kinds(sample.rows, sample.new_series) + static_cast<double>(sample.held_series);
  return rows >= kRowsPerSeries * series;
}

std::size_t scan_in_parallel(const measurements::Partition& partition, const Wanted& wanted,
                             const std::vector<BlockNumber>& blocks, std::size_t first, int workers,
                             std::size_t memory_limit, SeriesTable& table, Found& found) {
  const std::vector<std::int64_t> hours(wanted.hours.begin(), wanted.hours.end());
  Order order{};
  order.partition = RelationGetRelid(partition.table());
  order.by_progress = wanted.seen != nullptr;
  order.only_these = wanted.only_these;
  order.hours = static_cast<std::uint32_t>(hours.size());
  order.blocks = static_cast<std::uint32_t>(blocks.size() - first);
  order.memory_limit = memory_limit / static_cast<std::size_t>(workers + 1);

  pg::ScratchContext scratch("parallel roll-up");
  const Workers started =
      pg::call([&] { return start_workers(order, hours.data(), &blocks[first], workers); });
  HourScan scan(partition, GetActiveSnapshot(), wanted, table, found);
  scan_chunks(started.order, started.blocks, scan, table);
  bool is_complete = true;
  for (int i = 0; i < started.context->nworkers_launched; ++i) {
    is_complete = collect(started.queues[i], table, found) && is_complete;
  }
  const std::size_t chunks = pg_atomic_read_u32(&started.order->next_chunk);
  pg::call([&] { end_workers(started); });
  if (!is_complete) {
    throw pg::Report(ERRCODE_INTERNAL_ERROR, "a parallel worker of the roll-up ended early");
  }
  return std::min(first + chunks * kChunk, blocks.size());
}

}  // namespace monitoring::rollup

void monitoring_rollup_scan_main(dsm_segment* segment, shm_toc* contents) {
  monitoring::pg::enter([&] { monitoring::rollup::work(segment, contents); });
}
