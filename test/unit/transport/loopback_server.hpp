#pragma once
// A TCP server on loopback for tests: every connection is handled by a function on its own thread.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace monitoring::transport::testing {

/// The server's end of one connection. Closed by the server after the handler.
class Connection {
 public:
  explicit Connection(int fd, const std::atomic<bool>& stopping) : fd_(fd), stopping_(stopping) {}

  /// Reads one request with a Content-Length body or none; empty when the peer is gone.
  std::string read_request() {
    for (;;) {
      const std::size_t end = buffer_.find("\r\n\r\n");
      if (end != std::string::npos && buffer_.size() >= end + 4 + content_length(end)) {
        const std::size_t length = end + 4 + content_length(end);
        std::string request = buffer_.substr(0, length);
        buffer_.erase(0, length);
        return request;
      }
      char bytes[4096];
      if (!wait_readable()) return {};
      const ssize_t count = recv(fd_, bytes, sizeof bytes, 0);
      if (count <= 0) return {};
      buffer_.append(bytes, static_cast<std::size_t>(count));
    }
  }

  /// False when the peer is gone.
  bool write(const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t count = send(fd_, text.data() + done, text.size() - done, MSG_NOSIGNAL);
      if (count <= 0) return false;
      done += static_cast<std::size_t>(count);
    }
    return true;
  }

  /// Closes with a reset instead of an orderly end.
  void reset() {
    const linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

  /// Waits until the peer closes or the server stops.
  void wait_for_close() {
    char byte;
    while (wait_readable() && recv(fd_, &byte, 1, 0) > 0) {
    }
  }

 private:
  std::size_t content_length(std::size_t header_end) const {
    const std::size_t at = buffer_.find("Content-Length: ");
    if (at == std::string::npos || at > header_end) return 0;
    return std::stoul(buffer_.substr(at + 16));
  }

  bool wait_readable() {
    pollfd entry{fd_, POLLIN, 0};
    while (!stopping_) {
      if (poll(&entry, 1, 10) > 0) return true;
    }
    return false;
  }

  int fd_;
  const std::atomic<bool>& stopping_;
  std::string buffer_;
};

class LoopbackServer {
 public:
  using Handler = std::function<void(Connection&)>;

  explicit LoopbackServer(Handler handler)
      : handler_(std::move(handler)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listener_, 64);
    socklen_t length = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_connections(); });
  }

  ~LoopbackServer() {
    stopping_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    close(listener_);
  }

  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void accept_connections() {
    pollfd entry{listener_, POLLIN, 0};
    while (!stopping_) {
      if (poll(&entry, 1, 10) <= 0) continue;
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      ++connections_;
      threads_.emplace_back([this, fd] {
        Connection connection(fd, stopping_);
        handler_(connection);
        close(fd);
      });
    }
  }

  Handler handler_;
  int listener_;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> connections_{0};
  std::thread acceptor_;
  /// Touched by the acceptor only until it has ended.
  std::vector<std::thread> threads_;
};

/// Answers every request of a connection with the same text.
inline LoopbackServer::Handler always(const std::string& response) {
  return [response](Connection& connection) {
    while (!connection.read_request().empty()) {
      if (!connection.write(response)) return;
    }
  };
}

inline std::string http_response(const std::string& status, const std::string& headers = {},
                                 const std::string& body = {}) {
  return "HTTP/1.1 " + status + "\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace monitoring::transport::testing
