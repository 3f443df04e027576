#include "store/rule_query.hpp"

#include "monitoring/pg/settings.hpp"

#include <string>
#include <utility>

#include "monitoring/store/alert_rules.hpp"
#include "store/labelled_result.hpp"

namespace monitoring::store {

namespace {

void refuse_reserved_label(const std::string& name) {
  const Labels alone{{name, ""}};
  const std::string* reserved = alerting::find_reserved_label(alone);
  if (reserved == nullptr) return;
  throw pg::Report(ERRCODE_DUPLICATE_OBJECT, alerting::reserved_label_error(*reserved));
}

std::vector<alerting::Sample> samples_of(const pg::Rows& rows) {
  const ResultShape shape = shape_of(rows, refuse_reserved_label);
  std::vector<alerting::Sample> samples;
  samples.reserve(rows.size());
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    samples.push_back({labels_of(rows, row, shape), value_of(rows, row, shape)});
  }
  return samples;
}

/// A query of series gives (labels jsonb, value float8).
std::vector<alerting::Sample> series_samples_of(const pg::Rows& rows) {
  std::vector<alerting::Sample> samples;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    Labels labels;
    for (const auto& [name, value] : labels_of_json(*rows.text(row, 1), "tags")) {
      // What is no label of the metric world stays out, rather than ending all alerts on it.
      if (is_label_name(name) && !value.empty()) labels.set(name, value);
    }
    samples.push_back({std::move(labels), rows.float8(row, 2)});
  }
  return samples;
}

/// The rule's text is its owner's, so a superuser's is a way for others to become superuser:
/// by objects that it names.
std::optional<pg::OwnerFailure> unfit_owner(const StoredRule& rule) {
  if (!rule.owner_id) {
    return pg::OwnerFailure{false, ERRCODE_UNDEFINED_OBJECT,
                            "role \"" + rule.owner + "\", the rule's owner, does not exist"};
  }
  if (!rule.has_own_query() || !rule.owner_is_superuser || pg::settings().allow_superuser_rules) {
    return std::nullopt;
  }
  return pg::OwnerFailure{false, ERRCODE_INSUFFICIENT_PRIVILEGE,
                          "the rule's owner \"" + rule.owner +
                              "\" is a superuser, and monitoring.allow_superuser_rules is off"};
}

}  // namespace

QueryOutcome run_rule_query(const StoredRule& rule, Instant now) {
  QueryOutcome outcome;
  outcome.failure = unfit_owner(rule);
  if (outcome.failure) return outcome;
  // Temporary objects are the session's, so they are looked up last: they must not stand in for the
  // owner's.
  const std::string path = rule.has_own_query() && !rule.search_path.empty()
                               ? rule.search_path + ", pg_temp"
                               : "pg_catalog, pg_temp";
  const pg::OwnerLimits limits{rule.timeout, std::chrono::seconds(1), path.c_str()};
  try {
    outcome.failure = pg::run_as_owner(*rule.owner_id, limits, [&] {
      settle_output_format();
      pg::Spi inner;
      if (rule.has_own_query()) {
        outcome.samples = samples_of(run_one_query(rule.expr, now, rule.row_limit));
      } else {
        const std::string query = series_query(*rule.threshold->window);
        outcome.samples = series_samples_of(run_one_query(query, now, rule.row_limit));
      }
    });
  } catch (const pg::Report& report) {
    outcome.failure = pg::OwnerFailure{false, report.sqlstate(), report.what()};
  }
  return outcome;
}

}  // namespace monitoring::store
