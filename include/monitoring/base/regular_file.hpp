#pragma once
// Files whose names come from a setting or from SQL. Such a name may lead to anything: a FIFO that
// nobody writes to, a device, a directory, a file without end. Opening them never waits, and what
// is no regular file is an error.

#include <cstddef>
#include <optional>
#include <string>

#include "monitoring/base/result.hpp"

namespace monitoring {

/// What is wrong in words, and errno where the system said it.
struct FileError {
  Error error;
  int system_error = 0;
};

/// The whole of the file goes to `text`. A file of more than `most_bytes` is an error, too.
std::optional<FileError> read_regular_file(const std::string& path, std::size_t most_bytes,
                                           std::string* text);

/// For files that a library opens by their name.
std::optional<FileError> check_regular_file(const std::string& path);

}  // namespace monitoring
