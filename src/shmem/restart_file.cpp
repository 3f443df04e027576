#include "shmem/restart_file.hpp"

extern "C" {
#include <access/xlog_internal.h>
#include <catalog/pg_control.h>
#include <common/file_perm.h>
#include <fcntl.h>
#include <storage/fd.h>
#include <sys/stat.h>
#include <unistd.h>
}
// clang-format keeps the server's headers first.
#include <cstdlib>
#include <cstring>
#include <memory>

namespace monitoring::shmem {

namespace {

struct FileHeader {
  char magic[sizeof RestartFile::magic];
  std::uint32_t crc;  ///< of everything behind the header
  std::uint32_t entries;
  std::uint64_t bytes;  ///< behind the header
};

class Descriptor {
 public:
  Descriptor(const char* path, int flags)
      : fd_(open(path, flags | PG_BINARY | O_NONBLOCK | O_CLOEXEC, pg_file_create_mode)) {}
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

pg_crc32c checksum(const char* bytes, std::size_t size) {
  pg_crc32c crc;
  INIT_CRC32C(crc);
  COMP_CRC32C(crc, bytes, size);
  FIN_CRC32C(crc);
  return crc;
}

struct Free {
  void operator()(char* bytes) const { std::free(bytes); }
};

bool load(const RestartFile& file, int fd,
          const std::function<bool(const char*, const char*, std::uint32_t)>& read) {
  FileHeader header;
  struct stat status;
  if (fstat(fd, &status) != 0 || !read_fully(fd, &header, sizeof header)) return false;
  const auto size = static_cast<std::uint64_t>(status.st_size) - sizeof header;
  if (std::memcmp(header.magic, file.magic, sizeof header.magic) != 0) return false;
  if (header.bytes != size) return false;

  // malloc aligns for every type.
  const std::unique_ptr<char, Free> bytes(static_cast<char*>(std::malloc(size + 1)));
  if (bytes == nullptr || !read_fully(fd, bytes.get(), size)) return false;
  if (checksum(bytes.get(), size) != header.crc) return false;
  return read(bytes.get(), bytes.get() + size, header.entries);
}

}  // namespace

RestartFileWriter::RestartFileWriter(int fd) : fd_(fd), end_(sizeof(FileHeader)) {
  INIT_CRC32C(crc_);
}

void RestartFileWriter::append(const void* bytes, std::size_t size) {
  COMP_CRC32C(crc_, bytes, size);
  ok_ = ok_ && write_fully(fd_, bytes, size, end_);
  end_ += static_cast<off_t>(size);
}

bool RestartFileWriter::finish(const RestartFile& file, std::uint32_t entries) {
  FileHeader header = {};
  std::memcpy(header.magic, file.magic, sizeof header.magic);
  FIN_CRC32C(crc_);
  header.crc = crc_;
  header.entries = entries;
  header.bytes = static_cast<std::uint64_t>(end_) - sizeof header;
  return ok_ && write_fully(fd_, &header, sizeof header, 0) && pg_fsync(fd_) == 0;
}

bool stopped_cleanly() {
  const Descriptor file(XLOG_CONTROL_FILE, O_RDONLY);
  ControlFileData control;
  if (!file.ok() || !read_fully(file.get(), &control, sizeof control)) return false;
  return control.state == DB_SHUTDOWNED || control.state == DB_SHUTDOWNED_IN_RECOVERY;
}

void save_restart_file(const RestartFile& file,
                       const std::function<std::uint32_t(RestartFileWriter&)>& write) {
  bool saved = false;
  {
    const Descriptor descriptor(file.temporary_path, O_CREAT | O_TRUNC | O_WRONLY);
    if (descriptor.ok()) {
      RestartFileWriter writer(descriptor.get());
      const std::uint32_t entries = write(writer);
      saved = writer.finish(file, entries);
    }
  }
  if (!saved) {
    ereport(LOG, errcode_for_file_access(), errmsg("could not write file \"%s\": %m", file.path));
    unlink(file.temporary_path);
    return;
  }
  durable_rename(file.temporary_path, file.path, LOG);
}

void load_restart_file(
    const RestartFile& file,
    const std::function<bool(const char* begin, const char* end, std::uint32_t entries)>& read) {
  {
    const Descriptor descriptor(file.path, O_RDONLY);
    if (!descriptor.ok()) return;
    if (!load(file, descriptor.get(), read)) {
      ereport(LOG, errmsg("monitoring: ignoring damaged file \"%s\"", file.path),
              errdetail("%s", file.loss));
    }
  }
  durable_unlink(file.path, LOG);
}

}  // namespace monitoring::shmem
