// The receiver of `make bench BENCH_FILTER=delivery`: answers every request with 200 on kept
// connections, in one thread, so that what is measured is the courier and not its peer. Prints its
// port and serves until its standard input ends.
//
//   /slow    is answered after 5 s, all others at once
//   /stats   says what came since the last /stats, one line for each path:
//            path, requests, and of the labels "queued_us" (microseconds since 1970, written when
//            the notification was queued) the median and 95th percentile of its age in microseconds

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

using std::chrono::microseconds;

constexpr std::int64_t kSlowUs = 5'000'000;
constexpr std::string_view kTaken = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

std::int64_t now_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<microseconds>(now).count();
}

/// The number that follows `key` in the text, 0 where there is none.
std::int64_t number_after(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return 0;
  std::int64_t number = 0;
  std::from_chars(text.data() + at + key.size(), text.data() + text.size(), number);
  return number;
}

struct Seen {
  std::uint64_t requests = 0;
  std::vector<std::int64_t> ages_us;

  std::int64_t percentile(double share) {
    if (ages_us.empty()) return 0;
    const auto at = ages_us.begin() + static_cast<std::ptrdiff_t>(share * (ages_us.size() - 1));
    std::nth_element(ages_us.begin(), at, ages_us.end());
    return *at;
  }
};

class Receiver {
 public:
  bool listen_on_loopback();
  int port() const { return port_; }
  void serve();

 private:
  struct Delayed {
    std::int64_t at_us;
    int connection;
  };

  void accept_all();
  void read_from(int connection);
  /// Answers the first request of the buffer if it is complete, and takes it off.
  bool answer_one(int connection, std::string& buffer);
  void answer(int connection, std::string_view path, std::string_view body);
  std::string stats();
  void send_delayed();
  int wait_ms() const;

  int listener_ = -1;
  int epoll_ = -1;
  int port_ = 0;
  std::unordered_map<int, std::string> buffers_;
  std::map<std::string, Seen, std::less<>> seen_;
  /// In the order of their times.
  std::deque<Delayed> delayed_;
};

bool Receiver::listen_on_loopback() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, generic, length) != 0 || listen(listener_, 1024) != 0) return false;
  getsockname(listener_, generic, &length);
  port_ = ntohs(address.sin_port);
  epoll_ = epoll_create1(0);
  for (const int watched : {listener_, STDIN_FILENO}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = watched;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, watched, &event) != 0) return false;
  }
  return true;
}

void Receiver::serve() {
  std::array<epoll_event, 256> ready{};
  while (true) {
    const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), wait_ms());
    for (int i = 0; i < count; ++i) {
      const int descriptor = ready[i].data.fd;
      if (descriptor == STDIN_FILENO) return;
      if (descriptor == listener_) {
        accept_all();
      } else {
        read_from(descriptor);
      }
    }
    send_delayed();
  }
}

void Receiver::accept_all() {
  for (int connection = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK); connection >= 0;
       connection = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) {
    const int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection, &event);
    buffers_[connection].clear();
  }
}

void Receiver::read_from(int connection) {
  std::array<char, 64 * 1024> chunk;
  const ssize_t length = recv(connection, chunk.data(), chunk.size(), 0);
  if (length <= 0) {
    close(connection);
    buffers_.erase(connection);
    return;
  }
  std::string& buffer = buffers_[connection];
  buffer.append(chunk.data(), static_cast<std::size_t>(length));
  while (answer_one(connection, buffer)) {
  }
}

bool Receiver::answer_one(int connection, std::string& buffer) {
  const std::string_view text(buffer);
  const auto head_end = text.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return false;
  const std::string_view head = text.substr(0, head_end);
  const auto length = static_cast<std::size_t>(number_after(head, "Content-Length: "));
  if (text.size() < head_end + 4 + length) return false;
  const auto path_begin = head.find(' ') + 1;
  const auto path = head.substr(path_begin, head.find(' ', path_begin) - path_begin);
  answer(connection, path, text.substr(head_end + 4, length));
  buffer.erase(0, head_end + 4 + length);
  return true;
}

void Receiver::answer(int connection, std::string_view path, std::string_view body) {
  if (path == "/stats") {
    const std::string text = stats();
    const std::string whole =
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
    send(connection, whole.data(), whole.size(), MSG_NOSIGNAL);
    return;
  }
  auto found = seen_.find(path);
  if (found == seen_.end()) found = seen_.emplace(path, Seen{}).first;
  ++found->second.requests;
  const std::int64_t queued_us = number_after(body, "\"queued_us\":\"");
  if (queued_us > 0) found->second.ages_us.push_back(now_us() - queued_us);
  if (path == "/slow") {
    delayed_.push_back({now_us() + kSlowUs, connection});
    return;
  }
  send(connection, kTaken.data(), kTaken.size(), MSG_NOSIGNAL);
}

std::string Receiver::stats() {
  std::string text;
  for (auto& [path, seen] : seen_) {
    text += path + " " + std::to_string(seen.requests) + " " +
            std::to_string(seen.percentile(0.5)) + " " + std::to_string(seen.percentile(0.95)) +
            "\n";
  }
  seen_.clear();
  return text;
}

void Receiver::send_delayed() {
  while (!delayed_.empty() && delayed_.front().at_us <= now_us()) {
    const int connection = delayed_.front().connection;
    delayed_.pop_front();
    if (buffers_.count(connection) > 0) {
      send(connection, kTaken.data(), kTaken.size(), MSG_NOSIGNAL);
    }
  }
}

int Receiver::wait_ms() const {
  if (delayed_.empty()) return -1;
  const std::int64_t left_us = delayed_.front().at_us - now_us();
  return static_cast<int>(std::max<std::int64_t>(left_us / 1000 + 1, 0));
}

}  // namespace

int main() {
  Receiver receiver;
  if (!receiver.listen_on_loopback()) return 1;
  std::printf("%d\n", receiver.port());
  std::fflush(stdout);
  receiver.serve();
  return 0;
}
