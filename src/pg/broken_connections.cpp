#include "pg/broken_connections.hpp"

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "monitoring/pg/client.hpp"

namespace monitoring::pg {

namespace {

/// A process may be allowed a billion of files, and cannot look through them in a signal handler.
constexpr rlim_t kMostFiles = 65536;

int files_allowed() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<int>(std::min(limit.rlim_cur, kMostFiles));
}

/// The log of the system takes datagrams on such a one: nobody waits for it.
bool is_local_datagram(int fd) {
  int type = 0;
  socklen_t type_size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_DGRAM) {
    return false;
  }
  sockaddr_storage own{};
  socklen_t own_size = sizeof own;
  const bool is_known = getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_size) == 0;
  return is_known && own.ss_family == AF_UNIX;
}

}  // namespace

void break_connections() {
  const int saved = errno;
  const int client = client_socket();
  const int files = files_allowed();
  for (int fd = 0; fd < files; ++fd) {
    // Of what is no socket this says so, at once.
    if (fd != client && !is_local_datagram(fd)) shutdown(fd, SHUT_RDWR);
  }
  errno = saved;
}

}  // namespace monitoring::pg
