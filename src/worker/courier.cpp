#include "worker/courier.hpp"

extern "C" {
#include <common/pg_prng.h>
#include <mb/pg_wchar.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "monitoring/notify/retry.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/transaction.hpp"
#include "monitoring/store/receiver_pace.hpp"
#include "monitoring/store/secrets.hpp"
#include "worker/courier_network.hpp"
#include "worker/courier_translate.hpp"

namespace monitoring::worker {

namespace {

using nlohmann::json;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kSweepInterval = std::chrono::minutes(1);
/// Renewed by every sweep while the request waits or runs.
constexpr Duration kLease = std::chrono::minutes(10);
/// How long to leave rows alone that could not be recorded or leased: locked by a user, or their
/// receiver has enough under way.
constexpr Duration kRetryLease = seconds(1);
/// Rows are leased for as many requests as may run, and as many again that wait for their turn, so
/// that the next one starts without a transaction in between.
constexpr std::uint32_t kLeaseAhead = 2;

std::uint32_t unsigned_setting(int value) {
  return static_cast<std::uint32_t>(value);
}

json parse(const std::string& text) {
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

const char* outcome_text(notify::Verdict verdict) {
  switch (verdict) {
    case notify::Verdict::kSent:
      return "sent";
    case notify::Verdict::kRetry:
      return "retry";
    case notify::Verdict::kDead:
      return "dead";
  }
  return "dead";
}

notify::Judgement judge(const std::string& kind, const notify::DeliveryOutcome& outcome) {
  const notify::ReceiverKind* found = notify::find_receiver_kind(kind);
  return found != nullptr ? found->judge(outcome) : notify::judge_http(outcome);
}

}  // namespace

Courier::Courier(const Clock& clock)
    : clock_(clock), reactor_(make_reactor()), dispatcher_(*reactor_, dispatch_limits()) {}

void Courier::take_over() {
  pg::Transaction transaction;
  {
    pg::Spi spi;
    store::release_all_leases(spi);
    failing_ = store::receivers_with_issue(spi);
    paused_ = store::load_pauses(spi, clock_.now());
  }
  transaction.commit();
}

void Courier::turn(bool look) {
  dispatcher_.set_limits(dispatch_limits());
  take_completions();
  if (look || look_again_ || has_ended_) record_and_lease();
}

Instant Courier::next_turn_at() const {
  if (look_again_ || has_ended_) return clock_.now();
  return next_due_ ? std::min(*next_due_, next_sweep_) : next_sweep_;
}

void Courier::take_completions() {
  for (transport::Completion& completion : dispatcher_.step()) {
    const auto found = in_flight_.find(completion.id);
    const microseconds duration = completion.outcome.duration;
    const auto outcome = to_delivery_outcome(std::move(completion.outcome));
    note_end(found->second, judge(found->second.notification.kind, outcome), outcome, duration);
    in_flight_.erase(found);
  }
}

void Courier::note_end(const InFlight& entry, const notify::Judgement& judgement,
                       const notify::DeliveryOutcome& outcome, microseconds duration) {
  const store::Leased& notification = entry.notification;
  const Instant now = clock_.now();
  const bool ascii_only = GetDatabaseEncoding() != PG_UTF8;

  store::AttemptRecord record{};
  record.id = notification.id;
  record.receiver = notification.receiver;
  record.outcome = outcome_text(judgement.verdict);
  record.next_attempt_at = now;
  record.ended_at = now;
  record.duration_ms = std::chrono::duration<double, std::milli>(duration).count();
  record.http_status = outcome.status;
  record.reason = notify::failure_reason_text(judgement.reason);
  record.error = presentable(entry.redaction.apply(judgement.explanation), ascii_only);
  if (judgement.verdict != notify::Verdict::kSent) {
    record.response = presentable(entry.redaction.apply(outcome.body_head), ascii_only);
  }
  if (judgement.verdict == notify::Verdict::kRetry) {
    const double random = pg_prng_double(&pg_global_prng_state);
    record.next_attempt_at =
        now + notify::retry_wait({}, notification.attempts + 1, judgement.pause, random);
    if (record.next_attempt_at > notification.expires_at) {
      record.outcome = outcome_text(notify::Verdict::kDead);
      record.error = "given up, too old for another attempt: " + record.error;
    }
  }
  if (judgement.pause) {
    // Capped as a single notification's wait is.
    paused_[notification.receiver] = now + notify::retry_wait({}, 1, judgement.pause, 0);
  }
  to_record_.push_back(std::move(record));
  has_ended_ = true;
}

void Courier::record_and_lease() {
  store::LeaseResult result;
  Secrets secrets;
  std::vector<std::int64_t> done;
  // A copy, which only counts once the transaction is committed.
  std::set<std::string> failing = failing_;
  {
    pg::Transaction transaction;
    {
      pg::Spi spi;
      if (!to_record_.empty()) done = record(spi, failing);
      store::save_pauses(spi, paused_);
      if (next_sweep_ <= clock_.now()) sweep(spi, failing);
      result = lease(spi);
      secrets = secrets_of(spi, result.leased);
      next_due_ = store::next_delivery_at(spi);
    }
    transaction.commit();
  }
  failing_ = std::move(failing);
  forget_recorded(done);
  has_ended_ = false;
  look_again_ = result.look_again;
  const Instant now = clock_.now();
  const bool left_behind = !to_record_.empty() || (next_due_ && *next_due_ <= now);
  if (left_behind) next_due_ = now + kRetryLease;
  for (store::Leased& notification : result.leased) send(std::move(notification), secrets);
}

std::vector<std::int64_t> Courier::record(pg::Spi& spi, std::set<std::string>& failing) const {
  std::vector<std::int64_t> done = store::record_attempts(spi, MyProcPid, clock_.now(), to_record_);
  std::sort(done.begin(), done.end());
  for (const store::AttemptRecord& record : to_record_) {
    if (std::binary_search(done.begin(), done.end(), record.id)) {
      note_receiver(spi, record, failing);
    }
  }
  return done;
}

void Courier::note_receiver(pg::Spi& spi, const store::AttemptRecord& record,
                            std::set<std::string>& failing) {
  if (record.outcome == "dead") {
    store::open_receiver_issue(spi, {record.receiver, record.reason, record.error});
    failing.insert(record.receiver);
  } else if (record.outcome == "sent" && failing.count(record.receiver) > 0) {
    store::resolve_receiver_issue(spi, record.receiver);
    failing.erase(record.receiver);
  }
}

void Courier::forget_recorded(const std::vector<std::int64_t>& done) {
  const auto is_done = [&](const store::AttemptRecord& record) {
    return std::binary_search(done.begin(), done.end(), record.id);
  };
  to_record_.erase(std::remove_if(to_record_.begin(), to_record_.end(), is_done), to_record_.end());
}

void Courier::sweep(pg::Spi& spi, std::set<std::string>& failing) {
  const Instant now = clock_.now();
  std::vector<std::int64_t> ids;
  for (const auto& [id, entry] : in_flight_) ids.push_back(entry.notification.id);
  for (const store::AttemptRecord& record : to_record_) ids.push_back(record.id);
  store::renew_leases(spi, MyProcPid, ids, now + kLease);
  const auto given_up =
      store::sweep_outbox(spi, now, seconds(pg::settings().notification_max_age_s));
  for (const store::GivenUp& notification : given_up) {
    store::open_receiver_issue(spi, notification);
    failing.insert(notification.receiver);
  }
  store::forget_gone_receivers(spi);
  next_sweep_ = now + kSweepInterval;
}

std::map<std::string, std::uint32_t> Courier::held_by_receiver(std::uint32_t most) {
  std::map<std::string, std::uint32_t> held;
  for (const auto& [id, entry] : in_flight_) ++held[entry.notification.receiver];
  const Instant now = clock_.now();
  for (auto entry = paused_.begin(); entry != paused_.end();) {
    if (entry->second <= now) {
      entry = paused_.erase(entry);
      continue;
    }
    held[entry->first] = most;
    ++entry;
  }
  return held;
}

store::LeaseResult Courier::lease(pg::Spi& spi) {
  const pg::Settings& settings = pg::settings();
  const std::uint32_t total = kLeaseAhead * unsigned_setting(settings.courier_concurrency);
  const auto under_way = static_cast<std::uint32_t>(pending());
  if (under_way >= total) return {};
  store::LeaseTerms terms;
  terms.owner = MyProcPid;
  terms.now = clock_.now();
  terms.until = terms.now + kLease;
  terms.max_age = seconds(settings.notification_max_age_s);
  terms.per_receiver = kLeaseAhead * unsigned_setting(settings.courier_destination_concurrency);
  terms.total = total - under_way;
  terms.held = held_by_receiver(terms.per_receiver);
  store::RateLimits limits(spi, terms.now);
  terms.allowed = limits.allowed();
  store::LeaseResult result = store::lease_due(spi, terms);
  std::vector<std::string> receivers;
  for (const store::Leased& leased : result.leased) receivers.push_back(leased.receiver);
  limits.take(receivers);
  return result;
}

Courier::Secrets Courier::secrets_of(pg::Spi& spi, const std::vector<store::Leased>& leased) const {
  std::vector<std::string> names;
  for (const store::Leased& notification : leased) {
    for (std::string& name : notify::secret_names(parse(notification.settings))) {
      names.push_back(std::move(name));
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return store::read_secrets(spi, names);
}

void Courier::send(store::Leased notification, const Secrets& secrets) {
  const json settings = parse(notification.settings);
  InFlight entry{std::move(notification), {}};
  const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = secrets.find(name);
    if (found == secrets.end()) return std::nullopt;
    entry.redaction.add_secret(found->second);
    return found->second;
  };
  auto request = notify::wire_request(entry.notification.kind, parse(entry.notification.payload),
                                      settings, lookup, clock_.now());
  if (!request) {
    // A secret or setting that is wrong may be mended; a dead notification would not come back.
    const notify::Judgement judgement{notify::Verdict::kRetry, notify::FailureReason::kClientError,
                                      std::nullopt, request.error().message};
    return note_end(entry, judgement, {}, microseconds(0));
  }
  entry.redaction.add_request(*request);
  if (std::holds_alternative<notify::LogDelivery>(*request)) {
    return note_end(entry, {}, {}, microseconds(0));
  }
  const auto id = static_cast<std::uint64_t>(entry.notification.id);
  const RequestTerms terms = request_terms();
  auto* mail = std::get_if<notify::MailDelivery>(&request.value());
  dispatcher_.submit(
      id, mail != nullptr
              ? to_request(std::move(*mail), terms)
              : to_request(std::move(std::get<notify::HttpDelivery>(request.value())), terms));
  in_flight_.emplace(id, std::move(entry));
}

}  // namespace monitoring::worker
