#include "rules/rule_query.hpp"

#include "monitoring/pg/labels.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/time_limit.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "monitoring/issues/owner_runs.hpp"
#include "monitoring/series/labelled_result.hpp"

namespace monitoring::rules {

namespace {

/// That of queries that are made here.
constexpr const char* kOwnSearchPath = "pg_catalog, pg_temp";
constexpr Duration kLockTimeout = std::chrono::seconds(1);
/// Of a query for several rules: those that cannot be read so fast each have their own time.
constexpr Duration kLongestTogether = std::chrono::seconds(1);
constexpr std::int64_t kMostRowsTogether = 100000;

void refuse_reserved_label(const std::string& name) {
  const Labels alone{{name, ""}};
  const std::string* reserved = alerting::find_reserved_label(alone);
  if (reserved == nullptr) return;
  throw pg::Report(ERRCODE_DUPLICATE_OBJECT, alerting::reserved_label_error(*reserved));
}

std::vector<alerting::Sample> samples_of(const pg::Rows& rows) {
  const series::ResultShape shape = series::shape_of(rows, refuse_reserved_label);
  std::vector<alerting::Sample> samples;
  samples.reserve(rows.size());
  pg::InterruptToken interrupts;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    interrupts.cancelled();
    samples.push_back({series::labels_of(rows, row, shape), series::value_of(rows, row, shape)});
  }
  return samples;
}

alerting::Sample series_sample_of(const pg::Rows& rows, std::uint64_t row) {
  Labels labels;
  for (const auto& [name, value] : pg::labels_of_json(*rows.text(row, 2), "tags")) {
    // What is no label of the metric world stays out, rather than ending all alerts on it.
    if (is_label_name(name) && !value.empty()) labels.set(name, value);
  }
  return {std::move(labels), rows.float8(row, 3)};
}

/// The rule's text is its owner's, so a superuser's is a way for others to become superuser:
/// by objects that it names.
std::optional<pg::OwnerFailure> unfit_owner(const StoredRule& rule) {
  if (auto lost = issues::lost_owner(rule.owner, rule.owner_id, rule.bound_owner, "rule"))
    return lost;
  if (!rule.has_own_query() || !rule.owner_is_superuser || pg::settings().allow_superuser_rules) {
    return std::nullopt;
  }
  return pg::OwnerFailure{false, ERRCODE_INSUFFICIENT_PRIVILEGE,
                          "the rule's owner \"" + rule.owner +
                              "\" is a superuser, and monitoring.allow_superuser_rules is off"};
}

/// How a body is run as a role within limits.
using Runner = std::function<std::optional<pg::OwnerFailure>(Oid, const pg::OwnerLimits&,
                                                             const std::function<void()>&)>;

/// Runs body as the rule's owner; why it did not finish.
std::optional<pg::OwnerFailure> run_for(const Runner& runner, const StoredRule& rule,
                                        const pg::OwnerLimits& limits,
                                        const std::function<void(pg::Spi&)>& body) {
  try {
    return runner(*rule.owner_id, limits, [&] {
      series::settle_output_format();
      pg::Spi inner;
      body(inner);
    });
  } catch (const pg::Report& report) {
    return pg::OwnerFailure{false, report.sqlstate(), report.what()};
  }
}

std::vector<alerting::Sample> watched_samples(pg::Spi& spi, const StoredRule& rule, Instant now) {
  const WatchedSeries& watched = *rule.threshold->series;
  const pg::Rows rows =
      series::read_series(spi, watched.window, {watched.selector}, now, rule.row_limit + 1);
  series::refuse_more_rows(rows, rule.row_limit);
  std::vector<alerting::Sample> samples;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    samples.push_back(series_sample_of(rows, row));
  }
  return samples;
}

/// What each of the rules looks at: a position in the list of what they look at.
struct Selection {
  std::vector<series::SeriesSelector> selectors;
  std::vector<std::size_t> of_rule;
};

Selection selection_of(const std::vector<const StoredRule*>& rules) {
  Selection selection;
  std::map<series::SeriesSelector, std::size_t> positions;
  for (const StoredRule* rule : rules) {
    const series::SeriesSelector& selector = rule->threshold->series->selector;
    const auto [found, is_new] = positions.emplace(selector, positions.size());
    if (is_new) selection.selectors.push_back(selector);
    selection.of_rule.push_back(found->second);
  }
  return selection;
}

QueryOutcome run_query(const Runner& runner, const StoredRule& rule, Instant now) {
  QueryOutcome outcome;
  outcome.failure = unfit_owner(rule);
  if (outcome.failure) return outcome;
  // Temporary objects are the session's, so they are looked up last: they must not stand in for the
  // owner's.
  const std::string path = rule.has_own_query() && !rule.search_path.empty()
                               ? rule.search_path + ", pg_temp"
                               : kOwnSearchPath;
  const std::string what = issue_worker(rule.policy.rule_name);
  pg::OwnerLimits limits{rule.timeout, kLockTimeout, path.c_str()};
  limits.what = what.c_str();
  outcome.failure = run_for(runner, rule, limits, [&](pg::Spi& spi) {
    outcome.samples = rule.has_own_query()
                          ? samples_of(series::run_one_query(rule.expr, now, rule.row_limit))
                          : watched_samples(spi, rule, now);
  });
  return outcome;
}

}  // namespace

std::string issue_worker(const std::string& rule_name) {
  return "alert rule/" + rule_name;
}

QueryOutcome run_rule_query(pg::Spi& spi, const StoredRule& rule, Instant now) {
  return run_query([&](Oid owner, const pg::OwnerLimits& limits,
                       const auto& body) { return issues::run_owned(spi, owner, limits, body); },
                   rule, now);
}

QueryOutcome try_rule_query(const StoredRule& rule, Instant now) {
  return run_query(issues::run_asked, rule, now);
}

SamplesByRule read_together(const std::vector<const StoredRule*>& rules, Instant now) {
  const StoredRule& first = *rules.front();
  const Selection selection = selection_of(rules);
  std::vector<std::vector<alerting::Sample>> samples(selection.selectors.size());
  const pg::OwnerLimits limits{std::min(first.timeout, kLongestTogether), kLockTimeout,
                               kOwnSearchPath, true, "thresholds of alert rules"};
  const auto failure = run_for(pg::run_as_owner, first, limits, [&](pg::Spi& spi) {
    const pg::Rows rows = series::read_series(spi, first.threshold->series->window,
                                              selection.selectors, now, kMostRowsTogether + 1);
    series::refuse_more_rows(rows, kMostRowsTogether);
    for (std::uint64_t row = 0; row < rows.size(); ++row) {
      samples[static_cast<std::size_t>(*rows.int8(row, 1))].push_back(series_sample_of(rows, row));
    }
  });
  SamplesByRule by_rule;
  if (failure) return by_rule;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const std::vector<alerting::Sample>& own = samples[selection.of_rule[i]];
    const bool fits = own.size() <= static_cast<std::size_t>(rules[i]->row_limit);
    if (fits) by_rule.emplace(rules[i]->id, own);
  }
  return by_rule;
}

}  // namespace monitoring::rules
