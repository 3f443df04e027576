#pragma once
// Answers HTTP requests of scrapers and probes without ever blocking: the caller waits on
// descriptor() together with its own events, then calls turn().
//
// Made for peers that cannot be trusted to be quick or honest. One connection has a fixed amount of
// memory for a request's head (a longer one gets 431), a deadline for the request and one for
// taking the answer, and a limited rest between requests. When all connections are taken, one makes
// room: the one that has rested or dawdled longest, or has not taken its answer for longest, or was
// there first, so that no number of peers that are silent, take nothing or ask for ever keeps a
// probe out. Addresses are not told apart: a probe may come from the same as a flood.
//
// Single-threaded; no threads of its own, no signals, no clock. The process must ignore SIGPIPE.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/result.hpp"

namespace monitoring::transport {

/// A GET or HEAD; other methods are answered with 405 by the server itself. Valid during the call.
struct IncomingRequest {
  std::string_view path;  ///< without the query
  // Headers; empty where the request has none.
  std::string_view accept;
  std::string_view authorization;
};

struct Answer {
  int status = 200;
  std::string content_type;
  std::string body;
  /// Beside Content-Type, Content-Length, Content-Encoding, Cache-Control and Vary.
  std::vector<std::pair<std::string, std::string>> headers;
};

using RequestHandler = std::function<Answer(const IncomingRequest&)>;

struct HttpServerOptions {
  /// An IPv4 or IPv6 address in its usual notation; no names, nothing is resolved.
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: any free one
  std::size_t connections = 256;
  /// For all that is kept of one connection: the request's head, and the head of the answer.
  std::size_t connection_memory = 32 * 1024;
  /// From the connection, or from the end of the rest, to the last byte of the request.
  Duration request_time = std::chrono::seconds(10);
  /// From the request to the last byte of the answer.
  Duration answer_time = std::chrono::seconds(30);
  /// Of a kept connection between two requests: more than the longest usual scrape interval.
  Duration rest_time = std::chrono::minutes(5);
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;

  /// Readable when turn() has something to do. An epoll descriptor, owned by the server.
  virtual int descriptor() const = 0;

  /// Accepts, reads, answers and closes what can be now. A handler's exception is a 500.
  virtual void turn(Instant now) = 0;

  /// When turn() is to be called though nothing is readable.
  virtual Instant next_turn_at(Instant now) const = 0;

  virtual std::size_t connections() const = 0;
  virtual std::uint16_t port() const = 0;
};

/// Listens at once. An address that is none, or one that cannot be had, is an Error in words.
Result<std::unique_ptr<HttpServer>> listen_http(const HttpServerOptions& options,
                                                RequestHandler handler);

/// Whether a scraper that sends this Accept header is to get OpenMetrics 1.0 instead of the text
/// format 0.0.4: it says so, and does not prefer the other.
bool prefers_openmetrics(std::string_view accept);

/// Whether an Accept-Encoding header allows gzip.
bool accepts_gzip(std::string_view accept_encoding);

/// Whether an Authorization header carries this bearer token. The time it takes does not tell how
/// much of the token was right. An empty token fits nothing.
bool bears_token(std::string_view authorization, std::string_view token);

/// The text as a gzip file; empty when there was no memory for it.
std::string gzip(std::string_view text);

}  // namespace monitoring::transport
