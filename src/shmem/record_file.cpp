// The file that carries the ring's records over a restart (RECORDS.md). All of this runs in the
// postmaster, when it has no children: no locks, no errors, and nothing in the ring is trusted.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <access/xlog_internal.h>
#include <catalog/pg_control.h>
#include <common/file_perm.h>
#include <fcntl.h>
#include <port/pg_crc32c.h>
#include <storage/fd.h>
#include <storage/ipc.h>
#include <sys/stat.h>
#include <unistd.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "shmem/record_layout.hpp"

namespace monitoring::shmem {

namespace {

constexpr const char* kPath = "pg_stat/monitoring_records";
constexpr const char* kTemporaryPath = "pg_stat/monitoring_records.tmp";
constexpr char kMagic[] = {'M', 'O', 'N', 'R', 'E', 'C', 'S', '1'};

struct FileHeader {
  char magic[sizeof kMagic];
  std::uint32_t crc;  ///< of everything behind the header
  std::uint32_t queues;
  std::uint64_t bytes;  ///< behind the header
};

struct QueueHeader {
  Oid database;
  std::uint32_t reserved;
  std::uint64_t bytes;  ///< of the records that follow
  RecordCounters counters;
};

class Descriptor {
 public:
  Descriptor(const char* path, int flags)
      : fd_(open(path, flags | PG_BINARY, pg_file_create_mode)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  bool ok() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

bool write_fully(int fd, const void* bytes, std::size_t size, off_t offset) {
  const char* from = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t written = pwrite(fd, from, size, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    from += written;
    offset += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

bool read_fully(int fd, void* bytes, std::size_t size) {
  char* to = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t got = read(fd, to, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

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

/// Whether the server has come down in order. If not, records may already be in the table.
bool stopped_cleanly() {
  const Descriptor file(XLOG_CONTROL_FILE, O_RDONLY);
  ControlFileData control;
  if (!file.ok() || !read_fully(file.get(), &control, sizeof control)) return false;
  return control.state == DB_SHUTDOWNED || control.state == DB_SHUTDOWNED_IN_RECOVERY;
}

/// Appends to the file and keeps the checksum.
class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) { INIT_CRC32C(crc_); }

  void append(const void* bytes, std::size_t size) {
    COMP_CRC32C(crc_, bytes, size);
    ok_ = ok_ && write_fully(fd_, bytes, size, end_);
    end_ += static_cast<off_t>(size);
  }
  bool finish(std::uint32_t queues) {
    FileHeader header = {};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    FIN_CRC32C(crc_);
    header.crc = crc_;
    header.queues = queues;
    header.bytes = static_cast<std::uint64_t>(end_) - sizeof header;
    return ok_ && write_fully(fd_, &header, sizeof header, 0) && pg_fsync(fd_) == 0;
  }

 private:
  int fd_;
  pg_crc32c crc_;
  off_t end_ = sizeof(FileHeader);
  bool ok_ = true;
};

void write_queue(Writer& writer, RecordQueue& queue, bool with_records) {
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
  bool saved = false;
  {
    const Descriptor file(kTemporaryPath, O_CREAT | O_TRUNC | O_WRONLY);
    if (file.ok()) {
      Writer writer(file.get());
      std::uint32_t queues = 0;
      for (RecordQueue& queue : ring().queues) {
        if (!OidIsValid(queue.database)) continue;
        write_queue(writer, queue, with_records);
        ++queues;
      }
      saved = writer.finish(queues);
    }
  }
  if (!saved) {
    ereport(LOG, errcode_for_file_access(), errmsg("could not write file \"%s\": %m", kPath));
    unlink(kTemporaryPath);
    return;
  }
  durable_rename(kTemporaryPath, kPath, LOG);
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

struct Free {
  void operator()(char* bytes) const { std::free(bytes); }
};

bool load_file(int fd) {
  FileHeader header;
  struct stat status;
  if (fstat(fd, &status) != 0 || !read_fully(fd, &header, sizeof header)) return false;
  const auto size = static_cast<std::uint64_t>(status.st_size) - sizeof header;
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.bytes != size) return false;

  // malloc aligns for every type, so that records in the buffer are aligned as in the ring.
  const std::unique_ptr<char, Free> bytes(static_cast<char*>(std::malloc(size + 1)));
  if (bytes == nullptr || !read_fully(fd, bytes.get(), size)) return false;
  pg_crc32c crc;
  INIT_CRC32C(crc);
  COMP_CRC32C(crc, bytes.get(), size);
  FIN_CRC32C(crc);
  if (crc != header.crc) return false;

  const char* from = bytes.get();
  const char* const end = from + size;
  for (std::uint32_t i = 0; i < header.queues && from != nullptr; ++i) from = load_queue(from, end);
  return from == end;
}

}  // namespace

void load_records() {
  {
    const Descriptor file(kPath, O_RDONLY);
    if (!file.ok()) return;
    if (!load_file(file.get())) {
      ereport(LOG, errmsg("monitoring: ignoring damaged file \"%s\"", kPath),
              errdetail("Measurements recorded before the restart are lost."));
    }
  }
  durable_unlink(kPath, LOG);
}

void save_records_at_exit() {
  on_shmem_exit(save_records, 0);
}

}  // namespace monitoring::shmem
