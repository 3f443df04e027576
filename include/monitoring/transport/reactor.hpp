#pragma once
// Carries requests without ever blocking: the caller waits on descriptor() together with its own
// events, then calls step().
//
// Single-threaded. No exception leaves a member function except std::bad_alloc. The process must
// ignore SIGPIPE (a Postgres background worker does).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "monitoring/transport/request.hpp"

namespace monitoring::transport {

class Reactor {
 public:
  virtual ~Reactor() = default;

  /// Starts a request at once. Its completion comes from a later step(), never from here. `id` is
  /// the caller's and must not be in flight already.
  virtual void start(std::uint64_t id, Request request) = 0;

  /// Readable while step() has something to do, timeouts included. An epoll descriptor that stays
  /// the same for the reactor's life, so that it can be nested in a WaitEventSet; owned by the
  /// reactor.
  virtual int descriptor() const = 0;

  /// Does what can be done now and hands out what ended.
  virtual std::vector<Completion> step() = 0;

  /// Requests started and not yet handed out.
  virtual std::size_t in_flight() const = 0;
};

struct ReactorOptions {
  /// Idle connections kept for later requests.
  std::size_t kept_connections = 64;
};

/// A reactor over one libcurl multi handle. All signals are blocked while libcurl runs, so that the
/// threads in which it resolves names run none of the process's handlers.
/// Null if the system refuses a descriptor or libcurl cannot start.
std::unique_ptr<Reactor> make_curl_reactor(const ReactorOptions& options = {});

}  // namespace monitoring::transport
