#include "monitoring/rules/evaluation.hpp"

extern "C" {
#include <catalog/namespace.h>
#include <storage/lmgr.h>
#include <utils/lsyscache.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/instant_math.hpp"
#include "monitoring/issues/issues.hpp"
#include "monitoring/issues/owner_runs.hpp"
#include "monitoring/issues/unusable.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/routing/rebase.hpp"
#include "monitoring/routing/routing_pass.hpp"
#include "monitoring/routing/watchdogs.hpp"
#include "rules/failed_receivers.hpp"
#include "rules/instances.hpp"
#include "rules/outcome.hpp"
#include "rules/rule_query.hpp"
#include "rules/shared_reads.hpp"
#include "rules/stored_rule.hpp"

namespace monitoring::rules {

namespace {

using alerting::Element;
using alerting::Instance;
using alerting::Outcome;
using alerting::Sample;

constexpr const char* kFailed = "rule_evaluation_failed";
/// How old the stored time of the last pass may be while nothing changes.
constexpr Duration kProgressWriteInterval = std::chrono::minutes(1);
/// How long the alerts of a removed rule may stay, and how late a silence, an acknowledgement, an
/// escalation or a change of routes may show.
constexpr Duration kThoroughInterval = std::chrono::seconds(10);

/// What a template made is stored as jsonb: no NUL, and valid UTF-8. Done before the state machine
/// sees it, so that what is loaded again is the same identity.
std::string storable(const std::string& text) {
  const auto is_plain = [](char c) { return c > 0; };
  if (std::all_of(text.begin(), text.end(), is_plain)) return text;
  std::string result = valid_utf8(text);
  result.erase(std::remove(result.begin(), result.end(), '\0'), result.end());
  return result;
}

Labels storable(const Labels& labels) {
  Labels made;
  for (const auto& [name, value] : labels) made.set(name, storable(value));
  return made;
}

Labels series_labels(const Labels& labels) {
  Labels rest = labels;
  rest.erase("alertname");
  rest.erase("severity");
  return rest;
}

Outcome expand(const alerting::Rule& rule, const std::vector<Sample>& samples, Instant now) {
  alerting::RuleContext context;
  context.now = now;
  context.external_url = pg::settings().external_url;
  Outcome outcome = rule.expand(samples, context);
  if (!outcome.ok()) return outcome;
  for (Element& element : *outcome) {
    element.labels = storable(element.labels);
    element.annotations = storable(element.annotations);
  }
  return outcome;
}

/// Series that have gone quiet, as samples without a value, so that no_data decides about them. A
/// threshold that has seen no sample at all has one series, without labels.
std::vector<Sample> quiet_series(const std::vector<Element>& heard,
                                 const std::vector<Instance>& previous) {
  std::set<Labels> seen;
  for (const Element& element : heard) seen.insert(series_labels(element.labels));
  std::vector<Sample> quiet;
  for (const Instance& instance : previous) {
    if (!instance.active() || instance.origin != alerting::Origin::kElement) continue;
    Labels series = series_labels(instance.labels);
    if (seen.insert(series).second) quiet.push_back({std::move(series), std::nullopt});
  }
  if (seen.empty()) quiet.push_back({});
  return quiet;
}

/// The rule's labels and annotations are rendered once for each series; then the series, with these
/// labels, are held against the levels.
Outcome threshold_outcome(const alerting::Rule& rule, const alerting::Threshold& threshold,
                          const std::vector<Sample>& samples, const std::vector<Instance>& previous,
                          Instant now) {
  Outcome series = expand(rule, samples, now);
  if (!series.ok()) return series;
  Outcome quiet = expand(rule, quiet_series(*series, previous), now);
  if (!quiet.ok()) return quiet;
  series->insert(series->end(), quiet->begin(), quiet->end());

  std::vector<Sample> labelled;
  std::map<Labels, const Element*> by_labels;
  for (const Element& element : *series) {
    labelled.push_back({series_labels(element.labels), element.value});
    by_labels[labelled.back().labels] = &element;
  }
  Outcome outcome = alerting::threshold_elements(threshold, labelled, previous);
  if (!outcome.ok()) return outcome;
  for (Element& element : *outcome) {
    const Element& from = *by_labels.at(series_labels(element.labels));
    element.annotations = from.annotations;
    element.annotations_follow_value = from.annotations_follow_value;
  }
  return outcome;
}

/// What a rule's rows become, made in the time that is left of the rule's.
Outcome made_within(Duration time_left, const StoredRule& stored, const alerting::Rule& rule,
                    const std::vector<Sample>& samples, const std::vector<Instance>& previous,
                    Instant now) {
  const std::string what = issue_worker(stored.policy.rule_name);
  Outcome outcome = Error::of("the rule was not expanded");
  const auto failure = pg::run_within(time_left, what.c_str(), [&] {
    outcome = stored.threshold
                  ? threshold_outcome(rule, threshold_of(stored), samples, previous, now)
                  : expand(rule, samples, now);
  });
  if (!failure) return outcome;
  const std::string why = failure->timed_out ? "the rule's time was over" : failure->message;
  return Error::of("its rows could not be made alerts: " + why);
}

std::vector<std::int64_t> ids_of(const std::vector<StoredRule>& rules) {
  std::vector<std::int64_t> ids;
  for (const StoredRule& rule : rules) ids.push_back(rule.id);
  return ids;
}

/// One pass. The caller holds the lock.
class Pass {
 public:
  Pass(pg::Spi& spi, Instant now, const std::vector<StoredRule>& rules, SharedReads& reads)
      : spi_(spi), now_(now), reads_(reads), alerts_(ids_of(rules)) {}

  void evaluate(const StoredRule& stored);
  /// What cannot be evaluated, whatever the reason is.
  void give_up(const StoredRule& stored, const std::string& reason) {
    note_error(stored, Error::of(reason));
  }
  /// The alert that a receiver failed.
  void watch_receivers();
  /// The alerts of rules that are gone or disabled resolve.
  void wind_down();
  std::int64_t transitions() const { return transitions_; }
  std::uint64_t written() const { return written_; }

 private:
  Outcome outcome_of(const StoredRule& stored, const alerting::Rule& rule,
                     const std::vector<Instance>& previous);
  void save(std::int64_t rule_id, const std::string& rule_name, const StoredAlerts& before,
            const alerting::Step& step, const std::vector<std::uint64_t>& outranked);
  void note_error(const StoredRule& stored, const std::optional<Error>& error);
  void forget_errors();

  pg::Spi& spi_;
  const Instant now_;
  SharedReads& reads_;
  AlertReader alerts_;
  std::int64_t transitions_ = 0;
  std::uint64_t written_ = 0;
};

/// More rows with a value than there may be alerts are an error whatever they become.
std::optional<Error> too_many_alerts(const StoredRule& stored, const std::vector<Sample>& samples) {
  const auto count = static_cast<std::size_t>(
      std::count_if(samples.begin(), samples.end(),
                    [](const Sample& sample) { return sample.value.has_value(); }));
  if (stored.threshold || count <= stored.policy.max_instances) return std::nullopt;
  return alerting::too_many_instances(count, stored.policy.max_instances);
}

/// What a rule's rows become is the rule's time, too.
Outcome Pass::outcome_of(const StoredRule& stored, const alerting::Rule& rule,
                         const std::vector<Instance>& previous) {
  if (stored.unusable) return Error::of(*stored.unusable);
  using Steady = std::chrono::steady_clock;
  const Steady::time_point begun = Steady::now();
  const QueryOutcome result = reads_.run(stored);
  if (result.failure) return Error::of(result.failure->message);
  // What is read for several rules together is nobody's time.
  const Duration taken = stored.has_own_query()
                             ? std::chrono::duration_cast<Duration>(Steady::now() - begun)
                             : Duration::zero();
  return outcome_of_rows(stored, rule, result.samples, previous,
                         issues::timeout_in_pass(stored.timeout) - taken, now_);
}

void Pass::evaluate(const StoredRule& stored) {
  const StoredAlerts before = alerts_.take(stored.id);
  const auto rule = alerting::Rule::make(stored.definition);
  alerting::Policy policy = stored.policy;
  policy.rule_labels = rule.ok() ? rule->own_labels() : alerting::plain_labels(stored.definition);
  // A failure may hide any level.
  if (stored.threshold) {
    policy.rule_labels.set("severity", threshold_of(stored).levels.front().severity);
  }
  const Outcome outcome =
      rule.ok() ? outcome_of(stored, *rule, before.instances) : Outcome(rule.error());
  const alerting::Step step = alerting::step(policy, before.instances, outcome, now_);
  std::vector<std::uint64_t> outranked;
  if (stored.threshold) {
    outranked = alerting::inhibited_by_severer_level(threshold_of(stored), step.instances);
  }
  save(stored.id, policy.rule_name, before, step, outranked);
  note_error(stored, step.error);
}

void Pass::save(std::int64_t rule_id, const std::string& rule_name, const StoredAlerts& before,
                const alerting::Step& step, const std::vector<std::uint64_t>& outranked) {
  written_ += save_step(spi_, rule_id, rule_name, before, step, outranked, now_);
  transitions_ += static_cast<std::int64_t>(step.transitions.size());
}

/// An error is written when it begins, changes or ends, not each time it is met.
void Pass::note_error(const StoredRule& stored, const std::optional<Error>& error) {
  const std::string& name = stored.policy.rule_name;
  if (!error && !stored.last_error) return;
  if (error && stored.last_error == error->message) return;
  ++written_;
  if (stored.last_error) {
    issues::resolve_issues(
        spi_, issue_worker(name), kFailed,
        error ? "It fails differently now." : "The rule could be evaluated again.");
  }
  if (!error) {
    spi_.execute("DELETE FROM monitoring.alert_rule_errors WHERE rule_id = $1",
                 {pg::int8(stored.id)});
    return;
  }
  issues::log_issue_once(spi_, {issue_worker(name), kFailed, error->message});
  spi_.execute(
      "INSERT INTO monitoring.alert_rule_errors AS e (rule_id, rule_name, message, since)"
      " VALUES ($1, $2, $3, $4) ON CONFLICT (rule_id) DO UPDATE"
      " SET rule_name = excluded.rule_name, message = excluded.message, since = excluded.since",
      {pg::int8(stored.id), pg::text(name), pg::text(error->message), pg::timestamptz(now_)});
}

void Pass::forget_errors() {
  const pg::Rows rows = spi_.query(
      "DELETE FROM monitoring.alert_rule_errors e WHERE NOT EXISTS (SELECT"
      " FROM monitoring.alert_rules r WHERE r.id = e.rule_id AND r.enabled) RETURNING rule_name");
  std::vector<std::string> names;
  for (std::uint64_t row = 0; row < rows.size(); ++row) names.push_back(*rows.text(row, 1));
  for (const std::string& name : names) {
    written_ +=
        issues::resolve_issues(spi_, issue_worker(name), kFailed, "The rule is gone or disabled.");
  }
}

void Pass::watch_receivers() {
  const StoredAlerts before = load_alerts(kOwnRule);
  const std::vector<Element> failed = failed_receivers(spi_);
  if (before.instances.empty() && failed.empty()) return;
  alerting::Policy policy;
  policy.rule_name = alerting::kNotificationFailedAlert;
  policy.max_instances = std::max<std::size_t>(policy.max_instances, failed.size());
  save(kOwnRule, policy.rule_name, before, alerting::step(policy, before.instances, failed, now_),
       {});
}

void Pass::wind_down() {
  const pg::Rows rows = spi_.query(
      "SELECT DISTINCT a.rule_id, a.rule_name FROM monitoring.alerts a WHERE a.rule_id <> $1"
      " AND NOT EXISTS (SELECT"
      " FROM monitoring.alert_rules r WHERE r.id = a.rule_id AND r.enabled)",
      {pg::int8(kOwnRule)});
  std::vector<std::pair<std::int64_t, std::string>> gone;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    gone.emplace_back(*rows.int8(row, 1), *rows.text(row, 2));
  }
  for (const auto& [rule_id, rule_name] : gone) {
    const StoredAlerts before = load_alerts(rule_id);
    alerting::Policy policy;
    policy.rule_name = rule_name;
    save(rule_id, rule_name, before,
         alerting::step(policy, before.instances, std::vector<Element>{}, now_), {});
  }
  forget_errors();
}

Oid progress_table() {
  return pg::call([] {
    return get_relname_relid("alert_progress", get_namespace_oid("monitoring_internal", false));
  });
}

std::optional<Instant> stored_progress(pg::Spi& spi) {
  const pg::Rows rows =
      spi.query("SELECT last_evaluated_at FROM monitoring_internal.alert_progress");
  if (rows.empty()) return std::nullopt;
  return rows.timestamptz(0, 1);
}

void store_progress(pg::Spi& spi, Instant now) {
  spi.execute(
      "INSERT INTO monitoring_internal.alert_progress (last_evaluated_at) VALUES ($1)"
      " ON CONFLICT (only_row) DO UPDATE SET last_evaluated_at = excluded.last_evaluated_at",
      {pg::timestamptz(now)});
}

void refuse_the_past(std::optional<Instant> last, Instant now) {
  if (!last || now >= *last) return;
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                   "alerts have been evaluated at a later time already")
      .hint("The time of the last evaluation is in monitoring_internal.alert_progress.");
}

std::vector<StoredRule> rules_left(pg::Spi& spi, const DuePass& pass) {
  std::vector<StoredRule> rules = load_due_rules(spi, pass.at, pass.since);
  const auto is_through = [&](const StoredRule& rule) { return pass.evaluated.count(rule.id) > 0; };
  rules.erase(std::remove_if(rules.begin(), rules.end(), is_through), rules.end());
  return rules;
}

/// A pass does all of its work in one subtransaction. If that fails it is made anew, and each piece
/// has a subtransaction of its own, so that what fails costs itself and nothing else.
enum class Care { whole, each };

/// Whatever fails in a careful pass besides the rules, which have issues of their own.
class Pieces {
 public:
  explicit Pieces(Care care) : care_(care) {}

  void evaluate(Pass& pass, const StoredRule& rule) {
    if (care_ == Care::whole) return pass.evaluate(rule);
    const auto failure = issues::try_alone([&] { pass.evaluate(rule); });
    if (!failure) return;
    unusable_.attempt("alert rule \"" + rule.policy.rule_name + "\"",
                      [&] { pass.give_up(rule, *failure); });
  }
  /// False if it failed.
  template <class Body>
  bool run(const char* what, Body&& body) {
    if (care_ == Care::each) return unusable_.attempt(what, body);
    body();
    return true;
  }
  void settle(pg::Spi& spi) const { unusable_.settle(spi); }

 private:
  const Care care_;
  issues::UnusableObjects unusable_{"monitoring: alerts", "unusable"};
};

void finish_pass(Pass& pass, Pieces& pieces) {
  pieces.run("the alerts about receivers that failed", [&] { pass.watch_receivers(); });
  pieces.run("the alerts of rules that are gone", [&] { pass.wind_down(); });
}

/// Whether all of them are through.
bool evaluate_some(Pass& turn, Pieces& pieces, const std::vector<StoredRule>& due, DuePass& pass,
                   const std::function<bool()>& enough) {
  bool stop = false;
  for (const StoredRule& rule : due) {
    if (stop) return false;
    pieces.evaluate(turn, rule);
    pass.evaluated.insert(rule.id);
    stop = enough();
  }
  return true;
}

std::int64_t multiple(Instant at, Duration of) {
  return at.time_since_epoch() / of;
}

std::int64_t evaluate_all(pg::Spi& spi, Instant now, Care care) {
  Pieces pieces(care);
  const std::vector<StoredRule> rules = load_due_rules(spi, now, std::nullopt);
  std::set<std::int64_t> alone;
  SharedReads reads(spi, rules, now, alone);
  Pass pass(spi, now, rules, reads);
  for (const StoredRule& rule : rules) pieces.evaluate(pass, rule);
  finish_pass(pass, pieces);
  const bool routed = pieces.run("the routing of alerts", [&] { routing::route_alerts(spi, now); });
  // A ping says that whoever has to be told is told.
  if (routed) pieces.run("the pings of watchdogs", [&] { routing::ping_watchdogs(spi, now); });
  pieces.settle(spi);
  store_progress(spi, now);
  return pass.transitions();
}

/// A step back that is not worth moving all stored times for: alerting stands still that long.
constexpr Duration kSmallStep = std::chrono::seconds(5);

/// The worker's clock is earlier than a pass that was made. True if it goes on from the clock.
bool catch_step_back(pg::Spi& spi, DuePass& pass, std::optional<Instant> stored) {
  const std::optional<Instant> last = std::max(pass.since, stored);
  if (!last || *last <= pass.at) return false;
  if (elapsed(pass.at, *last) <= kSmallStep) {
    pass.at = *last;
    return false;
  }
  routing::rebase_alerting(spi, *last, pass.at);
  store_progress(spi, pass.at);
  pass.since.reset();
  return true;
}

DuePassTurn take_turn(pg::Spi& spi, DuePass& pass, const std::function<bool()>& enough, Care care) {
  std::optional<Instant> stored = stored_progress(spi);
  const bool has_begun = !pass.evaluated.empty();
  if (has_begun && stored > pass.at) return DuePassTurn::kSuperseded;
  if (!has_begun) {
    if (catch_step_back(spi, pass, stored)) {
      stored = pass.at;
    } else {
      pass.since = std::max(pass.since, stored);
    }
  }

  Pieces pieces(care);
  const std::vector<StoredRule> due = rules_left(spi, pass);
  SharedReads reads(spi, due, pass.at, pass.alone);
  Pass turn(spi, pass.at, due, reads);
  const bool complete = evaluate_some(turn, pieces, due, pass, enough);
  const bool thorough = complete && (!pass.since || multiple(*pass.since, kThoroughInterval) !=
                                                        multiple(pass.at, kThoroughInterval));
  if (thorough) finish_pass(turn, pieces);
  bool routed = true;
  if (thorough || turn.written() > 0 || routing::flush_due(spi, pass.at)) {
    routed = pieces.run("the routing of alerts", [&] { routing::route_alerts(spi, pass.at); });
  }
  // A ping says that whoever has to be told is told.
  if (routed) pieces.run("the pings of watchdogs", [&] { routing::ping_watchdogs(spi, pass.at); });
  if (thorough || care == Care::each) pieces.settle(spi);
  pass.written += turn.written();
  if (!complete) return DuePassTurn::kMore;
  const bool outdated =
      !pass.evaluated.empty() && (!stored || elapsed(*stored, pass.at) >= kProgressWriteInterval);
  if (pass.written > 0 || outdated) store_progress(spi, pass.at);
  return DuePassTurn::kDone;
}

}  // namespace

