#include "store/rule_query.hpp"

#include "monitoring/pg/settings.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <executor/spi.h>
#include <utils/guc.h>
}
// clang-format keeps the server's headers first.
#include <cctype>
#include <cstdlib>
#include <string>
#include <utility>

#include "monitoring/store/alert_rules.hpp"

namespace monitoring::store {

namespace {

constexpr const char* kValue = "value";

/// Labels are texts, and texts are identities: they must not depend on who evaluates. Undone when
/// the owner's scope ends.
void settle_output_format() {
  static constexpr const char* kSettings[][2] = {{"TimeZone", "UTC"},
                                                 {"DateStyle", "ISO, MDY"},
                                                 {"IntervalStyle", "postgres"},
                                                 {"bytea_output", "hex"},
                                                 {"extra_float_digits", "1"}};
  pg::call([] {
    for (const auto& setting : kSettings) {
      set_config_option(setting[0], setting[1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                        0, false);
    }
  });
}

bool is_label_name(const std::string& name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0) return false;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') return false;
  }
  return true;
}

bool is_number(Oid type) {
  return type == INT2OID || type == INT4OID || type == INT8OID || type == FLOAT4OID ||
         type == FLOAT8OID || type == NUMERICOID;
}

/// Where the result has what.
struct Shape {
  int value = 0;
  std::vector<std::pair<int, std::string>> labels;
};

void add_label(int column, std::string name, Shape* shape) {
  if (!is_label_name(name)) {
    throw pg::Report(ERRCODE_INVALID_NAME, "column \"" + name + "\" is no valid label name")
        .hint("Use letters, digits and underscores, and no digit first.");
  }
  const Labels alone{{name, ""}};
  if (const std::string* reserved = alerting::find_reserved_label(alone)) {
    throw pg::Report(ERRCODE_DUPLICATE_OBJECT, alerting::reserved_label_error(*reserved));
  }
  for (const auto& [other, known] : shape->labels) {
    if (known == name) {
      throw pg::Report(ERRCODE_DUPLICATE_COLUMN, "two columns are named \"" + name + "\"");
    }
  }
  shape->labels.emplace_back(column, std::move(name));
}

Shape shape_of(const pg::Rows& rows) {
  Shape shape;
  for (int column = 1; column <= rows.columns(); ++column) {
    std::string name = rows.column_name(column);
    if (name != kValue) {
      add_label(column, std::move(name), &shape);
      continue;
    }
    if (shape.value != 0) {
      throw pg::Report(ERRCODE_DUPLICATE_COLUMN, "two columns are named \"value\"");
    }
    if (!is_number(rows.column_type(column))) {
      throw pg::Report(ERRCODE_DATATYPE_MISMATCH, "column \"value\" must be a number")
          .hint("Cast it, for example to float8.");
    }
    shape.value = column;
  }
  if (shape.value != 0) return shape;
  throw pg::Report(ERRCODE_UNDEFINED_COLUMN, "the result has no column \"value\"")
      .hint("Name one: SELECT count(*) AS value ...");
}

std::optional<double> value_of(const pg::Rows& rows, std::uint64_t row, int column) {
  const auto text = rows.text(row, column);
  if (!text) return std::nullopt;
  return std::strtod(text->c_str(), nullptr);
}

std::vector<alerting::Sample> samples_of(const pg::Rows& rows) {
  const Shape shape = shape_of(rows);
  std::vector<alerting::Sample> samples;
  samples.reserve(rows.size());
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    alerting::Sample sample;
    sample.value = value_of(rows, row, shape.value);
    for (const auto& [column, name] : shape.labels) {
      // An empty label is the same as none.
      auto text = rows.text(row, column);
      if (text && !text->empty()) sample.labels.set(name, std::move(*text));
    }
    samples.push_back(std::move(sample));
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

/// One query, planned by itself so that nothing else can hide in the text.
pg::Rows execute(const std::string& sql, Instant now, std::int64_t row_limit) {
  const char* text = sql.c_str();
  SPIPlanPtr plan = pg::call([&] {
    Oid types[] = {TIMESTAMPTZOID};
    return SPI_prepare(text, 1, types);
  });
  if (plan == nullptr || !pg::call([&] { return SPI_is_cursor_plan(plan); })) {
    throw pg::Report(ERRCODE_SYNTAX_ERROR, "the expression of an alert rule must be one query");
  }
  const pg::Param at = pg::timestamptz(now);
  pg::call([&] {
    Datum values[] = {at.value};
    return SPI_execute_plan(plan, values, nullptr, false, row_limit + 1);
  });
  const std::uint64_t count = SPI_processed;
  if (count > static_cast<std::uint64_t>(row_limit)) {
    throw pg::Report(ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                     "the result has more than " + std::to_string(row_limit) + " rows")
        .hint("Aggregate further, or raise row_limit.");
  }
  return {SPI_tuptable, count};
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
        outcome.samples = samples_of(execute(rule.expr, now, rule.row_limit));
      } else {
        const std::string query = series_query(*rule.threshold->window);
        outcome.samples = series_samples_of(execute(query, now, rule.row_limit));
      }
    });
  } catch (const pg::Report& report) {
    outcome.failure = pg::OwnerFailure{false, report.sqlstate(), report.what()};
  }
  return outcome;
}

}  // namespace monitoring::store
