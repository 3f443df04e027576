// SQL entry points of secrets.

#include "monitoring/pg/arguments.hpp"

extern "C" {
#include <catalog/pg_authid.h>
#include <mb/pg_wchar.h>
#include <storage/fd.h>
#include <utils/acl.h>
}
// clang-format keeps the server's headers first.
#include <string>

#include "monitoring/store/secrets.hpp"

using namespace monitoring;

namespace {

constexpr std::size_t kLongestSecret = 65536;

/// Reads at most `size` bytes of a file into `buffer` and returns how many, in one guarded call:
/// the file is closed however it ends.
std::size_t read_file(const char* path, char* buffer, std::size_t size) {
  return pg::call([&] {
    FILE* file = AllocateFile(path, PG_BINARY_R);
    if (file == nullptr) {
      ereport(ERROR, (errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
    }
    const std::size_t count = fread(buffer, 1, size, file);
    if (ferror(file) != 0) {
      ereport(ERROR, (errcode_for_file_access(), errmsg("could not read file \"%s\": %m", path)));
    }
    FreeFile(file);
    pg_verifymbstr(buffer, static_cast<int>(count), false);
    return count;
  });
}

void require_file_access() {
  const bool allowed =
      pg::call([] { return has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES); });
  if (allowed) return;
  throw pg::Report(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied to read a file of the server")
      .hint("Only roles with privileges of pg_read_server_files may.");
}

void check_value(const std::string& value) {
  if (value.empty()) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "a secret must not be empty");
  }
  if (value.size() <= kLongestSecret) return;
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                   "a secret must not be longer than " + std::to_string(kLongestSecret) + " bytes");
}

}  // namespace

/// monitoring.set_secret(secret_name, secret_value) -> void
MONITORING_FUNCTION(monitoring_set_secret) {
  const std::string name = pg::required_text(fcinfo, 0, "secret_name");
  const std::optional<std::string> value = pg::optional_text(fcinfo, 1);
  if (value) check_value(*value);
  pg::Spi spi;
  store::set_secret(spi, name, value);
  PG_RETURN_VOID();
}

/// monitoring.set_secret_from_file(secret_name, file_path) -> void
MONITORING_FUNCTION(monitoring_set_secret_from_file) {
  const std::string name = pg::required_text(fcinfo, 0, "secret_name");
  const std::string path = pg::required_text(fcinfo, 1, "file_path");
  require_file_access();
  if (path.size() >= MAXPGPATH) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                     "file_path is longer than " + std::to_string(MAXPGPATH - 1) + " bytes");
  }
  std::string value(kLongestSecret + 2, '\0');
  value.resize(read_file(path.c_str(), value.data(), value.size()));
  if (!value.empty() && value.back() == '\n') value.pop_back();
  if (!value.empty() && value.back() == '\r') value.pop_back();
  check_value(value);
  pg::Spi spi;
  store::set_secret(spi, name, value);
  PG_RETURN_VOID();
}
