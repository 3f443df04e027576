#include "monitoring/routing/config.hpp"

#include "monitoring/base/json.hpp"
#include "monitoring/pg/intervals.hpp"
#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <catalog/pg_type.h>
}
// clang-format keeps the server's header first.
#include <map>
#include <utility>

#include "monitoring/base/encoding.hpp"
#include "monitoring/routing/time_zones.hpp"
#include "routing/maintenances.hpp"

namespace monitoring::routing {

namespace {

/// The root's receiver where none is configured. No text in the database holds a NUL, so no
/// receiver has this name.
const std::string& nobody() {
  static const std::string name(1, '\0');
  return name;
}

[[noreturn]] void fail(const std::string& what, const Error& error) {
  throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, what + ": " + error.message).hint(error.hint);
}

template <class T>
T checked(Result<T> result, const std::string& what) {
  if (!result) fail(what, result.error());
  return std::move(result).value();
}

std::string route_name(std::int64_t id) {
  return "route " + std::to_string(id);
}

dispatch::Matchers matchers_at(const pg::Rows& rows, std::uint64_t row, int column,
                               const std::string& what) {
  return checked(dispatch::parse_matcher_list(text_list(*rows.text(row, column), what)), what);
}

/// Reads a row with `read`. One that cannot be used is left out and named; without a list for
/// that, it is the end.
template <class Read>
void read_row(issues::UnusableObjects* unusable, const std::string& what, Read&& read) {
  if (unusable == nullptr) return read();
  try {
    read();
  } catch (const pg::Report& report) {
    unusable->add(what, report.what());
  }
}

dispatch::RouteSpec route_row(const pg::Rows& rows, std::uint64_t row) {
  dispatch::RouteSpec spec;
  spec.id = *rows.int8(row, 1);
  spec.parent = rows.int8(row, 2);
  spec.receiver = rows.text(row, 3).value_or(spec.parent ? std::string() : nobody());
  const std::string what = route_name(spec.id);
  spec.matchers = matchers_at(rows, row, 4, what);
  spec.continue_matching = *rows.boolean(row, 5);
  spec.group_by = text_list(*rows.text(row, 6), what + ", group_by");
  spec.group_wait = pg::interval_at(rows, row, 7);
  spec.group_interval = pg::interval_at(rows, row, 8);
  spec.repeat_interval = pg::interval_at(rows, row, 9);
  spec.mute_time_intervals = text_list(*rows.text(row, 10), what + ", mute_time_intervals");
  spec.active_time_intervals = text_list(*rows.text(row, 11), what + ", active_time_intervals");
  return spec;
}

/// Tells nobody, as where none is configured.
dispatch::RouteSpec empty_root() {
  dispatch::RouteSpec root;
  root.receiver = nobody();
  return root;
}

/// Takes over what makes a tree. A route that does not goes with all below it: its alerts end at
/// its parent.
class UsableRoutes {
 public:
  UsableRoutes(const std::vector<dispatch::RouteSpec>& specs, issues::UnusableObjects& unusable)
      : unusable_(unusable) {
    for (const dispatch::RouteSpec& spec : specs) {
      if (spec.parent) children_[*spec.parent].push_back(&spec);
      if (!spec.parent && is_usable({spec})) root_ = spec;
    }
  }

  std::vector<dispatch::RouteSpec> take() {
    std::vector<dispatch::RouteSpec> usable = {root_};
    for (std::size_t at = 0; at < usable.size(); ++at) {
      for (const dispatch::RouteSpec* child : children_[usable[at].id]) {
        dispatch::RouteSpec alone = *child;
        alone.parent = root_.id;
        if (child->id != root_.id && is_usable({root_, alone})) usable.push_back(*child);
      }
      children_.erase(usable[at].id);
    }
    for (const auto& [parent, left] : children_) {
      for (const dispatch::RouteSpec* spec : left) {
        unusable_.add(route_name(spec->id),
                      "its parent " + std::to_string(parent) + " leads to no usable root");
      }
    }
    return usable;
  }

 private:
  bool is_usable(const std::vector<dispatch::RouteSpec>& specs) {
    const auto tree = dispatch::RouteTree::build(specs);
    if (tree) return true;
    unusable_.add(route_name(specs.back().id), tree.error().message);
    return false;
  }

