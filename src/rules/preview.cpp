#include "monitoring/rules/preview.hpp"

extern "C" {
#include <miscadmin.h>
}
// clang-format keeps the server's header first.
#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "monitoring/pg/settings.hpp"
#include "rules/instances.hpp"
#include "rules/outcome.hpp"
#include "rules/rule_query.hpp"
#include "rules/stored_rule.hpp"

namespace monitoring::rules {

namespace {

using Steady = std::chrono::steady_clock;

/// What is known of the rule's alerts. Of an earlier time than the last pass nothing is: the state
/// machine never goes back.
StoredAlerts past_of(pg::Spi& spi, std::int64_t rule_id, Instant at) {
  const pg::Rows later =
      spi.query("SELECT FROM monitoring_internal.alert_progress WHERE last_evaluated_at > $1",
                {pg::timestamptz(at)});
  if (!later.empty()) return {};
  return load_alerts(rule_id);
}

[[noreturn]] void fail(const pg::OwnerFailure& failure) {
  throw pg::Report(failure.sqlstate, failure.message)
      .hint("This is what the rule's evaluation would say.");
}

alerting::Step step_of(const StoredRule& stored, const std::vector<alerting::Sample>& samples,
                       const StoredAlerts& before, Duration time_left, Instant at) {
  const auto rule = alerting::Rule::make(stored.definition);
  if (!rule) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, rule.error());
  const alerting::Outcome outcome =
      outcome_of_rows(stored, *rule, samples, before.instances, time_left, at);
  alerting::Step step = alerting::step(stored.policy, before.instances, outcome, at);
  if (step.error) throw pg::Report(ERRCODE_CARDINALITY_VIOLATION, *step.error);
  return step;
}

RulePreview preview(pg::Spi& spi, const StoredRule& stored, Instant at) {
  if (stored.unusable) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, *stored.unusable);
  const StoredAlerts before = past_of(spi, stored.id, at);
  const Steady::time_point begun = Steady::now();
  const QueryOutcome result = try_rule_query(stored, at);
  const auto taken = std::chrono::duration_cast<Duration>(Steady::now() - begun);
  if (result.failure) fail(*result.failure);
  const alerting::Step step = step_of(stored, result.samples, before, stored.timeout - taken, at);
  std::map<Labels, alerting::AlertState> states;
  for (const alerting::Instance& instance : before.instances) {
    states.emplace(instance.labels, instance.state);
  }
  RulePreview preview;
  preview.query_ms = std::chrono::duration<double, std::milli>(taken).count();
  for (const alerting::Instance& instance : step.instances) {
    const auto known = states.find(instance.labels);
    preview.alerts.push_back(
        {instance.labels, instance.annotations, instance.value,
         known == states.end() ? alerting::AlertState::kInactive : known->second, instance.state});
  }
  return preview;
}

/// Whatever the rule of its name is: the query is the caller's, and runs as such.
StoredRule rule_of(pg::Spi& spi, const RuleDraft& draft) {
  constexpr Duration kTimeout = std::chrono::seconds(10);
  constexpr std::int64_t kRowLimit = 10000;
  StoredRule rule;
  rule.id = find_rule(spi, draft.definition.name).value_or(0);
  rule.definition = draft.definition;
  rule.policy.rule_name = draft.definition.name;
  rule.policy.for_duration = draft.for_duration;
  rule.policy.max_instances = static_cast<std::size_t>(pg::settings().max_alerts_per_rule);
  rule.expr = draft.expr;
  rule.timeout = kTimeout;
  rule.row_limit = kRowLimit;
  rule.owner_id = GetUserId();
  rule.bound_owner = GetUserId();
  rule.owner =
      pg::call([] { return static_cast<const char*>(GetUserNameFromId(GetUserId(), false)); });
  rule.owner_is_superuser = pg::call([] { return superuser(); });
  rule.search_path = draft.search_path;
  return rule;
}

}  // namespace

std::optional<std::int64_t> find_rule(pg::Spi& spi, const std::string& rule_name) {
  const pg::Rows rows =
      spi.query("SELECT id FROM monitoring.alert_rules WHERE rule_name OPERATOR(pg_catalog.=) $1",
                {pg::text(rule_name)});
  if (rows.empty()) return std::nullopt;
  return rows.int8(0, 1);
}

RulePreview preview_rule(pg::Spi& spi, const std::string& rule_name, Instant at) {
  const auto id = find_rule(spi, rule_name);
  if (!id) {
    throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "there is no alert rule \"" + rule_name + "\"")
        .hint("See monitoring.alert_rules.");
  }
  return preview(spi, load_rule(spi, *id), at);
}

RulePreview preview_draft(pg::Spi& spi, const RuleDraft& draft, Instant at) {
  return preview(spi, rule_of(spi, draft), at);
}

}  // namespace monitoring::rules
