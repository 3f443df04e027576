// The HTTP server's process: one per cluster, if monitoring.http_port asks for it. Loaded by
// monitoring_net.so, so that the network stack is in no user's backend. It is connected to no
// database: what it answers lies in shared memory.

#include "monitoring/pg/guard.hpp"

extern "C" {
#include <postmaster/bgworker.h>
#include <storage/ipc.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <memory>
#include <optional>
#include <sstream>

#include "monitoring/base/regular_file.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/shmem/process.hpp"
#include "monitoring/shmem/worker_slots.hpp"
#include "monitoring/transport/http_server.hpp"
#include "server/endpoints.hpp"

extern "C" {
PGDLLEXPORT void monitoring_server_main(Datum);
}

namespace monitoring::server {

namespace {

constexpr Duration kLongestBackOff = std::chrono::seconds(30);

/// Something that an administrator has to mend: in the log once, and in worker_status while it
/// lasts.
class Complaint {
 public:
  void raise(const std::string& words) {
    if (words == words_) return;
    words_ = words;
    shmem::count_error(words);
    pg::call([&] { ereport(WARNING, (errmsg("monitoring server: %s", words.c_str()))); });
  }
  void settle() {
    if (!words_.empty()) shmem::clear_error();
    words_.clear();
  }

 private:
  std::string words_;
};

constexpr std::size_t kLongestTokenFile = 64 * 1024;

Error of_token_file(const std::string& why) {
  return Error::of("could not read a token from monitoring.http_token_file: " + why);
}

/// The first word of the file.
Result<std::string> read_token(const std::string& file_name) {
  std::string text;
  if (const auto error = read_regular_file(file_name, kLongestTokenFile, &text)) {
    return of_token_file(error->error.message);
  }
  std::istringstream words(text);
  std::string token;
  if (words >> token) return token;
  return of_token_file("file \"" + file_name + "\" holds none");
}

class ServerProcess {
 public:
  explicit ServerProcess(const Clock& clock) : clock_(clock), endpoints_(clock) {}

  void run() {
    load_token();
    while (!shmem::shutdown_requested()) {
      shmem::count_tick(GetCurrentTimestamp());
      if (http_ == nullptr) {
        try_to_listen();
      } else {
        serve();
      }
    }
  }

 private:
  void load_token() {
    const std::string file = pg::settings().http_token_file;
    if (file.empty()) return endpoints_.require_token({});
    const Result<std::string> token = read_token(file);
    if (token) {
      token_complaint_.settle();
      return endpoints_.require_token(*token);
    }
    endpoints_.refuse_all();
    token_complaint_.raise(token.error().message);
  }

  void try_to_listen() {
    transport::HttpServerOptions options;
    options.address = pg::settings().http_listen_address;
    options.port = static_cast<std::uint16_t>(pg::settings().http_port);
    auto made = transport::listen_http(
        options, [this](const auto& request) { return endpoints_.answer(request); });
    if (!made) {
      failures_ += 1;
      listen_complaint_.raise(made.error().message);
      shmem::nap(shmem::back_off(failures_, kLongestBackOff));
      return load_token();
    }
    listen_complaint_.settle();
    http_ = std::move(made.value());
    waiter_.emplace({http_->descriptor()});
    pg::call([&] {
      ereport(LOG, (errmsg("monitoring server listens on \"%s\", port %d", options.address.c_str(),
                           http_->port())));
    });
  }

  void serve() {
    const Instant now = clock_.now();
    waiter_->wait(http_->next_turn_at(now) - now);
    if (shmem::serve_interrupts()) load_token();
    http_->turn(clock_.now());
  }

  const Clock& clock_;
  Endpoints endpoints_;
  std::unique_ptr<transport::HttpServer> http_;
  /// Refers to http_, so it goes first.
  std::optional<shmem::Waiter> waiter_;
  Complaint token_complaint_;
  Complaint listen_complaint_;
  int failures_ = 0;
};

}  // namespace

}  // namespace monitoring::server

void monitoring_server_main(Datum) {
  using namespace monitoring;
  shmem::install_signal_handlers();
  BackgroundWorkerUnblockSignals();
  if (!shmem::occupy_own_slot(shmem::Role::server, InvalidOid, GetCurrentTimestamp())) proc_exit(1);
  pg::enter([] {
    const pg::SystemClock clock;
    server::ServerProcess(clock).run();
  });
  // Any other code would mean that there is nothing more to do, ever.
  proc_exit(1);
}
