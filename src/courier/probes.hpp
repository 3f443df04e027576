#pragma once
// The courier's probes: asks what is due, judges the answers, records them. Requests of its own
// reactor, so that a probe never waits for a notification, nor a notification for a probe.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/notify/redaction.hpp"
#include "monitoring/outbox/secrets.hpp"
#include "monitoring/probes/probes.hpp"
#include "monitoring/transport/dispatcher.hpp"
#include "monitoring/transport/reactor.hpp"

namespace monitoring::courier {

class CourierProbes {
 public:
  /// `clock` must outlive it.
  explicit CourierProbes(const Clock& clock);

  /// One turn; `look` says that there may be new probes. No transaction is open when it returns.
  /// After an error (PgError) it can be called again: results that are not recorded yet are kept.
  void turn(bool look, Instant now);
  /// The clock was set back by this (negative) step.
  void set_back(Duration step);
  /// Readable when turn() has something to do because of the network.
  int descriptor() const { return reactor_->descriptor(); }
  /// When turn() is to be called if nothing else happens before.
  Instant next_turn_at(Instant now) const;
  /// A probe is under way, or its result not recorded.
  bool is_busy() const { return !running_.empty() || !results_.empty(); }
  /// When the next probe is due; nullopt if there is none.
  std::optional<Instant> next_due() const { return next_due_; }

 private:
  struct Running {
    probes::DueProbe probe;
    std::vector<std::pair<std::string, std::string>> headers;
    /// Those whose values are secrets: for the first destination only.
    std::vector<std::pair<std::string, std::string>> secret_headers;
    notify::Redaction redaction;
    std::string destination;
    std::string url;  ///< of this hop
    int redirects = 0;
    Instant started_at;
  };
  struct Due {
    probes::DueProbe probe;
    /// Why its secrets may not be sent to its url.
    std::optional<std::string> refusal;
  };

  void take_completions();
  void take(Running running, const transport::Outcome& outcome);
  void record_and_take_due(Instant now);
  static outbox::Secrets secrets_of(pg::Spi& spi, const std::vector<probes::DueProbe>& due);
  static std::optional<std::string> refusal(const probes::DueProbe& probe,
                                            const outbox::Secrets& secrets);
  void start(Due due, const outbox::Secrets& secrets);
  void ask(Running running);
  void finish(const Running& running, const transport::Outcome& outcome,
              std::optional<std::string> error);

  const Clock& clock_;
  std::unique_ptr<transport::Reactor> reactor_;
  transport::Dispatcher dispatcher_;
  std::unordered_map<std::uint64_t, Running> running_;
  std::uint64_t last_id_ = 0;
  std::vector<probes::ProbeResult> results_;
  std::optional<Instant> next_due_;
  bool look_ = true;
  Instant last_look_{};
};

}  // namespace monitoring::courier
