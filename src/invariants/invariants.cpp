#include "monitoring/invariants/invariants.hpp"

#include "monitoring/pg/periods.hpp"
#include "monitoring/pg/transaction.hpp"

extern "C" {
#include <utils/snapmgr.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <map>

#include "monitoring/issues/issues.hpp"
#include "monitoring/measurements/map_check.hpp"
#include "monitoring/measurements/new_rows.hpp"

namespace monitoring::invariants {

namespace {

/// How many violations of one invariant are named.
constexpr std::size_t kNamed = 5;

/// An invariant whose violations one query finds, a text each.
struct Query {
  const char* name;
  const char* sql;
};

/// The extension's own relations.
#define MEMBER_RELATIONS                                                                        \
  "(SELECT * FROM pg_catalog.pg_class WHERE oid IN (SELECT d.objid FROM pg_catalog.pg_depend d" \
  " JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'monitoring'"          \
  " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e'"           \
  " AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"                          \
  " UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i"                                  \
  " WHERE i.inhparent = 'monitoring.pipeline_metrics'::pg_catalog.regclass))"

constexpr Query kQueries[] = {
    // Passes keep the state and what is published of it in one transaction.
    {"published_rows_match_states",
     "WITH sample AS MATERIALIZED (SELECT p.period, p.period_start"
     "  FROM monitoring_internal.rollup_periods p WHERE NOT p.rows_removed"
     // Late rows: their state is published by the next hourly pass.
     "  AND NOT EXISTS (SELECT FROM monitoring_internal.rollup_state o WHERE NOT o.published"
     "   AND o.period_start = p.period_start AND o.period = p.period)"
     "  ORDER BY pg_catalog.random() LIMIT 20)"
     " SELECT pg_catalog.format('%s of %s: %s has %s measurements in its state, %s in"
     " aggregated_metrics', COALESCE(s.period, a.period), COALESCE(s.period_start, a.period_start),"
     " COALESCE(s.metric_name, a.metric_name), COALESCE(s.n, 0), COALESCE(a.n, 0))"
     " FROM (SELECT x.period, x.period_start, x.metric_name, x.dimensions_hash,"
     "   pg_catalog.sum(x.count_value) AS n FROM monitoring_internal.rollup_state x JOIN sample"
     "   USING (period, period_start) GROUP BY 1, 2, 3, 4) s"
     " FULL JOIN (SELECT x.period, x.period_start, x.metric_name,"
     "   monitoring_internal.dimensions_hash(x.dimensions) AS dimensions_hash,"
     "   pg_catalog.sum(COALESCE(x.count_value, 0)) AS n FROM monitoring.aggregated_metrics x JOIN"
     "   sample USING (period, period_start) GROUP BY 1, 2, 3, 4) a"
     " USING (period, period_start, metric_name, dimensions_hash)"
     " WHERE s.n IS DISTINCT FROM a.n"},
    {"days_match_hours",
     "WITH sample AS MATERIALIZED (SELECT d.period_start FROM monitoring_internal.rollup_periods d"
     "  WHERE d.period = 'daily' AND NOT d.rows_removed AND NOT d.raw_removed AND NOT EXISTS"
     "   (SELECT FROM monitoring_internal.rollup_periods h WHERE h.period = 'hourly' AND "
     "h.rows_removed"
     "    AND h.period_start >= d.period_start"
     "    AND h.period_start < d.period_start + interval '24 hours')"
     "  AND NOT EXISTS (SELECT FROM monitoring_internal.rollup_state o WHERE NOT o.published"
     "    AND o.period_start >= d.period_start"
     "    AND o.period_start < d.period_start + interval '24 hours')"
     "  ORDER BY pg_catalog.random() LIMIT 5),"
     " hours AS (SELECT x.period_start AS day, s.metric_name, pg_catalog.sum(s.count_value) AS n"
     "  FROM sample x JOIN monitoring_internal.rollup_state s ON s.period = 'hourly' AND "
     "s.published"
     "   AND s.period_start >= x.period_start"
     "   AND s.period_start < x.period_start + interval '24 hours' GROUP BY 1, 2),"
     " days AS (SELECT x.period_start AS day, s.metric_name, pg_catalog.sum(s.count_value) AS n"
     "  FROM sample x JOIN (SELECT period_start, metric_name, count_value"
     "   FROM monitoring_internal.rollup_state WHERE period = 'daily' UNION ALL SELECT"
     "    pg_catalog.date_trunc('day', period_start, 'UTC'), metric_name, count_value"
     "   FROM monitoring_internal.rollup_pending WHERE period = 'daily') s"
     "   ON s.period_start = x.period_start GROUP BY 1, 2)"
     " SELECT pg_catalog.format('%s: %s has %s measurements in its hours, %s in its day', day,"
     " metric_name, COALESCE(h.n, 0), COALESCE(d.n, 0))"
     " FROM hours h FULL JOIN days d USING (day, metric_name) WHERE h.n IS DISTINCT FROM d.n"},
    {"partitions",
     "SELECT pg_catalog.format('%s is not attached to pipeline_metrics', c.oid::regclass)"
     " FROM pg_catalog.pg_class c WHERE c.relnamespace = "
     "'monitoring_internal'::pg_catalog.regnamespace"
     "  AND c.relname ~ '^pipeline_metrics_[0-9]{8}$' AND c.relkind = 'r' AND NOT c.relispartition"
     " UNION ALL SELECT pg_catalog.format('%s is being detached', i.inhrelid::regclass)"
     " FROM pg_catalog.pg_inherits i WHERE i.inhdetachpending"
     "  AND i.inhparent = 'monitoring.pipeline_metrics'::pg_catalog.regclass"
     " UNION ALL SELECT pg_catalog.format('no partition holds %s, so its measurements go to"
     " pipeline_metrics_default', day::pg_catalog.date)"
     " FROM pg_catalog.generate_series(pg_catalog.timezone('UTC', pg_catalog.now()),"
     "  pg_catalog.timezone('UTC', pg_catalog.now()) + interval '1 day', '1 day') AS day"
     " WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c"
     "  ON c.oid = i.inhrelid WHERE i.inhparent = 'monitoring.pipeline_metrics'::regclass"
     "  AND c.relname = 'pipeline_metrics_' || pg_catalog.to_char(day, 'YYYYMMDD'))"
     " AND monitoring_internal.is_active()"
     " UNION ALL SELECT pg_catalog.format('the default partition is %s', CASE WHEN p.partdefid = 0"
     "  THEN 'missing' ELSE p.partdefid::regclass::text END)"
     " FROM pg_catalog.pg_partitioned_table p"
     " WHERE p.partrelid = 'monitoring.pipeline_metrics'::regclass"
     "  AND p.partdefid <> 'monitoring_internal.pipeline_metrics_default'::regclass"},
    {"leases",
     "SELECT pg_catalog.format('notification %s is %s, leased by %s until %s', id, status,"
     " COALESCE(leased_by::text, 'nobody'), COALESCE(leased_until::text, '?'))"
     " FROM monitoring.notifications WHERE (status = 'sending')"
     "  <> (leased_by IS NOT NULL AND leased_until IS NOT NULL)"
     "  OR (status = 'sending' AND leased_until < pg_catalog.clock_timestamp() - interval '1 hour')"
     " UNION ALL SELECT pg_catalog.format('notification %s is %s, sent at %s', id, status,"
     " COALESCE(sent_at::text, 'no time')) FROM monitoring.notifications"
     " WHERE status = 'sent' AND sent_at IS NULL"
     " UNION ALL SELECT pg_catalog.format('notification %s counts %s attempts and has %s', n.id,"
     " n.attempts, pg_catalog.max(a.attempt)) FROM monitoring.notifications n"
     " JOIN monitoring.notification_attempts a ON a.notification_id = n.id"
     " GROUP BY n.id HAVING pg_catalog.max(a.attempt) > n.attempts"},
    {"alerts_and_groups",
     "SELECT pg_catalog.format('alert %s is %s, fired at %s, resolved at %s', id, state,"
     " COALESCE(fired_at::text, 'no time'), COALESCE(resolved_at::text, 'no time'))"
     " FROM monitoring.alerts WHERE state = 'firing' AND fired_at IS NULL"
     "  OR state = 'resolved' AND resolved_at IS NULL"
     " UNION ALL SELECT pg_catalog.format('alert %s is there %s times', rule_name || labels::text,"
     " pg_catalog.count(*)) FROM monitoring.alerts WHERE state <> 'resolved' GROUP BY rule_id, "
     "rule_name, labels"
     " HAVING pg_catalog.count(*) > 1"
     " UNION ALL SELECT pg_catalog.format('group %s is due since %s, evaluated until %s', g.id,"
     " g.next_flush_at, p.last_evaluated_at) FROM monitoring.alert_groups g,"
     " monitoring_internal.alert_progress p"
     " WHERE g.next_flush_at < p.last_evaluated_at - interval '5 minutes'"},
    {"orphans",
     "SELECT pg_catalog.format('member %s of group %s, which is not there', m.fingerprint,"
     " m.group_id) FROM monitoring.alert_group_members m"
     " WHERE NOT EXISTS (SELECT FROM monitoring.alert_groups g WHERE g.id = m.group_id)"
     " UNION ALL SELECT pg_catalog.format('threshold of rule %s, which is not there', t.rule_id)"
     " FROM monitoring.thresholds t"
     " WHERE NOT EXISTS (SELECT FROM monitoring.alert_rules r WHERE r.id = t.rule_id)"
     " UNION ALL SELECT DISTINCT pg_catalog.format('attempts at notification %s, which is not"
     " there', a.notification_id) FROM monitoring.notification_attempts a"
     " WHERE NOT EXISTS (SELECT FROM monitoring.notifications n WHERE n.id = a.notification_id)"
     " UNION ALL SELECT pg_catalog.format('state of probe %s, which is not there', s.probe_name)"
     " FROM monitoring.probe_state s"
     " WHERE NOT EXISTS (SELECT FROM monitoring.probes p WHERE p.probe_name = s.probe_name)"
     " UNION ALL SELECT DISTINCT pg_catalog.format('%s state of %s, a period that is not closed',"
     " s.period, s.period_start) FROM monitoring_internal.rollup_state s WHERE s.published AND NOT "
     "EXISTS"
     "  (SELECT FROM monitoring_internal.rollup_periods p WHERE p.period = s.period"
     "   AND p.period_start = s.period_start)"},
    {"sequences",
     "SELECT pg_catalog.format('%s gives %s again, which %s.%s has', s.seq::regclass, s.next,"
     " s.owner::regclass, s.attname) FROM (SELECT d.objid AS seq, d.refobjid AS owner, a.attname,"
     "   (pg_catalog.xpath('/row/n/text()', pg_catalog.query_to_xml(pg_catalog.format('SELECT"
     " last_value + is_called::integer AS n FROM %s', d.objid::regclass), false, true,"
     " '')))[1]::text::bigint AS next,"
     "   (pg_catalog.xpath('/row/n/text()', pg_catalog.query_to_xml(pg_catalog.format('SELECT"
     " COALESCE(max(%I), 0) AS n FROM %s', a.attname, d.refobjid::regclass), false, true,"
     " '')))[1]::text::bigint AS most"
     "  FROM pg_catalog.pg_depend d JOIN " MEMBER_RELATIONS " c ON c.oid = d.refobjid"
     "  JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
     "  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
     "  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('i', 'a')) s"
     " WHERE s.most >= s.next"},
    {"triggers",
     "SELECT pg_catalog.format('trigger %I of %s is %s', t.tgname, t.tgrelid::regclass,"
     " CASE t.tgenabled WHEN 'D' THEN 'disabled' ELSE 'for replicas only' END)"
     " FROM pg_catalog.pg_trigger t JOIN " MEMBER_RELATIONS
     " c ON c.oid = t.tgrelid WHERE t.tgenabled IN ('D', 'R')"
     " UNION ALL SELECT pg_catalog.format('trigger %I of pipeline_metrics is missing', wanted.name)"
     " FROM (VALUES ('note_correction'), ('note_truncation')) AS wanted(name)"
     " WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgname = wanted.name"
     "  AND t.tgrelid = 'monitoring.pipeline_metrics'::regclass)"},
    {"tables",
     "SELECT pg_catalog.format('index %s is not valid', x.indexrelid::regclass)"
     " FROM pg_catalog.pg_index x JOIN " MEMBER_RELATIONS
     " c ON c.oid = x.indrelid WHERE NOT x.indisvalid AND c.relkind <> 'p'"
     " UNION ALL SELECT pg_catalog.format('constraint %I of %s is not validated', k.conname,"
     " k.conrelid::regclass) FROM pg_catalog.pg_constraint k JOIN " MEMBER_RELATIONS
     " c ON c.oid = k.conrelid WHERE NOT k.convalidated"
     " UNION ALL SELECT pg_catalog.format('%s is unlogged: a crash empties it', c.oid::regclass)"
     " FROM " MEMBER_RELATIONS " c WHERE c.relpersistence = 'u'"
     " UNION ALL SELECT pg_catalog.format('row level security of %s hides rows from the extension',"
     " c.oid::regclass) FROM " MEMBER_RELATIONS " c WHERE c.relforcerowsecurity"},
    // Whoever owns the extension may say CREATE OR REPLACE FUNCTION for what belongs to it.
    {"functions",
     "SELECT pg_catalog.format('%s is not as CREATE EXTENSION made it', i.signature)"
     " FROM monitoring_internal.installed_functions i WHERE NOT EXISTS"
     "  (SELECT FROM monitoring_internal.function_definitions f"
     "   WHERE f.signature = i.signature AND f.definition = i.definition)"},
};

std::string join_first(const std::vector<std::string>& violations) {
  std::string text;
  const std::size_t named = std::min(violations.size(), kNamed);
  for (std::size_t i = 0; i < named; ++i) text += (i == 0 ? "" : "; ") + violations[i];
  const std::size_t more = violations.size() - named;
  return more == 0 ? text : text + "; and " + std::to_string(more) + " more";
}

std::vector<std::string> violations_of(pg::Spi& spi, const Query& query) {
  std::vector<std::string> violations;
  const pg::Rows rows = spi.read(query.sql);
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    violations.push_back(rows.text(i, 1).value_or("?"));
  }
  return violations;
}

using Counts = std::map<std::pair<std::int64_t, std::string>, std::int64_t>;

Counts unseen_rows(pg::Spi& spi) {
  Counts counts;
  measurements::for_each_new_row(spi, [&](const measurements::RawRow& row) {
    const struct varlena* name = pg_detoast_datum_packed(row.metric_name);
    ++counts[{hour_of(row.timestamp), std::string(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))}];
  });
  return counts;
}

/// Closed hours whose raw rows are all there, less what no pass has taken yet.
std::vector<std::string> rollup_violations(pg::Spi& spi) {
  std::vector<std::string> violations;
  const pg::Rows hours = spi.read(
      "SELECT p.period_start FROM monitoring_internal.rollup_periods p WHERE p.period = 'hourly'"
      " AND NOT p.raw_removed AND NOT p.rows_removed AND NOT EXISTS (SELECT FROM"
      "  monitoring_internal.rollup_corrections c WHERE c.period_start IN (p.period_start, "
      "'-infinity'))"
      " ORDER BY pg_catalog.random() LIMIT 10");
  if (hours.empty()) return violations;
  const Counts unseen = unseen_rows(spi);
  for (std::uint64_t i = 0; i < hours.size(); ++i) {
    const Instant hour = *hours.timestamptz(i, 1);
    const pg::Rows metrics = spi.read(
        "SELECT metric_name, COALESCE(r.n, 0), COALESCE(s.n, 0), $1::text"
        " FROM (SELECT metric_name, pg_catalog.count(*) AS n FROM monitoring.pipeline_metrics"
        "  WHERE \"timestamp\" >= $1 AND \"timestamp\" < $1 + interval '1 hour' GROUP BY 1) r"
        " FULL JOIN (SELECT metric_name, pg_catalog.sum(count_value)::bigint AS n"
        "  FROM monitoring_internal.rollup_state WHERE period = 'hourly' AND period_start = $1 "
        "GROUP BY 1) s"
        " USING (metric_name) WHERE NOT EXISTS (SELECT FROM monitoring_internal.rollup_purged u"
        "  WHERE u.period_start = $1 AND u.metric_name = COALESCE(r.metric_name, s.metric_name))",
        {pg::timestamptz(hour)});
    for (std::uint64_t row = 0; row < metrics.size(); ++row) {
      const auto found = unseen.find({pg::timestamptz_of(hour), *metrics.text(row, 1)});
      const std::int64_t raw = *metrics.int8(row, 2) - (found == unseen.end() ? 0 : found->second);
      if (raw == *metrics.int8(row, 3)) continue;
      violations.push_back(*metrics.text(row, 4) + ": " + *metrics.text(row, 1) + " has " +
                           std::to_string(raw) + " raw rows that were seen, and " +
                           std::to_string(*metrics.int8(row, 3)) + " rolled up");
    }
  }
  return violations;
}

template <class Find>
InvariantCheck check(const char* name, Find find) {
  std::vector<std::string> violations;
  const auto error = pg::attempt([&] { violations = find(); });
  if (error) return {name, false, std::string("this could not be checked: ") + error->what()};
  return {name, violations.empty(), join_first(violations)};
}

}  // namespace

std::vector<InvariantCheck> check_invariants(pg::Spi& spi) {
  std::vector<InvariantCheck> checks;
  checks.push_back(check("rollups_match_raw", [&] { return rollup_violations(spi); }));
  checks.push_back(check("map_names_new_rows", [&] { return measurements::map_violations(spi); }));
  for (const Query& query : kQueries) {
    checks.push_back(check(query.name, [&] { return violations_of(spi, query); }));
  }
  return checks;
}

void report_invariants(pg::Spi& spi) {
  std::string message;
  for (const InvariantCheck& check : check_invariants(spi)) {
    if (!check.ok) message += (message.empty() ? "" : "\n") + check.name + ": " + check.detail;
  }
  if (message.empty()) {
    issues::resolve_issues(spi, "monitoring", "invariant_violated", "all invariants hold");
    return;
  }
  issues::keep_issue(spi, {"monitoring", "invariant_violated", message});
}

}  // namespace monitoring::invariants
