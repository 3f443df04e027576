// The file that carries the ring's records over a restart (RECORDS.md). All of this runs in the
// postmaster, when it has no children: no locks, no errors, and nothing in the ring is trusted.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <storage/ipc.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstring>

#include "shmem/record_layout.hpp"
#include "shmem/restart_file.hpp"

namespace monitoring::shmem {

namespace {

constexpr RestartFile kFile = {"pg_stat/monitoring_records",
                               "pg_stat/monitoring_records.tmp",
                               {'M', 'O', 'N', 'R', 'E', 'C', 'S', '1'},
                               "Measurements recorded before the restart are lost."};

struct QueueHeader {
  Oid database;
  std::uint32_t reserved;
  std::uint64_t bytes;  ///< of the records that follow
  RecordCounters counters;
};

/// Calls visit(bytes, length) for every waiting record of a queue. After a crash anything may be in
/// shared memory, so every index and length is checked and the walk ends after block_count blocks.
template <class Visit>
void for_each_waiting(RecordQueue& queue, Visit&& visit) {
  const std::uint32_t blocks = ring().block_count;
  const Tail tail = Tail::unpack(pg_atomic_read_u64(&queue.tail));
  std::uint32_t begin = queue.released_offset;
  std::uint32_t index = queue.head;
  for (std::uint32_t step = 0; step < blocks && index < blocks; ++step) {
    RecordBlock& block = block_at(index);
    const std::uint32_t end =
        std::min(index == tail.block ? tail.offset : block.fill, kBlockCapacity);
    while (begin < end && begin % metrics::kRecordAlignment == 0) {
      const char* const bytes = block.bytes() + begin;
      if (!metrics::read_record({bytes, end - begin})) break;
      const std::uint32_t length = metrics::record_length(bytes);
      visit(bytes, length);
      begin += length;
    }
    begin = 0;
    index = block.next;
  }
}

void write_queue(RestartFileWriter& writer, RecordQueue& queue, bool with_records) {
  QueueHeader header = {queue.database, 0, 0, queue.counters};
  header.counters.dropped += pg_atomic_read_u64(&queue.dropped);
  for_each_waiting(queue, [&](const char*, std::uint32_t length) {
    header.bytes += with_records ? length : 0;
    header.counters.lost += with_records ? 0 : 1;
  });
  writer.append(&header, sizeof header);
  if (!with_records) return;
  for_each_waiting(queue,
                   [&](const char* bytes, std::uint32_t length) { writer.append(bytes, length); });
}

void save_records(int, Datum) {
  const bool with_records = stopped_cleanly();
  save_restart_file(kFile, [&](RestartFileWriter& writer) {
    std::uint32_t queues = 0;
    for (RecordQueue& queue : ring().queues) {
      if (!OidIsValid(queue.database)) continue;
      write_queue(writer, queue, with_records);
      ++queues;
    }
    return queues;
  });
}

/// Puts a queue of the file back; returns where it ends, nullptr if the bytes do not hold together.
const char* load_queue(const char* from, const char* end) {
  QueueHeader header;
  if (static_cast<std::size_t>(end - from) < sizeof header) return nullptr;
  std::memcpy(&header, from, sizeof header);
  from += sizeof header;
  if (!OidIsValid(header.database) || header.bytes > static_cast<std::size_t>(end - from)) {
    return nullptr;
  }
  const char* const records_end = from + header.bytes;
  RecordQueue* const queue = queue_of(header.database);
  if (queue == nullptr) return records_end;
  queue->counters = header.counters;

  while (from < records_end) {
    const std::string_view bytes(from, static_cast<std::size_t>(records_end - from));
    if (!metrics::read_record(bytes)) return nullptr;
    const std::uint32_t length = metrics::record_length(from);
    char* const room = length <= kBlockCapacity ? reserve(*queue, length) : nullptr;
    if (room != nullptr) {
      std::memcpy(room, from, length);
    } else {
      queue->counters.dropped += 1;  // the ring is smaller than it was
    }
    from += length;
  }
  return from;
}

}  // namespace

void load_records() {
  load_restart_file(kFile, [](const char* from, const char* end, std::uint32_t queues) {
    for (std::uint32_t i = 0; i < queues && from != nullptr; ++i) from = load_queue(from, end);
    return from == end;
  });
}

void save_records_at_exit() {
  on_shmem_exit(save_records, 0);
}

}  // namespace monitoring::shmem
