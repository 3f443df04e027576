#include "courier/courier.hpp"

extern "C" {
#include <common/pg_prng.h>
#include <mb/pg_wchar.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <utility>

#include "courier/network.hpp"
#include "courier/translate.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/notify/retry.hpp"
#include "monitoring/outbox/receiver_pace.hpp"
#include "monitoring/outbox/secrets.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/transaction.hpp"

namespace monitoring::courier {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kSweepInterval = std::chrono::minutes(1);
/// Renewed by every sweep while the request waits or runs.
constexpr Duration kLease = std::chrono::minutes(10);
/// How long to leave rows alone that could not be recorded or leased: locked by a user, or their
/// receiver has enough under way.
constexpr Duration kRetryLease = seconds(1);
/// While requests are under way transactions are so far apart; with many leased, further, and as
/// far as the last one took, so that a slow disk does not keep the network waiting most of the
/// time.
constexpr Duration kBetweenTransactions = milliseconds(1);
constexpr Duration kBetweenBatches = milliseconds(5);
constexpr std::size_t kManyLeased = 64;
constexpr std::size_t kManyEnded = 256;
/// Rows that are leased of all receivers: as many as may run, as many again that wait for their
/// turn so that the next one starts without a transaction in between, and those leased ahead for
/// quick receivers.
constexpr std::uint32_t kRowsPerRequest = 2;
constexpr std::uint32_t kRowsAhead = 1024;
/// Of a receiver, in a transaction that looks for a row that cannot be leased.
constexpr std::uint32_t kRowsByRow = 100;
/// What would take longer than this is taken back.
constexpr Duration kLongestHold = seconds(10);

std::uint32_t unsigned_setting(int value) {
  return static_cast<std::uint32_t>(value);
}

std::uint32_t destination_concurrency() {
  return unsigned_setting(pg::settings().courier_destination_concurrency);
}

Json parse(const std::string& text) {
  return Json::parse_or_null(text);
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

/// Which of the secrets the role that made the receiver may send wherever it likes.
outbox::Secrets secrets_for(Oid role, const Json& settings, const outbox::Secrets& all) {
  outbox::Secrets secrets;
  for (const std::string& name : notify::secret_names(settings)) {
    const auto found = all.find(name);
    if (found == all.end()) continue;
    outbox::Secret& secret = secrets.emplace(*found).first->second;
    secret.terms.is_trusted = outbox::is_trusted_with(role, secret);
  }
  return secrets;
}

const std::string& url_of(const notify::DeliveryRequest& request) {
  static const std::string none;
  if (const auto* http = std::get_if<notify::HttpDelivery>(&request)) return http->url;
  if (const auto* mail = std::get_if<notify::MailDelivery>(&request)) return mail->url;
  return none;
}

/// What keeps the secrets that a request holds from going where it goes, if anything.
std::optional<Error> check_destination(const std::string& kind, const outbox::Secrets& secrets,
                                       const notify::DeliveryRequest& request) {
  const auto destination = notify::destination_of_url(url_of(request));
  for (const auto& [name, secret] : secrets) {
    auto error = notify::check_destination(name, secret.terms, kind, destination, secret.value);
    if (error) return error;
  }
  return std::nullopt;
}

notify::Judgement judge(const std::string& kind, const notify::DeliveryOutcome& outcome) {
  const notify::ReceiverKind* found = notify::find_receiver_kind(kind);
  return found != nullptr ? found->judge(outcome) : notify::judge_http(outcome);
}

}  // namespace

struct Courier::Means {
  Json settings;
  /// Those that the settings name and that are set.
  outbox::Secrets secrets;
};

Courier::Courier(const Clock& clock)
    : clock_(clock), reactor_(make_reactor()), dispatcher_(*reactor_, dispatch_limits()) {}

void Courier::take_over() {
  pg::Transaction transaction;
  {
    pg::Spi spi;
    outbox::release_all_leases(spi);
    put_off_until_ = clock_.now() + outbox::kBlockedWait;
    failing_ = outbox::receivers_with_issue(spi);
    paused_ = outbox::load_pauses(spi, clock_.now());
  }
  transaction.commit();
}

void Courier::turn(bool look, Instant now) {
  dispatcher_.set_limits(dispatch_limits());
  take_completions();
  end_pauses(now);
  take_back();
  dispatcher_.start_waiting();
  if (look || next_turn_at(now) <= now) look_ = true;
  if (wants_transaction() && next_transaction_at(now) <= now) record_and_lease();
}

void Courier::set_back(Duration step) {
  last_transaction_at_ += step;
  put_off_until_ += step;
  for (auto& [receiver, until] : paused_) until += step;
  // What the tables say is asked anew, and mended by the sweep.
  next_sweep_ = Instant{};
  look_ = true;
}

Instant Courier::next_transaction_at(Instant now) const {
  if (in_flight_.empty() || to_record_.size() >= kManyEnded) return now;
  const bool in_batches = in_flight_.size() >= kManyLeased;
  const Duration pause =
      in_batches ? std::max(kBetweenBatches, last_transaction_took_) : kBetweenTransactions;
  return last_transaction_at_ + pause;
}

Instant Courier::next_turn_at(Instant now) const {
  if (wants_transaction()) return next_transaction_at(now);
  return next_due_ ? std::min(*next_due_, next_sweep_) : next_sweep_;
}

void Courier::take_completions() {
  for (transport::Completion& completion : dispatcher_.step()) {
    const auto found = in_flight_.find(completion.id);
    const InFlight& entry = found->second;
    const microseconds duration = completion.outcome.duration;
    Receiver& receiver = receivers_[entry.notification.receiver];
    receiver.tempo.note(duration, entry.payload_bytes);
    --receiver.held;
    const auto outcome = to_delivery_outcome(std::move(completion.outcome));
    note_end(entry, judge(entry.notification.kind, outcome), outcome, duration);
    in_flight_.erase(found);
  }
}

void Courier::note_end(const InFlight& entry, const notify::Judgement& judgement,
                       const notify::DeliveryOutcome& outcome, microseconds duration) {
  const outbox::Leased& notification = entry.notification;
  const Instant now = clock_.now();
  const bool ascii_only = GetDatabaseEncoding() != PG_UTF8;

  outbox::AttemptRecord record{};
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
  record.deferred = outcome.deferred_recipients;
  record.refused_for_good = outcome.refused_for_good;
  const bool is_tried_again =
      judgement.verdict == notify::Verdict::kRetry || !record.deferred.empty();
  if (is_tried_again) {
    const double random = pg_prng_double(&pg_global_prng_state);
    record.next_attempt_at =
        now + notify::retry_wait({}, notification.attempts + 1, judgement.pause, random);
    const bool is_too_late = record.next_attempt_at > notification.expires_at;
    if (is_too_late && judgement.verdict == notify::Verdict::kRetry) {
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
  const Instant began_at = clock_.now();
  outbox::LeaseResult result;
  MeansOfReceivers means;
  std::vector<std::int64_t> done;
  const bool was_careful = is_careful_;
  // Until it is through.
  is_careful_ = true;
  // A copy, which only counts once the transaction is committed.
  std::set<std::string> failing = failing_;
  {
    pg::Transaction transaction;
    {
      pg::Spi spi;
      issues::UnusableObjects failed_steps("courier", "not_done");
      const auto step = [&](const char* what, const auto& body) {
        if (!was_careful) return body();
        failed_steps.attempt(what, body);
      };
      if (was_careful) {
        done = record_each(spi, failing);
      } else if (!to_record_.empty()) {
        done = record(spi, to_record_, failing);
      }
      step("the release of leases", [&] { outbox::release_leases(spi, MyProcPid, to_release_); });
      step("the pauses of receivers", [&] { outbox::save_pauses(spi, paused_); });
      if (next_sweep_ <= began_at) {
        next_sweep_ = began_at + kSweepInterval;
        step("the sweep of the outbox", [&] { sweep(spi, failing); });
      }
      result = lease(spi, was_careful);
      step("the settings of receivers", [&] { means = means_of(spi, result.leased); });
      resting_.settle(spi, began_at);
      if (was_careful) failed_steps.settle(spi);
    }
    transaction.commit();
  }
  is_careful_ = false;
  failing_ = std::move(failing);
  to_release_.clear();
  forget_recorded(done);
  has_ended_ = false;
  look_ = result.put_off_until.has_value();
  put_off_until_ = std::max(put_off_until_, result.put_off_until.value_or(Instant{}));
  const Instant now = clock_.now();
  last_transaction_took_ = now - began_at;
  last_transaction_at_ = now;
  next_due_ = result.next_due;
  const bool left_behind = !to_record_.empty() || (next_due_ && *next_due_ <= now);
  if (left_behind) next_due_ = now + kRetryLease;
  for (outbox::Leased& notification : result.leased) {
    const Means& of_receiver = means[notification.receiver];
    send(std::move(notification), of_receiver);
  }
}

std::vector<std::int64_t> Courier::record(pg::Spi& spi,
                                          const std::vector<outbox::AttemptRecord>& records,
                                          std::set<std::string>& failing) {
  const Instant now = clock_.now();
  const bool some_are_put_off = now < put_off_until_;
  const std::vector<std::int64_t> done =
      outbox::record_attempts(spi, MyProcPid, now, records, some_are_put_off);
  for (const outbox::AttemptRecord& record : records) {
    if (std::binary_search(done.begin(), done.end(), record.id)) {
      if (!resting_.empty()) resting_.forget(std::to_string(record.id));
      note_receiver(spi, record, failing);
      outbox::queue_deferred(spi, record);
    }
  }
  return done;
}

/// What cannot be recorded is given up: its lease runs out, and it is sent again.
std::vector<std::int64_t> Courier::record_each(pg::Spi& spi, std::set<std::string>& failing) {
  std::vector<std::int64_t> done;
  for (const outbox::AttemptRecord& one : to_record_) {
    std::vector<std::int64_t> recorded{one.id};
    resting_.attempt(std::to_string(one.id), clock_.now(),
                     [&] { recorded = record(spi, {one}, failing); });
    done.insert(done.end(), recorded.begin(), recorded.end());
  }
  std::sort(done.begin(), done.end());
  return done;
}

void Courier::note_receiver(pg::Spi& spi, const outbox::AttemptRecord& record,
                            std::set<std::string>& failing) {
  if (record.outcome == "dead") {
    outbox::open_receiver_issue(spi, {record.receiver, record.reason, record.error});
    failing.insert(record.receiver);
  } else if (record.outcome == "sent" && record.refused_for_good) {
    outbox::resolve_receiver_issue(spi, record.receiver);
    outbox::open_recipient_issue(spi, {record.receiver, record.reason, record.error});
    failing.insert(record.receiver);
  } else if (record.outcome == "sent" && failing.count(record.receiver) > 0) {
    outbox::resolve_receiver_issue(spi, record.receiver);
    failing.erase(record.receiver);
  }
}

void Courier::forget_recorded(const std::vector<std::int64_t>& done) {
  const auto is_done = [&](const outbox::AttemptRecord& record) {
    return std::binary_search(done.begin(), done.end(), record.id);
  };
  to_record_.erase(std::remove_if(to_record_.begin(), to_record_.end(), is_done), to_record_.end());
}

void Courier::sweep(pg::Spi& spi, std::set<std::string>& failing) {
  const Instant now = clock_.now();
  std::vector<std::int64_t> ids;
  for (const auto& [id, entry] : in_flight_) ids.push_back(entry.notification.id);
  for (const outbox::AttemptRecord& record : to_record_) ids.push_back(record.id);
  outbox::renew_leases(spi, MyProcPid, ids, now + kLease);
  const auto given_up =
      outbox::sweep_outbox(spi, now, seconds(pg::settings().notification_max_age_s));
  for (const outbox::GivenUp& notification : given_up) {
    outbox::open_receiver_issue(spi, notification);
    failing.insert(notification.receiver);
  }
  outbox::forget_gone_receivers(spi);
  forget_idle_receivers();
  next_sweep_ = now + kSweepInterval;
}

void Courier::forget_idle_receivers() {
  for (auto next = receivers_.begin(); next != receivers_.end();) {
    next = next->second.held == 0 ? receivers_.erase(next) : std::next(next);
  }
}

bool Courier::is_paused(const std::string& receiver) const {
  return paused_.count(receiver) > 0;
}

void Courier::end_pauses(Instant now) {
  for (auto next = paused_.begin(); next != paused_.end();) {
    next = next->second <= now ? paused_.erase(next) : std::next(next);
  }
}

std::uint32_t Courier::most_to_hold(const std::string& name, const Receiver& receiver) const {
  return is_paused(name) ? 0 : receiver.tempo.rows_to_hold(destination_concurrency());
}

void Courier::take_back() {
  const auto takes_too_long = [&](const auto& entry) {
    const auto& [name, receiver] = entry;
    if (receiver.held <= most_to_hold(name, receiver)) return false;
    return is_paused(name) ||
           receiver.tempo.time_for(receiver.held, destination_concurrency()) > kLongestHold;
  };
  if (std::none_of(receivers_.begin(), receivers_.end(), takes_too_long)) return;
  const auto unwanted = [&](std::uint64_t id) {
    const auto receiver = receivers_.find(in_flight_.at(id).notification.receiver);
    if (!takes_too_long(*receiver)) return false;
    --receiver->second.held;
    return true;
  };
  for (const std::uint64_t id : dispatcher_.withdraw(unwanted)) {
    to_release_.push_back(static_cast<std::int64_t>(id));
    in_flight_.erase(id);
  }
}

/// Those that hold least come first, so that no queue, however long, keeps others from their turn.
std::vector<outbox::LeaseShare> Courier::shares(const outbox::RateLimits& limits) {
  std::vector<std::pair<std::uint32_t, outbox::LeaseShare>> shares;
  for (const std::string& name : limits.receivers()) {
    const Receiver& receiver = receivers_[name];
    const std::uint32_t most = most_to_hold(name, receiver);
    const std::uint32_t room = most - std::min(most, receiver.held);
    const std::uint32_t allowed = limits.allowed(name).value_or(room);
    if (room > 0 && allowed > 0) shares.push_back({receiver.held, {name, room, allowed}});
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<outbox::LeaseShare> in_order;
  for (auto& [held, share] : shares) in_order.push_back(std::move(share));
  return in_order;
}

outbox::LeaseResult Courier::lease(pg::Spi& spi, bool row_by_row) {
  const pg::Settings& settings = pg::settings();
  const std::uint32_t total =
      kRowsPerRequest * unsigned_setting(settings.courier_concurrency) + kRowsAhead;
  const auto under_way = static_cast<std::uint32_t>(pending());
  outbox::LeaseTerms terms;
  terms.owner = MyProcPid;
  terms.now = clock_.now();
  terms.until = terms.now + kLease;
  terms.max_age = seconds(settings.notification_max_age_s);
  terms.total = total - std::min(total, under_way);
  outbox::RateLimits limits(spi, terms.now);
  terms.shares = shares(limits);
  for (const std::string& id : resting_.keys(terms.now)) terms.left_out.push_back(std::stoll(id));
  outbox::LeaseResult result =
      row_by_row ? lease_each(spi, std::move(terms)) : outbox::lease_due(spi, terms);
  std::vector<std::string> receivers;
  for (const outbox::Leased& leased : result.leased) receivers.push_back(leased.receiver);
  limits.take(receivers);
  return result;
}

outbox::LeaseResult Courier::lease_each(pg::Spi& spi, outbox::LeaseTerms terms) {
  outbox::LeaseResult all;
  const std::vector<outbox::LeaseShare> shares = std::move(terms.shares);
  for (const outbox::LeaseShare& share : shares) {
    terms.shares = {{share.receiver, 1, 1}};
    for (std::uint32_t left = std::min({share.room, share.allowed, kRowsByRow}); left > 0; --left) {
      const auto first = outbox::first_to_lease(spi, terms, share.receiver);
      if (!first) break;
      outbox::LeaseResult one;
      const bool is_usable = resting_.attempt(std::to_string(*first), terms.now,
                                              [&] { one = outbox::lease_due(spi, terms); });
      if (!is_usable) terms.left_out.push_back(*first);
      for (outbox::Leased& leased : one.leased) all.leased.push_back(std::move(leased));
      if (one.put_off_until) all.put_off_until = one.put_off_until;
    }
  }
  all.next_due = outbox::next_delivery_at(spi);
  return all;
}

Courier::MeansOfReceivers Courier::means_of(pg::Spi& spi,
                                            const std::vector<outbox::Leased>& leased) {
  std::set<std::string> receivers;
  for (const outbox::Leased& notification : leased) receivers.insert(notification.receiver);
  const auto settings = outbox::settings_of(spi, {receivers.begin(), receivers.end()});
  MeansOfReceivers means;
  std::set<std::string> names;
  for (const auto& [receiver, of_receiver] : settings) {
    const Json& parsed = means[receiver].settings = parse(of_receiver.json);
    for (std::string& name : notify::secret_names(parsed)) names.insert(std::move(name));
  }
  if (names.empty()) return means;
  const outbox::Secrets secrets = outbox::read_secrets(spi, {names.begin(), names.end()});
  for (auto& [receiver, of_receiver] : means) {
    of_receiver.secrets = secrets_for(settings.at(receiver).set_by, of_receiver.settings, secrets);
  }
  return means;
}

void Courier::send(outbox::Leased notification, const Means& means) {
  const Json payload = parse(notification.payload);
  InFlight entry{std::move(notification), notification.payload.size(), {}};
  entry.notification.payload = {};
  const std::string& kind = entry.notification.kind;
  const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = means.secrets.find(name);
    if (found == means.secrets.end()) return std::nullopt;
    entry.redaction.add_secret(found->second.value);
    return found->second.value;
  };
  auto request = [&]() -> Result<notify::DeliveryRequest> {
    try {
      return notify::wire_request(kind, payload, means.settings, lookup, clock_.now());
    } catch (const std::exception& unusable) {
      return Error::of(std::string("its payload cannot be used: ") + unusable.what());
    }
  }();
  std::optional<Error> error;
  if (!request) {
    error = request.error();
  } else if (!std::holds_alternative<notify::LogDelivery>(*request)) {
    error = check_destination(kind, means.secrets, *request);
  }
  if (error) {
    // A secret or setting that is wrong may be mended; a dead notification would not come back.
    const notify::Judgement judgement{notify::Verdict::kRetry, notify::FailureReason::kClientError,
                                      std::nullopt, error->message};
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
  ++receivers_[entry.notification.receiver].held;
  in_flight_.emplace(id, std::move(entry));
}

}  // namespace monitoring::courier
