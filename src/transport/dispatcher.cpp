#include "monitoring/transport/dispatcher.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "transport/signal_block.hpp"

namespace monitoring::transport {

namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
struct CurlTextDeleter {
  void operator()(char* text) const noexcept { curl_free(text); }
};

/// A part of a URL; empty where it has none.
std::string part_of(CURLU* url, CURLUPart part) {
  char* raw = nullptr;
  if (curl_url_get(url, part, &raw, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  const std::unique_ptr<char, CurlTextDeleter> text(raw);
  return text.get();
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

const std::string& url_of(const Request& request) {
  return std::visit([](const auto& message) -> const std::string& { return message.url; },
                    request.message);
}

}  // namespace

std::string destination_of(const Request& request) {
  const SignalBlock block;
  const std::string& text = url_of(request);
  const std::unique_ptr<CURLU, UrlDeleter> url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return text;
  return lower(part_of(url.get(), CURLUPART_SCHEME) + "://" + part_of(url.get(), CURLUPART_HOST) +
               ":" + part_of(url.get(), CURLUPART_PORT));
}

Dispatcher::Dispatcher(Reactor& reactor, const DispatchLimits& limits)
    : reactor_(reactor), limits_(limits) {}

void Dispatcher::submit(std::uint64_t id, Request request) {
  Destination& destination = destinations_[destination_of(request)];
  destination.queue.push_back({id, std::move(request)});
  ++queued_;
  start_waiting();
}

std::vector<Completion> Dispatcher::step() {
  std::vector<Completion> completions = reactor_.step();
  for (const Completion& completion : completions) finished(completion.id);
  return completions;
}

void Dispatcher::finished(std::uint64_t id) {
  const auto entry = running_.find(id);
  const auto destination = destinations_.find(entry->second);
  --destination->second.running;
  forget_if_idle(destination);
  running_.erase(entry);
}

void Dispatcher::forget_if_idle(std::map<std::string, Destination>::iterator destination) {
  if (destination->second.running > 0 || !destination->second.queue.empty()) return;
  destinations_.erase(destination);
}

std::vector<std::uint64_t> Dispatcher::withdraw(
    const std::function<bool(std::uint64_t id)>& unwanted) {
  std::vector<std::uint64_t> withdrawn;
  const auto take = [&](const Waiting& waiting) {
    const bool taken = unwanted(waiting.id);
    if (taken) withdrawn.push_back(waiting.id);
    return taken;
  };
  for (auto next = destinations_.begin(); next != destinations_.end();) {
    const auto destination = next++;
    auto& queue = destination->second.queue;
    queue.erase(queue.begin(), std::remove_if(queue.rbegin(), queue.rend(), take).base());
    forget_if_idle(destination);
  }
  queued_ -= withdrawn.size();
  return withdrawn;
}

bool Dispatcher::start_one(const std::string& name, Destination& destination) {
  if (destination.queue.empty() || destination.running >= limits_.per_destination) return false;
  Waiting next = std::move(destination.queue.front());
  destination.queue.pop_front();
  --queued_;
  ++destination.running;
  running_.emplace(next.id, name);
  last_started_ = name;
  reactor_.start(next.id, std::move(next.request));
  return true;
}

void Dispatcher::start_waiting() {
  // One request per destination and turn, until nothing may start or the reactor is full.
  std::size_t passed_over = 0;
  auto next = destinations_.upper_bound(last_started_);
  while (queued_ > 0 && running_.size() < limits_.total && passed_over < destinations_.size()) {
    if (next == destinations_.end()) next = destinations_.begin();
    passed_over = start_one(next->first, next->second) ? 0 : passed_over + 1;
    ++next;
  }
}

}  // namespace monitoring::transport
