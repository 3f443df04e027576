#include "monitoring/transport/http_server.hpp"

#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <tuple>

#include "transport/listening_socket.hpp"

namespace monitoring::transport {

namespace {

/// Of a request's body, which nothing here asks for.
constexpr std::size_t kMostUpload = 64 * 1024;
/// A shorter text is not worth packing.
constexpr std::size_t kLeastPacked = 1024;
/// For what a peer has sent before it said that it sends no more.
constexpr Duration kLastWords = std::chrono::seconds(1);

enum class Phase { asking, taking_answer, resting };

/// When room is needed a peer may be silent for so long, and take so long over an answer, before it
/// is its turn to leave.
constexpr Duration kPatience = std::chrono::seconds(1);

/// One connection, oldest sign of life first in the server's list.
struct Peer {
  int fd;
  std::uint64_t arrival;
  Phase phase = Phase::asking;
  Instant since{};
  Instant deadline{};
  std::size_t uploaded = 0;
  /// Shut down by us; libmicrohttpd notices in its next turn.
  bool dismissed = false;
};

/// libmicrohttpd does not see the end of a peer's words that came together with the words.
bool has_ended(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

struct DaemonDeleter {
  void operator()(MHD_Daemon* daemon) const noexcept { MHD_stop_daemon(daemon); }
};

struct ResponseDeleter {
  void operator()(MHD_Response* response) const noexcept { MHD_destroy_response(response); }
};
using Response = std::unique_ptr<MHD_Response, ResponseDeleter>;

std::string_view header(MHD_Connection* connection, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value != nullptr ? value : std::string_view();
}

Answer method_not_allowed() {
  return {405,
          "text/plain; charset=utf-8",
          "only GET and HEAD are answered here\n",
          {{"Allow", "GET, HEAD"}}};
}

class MicrohttpdServer final : public HttpServer {
 public:
  MicrohttpdServer(const HttpServerOptions& options, RequestHandler handler, ListeningSocket socket)
      : options_(options), handler_(std::move(handler)), port_(socket.port) {
    daemon_.reset(MHD_start_daemon(
        MHD_USE_EPOLL, 0, nullptr, nullptr, &MicrohttpdServer::on_request, this,
        MHD_OPTION_LISTEN_SOCKET, socket.fd,  //
        MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(options.connections + kMakingRoom),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options.connection_memory,  //
        MHD_OPTION_NOTIFY_CONNECTION, &MicrohttpdServer::on_connection, this,
        MHD_OPTION_NOTIFY_COMPLETED, &MicrohttpdServer::on_completed, this,  //
        MHD_OPTION_END));
  }

  bool usable() const { return daemon_ != nullptr; }

  int descriptor() const override {
    return MHD_get_daemon_info(daemon_.get(), MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  }
  void turn(Instant now) override;
  Instant next_turn_at(Instant now) const override;
  std::size_t connections() const override { return peers_.size(); }
  std::uint16_t port() const override { return port_; }

 private:
  /// Connections that are being accepted while older ones leave.
  static constexpr std::size_t kMakingRoom = 32;
  using Place = std::list<Peer>::iterator;

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                               const char* method, const char* version, const char* upload,
                               size_t* upload_size, void** request) noexcept;
  static void on_connection(void* self, MHD_Connection* connection, void** peer,
                            MHD_ConnectionNotificationCode what) noexcept;
  static void on_completed(void* self, MHD_Connection* connection, void** request,
                           MHD_RequestTerminationCode how) noexcept;
  static Peer& peer_of(MHD_Connection* connection);

  void set_phase(Peer& peer, Phase phase, Duration time);
  void dismiss_late_ones();
  void make_room();
  Place least_deserving();
  MHD_Result answer(MHD_Connection* connection, const IncomingRequest& request, bool allowed) const;
  static void dismiss(Peer& peer);

  const HttpServerOptions options_;
  const RequestHandler handler_;
  const std::uint16_t port_;
  Instant now_{};
  std::uint64_t arrivals_ = 0;
  std::list<Peer> peers_;
  /// Last, so that it goes first: stopping it closes the connections, which are in the list.
  std::unique_ptr<MHD_Daemon, DaemonDeleter> daemon_;
};

void MicrohttpdServer::turn(Instant now) {
  now_ = now;
  dismiss_late_ones();
  MHD_run(daemon_.get());
  make_room();
}

Instant MicrohttpdServer::next_turn_at(Instant now) const {
  Instant next = now + std::chrono::hours(1);
  MHD_UNSIGNED_LONG_LONG wait_ms = 0;
  if (MHD_get_timeout(daemon_.get(), &wait_ms) == MHD_YES) {
    next = std::min(next, now + std::chrono::milliseconds(wait_ms));
  }
  for (const Peer& peer : peers_) {
    if (!peer.dismissed) next = std::min(next, peer.deadline);
  }
  return next;
}

void MicrohttpdServer::dismiss(Peer& peer) {
  shutdown(peer.fd, SHUT_RDWR);
  peer.dismissed = true;
}

void MicrohttpdServer::dismiss_late_ones() {
  for (Peer& peer : peers_) {
    if (!peer.dismissed && peer.deadline <= now_) dismiss(peer);
  }
}

void MicrohttpdServer::make_room() {
  const auto present = static_cast<std::size_t>(std::count_if(
      peers_.begin(), peers_.end(), [](const Peer& peer) { return !peer.dismissed; }));
  std::size_t excess = present > options_.connections ? present - options_.connections : 0;
  for (; excess > 0; --excess) dismiss(*least_deserving());
}

/// Who has been silent for too long; or has not taken its answer for too long; or else, because all
/// are as busy as a flood is, whoever came first, so that a newcomer always gets its turn.
MicrohttpdServer::Place MicrohttpdServer::least_deserving() {
  const auto oldest = [&](bool takes_answer) {
    return std::find_if(peers_.begin(), peers_.end(), [&](const Peer& peer) {
      return !peer.dismissed && (peer.phase == Phase::taking_answer) == takes_answer &&
             peer.since + kPatience <= now_;
    });
  };
  for (const bool takes_answer : {false, true}) {
    const Place found = oldest(takes_answer);
    if (found != peers_.end()) return found;
  }
  return std::min_element(peers_.begin(), peers_.end(), [](const Peer& a, const Peer& b) {
    return std::tie(a.dismissed, a.arrival) < std::tie(b.dismissed, b.arrival);
  });
}

Peer& MicrohttpdServer::peer_of(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return *static_cast<Peer*>(info->socket_context);
}

void MicrohttpdServer::set_phase(Peer& peer, Phase phase, Duration time) {
  peer.phase = phase;
  peer.since = now_;
  peer.deadline = now_ + time;
}

void MicrohttpdServer::on_connection(void* self, MHD_Connection* connection, void** peer,
                                     MHD_ConnectionNotificationCode what) noexcept {
  auto& server = *static_cast<MicrohttpdServer*>(self);
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    const int fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    Peer& entry = server.peers_.emplace_back(Peer{fd, ++server.arrivals_});
    server.set_phase(entry, Phase::asking, server.options_.request_time);
    *peer = &entry;
    return;
  }
  server.peers_.remove_if([&](const Peer& entry) { return &entry == *peer; });
}

void MicrohttpdServer::on_completed(void* self, MHD_Connection* connection, void**,
                                    MHD_RequestTerminationCode) noexcept {
  auto& server = *static_cast<MicrohttpdServer*>(self);
  Peer& peer = peer_of(connection);
  server.set_phase(peer, Phase::resting,
                   has_ended(peer.fd) ? kLastWords : server.options_.rest_time);
  // The latest sign of life goes to the end.
  const Place place = std::find_if(server.peers_.begin(), server.peers_.end(),
                                   [&](const Peer& entry) { return &entry == &peer; });
  server.peers_.splice(server.peers_.end(), server.peers_, place);
}

MHD_Result MicrohttpdServer::on_request(void* self, MHD_Connection* connection, const char* url,
                                        const char* method, const char*, const char*,
                                        size_t* upload_size, void** request) noexcept {
  auto& server = *static_cast<MicrohttpdServer*>(self);
  Peer& peer = peer_of(connection);
  // The first call has the head only; the answer comes once the body, if any, is read.
  if (*request == nullptr) {
    *request = &peer;
    peer.uploaded = 0;
    // The body of a request after a rest has no more time than that of the first.
    if (peer.phase == Phase::resting) {
      server.set_phase(peer, Phase::asking, server.options_.request_time);
    }
    return MHD_YES;
  }
  if (*upload_size > 0) {
    peer.uploaded += *upload_size;
    *upload_size = 0;
    return peer.uploaded <= kMostUpload ? MHD_YES : MHD_NO;
  }
  server.set_phase(peer, Phase::taking_answer, server.options_.answer_time);
  const std::string_view verb = method;
  const IncomingRequest incoming{url, header(connection, MHD_HTTP_HEADER_ACCEPT),
                                 header(connection, MHD_HTTP_HEADER_AUTHORIZATION)};
  try {
    return server.answer(connection, incoming, verb == "GET" || verb == "HEAD");
  } catch (...) {
    return MHD_NO;
  }
}

/// A handler that fails is the server's fault, not the end of the connection.
Answer run(const RequestHandler& handler, const IncomingRequest& request) {
  try {
    return handler(request);
  } catch (...) {
    return {500, "text/plain; charset=utf-8", "internal error\n", {}};
  }
}

MHD_Result MicrohttpdServer::answer(MHD_Connection* connection, const IncomingRequest& request,
                                    bool allowed) const {
  const Answer answer = allowed ? run(handler_, request) : method_not_allowed();
  std::string packed;
  if (answer.body.size() >= kLeastPacked &&
      accepts_gzip(header(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING))) {
    packed = gzip(answer.body);
  }
  const std::string& body = packed.empty() ? answer.body : packed;
  const Response response(MHD_create_response_from_buffer(
      body.size(), const_cast<char*>(body.data()), MHD_RESPMEM_MUST_COPY));
  if (!response) return MHD_NO;
  const auto add = [&](const char* name, const char* value) {
    MHD_add_response_header(response.get(), name, value);
  };
  add(MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type.c_str());
  add(MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  add(MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
  if (!packed.empty()) add(MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
  for (const auto& [name, value] : answer.headers) add(name.c_str(), value.c_str());
  return MHD_queue_response(connection, static_cast<unsigned>(answer.status), response.get());
}

}  // namespace

Result<std::unique_ptr<HttpServer>> listen_http(const HttpServerOptions& options,
                                                RequestHandler handler) {
  const Result<ListeningSocket> socket = listen_on(options.address, options.port);
  if (!socket) return socket.error();
  auto server = std::make_unique<MicrohttpdServer>(options, std::move(handler), *socket);
  if (!server->usable()) {
    close(socket->fd);
    return Error::of("could not start the HTTP server");
  }
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace monitoring::transport