  issues::UnusableObjects& unusable_;
  dispatch::RouteSpec root_ = empty_root();
  std::map<std::int64_t, std::vector<const dispatch::RouteSpec*>> children_;
};

dispatch::RouteTree build_tree(const std::vector<dispatch::RouteSpec>& specs,
                               issues::UnusableObjects* unusable) {
  auto tree = dispatch::RouteTree::build(specs);
  if (tree || unusable == nullptr) return checked(std::move(tree), "routes");
  auto usable = dispatch::RouteTree::build(UsableRoutes(specs, *unusable).take());
  if (usable) return std::move(usable).value();
  return checked(dispatch::RouteTree::build({empty_root()}), "routes");
}

dispatch::RouteTree read_routes(pg::Spi& spi, issues::UnusableObjects* unusable) {
  const pg::Rows rows = spi.query(
      "SELECT id, parent, receiver, to_json(matchers)::text, continue_matching,"
      " to_json(group_by)::text,"
      " group_wait, group_interval, repeat_interval,"
      " to_json(mute_time_intervals)::text, to_json(active_time_intervals)::text"
      " FROM monitoring.effective_routes ORDER BY sort_order, route_name COLLATE \"C\"");
  std::vector<dispatch::RouteSpec> specs;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    read_row(unusable, route_name(*rows.int8(row, 1)),
             [&] { specs.push_back(route_row(rows, row)); });
  }
  return build_tree(specs, unusable);
}

/// Of all columns of all routes, in the order in which they are tried.
std::string digest_of_routes(pg::Spi& spi) {
  static pg::Prepared statement(
      "SELECT md5(string_agg(r::text, E'\\n' ORDER BY r.sort_order, r.id))"
      " FROM monitoring.effective_routes r",
      {});
  return *statement.query(spi).text(0, 1);
}

/// The tree of the last pass is kept, as long as the rows say the same: to read thousands of
/// matchers takes longer than all else in a pass in which nothing happens. One with unusable rows
/// is not kept, so that they are named each time.
dispatch::RouteTree load_routes(pg::Spi& spi, issues::UnusableObjects* unusable) {
  struct Kept {
    std::string digest;
    dispatch::RouteTree tree;
  };
  static auto* const kept = new std::optional<Kept>;
  const std::string digest = digest_of_routes(spi);
  if (*kept && (*kept)->digest == digest) return (*kept)->tree;
  dispatch::RouteTree tree = read_routes(spi, unusable);
  if (unusable == nullptr || unusable->empty()) {
    *kept = Kept{digest, tree};
  } else {
    kept->reset();
  }
  return tree;
}

std::vector<dispatch::InhibitRule> load_inhibit_rules(pg::Spi& spi,
                                                      issues::UnusableObjects* unusable) {
  const pg::Rows rows = spi.query(
      "SELECT coalesce(nullif(rule_name, ''), id::text), to_json(source_matchers)::text,"
      " to_json(target_matchers)::text, to_json(equal_labels)::text"
      " FROM monitoring.inhibit_rules ORDER BY id");
  std::vector<dispatch::InhibitRule> rules;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    dispatch::InhibitRule rule;
    rule.name = *rows.text(row, 1);
    const std::string what = "inhibition rule \"" + rule.name + "\"";
    read_row(unusable, what, [&] {
      rule.source = matchers_at(rows, row, 2, what + ", source");
      rule.target = matchers_at(rows, row, 3, what + ", target");
      rule.equal = text_list(*rows.text(row, 4), what + ", equal_labels");
      rules.push_back(std::move(rule));
    });
  }
  return rules;
}

dispatch::TimeIntervals load_time_intervals(pg::Spi& spi, issues::UnusableObjects* unusable) {
  const pg::Rows rows =
      spi.query("SELECT interval_name, intervals::text FROM monitoring.time_intervals");
  dispatch::TimeIntervals intervals;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const std::string name = *rows.text(row, 1);
    const std::string what = "time interval \"" + name + "\"";
    read_row(unusable, what, [&] {
      intervals[name] =
          checked(dispatch::parse_time_intervals(*rows.text(row, 2), ServerTimeZones()), what);
    });
  }
  return intervals;
}

std::vector<dispatch::Silence> load_silences(pg::Spi& spi, std::optional<Instant> now,
                                             issues::UnusableObjects* unusable) {
  // One that was ended before it began holds never; there is nothing to check.
  const pg::Rows rows = spi.query(
      "SELECT id::text, to_json(matchers)::text, starts_at, ends_at, until_resolved, matched"
      " FROM monitoring.silences WHERE ends_at > coalesce($1, '-infinity') AND ends_at > starts_at"
      " ORDER BY created_at, id",
      {pg::timestamptz(now)});
  std::vector<dispatch::Silence> silences;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    dispatch::Silence silence;
    silence.id = *rows.text(row, 1);
    const std::string what = "silence " + silence.id;
    read_row(unusable, what, [&] {
      silence.matchers = matchers_at(rows, row, 2, what);
      silence.starts_at = *rows.timestamptz(row, 3);
      silence.ends_at = *rows.timestamptz(row, 4);
      silence.until_resolved = *rows.boolean(row, 5);
      silence.matched = *rows.boolean(row, 6);
      if (const auto error = dispatch::check_silence(silence)) fail(what, *error);
      silences.push_back(std::move(silence));
    });
  }
  return silences;
}

