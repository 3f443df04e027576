#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "loopback_server.hpp"
#include "monitoring/transport/reactor.hpp"

namespace monitoring::transport {
namespace {

using std::chrono::milliseconds;
using testing::always;
using testing::Connection;
using testing::http_response;
using testing::LoopbackServer;

Request post(const std::string& url, const std::string& body = "{}") {
  HttpRequest http;
  http.url = url;
  http.headers = {{"Content-Type", "application/json"}};
  http.body = body;
  Request request;
  request.message = http;
  return request;
}

/// Waits as the courier does.
std::vector<Completion> wait_and_step(Reactor& reactor) {
  pollfd entry{reactor.descriptor(), POLLIN, 0};
  EXPECT_EQ(poll(&entry, 1, 10000), 1) << "the descriptor tells of everything";
  return reactor.step();
}

Outcome send_on(Reactor& reactor, Request request) {
  reactor.start(7, std::move(request));
  EXPECT_EQ(reactor.in_flight(), 1U);
  for (;;) {
    std::vector<Completion> completions = wait_and_step(reactor);
    if (completions.empty()) continue;
    EXPECT_EQ(completions.size(), 1U);
    EXPECT_EQ(completions[0].id, 7U);
    EXPECT_EQ(reactor.in_flight(), 0U);
    return completions[0].outcome;
  }
}

Outcome send_alone(Request request) {
  const auto reactor = make_curl_reactor();
  return send_on(*reactor, std::move(request));
}

TEST(CurlReactor, PostsHeadersAndBody) {
  std::string seen;
  LoopbackServer server([&seen](Connection& connection) {
    seen = connection.read_request();
    connection.write(http_response("202 Accepted", {}, "taken"));
  });
  Request request = post(server.url("/hook?a=b"), "{\"x\": 1}");
  std::get<HttpRequest>(request.message).headers.emplace_back("X-Empty", "");
  const Outcome outcome = send_alone(std::move(request));
  EXPECT_EQ(outcome.failure, Failure::kNone);
  EXPECT_EQ(outcome.status, 202);
  EXPECT_EQ(outcome.body_head, "taken");
  EXPECT_EQ(outcome.error, "");
  EXPECT_GT(outcome.duration.count(), 0);
  EXPECT_EQ(seen.rfind("POST /hook?a=b HTTP/1.1\r\n", 0), 0U) << seen;
  EXPECT_NE(seen.find("\r\nContent-Type: application/json\r\n"), std::string::npos);
  EXPECT_NE(seen.find("\r\nX-Empty:"), std::string::npos);
  EXPECT_EQ(seen.find("Expect"), std::string::npos);
  EXPECT_EQ(seen.substr(seen.size() - 8), "{\"x\": 1}");
}

TEST(CurlReactor, OtherMethods) {
  std::vector<std::string> seen;
  LoopbackServer server([&seen](Connection& connection) {
    for (std::string text = connection.read_request(); !text.empty();
         text = connection.read_request()) {
      seen.push_back(text.substr(0, text.find(' ')));
      connection.write("HTTP/1.1 204 No Content\r\n\r\n");
    }
  });
  const auto reactor = make_curl_reactor();
  for (const char* method : {"GET", "HEAD", "PUT", "POST"}) {
    Request request = post(server.url());
    std::get<HttpRequest>(request.message).method = method;
    EXPECT_EQ(send_on(*reactor, std::move(request)).status, 204);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"GET", "HEAD", "PUT", "POST"}));
  EXPECT_EQ(server.connections(), 1) << "the connection is kept";
}

