#include "monitoring/rules/stored_rules.hpp"

#include <utility>

#include "monitoring/base/encoding.hpp"
#include "monitoring/base/labels_json.hpp"
#include "monitoring/pg/intervals.hpp"
#include "monitoring/pg/labels.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/rules/evaluation.hpp"
#include "rules/rule_query.hpp"
#include "rules/stored_rule.hpp"

namespace monitoring::rules {

namespace {

constexpr const char* kColumns =
    "SELECT r.id, r.rule_name, r.severity, r.labels::text, r.annotations::text, r.expr,"
    " r.for_duration, r.keep_firing_for, r.no_data, r.on_error, r.timeout, r.row_limit,"
    " r.owner::text, o.oid,"
    " o.rolsuper, r.search_path, e.message, t.metric_name, t.comparison, t.warning, t.critical,"
    " t.resolve_at, t.over_last, t.aggregate,"
    " t.matching::text, t.levels::text, t.rule_id, r.owner_oid"
    " FROM monitoring.alert_rules r"
    " LEFT JOIN pg_roles o ON o.rolname = r.owner"
    " LEFT JOIN monitoring.alert_rule_errors e ON e.rule_id = r.id"
    " LEFT JOIN monitoring.thresholds t ON t.rule_id = r.id AND r.language = 'threshold' ";

/// $1 now, $2 the last pass.
constexpr const char* kDue =
    "WHERE r.enabled AND ($2 IS NULL OR r.updated_at >= $2"
    " OR floor(extract(epoch FROM $1) / extract(epoch FROM r.evaluate_every))"
    "  > floor(extract(epoch FROM $2) / extract(epoch FROM r.evaluate_every)))"
    " ORDER BY r.group_name, r.id";

std::optional<StoredThreshold> threshold_row(const pg::Rows& rows, std::uint64_t row) {
  if (rows.is_null(row, 27)) return std::nullopt;
  StoredThreshold threshold;
  threshold.levels.comparison = *rows.text(row, 19);
  threshold.levels.warning = rows.float8(row, 20);
  threshold.levels.critical = rows.float8(row, 21);
  threshold.levels.resolve_at = rows.float8(row, 22);
  threshold.levels.levels = rows.text(row, 26);
  if (auto metric_name = rows.text(row, 18)) {
    threshold.series = {{std::move(*metric_name), *rows.text(row, 25)},
                        {*pg::interval_at(rows, row, 23), *rows.text(row, 24), std::nullopt}};
  }
  return threshold;
}

alerting::Policy policy_row(const pg::Rows& rows, std::uint64_t row) {
  alerting::Policy policy;
  policy.rule_name = *rows.text(row, 2);
  policy.for_duration = *pg::interval_at(rows, row, 7);
  policy.keep_firing_for = *pg::interval_at(rows, row, 8);
  policy.no_data = alerting::no_data_from_text(*rows.text(row, 9)).value_or(policy.no_data);
  policy.on_error = alerting::on_error_from_text(*rows.text(row, 10)).value_or(policy.on_error);
  policy.max_instances = static_cast<std::size_t>(pg::settings().max_alerts_per_rule);
  return policy;
}

/// What could not be read is the rule's own trouble.
void read_labels(const pg::Rows& rows, std::uint64_t row, StoredRule& rule) {
  try {
    rule.definition.labels = pg::labels_of_json(*rows.text(row, 4), "labels");
    rule.definition.annotations = pg::labels_of_json(*rows.text(row, 5), "annotations");
  } catch (const pg::Report& report) {
    rule.unusable = report.what();
  }
}

StoredRule rule_row(const pg::Rows& rows, std::uint64_t row) {
  StoredRule rule;
  rule.id = *rows.int8(row, 1);
  rule.policy = policy_row(rows, row);
  rule.definition.name = rule.policy.rule_name;
  rule.definition.severity = *rows.text(row, 3);
  read_labels(rows, row, rule);
  rule.expr = rows.text(row, 6).value_or("");
  rule.timeout = *pg::interval_at(rows, row, 11);
  rule.row_limit = *rows.int8(row, 12);
  rule.owner = *rows.text(row, 13);
  if (const auto owner = rows.int8(row, 14)) rule.owner_id = static_cast<Oid>(*owner);
  rule.bound_owner = static_cast<Oid>(*rows.int8(row, 28));
  rule.owner_is_superuser = rows.boolean(row, 15).value_or(false);
  rule.search_path = *rows.text(row, 16);
  rule.last_error = rows.text(row, 17);
  rule.threshold = threshold_row(rows, row);
  return rule;
}

}  // namespace

void check_definition(const std::string& rule_name, const Labels& labels,
                      const Labels& annotations) {
  if (const std::string* reserved = alerting::find_reserved_label(labels)) {
    throw pg::Report(ERRCODE_DUPLICATE_OBJECT, alerting::reserved_label_error(*reserved));
  }
  const auto rule = alerting::Rule::make({rule_name, "warning", labels, annotations});
  if (!rule) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, rule.error());
  const std::string name = rule->name_with_query();
  if (name.empty()) return;
  throw pg::Report(ERRCODE_FEATURE_NOT_SUPPORTED,
                   "\"" + name + "\" calls the template function query, which needs PromQL")
      .hint("Let the rule's own query give what the text needs, as its value or as labels.");
}

void check_by_running(pg::Spi& spi, std::int64_t rule_id, Instant now) {
  const StoredRule rule = load_rule(spi, rule_id);
  const QueryOutcome outcome = try_rule_query(rule, now);
  if (outcome.failure) {
    const char* hint =
        rule.owner_is_superuser && rule.has_own_query() && !pg::settings().allow_superuser_rules
            ? "Give the rule an owner that may read what it reads, and no more."
            : "The query of an alert rule is run once when the rule is made.";
    throw pg::Report(outcome.failure->sqlstate, outcome.failure->message).hint(hint);
  }
  if (const auto error = error_of_rows(rule, outcome.samples, now)) {
    throw pg::Report(ERRCODE_CARDINALITY_VIOLATION, *error);
  }
}

std::vector<StoredRule> load_due_rules(pg::Spi& spi, Instant now, std::optional<Instant> last) {
  const std::string sql = std::string(kColumns) + kDue;
  const pg::Rows rows = spi.query(sql.c_str(), {pg::timestamptz(now), pg::timestamptz(last)});
  std::vector<StoredRule> rules;
  rules.reserve(rows.size());
  for (std::uint64_t row = 0; row < rows.size(); ++row) rules.push_back(rule_row(rows, row));
  return rules;
}

StoredRule load_rule(pg::Spi& spi, std::int64_t id) {
  const std::string sql = std::string(kColumns) + "WHERE r.id = $1";
  return rule_row(spi.query(sql.c_str(), {pg::int8(id)}), 0);
}

alerting::Threshold threshold_of(const StoredRule& rule) {
  return make_threshold(rule.policy.rule_name, rule.threshold->levels);
}

}  // namespace monitoring::rules
