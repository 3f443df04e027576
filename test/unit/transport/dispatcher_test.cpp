#include "monitoring/transport/dispatcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace monitoring::transport {
namespace {

Request to(const std::string& url) {
  HttpRequest http;
  http.url = url;
  Request request;
  request.message = http;
  return request;
}

/// Records what was started; the test says what ends.
class ManualReactor final : public Reactor {
 public:
  void start(std::uint64_t id, Request /*request*/) override { started.push_back(id); }
  int descriptor() const override { return -1; }
  std::vector<Completion> step() override { return std::exchange(ended_, {}); }
  std::size_t in_flight() const override { return started.size(); }

  void end(std::uint64_t id) {
    started.erase(std::find(started.begin(), started.end(), id));
    ended_.push_back({id, {}});
  }

  std::vector<std::uint64_t> started;

 private:
  std::vector<Completion> ended_;
};

TEST(Destination, IsTheServer) {
  EXPECT_EQ(destination_of(to("https://Hooks.Example/a/b?c")), "https://hooks.example:443");
  EXPECT_EQ(destination_of(to("http://hooks.example")), "http://hooks.example:80");
  EXPECT_EQ(destination_of(to("http://[::1]:8080/x")), "http://[::1]:8080");
  EXPECT_EQ(destination_of(to("not a url")), "not a url");
}

TEST(Dispatcher, ASlowDestinationHoldsBackOnlyItself) {
  ManualReactor reactor;
  Dispatcher dispatcher(reactor, {4, 2});
  for (std::uint64_t id = 1; id <= 10; ++id) dispatcher.submit(id, to("http://slow/"));
  EXPECT_EQ(reactor.started, (std::vector<std::uint64_t>{1, 2}));
  dispatcher.submit(11, to("http://quick/"));
  EXPECT_EQ(reactor.started, (std::vector<std::uint64_t>{1, 2, 11}));
  EXPECT_EQ(dispatcher.pending(), 11U);
  EXPECT_EQ(dispatcher.running(), 3U);

  reactor.end(1);
  const std::vector<Completion> ended = dispatcher.step();
  dispatcher.start_waiting();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].id, 1U);
  EXPECT_EQ(reactor.started, (std::vector<std::uint64_t>{2, 11, 3})) << "in the order given";
}

TEST(Dispatcher, WhatHasNotStartedCanBeTakenBack) {
  ManualReactor reactor;
  Dispatcher dispatcher(reactor, {4, 1});
  for (std::uint64_t id = 1; id <= 4; ++id) dispatcher.submit(id, to("http://a/"));
  for (std::uint64_t id = 5; id <= 6; ++id) dispatcher.submit(id, to("http://b/"));
  reactor.end(1);
  reactor.end(5);
  EXPECT_EQ(dispatcher.step().size(), 2U);
  const auto even = [](std::uint64_t id) { return id % 2 == 0; };
  EXPECT_EQ(dispatcher.withdraw(even), (std::vector<std::uint64_t>{4, 2, 6}));
  EXPECT_TRUE(dispatcher.withdraw(even).empty());
  EXPECT_EQ(dispatcher.pending(), 1U);

  dispatcher.start_waiting();
  EXPECT_EQ(reactor.started, (std::vector<std::uint64_t>{3})) << "what is left";
  reactor.end(3);
  EXPECT_EQ(dispatcher.step().size(), 1U);
  EXPECT_EQ(dispatcher.pending(), 0U);
}

TEST(Dispatcher, DestinationsTakeTurnsWhenTheReactorIsFull) {
  ManualReactor reactor;
  Dispatcher dispatcher(reactor, {1, 1});
  for (std::uint64_t id = 1; id <= 3; ++id) dispatcher.submit(id, to("http://a/"));
  for (std::uint64_t id = 11; id <= 13; ++id) dispatcher.submit(id, to("http://b/"));
  std::vector<std::uint64_t> order;
  while (dispatcher.pending() > 0) {
    ASSERT_EQ(reactor.started.size(), 1U);
    order.push_back(reactor.started[0]);
    reactor.end(reactor.started[0]);
    dispatcher.step();
    dispatcher.start_waiting();
  }
  EXPECT_EQ(order, (std::vector<std::uint64_t>{1, 11, 2, 12, 3, 13}));
  EXPECT_EQ(dispatcher.running(), 0U);
}

}  // namespace
}  // namespace monitoring::transport
