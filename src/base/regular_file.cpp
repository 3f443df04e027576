#include "monitoring/base/regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace monitoring {

namespace {

/// An open file, closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }

 private:
  int fd_;
};

std::string quoted(const std::string& path) {
  return "file \"" + path + "\"";
}

FileError failed_to(const char* what, const std::string& path) {
  const int number = errno;
  return {Error::of("could not " + std::string(what) + " " + quoted(path) + ": " +
                    std::error_code(number, std::generic_category()).message()),
          number};
}

FileError of_state(const std::string& path, const char* state) {
  return {Error::of(quoted(path) + " " + state), 0};
}

/// Without O_NONBLOCK the opening of a FIFO waits for its other end.
int open_at_once(const std::string& path) {
  int fd = -1;
  do {
    fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

std::optional<FileError> check_open(const Descriptor& file, const std::string& path) {
  if (file.get() < 0) return failed_to("open", path);
  struct stat state {};
  if (fstat(file.get(), &state) != 0) return failed_to("look at", path);
  if (!S_ISREG(state.st_mode)) return of_state(path, "is no regular file");
  return std::nullopt;
}

std::optional<FileError> name_error(const std::string& path) {
  if (path.find('\0') == std::string::npos) return std::nullopt;
  return FileError{Error::of("a file's name holds a zero byte"), EINVAL};
}

}  // namespace

std::optional<FileError> read_regular_file(const std::string& path, std::size_t most_bytes,
                                           std::string* text) {
  text->clear();
  if (auto error = name_error(path)) return error;
  const Descriptor file(open_at_once(path));
  if (auto error = check_open(file, path)) return error;
  constexpr std::size_t kStep = 16 * 1024;
  // By reading, not by the size: files of /proc say 0.
  while (text->size() <= most_bytes) {
    const std::size_t had = text->size();
    text->resize(had + kStep);
    const ssize_t count = read(file.get(), text->data() + had, kStep);
    text->resize(had + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count == 0) return std::nullopt;
    if (count < 0 && errno != EINTR) return failed_to("read", path);
  }
  text->clear();
  return of_state(path, ("holds more than " + std::to_string(most_bytes) + " bytes").c_str());
}

std::optional<FileError> check_regular_file(const std::string& path) {
  if (auto error = name_error(path)) return error;
  return check_open(Descriptor(open_at_once(path)), path);
}

}  // namespace monitoring
