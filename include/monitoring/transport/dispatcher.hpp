#pragma once
// Spreads requests over destinations: each destination has its own queue, so that a slow one delays
// no other, and the reactor never holds more than it handles well.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitoring/transport/reactor.hpp"

namespace monitoring::transport {

/// Where a request goes, as "scheme://host:port" in lower case; what requests of one destination
/// share is a server. The URL itself where it cannot be parsed: its requests fail, together.
std::string destination_of(const Request& request);

struct DispatchLimits {
  /// Requests in the reactor at a time. libcurl slows down beyond a few hundred.
  std::size_t total = 128;
  /// Of these to one destination.
  std::size_t per_destination = 8;
};

/// Not thread-safe. Refers to the reactor, which must outlive it.
class Dispatcher {
 public:
  Dispatcher(Reactor& reactor, const DispatchLimits& limits);

  /// Takes a request; it starts at once or from a later start_waiting(). `id` must not be in use.
  void submit(std::uint64_t id, Request request);

  /// Drives the reactor and hands out what ended. The places that became free are given away by
  /// start_waiting(), so that the caller can first withdraw() what an answer has made unwanted.
  std::vector<Completion> step();
  void start_waiting();

  /// Takes back the requests that have not started and for whose ids `unwanted` says yes, asked
  /// from the last to the first of each destination. They have no completion. Returns their ids.
  std::vector<std::uint64_t> withdraw(const std::function<bool(std::uint64_t id)>& unwanted);

  /// Takes effect for requests started from now on.
  void set_limits(const DispatchLimits& limits) { limits_ = limits; }

  /// Requests taken and not yet handed out.
  std::size_t pending() const { return queued_ + running_.size(); }
  std::size_t running() const { return running_.size(); }

 private:
  struct Waiting {
    std::uint64_t id;
    Request request;
  };
  struct Destination {
    std::deque<Waiting> queue;
    std::size_t running = 0;
  };

  void forget_if_idle(std::map<std::string, Destination>::iterator destination);
  /// Starts the first request of a queue if the destination has room.
  bool start_one(const std::string& name, Destination& destination);
  void finished(std::uint64_t id);

  Reactor& reactor_;
  DispatchLimits limits_;
  std::map<std::string, Destination> destinations_;
  std::unordered_map<std::uint64_t, std::string> running_;
  std::size_t queued_ = 0;
  /// The destination after which the next round begins, so that all take turns.
  std::string last_started_;
};

}  // namespace monitoring::transport