Outcome outcome_of_rows(const StoredRule& stored, const alerting::Rule& rule,
                        const std::vector<Sample>& samples, const std::vector<Instance>& previous,
                        Duration time_left, Instant now) {
  if (auto error = too_many_alerts(stored, samples)) return std::move(*error);
  return made_within(time_left, stored, rule, samples, previous, now);
}

std::optional<Error> error_of_rows(const StoredRule& stored, const std::vector<Sample>& samples,
                                   Instant now) {
  const auto rule = alerting::Rule::make(stored.definition);
  if (!rule) return rule.error();
  const Outcome outcome = outcome_of_rows(stored, *rule, samples, {}, stored.timeout, now);
  return alerting::step(stored.policy, {}, outcome, now).error;
}

std::int64_t evaluate(pg::Spi& spi, Instant now) {
  const Oid table = progress_table();
  // An exclusive lock on the table and not a lock on its row: that one would be a write.
  pg::call([&] { LockRelationOid(table, ExclusiveLock); });
  refuse_the_past(stored_progress(spi), now);
  std::int64_t transitions = 0;
  if (issues::try_alone([&] { transitions = evaluate_all(spi, now, Care::whole); })) {
    transitions = evaluate_all(spi, now, Care::each);
  }
  return transitions;
}

DuePassTurn evaluate_due(pg::Spi& spi, DuePass& pass, const std::function<bool()>& enough) {
  const Oid table = progress_table();
  if (!pg::call([&] { return ConditionalLockRelationOid(table, ExclusiveLock); })) {
    return DuePassTurn::kHeldUp;
  }
  const DuePass begun = pass;
  DuePassTurn turn = DuePassTurn::kSuperseded;
  if (!issues::try_alone([&] { turn = take_turn(spi, pass, enough, Care::whole); })) return turn;
  pass = begun;
  return take_turn(spi, pass, enough, Care::each);
}

}  // namespace monitoring::rules
