#pragma once
// What the courier of a database does between two waits: take what ended, record it, lease what is
// due, send it. The process around it is in courier_main.cpp.

#include "monitoring/base/json.hpp"
#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/issues/unusable.hpp"
#include "monitoring/notify/receiver.hpp"
#include "monitoring/notify/redaction.hpp"
#include "monitoring/notify/tempo.hpp"
#include "monitoring/outbox/lease.hpp"
#include "monitoring/outbox/receiver_pace.hpp"
#include "monitoring/outbox/secrets.hpp"
#include "monitoring/transport/dispatcher.hpp"
#include "monitoring/transport/reactor.hpp"

namespace monitoring::courier {

class Courier {
 public:
  /// `clock` must outlive the courier.
  explicit Courier(const Clock& clock);

  /// Puts back what an earlier courier of this database held. Call it once, before turn().
  void take_over();

  /// One turn; `look` says that there may be something new in the outbox. Its transaction is put
  /// off for a moment while requests are under way, so that it is about many of them. Transactions
  /// are opened and closed inside, none is open when it returns. After an error (PgError) it can be
  /// called again: what has ended and is not recorded yet is kept.
  void turn(bool look, Instant now);

  /// The clock was set back by this (negative) step.
  void set_back(Duration step);

  /// Readable when turn() has something to do because of the network.
  int descriptor() const { return reactor_->descriptor(); }

  /// When turn(true) is to be called if nothing else happens before.
  Instant next_turn_at(Instant now) const;

  /// Requests under way, and answers that are not recorded yet.
  std::size_t pending() const { return in_flight_.size() + to_record_.size(); }
  /// When the next notification is due; nullopt if none waits.
  std::optional<Instant> next_due() const { return next_due_; }

 private:
  /// A notification whose request is under way.
  struct InFlight {
    outbox::Leased notification;
    std::size_t payload_bytes;
    /// Of what the request holds and no record may.
    notify::Redaction redaction;
  };
  struct Receiver {
    notify::Tempo tempo;
    /// Rows leased for it whose requests have not ended.
    std::uint32_t held = 0;
  };
  /// What the requests to a receiver are made of.
  struct Means;
  using MeansOfReceivers = std::map<std::string, Means>;

  bool wants_transaction() const { return look_ || has_ended_; }
  Instant next_transaction_at(Instant now) const;
  void take_completions();
  /// Keeps what is to be recorded of an attempt.
  void note_end(const InFlight& entry, const notify::Judgement& judgement,
                const notify::DeliveryOutcome& outcome, std::chrono::microseconds duration);
  void record_and_lease();
  /// The ids that are recorded, sorted; they are forgotten only after the commit.
  std::vector<std::int64_t> record(pg::Spi& spi, const std::vector<outbox::AttemptRecord>& records,
                                   std::set<std::string>& failing);
  std::vector<std::int64_t> record_each(pg::Spi& spi, std::set<std::string>& failing);
  /// A receiver that does not take what it is told is an issue until it does.
  static void note_receiver(pg::Spi& spi, const outbox::AttemptRecord& record,
                            std::set<std::string>& failing);
  void forget_recorded(const std::vector<std::int64_t>& done);
  void sweep(pg::Spi& spi, std::set<std::string>& failing);
  void forget_idle_receivers();
  bool is_paused(const std::string& receiver) const;
  void end_pauses(Instant now);
  /// Rows that may be leased for it at a time.
  std::uint32_t most_to_hold(const std::string& name, const Receiver& receiver) const;
  /// Takes back what has not been sent to receivers that have become slow or want to be left alone.
  void take_back();
  std::vector<outbox::LeaseShare> shares(const outbox::RateLimits& limits);
  outbox::LeaseResult lease(pg::Spi& spi, bool row_by_row);
  /// Row by row: those that cannot be leased rest.
  outbox::LeaseResult lease_each(pg::Spi& spi, outbox::LeaseTerms terms);
  static MeansOfReceivers means_of(pg::Spi& spi, const std::vector<outbox::Leased>& leased);
  void send(outbox::Leased notification, const Means& means);

  const Clock& clock_;
  std::unique_ptr<transport::Reactor> reactor_;
  transport::Dispatcher dispatcher_;
  std::unordered_map<std::uint64_t, InFlight> in_flight_;
  std::vector<outbox::AttemptRecord> to_record_;
  /// Taken back, and still leased in the table.
  std::vector<std::int64_t> to_release_;
  std::map<std::string, Receiver> receivers_;
  /// Receivers that have asked to be left alone, and until when.
  std::map<std::string, Instant> paused_;
  /// Receivers with an open issue.
  std::set<std::string> failing_;
  /// The last transaction failed: each step and row has a subtransaction of its own in the next.
  bool is_careful_ = false;
  issues::RestingObjects resting_{"courier", "unusable", "notification"};
  /// There may be something to lease.
  bool look_ = true;
  /// Attempts have ended since the last transaction.
  bool has_ended_ = false;
  /// Until then some rows may wait for earlier ones of their groups.
  Instant put_off_until_{};
  std::optional<Instant> next_due_;
  Instant next_sweep_{};
  Instant last_transaction_at_{};
  Duration last_transaction_took_{};
};

}  // namespace monitoring::courier
