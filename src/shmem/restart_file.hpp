#pragma once
// Files that carry shared memory over a restart. All of this runs in the postmaster, when it has no
// children: no locks and no errors.
//
// A file is a header {magic, CRC-32C of what follows, number of entries, bytes that follow} and the
// entries, in the byte order of the machine. It is there only while the server is down.

#include "monitoring/pg/postgres.hpp"

extern "C" {
#include <port/pg_crc32c.h>
#include <sys/types.h>
}
// clang-format keeps the server's headers first.
#include <cstddef>
#include <cstdint>
#include <functional>

namespace monitoring::shmem {

struct RestartFile {
  const char* path;
  const char* temporary_path;
  char magic[8];
  const char* loss;  ///< what it means when the file is damaged
};

/// Appends to the file and keeps the checksum.
class RestartFileWriter {
 public:
  explicit RestartFileWriter(int fd);
  void append(const void* bytes, std::size_t size);
  /// Writes the header. False if anything has failed.
  bool finish(const RestartFile& file, std::uint32_t entries);

 private:
  int fd_;
  pg_crc32c crc_;
  off_t end_;
  bool ok_ = true;
};

/// Whether the server has come down in order.
bool stopped_cleanly();

/// write(writer) appends the entries and returns how many there are.
void save_restart_file(const RestartFile& file,
                       const std::function<std::uint32_t(RestartFileWriter&)>& write);

/// Calls read(begin, end, entries), which says whether the bytes hold together; they are aligned
/// for every type. Removes the file.
void load_restart_file(
    const RestartFile& file,
    const std::function<bool(const char* begin, const char* end, std::uint32_t entries)>& read);

}  // namespace monitoring::shmem
