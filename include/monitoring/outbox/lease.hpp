#pragma once
// The outbox, seen by the courier: lease what is due, record how it ended.
//
//   queued ---lease---> sending ---sent---> sent
//     ^                  |   |
//     |                  |   +---dead-----> dead ---retry_notification()---> queued
//     +--- (blocked)     +---retry--------> retrying ---lease---> sending
//
// One courier per database leases, so the only contention is with users who touch a row by hand;
// such rows are skipped and seen again. Within a receiver and group_key only the oldest unsent row
// is leased. Every function runs in the caller's transaction; none is open while a request is in
// flight. For worker and courier, whose search_path is "pg_catalog, pg_temp": names of operators
// and functions are not qualified.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace monitoring::outbox {

/// A leased notification, with what is needed to send it.
struct Leased {
  std::int64_t id;
  std::string receiver;
  std::string kind;
  /// JSON text.
  std::string payload;
  /// Attempts that have ended before this one.
  std::uint32_t attempts;
  /// When it becomes too old to be tried again.
  Instant expires_at;
};

/// What a receiver may get of a lease.
struct LeaseShare {
  std::string receiver;
  /// Most rows, whether they can be sent now or must wait for an earlier one of their group.
  std::uint32_t room;
  /// Of these, rows that its rate limit lets be leased now.
  std::uint32_t allowed;
};

struct LeaseTerms {
  /// Process id of the courier: the leases' owner.
  int owner;
  Instant now;
  Instant until;
  /// Notifications older than this are given up, see Leased::expires_at.
  Duration max_age;
  /// Most rows of all receivers together.
  std::uint32_t total;
  /// In the order in which they are served. A receiver that is not there gets nothing.
  std::vector<LeaseShare> shares;
  /// Rows that rest because they could not be leased.
  std::vector<std::int64_t> left_out;
};

struct LeaseResult {
  std::vector<Leased> leased;
  /// Rows were put off because an earlier one of their group is unsent: ask again, there may be
  /// others behind them.
  std::optional<Instant> put_off_until;
  /// As next_delivery_at() says, after the lease.
  std::optional<Instant> next_due;
};

/// So long is a row not looked at again that waits for an earlier one of its group. Recording the
/// earlier one ends the wait; this is for rows that were locked then.
constexpr Duration kBlockedWait = std::chrono::seconds(30);

/// The row that lease_due() would look at first.
std::optional<std::int64_t> first_to_lease(pg::Spi& spi, const LeaseTerms& terms,
                                           const std::string& receiver);

LeaseResult lease_due(pg::Spi& spi, const LeaseTerms& terms);

/// How an attempt ended, as notification_attempts shows it.
struct AttemptRecord {
  std::int64_t id;
  std::string receiver;
  /// 'sent', 'retry' or 'dead'.
  std::string outcome;
  /// With 'retry': when it is tried again.
  Instant next_attempt_at;
  Instant ended_at;
  double duration_ms;
  /// 0 where there was none.
  int http_status;
  std::string reason;
  /// Empty where nothing went wrong.
  std::string error;
  /// Text that is valid in the database's encoding.
  std::string response;
  /// With 'sent': addresses that get it by another attempt, at next_attempt_at.
  std::vector<std::string> deferred;
  /// With 'sent': some addresses will never get it.
  bool refused_for_good = false;
};

/// Records attempts of rows that `owner` holds and, where some are put off, lets the next ones of
/// their groups go. Rows that somebody else has locked are left out. Returns the ids that are done
/// with, sorted: recorded, or no longer held.
std::vector<std::int64_t> record_attempts(pg::Spi& spi, int owner, Instant now,
                                          const std::vector<AttemptRecord>& records,
                                          bool some_are_put_off);

/// One for each of the deferred addresses, as another attempt at this one.
void queue_deferred(pg::Spi& spi, const AttemptRecord& record);

/// A notification that is dead.
struct GivenUp {
  std::string receiver;
  /// Class of the failure as in notification_attempts; "expired" where it died waiting.
  std::string reason;
  std::string error;
};

/// Receivers for which a worker issue is open, because a notification was given up.
std::set<std::string> receivers_with_issue(pg::Spi& spi);
/// Opens that issue unless it is open, so that health and the alert NotificationFailed, and through
/// them the other receivers, hear of it; or resolves it.
void open_receiver_issue(pg::Spi& spi, const GivenUp& lost);
/// The receiver took a notification for some of its recipients only.
void open_recipient_issue(pg::Spi& spi, const GivenUp& lost);
void resolve_receiver_issue(pg::Spi& spi, const std::string& receiver);

/// Puts back what an earlier courier held: for a courier that starts, and so is the only one.
std::uint64_t release_all_leases(pg::Spi& spi);

/// Puts back rows that were leased and not sent.
void release_leases(pg::Spi& spi, int owner, const std::vector<std::int64_t>& ids);

/// The rows are still being sent: their leases hold until then.
void renew_leases(pg::Spi& spi, int owner, const std::vector<std::int64_t>& ids, Instant until);

/// Declares dead what is older than max_age or whose receiver is gone, and releases leases that
/// have run out. Returns one of the dead ones for each receiver. Reads all unsent
/// rows: once a minute is enough.
std::vector<GivenUp> sweep_outbox(pg::Spi& spi, Instant now, Duration max_age);

/// Whether rows are leased. While there is no courier, an earlier one has left them behind, and the
/// next one takes them over.
bool any_leased(pg::Spi& spi);

/// When the next notification is due; nullopt if none waits for an enabled receiver. A time in the
/// past means at once. Reads one row per receiver. For the worker of the database, which starts a
/// courier then.
std::optional<Instant> next_delivery_at(pg::Spi& spi);

}  // namespace monitoring::outbox
