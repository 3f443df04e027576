#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "monitoring/transport/http_server.hpp"

namespace monitoring::transport {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A connection to the server; both run on the test's own thread.
class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() {
    if (fd_ >= 0) close(fd_);
  }
  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  void send(const std::string& text) const {
    ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  void end_sending() const { shutdown(fd_, SHUT_WR); }

  /// What has come by now. `closed()` says whether that was all that will ever come.
  const std::string& received() {
    char bytes[65536];
    for (;;) {
      const ssize_t count = recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT);
      if (count > 0) {
        received_.append(bytes, static_cast<std::size_t>(count));
        continue;
      }
      closed_ = closed_ || count == 0 || (errno != EAGAIN && errno != EINTR);
      return received_;
    }
  }
  bool closed() {
    received();
    return closed_;
  }

 private:
  int fd_;
  bool connected_ = false;
  bool closed_ = false;
  std::string received_;
};

std::string get(const std::string& path, const std::string& headers = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

class HttpServerTest : public ::testing::Test {
 protected:
  void start(const HttpServerOptions& options) {
    auto made = listen_http(options, [this](const IncomingRequest& request) {
      asked_.emplace_back(request.path);
      authorization_ = request.authorization;
      if (request.path == "/throw") throw std::runtime_error("no");
      if (request.path == "/long") return Answer{200, "text/plain", std::string(8 << 20, 'x'), {}};
      if (request.path == "/huge") return Answer{200, "text/plain", std::string(64 << 20, 'x'), {}};
      return Answer{200, "text/plain", "hello " + std::string(request.path) + "\n", {}};
    });
    ASSERT_TRUE(made.ok()) << made.error().message;
    server_ = std::move(made.value());
  }

  /// Lets the server work until `done`, or until nothing has happened for a while.
  template <class Done>
  bool run_until(Done&& done) {
    constexpr int kQuietMs = 300;
    while (!done()) {
      pollfd entry{server_->descriptor(), POLLIN, 0};
      const bool at_once = server_->next_turn_at(now_) <= now_;
      if (poll(&entry, 1, at_once ? 0 : kQuietMs) == 0 && !at_once) return done();
      server_->turn(now_);
    }
    return true;
  }
  bool run_until_answer(Client& client, const std::string& part) {
    return run_until([&] { return client.received().find(part) != std::string::npos; });
  }
  bool run_until_closed(Client& client) {
    return run_until([&] { return client.closed(); });
  }
  void pass(Duration time) {
    now_ += time;
    server_->turn(now_);
  }
  Client client() { return Client(server_->port()); }

  std::unique_ptr<HttpServer> server_;
  std::vector<std::string> asked_;
  std::string authorization_;
  Instant now_ = Instant(seconds(1'700'000'000));
};

TEST_F(HttpServerTest, AnswersGetAndHead) {
  start({});
  Client a = client();
  a.send(get("/one?query=1", "Authorization: Bearer t\r\n"));
  ASSERT_TRUE(run_until_answer(a, "hello /one\n"));
  EXPECT_NE(a.received().find("HTTP/1.1 200 OK\r\n"), std::string::npos);
  EXPECT_NE(a.received().find("Content-Length: 11\r\n"), std::string::npos);
  EXPECT_EQ(authorization_, "Bearer t");

  Client b = client();
  b.send("HEAD /one HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(run_until_closed(b));
  EXPECT_NE(b.received().find("Content-Length: 11\r\n"), std::string::npos);
  EXPECT_EQ(b.received().find("hello"), std::string::npos);
}

TEST_F(HttpServerTest, RefusesOtherMethods) {
  start({});
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"}) {
    Client a = client();
    a.send(std::string(method) + " /one HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    ASSERT_TRUE(run_until_answer(a, "HTTP/1.1 405 ")) << method;
    EXPECT_NE(a.received().find("Allow: GET, HEAD\r\n"), std::string::npos);
  }
  EXPECT_TRUE(asked_.empty());
}

TEST_F(HttpServerTest, AnExceptionIsA500) {
  start({});
  Client a = client();
  a.send(get("/throw") + get("/after"));
  ASSERT_TRUE(run_until_answer(a, "hello /after"));
  EXPECT_NE(a.received().find("HTTP/1.1 500 "), std::string::npos);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start({});
  Client a = client();
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += get("/" + std::to_string(i));
  a.send(requests);
  ASSERT_TRUE(run_until_answer(a, "hello /49\n"));
  ASSERT_EQ(asked_.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(asked_[i], "/" + std::to_string(i));
}

TEST_F(HttpServerTest, AHalfClosedPeerGetsItsAnswer) {
  start({});
  Client a = client();
  a.send(get("/half") + get("/whole"));
  a.end_sending();
  EXPECT_TRUE(run_until_answer(a, "hello /whole\n"));
  run_until([] { return false; });
  pass(seconds(1));
  EXPECT_TRUE(run_until_closed(a));
  EXPECT_TRUE(run_until([&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, ALongHeadIsRefused) {
  start({});
  Client a = client();
  a.send(get("/one", "X-Long: " + std::string(1 << 20, 'a') + "\r\n"));
  ASSERT_TRUE(run_until_closed(a));
  EXPECT_TRUE(asked_.empty());
  Client b = client();
  b.send(get("/one", "X-Long: " + std::string(40 * 1024, 'a') + "\r\n"));
  ASSERT_TRUE(run_until_answer(b, "HTTP/1.1 431 "));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(HttpServerTest, NonsenseIsRefused) {
  start({});
  for (const std::string& text : {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"),
                                  std::string(200000, '\n'), std::string("GET\r\n\r\n")}) {
    Client a = client();
    a.send(text);
    a.end_sending();
    run_until([] { return false; });
    pass(seconds(10));
    EXPECT_TRUE(run_until_closed(a));
  }
  EXPECT_TRUE(asked_.empty());
}

TEST_F(HttpServerTest, ASlowRequestIsCutOff) {
  start({});
  Client slow = client();
  const std::string request = get("/slow", "X-Header: 1\r\n");
  // A byte a second is a sign of life, and no request.
  for (int i = 0; i < 9; ++i) {
    slow.send(request.substr(i, 1));
    run_until([] { return false; });
    pass(seconds(1));
  }
  EXPECT_FALSE(slow.closed());
  pass(seconds(1));
  EXPECT_TRUE(run_until_closed(slow));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(HttpServerTest, AKeptConnectionMayRestButNotForEver) {
  start({});
  Client a = client();
  a.send(get("/one"));
  ASSERT_TRUE(run_until_answer(a, "hello /one\n"));
  pass(seconds(299));
  a.send(get("/two"));
  ASSERT_TRUE(run_until_answer(a, "hello /two\n"));
  pass(seconds(301));
  EXPECT_TRUE(run_until_closed(a));
}

TEST_F(HttpServerTest, WhoDoesNotTakeTheAnswerIsCutOff) {
  start({});
  Client a = client();
  a.send(get("/huge"));
  ASSERT_TRUE(run_until_answer(a, "HTTP/1.1 200 OK"));
  run_until([] { return false; });
  EXPECT_EQ(server_->connections(), 1u);
  pass(seconds(31));
  EXPECT_TRUE(run_until([&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, ALongBodyIsNotRead) {
  start({});
  Client a = client();
  a.send("GET /one HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
  for (int i = 0; i < 20 && !a.closed(); ++i) {
    a.send(std::string(16 * 1024, 'b'));
    run_until([] { return true; });
    server_->turn(now_);
  }
  EXPECT_TRUE(run_until_closed(a));
  EXPECT_TRUE(asked_.empty());
}

TEST_F(HttpServerTest, SilentPeersMakeRoom) {
  HttpServerOptions options;
  options.connections = 16;
  start(options);
  std::vector<Client> silent;
  for (int i = 0; i < 400; ++i) silent.push_back(client());
  Client probe = client();
  ASSERT_TRUE(probe.connected());
  probe.send(get("/live"));
  EXPECT_TRUE(run_until_answer(probe, "hello /live\n"));
  run_until([] { return false; });
  EXPECT_LE(server_->connections(), 16u);
  EXPECT_TRUE(silent.front().closed());
  EXPECT_FALSE(silent.back().closed());
}

/// What a peer may do that means no good: the bytes that it sends, and whether it then ends its
/// side.
struct Abuse {
  const char* name;
  std::string bytes;
  bool ends = false;
};

std::vector<Abuse> abuses() {
  std::string pipelined;
  for (int i = 0; i < 2000; ++i) pipelined += get("/live");
  std::string huge;
  for (int i = 0; i < 50; ++i) huge += get("/huge");
  return {
      {"pipelines short answers and reads none", pipelined},
      {"pipelines long answers and reads none", huge},
      {"half a request line", "GET /li"},
      {"half a head", "GET /live HTTP/1.1\r\nHost: x\r\nX-Slow: "},
      {"a body that does not come",
       "GET /live HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nb"},
      {"a chunk that does not come",
       "GET /live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n"},
      {"waits for 100 Continue", get("/live", "Content-Length: 10\r\nExpect: 100-continue\r\n")},
      {"keeps the connection and rests", get("/live")},
      {"half closed, reads nothing", huge, true},
      {"a zero byte in a header", std::string("GET /live HTTP/1.1\r\nHost: a\0b\r\n\r\n", 33)},
      {"line breaks for ever", std::string(20000, '\n')},
      {"a head as long as is taken",
       "GET /live HTTP/1.1\r\nHost: x\r\nX: " + std::string(20000, 'x')}};
}

TEST_F(HttpServerTest, NoAbuseKeepsAProbeOut) {
  for (const Abuse& abuse : abuses()) {
    HttpServerOptions options;
    options.connections = 16;
    start(options);
    std::vector<Client> flood;
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 20; ++i) {
        flood.push_back(client());
        flood.back().send(abuse.bytes);
        if (abuse.ends) flood.back().end_sending();
      }
      run_until([] { return false; });
      // As of a kubelet: a connection of its own each time, while the flood goes on.
      Client probe = client();
      probe.send(get("/live"));
      EXPECT_TRUE(run_until_answer(probe, "hello /live\n")) << abuse.name << ", round " << round;
      EXPECT_LE(server_->connections(), 16u + 32u) << abuse.name;
      pass(milliseconds(100));
    }
    // Left alone, all of them are gone at last.
    pass(std::chrono::minutes(6));
    run_until([&] { return server_->connections() == 0; });
    EXPECT_EQ(server_->connections(), 0u) << abuse.name;
  }
}

TEST_F(HttpServerTest, WhoTakesItsAnswerStaysWhileOthersAreSilent) {
  HttpServerOptions options;
  options.connections = 16;
  start(options);
  Client reader = client();
  reader.send(get("/huge"));
  ASSERT_TRUE(run_until_answer(reader, "HTTP/1.1 200 OK"));
  std::vector<Client> silent;
  for (int i = 0; i < 15; ++i) silent.push_back(client());
  run_until([] { return false; });
  pass(seconds(2));
  for (int i = 0; i < 10; ++i) silent.push_back(client());
  EXPECT_TRUE(run_until([&] { return reader.received().size() > (64u << 20); }));
  EXPECT_TRUE(silent.front().closed());
}

TEST_F(HttpServerTest, PacksLongAnswersForThoseWhoCanUnpack) {
  start({});
  Client a = client();
  a.send(get("/long", "Accept-Encoding: gzip\r\n"));
  ASSERT_TRUE(run_until_answer(a, "Content-Encoding: gzip\r\n"));
  Client b = client();
  b.send(get("/short", "Accept-Encoding: gzip\r\n"));
  ASSERT_TRUE(run_until_answer(b, "hello /short\n"));
  EXPECT_EQ(b.received().find("Content-Encoding"), std::string::npos);
}

TEST(HttpServerListen, SaysWhyNot) {
  HttpServerOptions options;
  options.address = "localhost";
  auto made = listen_http(options, {});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().message, "\"localhost\" is no IPv4 or IPv6 address");

  options.address = "127.0.0.1";
  auto first = listen_http(options, {});
  ASSERT_TRUE(first.ok());
  options.port = first.value()->port();
  auto second = listen_http(options, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().message, "could not listen on address \"127.0.0.1\", port " +
                                        std::to_string(options.port) + ": Address already in use");
}

}  // namespace
}  // namespace monitoring::transport