TEST(CurlReactor, RetryAfterInSecondsAndAsADate) {
  LoopbackServer seconds(always(http_response("429 Too Many", "Retry-After: 17\r\n")));
  Outcome outcome = send_alone(post(seconds.url()));
  EXPECT_EQ(outcome.status, 429);
  EXPECT_EQ(outcome.retry_after, std::chrono::seconds(17));

  const std::time_t later = std::time(nullptr) + 600;
  char date[64];
  std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&later));
  LoopbackServer dated(
      always(http_response("503 Later", std::string("Retry-After: ") + date + "\r\n")));
  outcome = send_alone(post(dated.url()));
  ASSERT_TRUE(outcome.retry_after.has_value());
  EXPECT_GE(outcome.retry_after->count(), 590);
  EXPECT_LE(outcome.retry_after->count(), 600);

  LoopbackServer past(
      always(http_response("503 Later", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n")));
  EXPECT_FALSE(send_alone(post(past.url())).retry_after.has_value());
}

TEST(CurlReactor, SentrysRateLimitsAreKept) {
  LoopbackServer server(always(http_response("200 OK", "x-sentry-RATE-limits:  60::org  \r\n")));
  EXPECT_EQ(send_alone(post(server.url())).rate_limits, "60::org");
  LoopbackServer none(always(http_response("200 OK")));
  EXPECT_EQ(send_alone(post(none.url())).rate_limits, "");
}

TEST(CurlReactor, RedirectsAreNotFollowed) {
  LoopbackServer target(always(http_response("200 OK")));
  LoopbackServer server(always(http_response("302 Found", "Location: " + target.url() + "\r\n")));
  EXPECT_EQ(send_alone(post(server.url())).status, 302);
  EXPECT_EQ(target.connections(), 0);
}

TEST(CurlReactor, OnlyTheHeadOfABodyIsKept) {
  LoopbackServer server(always(http_response("400 Bad", {}, std::string(5000, 'x'))));
  const Outcome outcome = send_alone(post(server.url()));
  EXPECT_EQ(outcome.failure, Failure::kNone);
  EXPECT_EQ(outcome.body_head, std::string(kBodyHeadBytes, 'x'));
}

TEST(CurlReactor, ALargeAnswerIsCutOff) {
  LoopbackServer server(always(http_response("200 OK", {}, std::string(10 << 20, 'x'))));
  const Outcome outcome = send_alone(post(server.url()));
  EXPECT_EQ(outcome.failure, Failure::kTooLarge);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_NE(outcome.error.find("larger than 1048576 bytes"), std::string::npos) << outcome.error;
  EXPECT_EQ(outcome.body_head.size(), kBodyHeadBytes);
}

TEST(CurlReactor, AnEndlessBodyAndEndlessHeadersAreCutOff) {
  LoopbackServer body([](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (connection.write("400\r\n" + std::string(1024, 'y') + "\r\n")) {
    }
  });
  EXPECT_EQ(send_alone(post(body.url())).failure, Failure::kTooLarge);

  LoopbackServer headers([](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n");
    while (connection.write("X-More: " + std::string(1024, 'z') + "\r\n")) {
    }
  });
  EXPECT_NE(send_alone(post(headers.url())).failure, Failure::kNone);
}

TEST(CurlReactor, AHangingReceiverTimesOut) {
  LoopbackServer server([](Connection& connection) { connection.wait_for_close(); });
  Request request = post(server.url());
  request.timeout = milliseconds(60);
  const Outcome outcome = send_alone(std::move(request));
  EXPECT_EQ(outcome.failure, Failure::kTimeout);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_GE(outcome.duration, milliseconds(50));
  EXPECT_LT(outcome.duration, milliseconds(2000));
}

TEST(CurlReactor, AnAnswerThatDripsForEverTimesOut) {
  LoopbackServer server([](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n\r\n");
    while (connection.write(".")) std::this_thread::sleep_for(milliseconds(5));
  });
  Request request = post(server.url());
  request.timeout = milliseconds(80);
  const Outcome outcome = send_alone(std::move(request));
  EXPECT_EQ(outcome.failure, Failure::kTimeout);
  EXPECT_EQ(outcome.status, 200);
}

TEST(CurlReactor, AKeptConnectionThatIsResetIsReplaced) {
  std::atomic<int> requests{0};
  LoopbackServer server([&requests](Connection& connection) {
    while (!connection.read_request().empty()) {
      // The second request, which comes on the kept connection, is not answered.
      if (++requests == 2) return connection.reset();
      connection.write(http_response("200 OK"));
    }
  });
  const auto reactor = make_curl_reactor();
  EXPECT_EQ(send_on(*reactor, post(server.url())).status, 200);
  const Outcome outcome = send_on(*reactor, post(server.url()));
  EXPECT_EQ(outcome.failure, Failure::kNone) << outcome.error;
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(requests, 3);
  EXPECT_EQ(server.connections(), 2);
}

TEST(CurlReactor, ResetsAndAnswersThatAreNoHttp) {
  LoopbackServer reset([](Connection& connection) {
    connection.read_request();
    connection.reset();
  });
  EXPECT_EQ(send_alone(post(reset.url())).failure, Failure::kReset);

  LoopbackServer silent([](Connection& connection) { connection.read_request(); });
  EXPECT_EQ(send_alone(post(silent.url())).failure, Failure::kReset);

  LoopbackServer garbage([](Connection& connection) {
    connection.read_request();
    connection.write("no such protocol\r\n\r\n");
  });
  EXPECT_EQ(send_alone(post(garbage.url())).failure, Failure::kReset);
}

TEST(CurlReactor, NobodyListening) {
  std::string url;
  {
    LoopbackServer gone(always(""));
    url = gone.url();
  }
  const Outcome outcome = send_alone(post(url));
  EXPECT_EQ(outcome.failure, Failure::kConnect);
  EXPECT_NE(outcome.error, "");
}

TEST(CurlReactor, UnresolvableHost) {
  // RFC 6761: .invalid never resolves. Without a resolver at all this is the same failure; one that
  // does not answer ends in the timeout.
  const Outcome outcome = send_alone(post("http://receiver.invalid/"));
  EXPECT_TRUE(outcome.failure == Failure::kResolve || outcome.failure == Failure::kTimeout)
      << failure_text(outcome.failure);
}

TEST(CurlReactor, TlsAgainstAPlainServerFailsAsTls) {
  LoopbackServer server([](Connection& connection) {
    connection.write("HTTP/1.1 400 Bad\r\n\r\n");
    connection.wait_for_close();
  });
  const Outcome outcome =
      send_alone(post("https://127.0.0.1:" + std::to_string(server.port()) + "/"));
  EXPECT_EQ(outcome.failure, Failure::kTls) << outcome.error;
}

TEST(CurlReactor, RefusedAddressesAreNotConnectedTo) {
  for (const char* url :
       {"http://169.254.169.254/latest/meta-data", "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/", "http://0xa9fea9fe/", "http://2852039166/",
        "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://168.63.129.16/",
        "http://0.0.0.0:1/", "http://0251.0376.0251.0376/", "http://169.254.43518/",
        "http://[::ffff:0:169.254.169.254]/", "http://[::]:1/", "http://0:1/",
        "http://224.0.0.1/"}) {
    const Outcome outcome = send_alone(post(url));
    EXPECT_EQ(outcome.failure, Failure::kRefusedAddress) << url << ": " << outcome.error;
    EXPECT_NE(outcome.error.find("metadata"), std::string::npos) << outcome.error;
  }
}

TEST(CurlReactor, TheSwitchAllowsThem) {
  LoopbackServer server(always(http_response("200 OK")));
  Request request = post("http://0.0.0.0:" + std::to_string(server.port()) + "/");
  request.allow_link_local = true;
  EXPECT_EQ(send_alone(std::move(request)).status, 200);
}

TEST(CurlReactor, OtherSchemesAreRefused) {
  for (const char* url : {"file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/",
                          "smtp://127.0.0.1/", "dict://127.0.0.1/"}) {
    EXPECT_EQ(send_alone(post(url)).failure, Failure::kBadRequest) << url;
  }
  EXPECT_EQ(send_alone(post("http://")).failure, Failure::kBadRequest);
}

TEST(CurlReactor, LineBreaksInHeadersAndUrlAreRefused) {
  LoopbackServer server(always(http_response("200 OK")));
  Request header = post(server.url());
  std::get<HttpRequest>(header.message).headers.emplace_back("X-A", "b\r\nX-Evil: c");
  EXPECT_EQ(send_alone(std::move(header)).failure, Failure::kBadRequest);
  EXPECT_EQ(send_alone(post(server.url("/a\r\nX: y"))).failure, Failure::kBadRequest);
  EXPECT_EQ(server.connections(), 0);
}

TEST(CurlReactor, HeadersOfTheConnectionAndControlCharactersAreRefused) {
  LoopbackServer server(always(http_response("200 OK")));
  const std::pair<const char*, std::string> headers[] = {{"Content-Length", "3"},
                                                         {"content-length", "3"},
                                                         {"Transfer-Encoding", "chunked"},
                                                         {"Host", "evil"},
                                                         {"Connection", "close"},
                                                         {"Keep-Alive", "timeout=1"},
                                                         {"TE", "trailers"},
                                                         {"Trailer", "X"},
                                                         {"Upgrade", "h2c"},
                                                         {"Expect", "x"},
                                                         {"Proxy-Connection", "x"},
                                                         {"Proxy-Authorization", "x"},
                                                         {"X A", "b"},
                                                         {"X:A", "b"},
                                                         {"", "b"},
                                                         {"X-A", "b\x01"},
                                                         {"X-A", std::string(1, '\0')},
                                                         {"X-A", "b\x7f"}};
  for (const auto& [name, value] : headers) {
    Request request = post(server.url());
    std::get<HttpRequest>(request.message).headers.emplace_back(name, value);
    EXPECT_EQ(send_alone(std::move(request)).failure, Failure::kBadRequest) << name;
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST(CurlReactor, AFileOfAuthoritiesThatIsNoneFailsWhereTlsIsNeeded) {
  const std::string fifo = ::testing::TempDir() + "reactor_test_fifo";
  unlink(fifo.c_str());
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  LoopbackServer server(always(http_response("200 OK")));
  for (const std::string& file :
       {fifo, std::string("/dev"), std::string("/dev/zero"), fifo + "-none"}) {
    Request secure = post("https://127.0.0.1:" + std::to_string(server.port()) + "/");
    secure.ca_file = file;
    const Outcome outcome = send_alone(std::move(secure));
    EXPECT_EQ(outcome.failure, Failure::kTls) << file;
    EXPECT_NE(outcome.error.find("monitoring.ca_file: "), std::string::npos) << outcome.error;
    Request plain = post(server.url());
    plain.ca_file = file;
    EXPECT_EQ(send_alone(std::move(plain)).status, 200) << file;
  }
  unlink(fifo.c_str());
}

TEST(CurlReactor, TheProxyEnvironmentIsIgnored) {
  LoopbackServer proxy(always(http_response("200 OK", {}, "proxy")));
  LoopbackServer server(always(http_response("200 OK", {}, "server")));
  setenv("http_proxy", proxy.url().c_str(), 1);
  setenv("ALL_PROXY", proxy.url().c_str(), 1);
  EXPECT_EQ(send_alone(post(server.url())).body_head, "server");
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  EXPECT_EQ(proxy.connections(), 0);
}

TEST(CurlReactor, CanBeDestroyedWithRequestsInFlight) {
  LoopbackServer server([](Connection& connection) { connection.wait_for_close(); });
  const auto reactor = make_curl_reactor();
  for (std::uint64_t id = 0; id < 20; ++id) reactor->start(id, post(server.url()));
  wait_and_step(*reactor);
  EXPECT_EQ(reactor->in_flight(), 20U);
}

TEST(CurlReactor, SignalMaskIsUnchangedAfterwards) {
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  LoopbackServer server(always(http_response("200 OK")));
  EXPECT_EQ(send_alone(post(server.url())).status, 200);
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int number = 1; number < SIGRTMIN; ++number) {
    EXPECT_EQ(sigismember(&before, number), sigismember(&after, number)) << number;
  }
}

}  // namespace
}  // namespace monitoring::transport