/// $1: the policy, NULL for all. Read apart from the rest: a step's text may be no interval.
constexpr const char* kPolicies =
    "SELECT policy_name, to_json(matchers)::text, s.step ->> 'receiver',"
    " (s.step ->> 'after')::interval, s.place IS NOT NULL FROM monitoring.escalations"
    " LEFT JOIN jsonb_array_elements(steps) WITH ORDINALITY s(step, place) ON true"
    " WHERE $1 IS NULL OR policy_name = $1 ORDER BY sort_order, policy_name, s.place";

dispatch::EscalationStep step_row(const pg::Rows& rows, std::uint64_t row,
                                  const std::string& what) {
  const auto receiver = rows.text(row, 3);
  const auto after = pg::interval_at(rows, row, 4);
  if (!receiver || !after) {
    fail(what, Error::of("every step has \"after\", an interval, and \"receiver\", a name"));
  }
  return {*after, *receiver};
}

/// The policy whose first step is in this row; `row` moves to the row behind its last step.
dispatch::EscalationPolicy policy_at(const pg::Rows& rows, std::uint64_t& row) {
  dispatch::EscalationPolicy policy;
  policy.name = *rows.text(row, 1);
  const std::string what = "escalation policy \"" + policy.name + "\"";
  policy.matchers = matchers_at(rows, row, 2, what);
  for (; row < rows.size() && rows.text(row, 1) == policy.name; ++row) {
    if (*rows.boolean(row, 5)) policy.steps.push_back(step_row(rows, row, what));
  }
  if (const auto error = dispatch::check_policy(policy)) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, *error);
  }
  return policy;
}

std::vector<dispatch::EscalationPolicy> read_policies(pg::Spi& spi, const pg::Param& name) {
  const pg::Rows rows = spi.query(kPolicies, {name});
  std::vector<dispatch::EscalationPolicy> policies;
  for (std::uint64_t row = 0; row < rows.size();) policies.push_back(policy_at(rows, row));
  return policies;
}

std::vector<dispatch::EscalationPolicy> load_policies(pg::Spi& spi,
                                                      issues::UnusableObjects* unusable) {
  const pg::Param all = pg::null_of(TEXTOID);
  if (unusable == nullptr) return read_policies(spi, all);
  std::vector<dispatch::EscalationPolicy> policies;
  const auto failure = issues::try_alone([&] { policies = read_policies(spi, all); });
  if (!failure) return policies;
  const pg::Rows names =
      spi.query("SELECT policy_name FROM monitoring.escalations ORDER BY sort_order, policy_name");
  for (std::uint64_t row = 0; row < names.size(); ++row) {
    const std::string name = *names.text(row, 1);
    unusable->attempt("escalation policy \"" + name + "\"", [&] {
      for (auto& policy : read_policies(spi, pg::text(name))) policies.push_back(std::move(policy));
    });
  }
  return policies;
}

}  // namespace

RoutingConfig load_routing(pg::Spi& spi, std::optional<Instant> now,
                           issues::UnusableObjects* unusable) {
  RoutingConfig config{load_routes(spi, unusable), load_inhibit_rules(spi, unusable),
                       load_time_intervals(spi, unusable), load_silences(spi, now, unusable),
                       load_policies(spi, unusable)};
  for (dispatch::Silence& window : load_open_maintenances(spi, now, unusable)) {
    config.silences.push_back(std::move(window));
  }
  return config;
}

std::optional<std::string> receiver_of(const dispatch::RouteOptions& options) {
  if (options.receiver == nobody()) return std::nullopt;
  return options.receiver;
}

std::vector<std::string> text_list(const std::string& text, const std::string& what) {
  std::vector<std::string> list;
  const Json array = Json::parse_stored(text);
  for (const Json& element : array.elements()) {
    if (element.is_array()) {
      throw pg::Report(ERRCODE_ARRAY_SUBSCRIPT_ERROR,
                       what + ": a list must have one dimension, not several");
    }
    if (!element.is_string()) {
      throw pg::Report(ERRCODE_NULL_VALUE_NOT_ALLOWED, what + ": a list must not contain NULL")
          .hint(
              "A text that is put together with NULL is NULL; format() and quote_literal() help.");
    }
    list.push_back(element.string());
  }
  return list;
}

}  // namespace monitoring::routing
