#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <unordered_map>

#include "monitoring/transport/reactor.hpp"
#include "transport/curl_transfer.hpp"
#include "transport/signal_block.hpp"

namespace monitoring::transport {

namespace {

struct MultiDeleter {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};

class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int fd) : fd_(fd) {}
  ~OwnedDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::uint32_t epoll_events(int curl_what) {
  switch (curl_what) {
    case CURL_POLL_IN:
      return EPOLLIN;
    case CURL_POLL_OUT:
      return EPOLLOUT;
    case CURL_POLL_INOUT:
      return EPOLLIN | EPOLLOUT;
    default:
      return 0;
  }
}

int curl_events(std::uint32_t events) {
  int mask = 0;
  if ((events & (EPOLLIN | EPOLLHUP)) != 0) mask |= CURL_CSELECT_IN;
  if ((events & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
  if ((events & EPOLLERR) != 0) mask |= CURL_CSELECT_ERR;
  return mask;
}

class CurlReactor final : public Reactor {
 public:
  explicit CurlReactor(const ReactorOptions& options);
  ~CurlReactor() override;

  bool usable() const { return usable_; }

  void start(std::uint64_t id, Request request) override;
  int descriptor() const override { return epoll_.get(); }
  std::vector<Completion> step() override;
  std::size_t in_flight() const override { return transfers_.size() + ended_.size(); }

 private:
  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self,
                       void* known) noexcept;
  static int on_timer(CURLM* multi, long timeout_ms, void* self) noexcept;
  /// Makes the timer's descriptor readable after this long; 0 at once; negative never.
  void set_timer(long after_ms) const noexcept;
  void run_ready();
  void run_timeout();
  void collect_ended();

  OwnedDescriptor epoll_;
  /// Watched by epoll_, so that one descriptor tells of timeouts, too.
  OwnedDescriptor timer_;
  bool usable_ = false;
  std::unique_ptr<CURLM, MultiDeleter> multi_;
  std::unordered_map<CURL*, std::unique_ptr<CurlTransfer>> transfers_;
  /// Ended outside step(); handed out by the next one.
  std::vector<Completion> ended_;
};

CurlReactor::CurlReactor(const ReactorOptions& options)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  const SignalBlock block;
  multi_.reset(curl_multi_init());
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = timer_.get();
  usable_ = multi_ && epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event) == 0;
  if (!usable_) return;
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &CurlReactor::on_socket);
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, static_cast<void*>(this));
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &CurlReactor::on_timer);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, static_cast<void*>(this));
  curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS,
                    static_cast<long>(options.kept_connections));
}

CurlReactor::~CurlReactor() {
  const SignalBlock block;
  for (const auto& [easy, transfer] : transfers_) curl_multi_remove_handle(multi_.get(), easy);
  transfers_.clear();
  multi_.reset();
}

void CurlReactor::start(std::uint64_t id, Request request) {
  const SignalBlock block;
  auto transfer = std::make_unique<CurlTransfer>(id, std::move(request));
  if (!transfer->prepare()) {
    ended_.push_back({id, transfer->finish(CURLE_URL_MALFORMAT)});
    set_timer(0);
    return;
  }
  CURL* easy = transfer->easy();
  transfers_.emplace(easy, std::move(transfer));
  if (curl_multi_add_handle(multi_.get(), easy) != CURLM_OK) {
    ended_.push_back({id, transfers_.at(easy)->finish(CURLE_OUT_OF_MEMORY)});
    transfers_.erase(easy);
    set_timer(0);
  }
}

void CurlReactor::set_timer(long after_ms) const noexcept {
  itimerspec when{};
  if (after_ms >= 0) {
    when.it_value.tv_sec = after_ms / 1000;
    // All zero would disarm it.
    when.it_value.tv_nsec = after_ms % 1000 * 1000000 + 1;
  }
  timerfd_settime(timer_.get(), 0, &when, nullptr);
}

std::vector<Completion> CurlReactor::step() {
  const SignalBlock block;
  run_ready();
  collect_ended();
  return std::exchange(ended_, {});
}

void CurlReactor::run_ready() {
  std::array<epoll_event, 64> ready{};
  const int count = epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), 0);
  for (int i = 0; i < count; ++i) {
    if (ready[i].data.fd == timer_.get()) {
      run_timeout();
      continue;
    }
    int running = 0;
    curl_multi_socket_action(multi_.get(), ready[i].data.fd, curl_events(ready[i].events),
                             &running);
  }
}

void CurlReactor::run_timeout() {
  std::uint64_t expirations = 0;
  // Nothing to read: set anew by one of the sockets before its turn came.
  if (read(timer_.get(), &expirations, sizeof expirations) <= 0) return;
  int running = 0;
  curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
}

void CurlReactor::collect_ended() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    // The message is gone with the handle: its verdict is copied first.
    const CURLcode code = message->data.result;
    const auto found = transfers_.find(easy);
    ended_.push_back({found->second->id(), found->second->finish(code)});
    curl_multi_remove_handle(multi_.get(), easy);
    transfers_.erase(found);
  }
}

int CurlReactor::on_socket(CURL* /*easy*/, curl_socket_t socket, int what, void* self,
                           void* /*known*/) noexcept {
  const int epoll = static_cast<CurlReactor*>(self)->epoll_.get();
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{};
  event.events = epoll_events(what);
  event.data.fd = socket;
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) == 0) return 0;
  // Fails only for want of kernel memory. The transfer then ends by its timeout; telling libcurl
  // would end all others with it.
  epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
  return 0;
}

int CurlReactor::on_timer(CURLM* /*multi*/, long timeout_ms, void* self) noexcept {
  static_cast<CurlReactor*>(self)->set_timer(timeout_ms);
  return 0;
}

}  // namespace

std::unique_ptr<Reactor> make_curl_reactor(const ReactorOptions& options) {
  const SignalBlock block;
  // Counted by libcurl; never undone, because the process ends with the last reactor.
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return nullptr;
  auto reactor = std::make_unique<CurlReactor>(options);
  if (!reactor->usable()) return nullptr;
  return reactor;
}

}  // namespace monitoring::transport
