#include "monitoring/collect/collectors.hpp"
#include "monitoring/base/labels_json.hpp"
#include "monitoring/pg/labels.hpp"

#include "monitoring/pg/intervals.hpp"
#include "monitoring/pg/memory.hpp"
#include "monitoring/pg/owner_scope.hpp"
#include "monitoring/pg/prepared.hpp"
#include "monitoring/pg/relations.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/time_limit.hpp"
#include "monitoring/pg/transaction.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <executor/spi.h>
#include <miscadmin.h>
#include <utils/jsonb.h>
#include <utils/plancache.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "collect/collected_metrics.hpp"
#include "monitoring/base/instant_math.hpp"
#include "monitoring/base/run_grid.hpp"
#include "monitoring/issues/issues.hpp"
#include "monitoring/issues/owner_runs.hpp"
#include "monitoring/issues/unusable.hpp"
#include "monitoring/measurements/records.hpp"
#include "monitoring/series/labelled_result.hpp"
#include "monitoring/shmem/registry.hpp"
#include "monitoring/shmem/worker_slots.hpp"

namespace monitoring::collect {

namespace {

constexpr const char* kFailed = "collector_failed";
constexpr const char* kNotExposed = "collector_not_exposed";
constexpr const char* kTooMany = "high_cardinality";
constexpr Duration kPlanTimeout = std::chrono::seconds(5);
/// How long quick ones may go on in the turn of the first.
constexpr Duration kQuickTurn = std::chrono::milliseconds(50);

struct Collector {
  std::string name;
  std::string query;
  Duration every{0};
  Duration timeout{0};
  std::int64_t series_limit = 0;
  bool store = true;
  /// Also: enabled. A run by hand of one that is not shows nothing.
  bool expose = true;
  bool whole_cluster = false;
  std::string metric_type;
  std::string metrics;
  std::string owner;
  std::optional<Oid> owner_id;
  /// The role that it was given to.
  Oid bound_owner = InvalidOid;
  bool owner_is_superuser = false;
  /// The text is the extension's own, as shipped.
  bool is_shipped = false;
  /// The relation whose owner stands in for a superuser.
  std::optional<std::string> source;
  std::string search_path;
  Instant due;
  Duration stretched{0};  ///< the interval that the budget leaves it; 0: its own
  int failures = 0;
  bool has_run = false;
  /// By what it did so far.
  bool is_quick = false;
  bool has_failed = false;
};

/// What a query gave, or why nothing.
struct Collected {
  std::vector<CollectedSample> samples;
  std::optional<pg::OwnerFailure> failure;
};

/// The first run comes at a moment of the ten seconds after its creation that the name decides.
#define MONITORING_COLLECTOR                                                                     \
  "SELECT c.collector_name, c.query,"                                                            \
  " c.every, c.timeout, c.series_limit, c.store,"                                                \
  " c.expose AND c.enabled, c.scope = 'cluster', c.metric_type, c.metrics::text,"                \
  " c.owner::text, o.oid, o.rolsuper, EXISTS (SELECT FROM monitoring_internal.pack_collectors p" \
  "  WHERE p.collector_name = c.collector_name AND p.query = c.query), c.search_path,"           \
  " due.at, c.consecutive_failures, c.source,"                                                   \
  " c.last_error IS NOT NULL, c.stretched_every,"                                                \
  " c.last_run_at IS NOT NULL,"                                                                  \
  " c.consecutive_failures = 0 AND coalesce(c.average_duration_ms < 20, false),"                 \
  " c.owner_oid"                                                                                 \
  " FROM monitoring.collectors c LEFT JOIN pg_catalog.pg_roles o ON o.rolname = c.owner,"        \
  " LATERAL (SELECT coalesce(c.next_run_at, c.created_at + least(c.every, '10 seconds')"         \
  "  * ((hashtext(c.collector_name) & 1023) / 1024.0)) AS at) AS due "

/// $3 are those that rest, $4 the only one to be looked at, or NULL. A next run that is further
/// away than any is put comes from a clock that was ahead. Those that fail, or were never run, may
/// take long: they let the others go first, but not for ever.
constexpr const char* kDue = MONITORING_COLLECTOR
    "WHERE c.enabled AND (due.at <= $1"
    " OR due.at > $1 + greatest(c.every, c.stretched_every) + interval '1 hour') AND (c.scope = "
    "'database'"
    " OR NOT hashtextextended(c.collector_name COLLATE \"C\", 0) = ANY ($2))"
    " AND c.collector_name <> ALL ($3) AND ($4 IS NULL OR c.collector_name = $4)"
    " ORDER BY due.at + CASE WHEN c.consecutive_failures > 0 OR c.last_run_at IS NULL"
    "  THEN interval '10 minutes' ELSE '0' END, c.collector_name LIMIT 20"
    " FOR UPDATE OF c SKIP LOCKED";
constexpr const char* kNamed = MONITORING_COLLECTOR "WHERE c.collector_name = $1";
constexpr const char* kNamedForRun =
    MONITORING_COLLECTOR "WHERE c.collector_name = $1 FOR UPDATE OF c NOWAIT";

#undef MONITORING_COLLECTOR

Collector collector_row(const pg::Rows& rows, std::uint64_t row) {
  Collector collector;
  collector.name = *rows.text(row, 1);
  collector.query = *rows.text(row, 2);
  collector.every = *pg::interval_at(rows, row, 3);
  collector.timeout = *pg::interval_at(rows, row, 4);
  collector.series_limit = *rows.int8(row, 5);
  collector.store = *rows.boolean(row, 6);
  collector.expose = *rows.boolean(row, 7);
  collector.whole_cluster = *rows.boolean(row, 8);
  collector.metric_type = *rows.text(row, 9);
  collector.metrics = *rows.text(row, 10);
  collector.owner = *rows.text(row, 11);
  if (const auto owner = rows.int8(row, 12)) collector.owner_id = static_cast<Oid>(*owner);
  collector.owner_is_superuser = rows.boolean(row, 13).value_or(false);
  collector.is_shipped = *rows.boolean(row, 14);
  collector.search_path = *rows.text(row, 15);
  collector.due = *rows.timestamptz(row, 16);
  collector.failures = static_cast<int>(*rows.int8(row, 17));
  collector.source = rows.text(row, 18);
  collector.has_failed = *rows.boolean(row, 19);
  collector.stretched = pg::interval_at(rows, row, 20).value_or(Duration::zero());
  collector.has_run = *rows.boolean(row, 21);
  collector.is_quick = *rows.boolean(row, 22);
  collector.bound_owner = static_cast<Oid>(*rows.int8(row, 23));
  return collector;
}

Collector load(pg::Spi& spi, const char* sql, const std::string& name) {
  const pg::Rows rows = spi.query(sql, {pg::text(name)});
  if (!rows.empty()) return collector_row(rows, 0);
  throw pg::Report(ERRCODE_UNDEFINED_OBJECT, "collector \"" + name + "\" does not exist")
      .hint("monitoring.collectors lists them.");
}

void refuse_bad_label(const std::string& name) {
  const auto error = metrics::check_label_name(name);
  if (error) throw pg::Report(ERRCODE_INVALID_NAME, *error);
}

/// A collector's columns: those of any labelled result, and two with a meaning of their own.
struct CollectorShape {
  series::ResultShape result;
  int metric_name = 0;
  int labels = 0;
};

CollectorShape collector_shape_of(const pg::Rows& rows) {
  CollectorShape shape{series::shape_of(rows, refuse_bad_label)};
  auto& labels = shape.result.labels;
  const auto take = [&](const char* name, Oid type) {
    for (auto at = labels.begin(); at != labels.end(); ++at) {
      if (at->second != name || (type != InvalidOid && rows.column_type(at->first) != type))
        continue;
      const int column = at->first;
      labels.erase(at);
      return column;
    }
    return 0;
  };
  shape.metric_name = take("metric_name", InvalidOid);
  shape.labels = take("labels", JSONBOID);
  return shape;
}

/// The bound of a bucket: those of a histogram that somebody else has counted.
bool is_bound(const std::string& metric_name, const std::string& label) {
  constexpr std::string_view kBucket = "_bucket";
  return label == "le" && metric_name.size() > kBucket.size() &&
         metric_name.compare(metric_name.size() - kBucket.size(), kBucket.size(), kBucket) == 0;
}

void add_labels(const std::string& json, CollectedSample* sample) {
  for (const auto& [name, value] : pg::labels_of_json(json, "labels")) {
    if (!is_bound(sample->metric_name, name)) refuse_bad_label(name);
    if (!value.empty()) sample->labels.set(name, value);
  }
}

/// Nothing for a row without a value.
std::optional<CollectedSample> sample_of(const Collector& collector, const pg::Rows& rows,
                                         std::uint64_t row, const CollectorShape& shape) {
  const auto value = series::value_of(rows, row, shape.result);
  if (!value) return std::nullopt;
  CollectedSample sample{collector.name, series::labels_of(rows, row, shape.result), *value};
  if (shape.metric_name != 0) {
    sample.metric_name = rows.text(row, shape.metric_name).value_or("");
    if (sample.metric_name.empty()) {
      throw pg::Report(ERRCODE_NULL_VALUE_NOT_ALLOWED, "a row has a value and no metric_name");
    }
  }
  if (shape.labels != 0) {
    if (const auto json = rows.text(row, shape.labels)) add_labels(*json, &sample);
  }
  return sample;
}

void refuse_duplicates(const std::vector<CollectedSample>& samples) {
  std::set<std::pair<std::string_view, const Labels*>,
           bool (*)(const std::pair<std::string_view, const Labels*>&,
                    const std::pair<std::string_view, const Labels*>&)>
      seen([](const auto& a, const auto& b) {
        if (a.first != b.first) return a.first < b.first;
        return *a.second < *b.second;
      });
  for (const CollectedSample& sample : samples) {
    if (seen.emplace(sample.metric_name, &sample.labels).second) continue;
    throw pg::Report(ERRCODE_CARDINALITY_VIOLATION, "two rows of metric \"" + sample.metric_name +
                                                        "\" have the labels " +
                                                        json_of(sample.labels).dump());
  }
}

std::vector<CollectedSample> samples_of(const Collector& collector, const pg::Rows& rows) {
  const CollectorShape shape = collector_shape_of(rows);
  std::vector<CollectedSample> samples;
  samples.reserve(rows.size());
  pg::InterruptToken interrupts;
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    interrupts.cancelled();
    if (auto sample = sample_of(collector, rows, row, shape)) samples.push_back(std::move(*sample));
  }
  refuse_duplicates(samples);
  return samples;
}

/// Who runs a query.
struct Runner {
  Oid role = InvalidOid;
  /// The role is there for what is its own: the query may name nothing else.
  bool stands_in = false;
  std::optional<pg::OwnerFailure> failure;
};

Runner refuse(int sqlstate, std::string message) {
  return {InvalidOid, false, pg::OwnerFailure{false, sqlstate, std::move(message)}};
}

/// For a superuser, the owner of what is read: its code would otherwise run as the superuser.
Runner owner_of_source(const Collector& collector) {
  try {
    return {pg::lock_relation(*collector.source).owner, true, std::nullopt};
  } catch (const pg::Report& report) {
    return refuse(report.sqlstate(), report.what());
  }
}

/// As for rules: a superuser's query is a way for others to become superuser, by objects that it
/// names. Our own names none of theirs.
Runner runner_of(const Collector& collector) {
  if (auto lost = issues::lost_owner(collector.owner, collector.owner_id, collector.bound_owner,
                                     "collector")) {
    return {InvalidOid, false, std::move(lost)};
  }
  if (collector.owner_is_superuser && collector.source) return owner_of_source(collector);
  const bool may =
      collector.is_shipped || !collector.owner_is_superuser || pg::settings().allow_superuser_rules;
  if (may) return {*collector.owner_id, false, std::nullopt};
  return refuse(ERRCODE_INSUFFICIENT_PRIVILEGE,
                "the collector's owner \"" + collector.owner +
                    "\" is a superuser, and monitoring.allow_superuser_rules is off");
}

std::string worker_of(const std::string& collector_name) {
  return "collector/" + collector_name;
}

/// Does something as the collector's owner, within its limits; returns why it did not finish.
/// Without an Spi it is somebody's wish to see it, and no pass.
std::optional<pg::OwnerFailure> as_owner(pg::Spi* pass, const Collector& collector,
                                         const std::function<void()>& body) {
  const Runner runner = runner_of(collector);
  if (runner.failure) return runner.failure;
  // Temporary objects are the session's: they must not stand in for the owner's.
  const std::string path = collector.is_shipped || collector.search_path.empty()
                               ? "pg_catalog, pg_temp"
                               : collector.search_path + ", pg_temp";
  const std::string what = worker_of(collector.name);
  const pg::OwnerLimits limits{collector.timeout, std::chrono::seconds(1), path.c_str(), true,
                               what.c_str()};
  std::optional<pg::NamedRelations> names;
  if (runner.stands_in) names.emplace(collector.query.c_str(), runner.role);
  const auto as_such = [&] {
    series::settle_output_format();
    pg::Spi inner;
    body();
  };
  try {
    return pass != nullptr ? issues::run_owned(*pass, runner.role, limits, as_such)
                           : issues::run_asked(runner.role, limits, as_such);
  } catch (const pg::Report& report) {
    return pg::OwnerFailure{false, report.sqlstate(), report.what()};
  }
}

Collected collect(pg::Spi* pass, const Collector& collector, Instant now) {
  Collected collected;
  collected.failure = as_owner(pass, collector, [&] {
    const pg::Rows rows = series::run_one_query(collector.query, now, collector.series_limit);
    collected.samples = samples_of(collector, rows);
  });
  return collected;
}

std::vector<QueryColumn> result_columns(SPIPlanPtr plan) {
  const auto* source = static_cast<CachedPlanSource*>(linitial(SPI_plan_get_plan_sources(plan)));
  std::vector<QueryColumn> columns;
  for (int i = 0; i < source->resultDesc->natts; ++i) {
    const FormData_pg_attribute* column = TupleDescAttr(source->resultDesc, i);
    columns.push_back({NameStr(column->attname), column->atttypid});
  }
  return columns;
}

[[noreturn]] void raise(const pg::OwnerFailure& failure) {
  throw pg::Report(failure.sqlstate, failure.message)
      .hint("It was run as the collector's owner, with the collector's limits.");
}

void store_measurements(const std::vector<CollectedSample>& samples, Instant now) {
  std::vector<metrics::Record> records;
  records.reserve(samples.size());
  for (const CollectedSample& sample : samples) {
    const pg::Param tags = pg::jsonb(json_of(sample.labels).dump());
    const auto* bytes = reinterpret_cast<const char*>(DatumGetPointer(tags.value));
    records.push_back({pg::timestamptz_of(now), sample.value, sample.metric_name,
                       std::string_view(bytes, VARSIZE_ANY(bytes))});
  }
  if (!records.empty()) measurements::insert_records(records);
}

/// The metrics are described anew each time: the row may have changed.
Exposure exposure_of(const Collector& collector) {
  Exposure exposure;
  exposure.collector_name = collector.name;
  exposure.database = collector.whole_cluster ? shmem::kWholeCluster : MyDatabaseId;
  exposure.by_default.type =
      metrics::parse_type(collector.metric_type).value_or(metrics::MetricType::gauge);
  exposure.metrics = metric_descriptions_of(collector.metrics, exposure.by_default);
  return exposure;
}

/// Stores the rows, and describes their metrics; or says why that cannot be.
std::optional<pg::OwnerFailure> keep_rows(const Collector& collector, Instant now,
                                          const std::vector<CollectedSample>& samples,
                                          Exposure* exposure) {
  try {
    *exposure = exposure_of(collector);
  } catch (const pg::Report& report) {
    return pg::OwnerFailure{false, report.sqlstate(), report.what()};
  }
  if (!collector.store) return std::nullopt;
  const auto error = pg::attempt([&] { store_measurements(samples, now); });
  if (!error) return std::nullopt;
  return pg::OwnerFailure{false, error->sqlstate(),
                          "its rows cannot be stored: " + error->message()};
}

Collected collect_and_store(pg::Spi* pass, const Collector& collector, Instant now,
                            Exposure* exposure) {
  Collected collected = collect(pass, collector, now);
  if (!collected.failure) {
    collected.failure = keep_rows(collector, now, collected.samples, exposure);
  }
  if (collected.failure) collected.samples.clear();
  return collected;
}

/// An error is an issue once, however often it comes again.
void note_outcome(pg::Spi& spi, const Collector& collector,
                  const std::optional<pg::OwnerFailure>& failure) {
  const std::string worker = worker_of(collector.name);
  if (!failure) {
    if (!collector.has_failed) return;
    issues::resolve_issues(spi, worker, kFailed, "The collector works again.");
    issues::resolve_issues(spi, worker, kTooMany, "The collector keeps within its limit.");
    return;
  }
  const std::string limit = std::to_string(collector.series_limit);
  if (failure->message != series::too_many_rows(collector.series_limit)) {
    issues::keep_issue(spi, {worker, kFailed, failure->message});
    return;
  }
  issues::keep_issue(spi,
                     {worker, kTooMany,
                      "more than " + limit +
                          " series: leave out a column that has many values, aggregate further, or"
                          " raise the collector's series_limit"});
}

/// That some of it is not exposed does not make the run a failure.
void note_exposed(pg::Spi& spi, const Exposure& exposure,
                  const std::vector<CollectedSample>& samples) {
  // Those that this process has seen exposed: their issues need not be looked for.
  static auto* const exposed = new std::set<std::string>;
  const std::string worker = worker_of(exposure.collector_name);
  if (const auto why_not = expose(spi, exposure, samples)) {
    exposed->erase(exposure.collector_name);
    issues::keep_issue(spi, {worker, kNotExposed, *why_not});
  } else if (exposed->insert(exposure.collector_name).second) {
    issues::resolve_issues(spi, worker, kNotExposed, "All of it is exposed.");
  }
}

enum class Wish { due, asked_for };

CollectorRun run(pg::Spi& spi, const Collector& collector, const Clock& clock, Wish wish) {
  const Instant now = clock.now();
  Exposure exposure;
  const Collected collected =
      collect_and_store(wish == Wish::due ? &spi : nullptr, collector, now, &exposure);
  if (!collected.failure && collector.expose) note_exposed(spi, exposure, collected.samples);
  const Duration took = clock.now() - now;

  CollectorRun result{collector.name, collected.samples.size(), 0, took, std::nullopt};
  if (!collected.failure && collector.store) result.rows_written = collected.samples.size();
  if (collected.failure) result.error = collected.failure->message;
  constexpr int kMostFailures = 1000000;
  const int failures = collected.failure ? std::clamp(collector.failures, 0, kMostFailures) + 1 : 0;
  const NextRun next =
      next_run(collector.name, collector.due, now, collector.every, failures, kLongestBackOff);
  // Before the first run nothing was due on the grid, and after a failure the wait was wanted.
  const bool was_due = collector.has_run && collector.failures == 0;
  const std::int64_t missed = was_due ? next.missed : 0;
  static pg::Prepared update(
      "UPDATE monitoring.collectors SET last_run_at = $2, last_duration_ms = $3, last_error = $4,"
      " last_series = coalesce($5, last_series), consecutive_failures = $6,"
      " average_duration_ms = coalesce((average_duration_ms + $3) / 2, $3),"
      " missed_runs = missed_runs + $7, next_run_at = $8 WHERE collector_name = $1",
      {TEXTOID, TIMESTAMPTZOID, FLOAT8OID, TEXTOID, INT8OID, INT4OID, INT8OID, TIMESTAMPTZOID});
  const pg::Param series =
      result.error ? pg::null_of(INT8OID) : pg::int8(static_cast<std::int64_t>(result.series));
  update.query(spi, {pg::text(collector.name), pg::timestamptz(now),
                     pg::float8(static_cast<double>(took.count()) / 1000), pg::text(result.error),
                     series, pg::int4(failures), pg::int8(missed),
                     pg::timestamptz(std::max(next.at, later(now, collector.stretched)))});
  note_outcome(spi, collector, collected.failure);
  return result;
}

}  // namespace

RunElsewhere run_elsewhere() {
  std::vector<Oid> before_us;
  for (const shmem::WorkerSlot& slot : shmem::all_slots()) {
    const bool is_running =
        slot.role == shmem::Role::worker && slot.activity == shmem::Activity::running;
    if (is_running && slot.database < MyDatabaseId) before_us.push_back(slot.database);
  }
  return shmem::offers_of(before_us);
}

void offer_collectors(pg::Spi& spi) {
  static pg::Prepared ours(
      "SELECT hashtextextended(collector_name COLLATE \"C\", 0) FROM monitoring.collectors"
      " WHERE enabled AND scope = 'cluster' ORDER BY 1",
      {});
  const pg::Rows rows = ours.query(spi);
  static auto* const offered = new std::vector<shmem::CollectorHash>;
  std::vector<shmem::CollectorHash> offers;
  for (std::uint64_t row = 0; row < rows.size(); ++row) offers.push_back(*rows.int8(row, 1));
  if (offers == *offered) return;
  shmem::replace_offers(MyDatabaseId, offers);
  *offered = std::move(offers);
}

namespace {

/// The collectors that are due now, of those that do not rest; in a turn of this worker.
class Turn {
 public:
  Turn(pg::Spi& spi, const RunElsewhere& elsewhere, const Clock& clock,
       issues::RestingObjects& resting)
      : spi_(spi),
        elsewhere_(elsewhere),
        clock_(clock),
        resting_(resting),
        started_(clock.now()),
        left_out_(resting.keys(started_)) {}

  /// In one subtransaction; if that fails each by itself.
  std::vector<CollectorRun> take() {
    if (!issues::try_alone([&] { run_each(due_now(pg::null_of(TEXTOID))); }))
      return std::move(runs_);
    runs_.clear();
    run_carefully();
    return std::move(runs_);
  }

 private:
  std::vector<Collector> due_now(const pg::Param& only) {
    static pg::Prepared due(kDue, {TIMESTAMPTZOID, INT8ARRAYOID, TEXTARRAYOID, TEXTOID});
    const pg::Rows rows = due.query(spi_, {pg::timestamptz(started_), pg::int8_array(elsewhere_),
                                           pg::text_array(left_out_), only});
    std::vector<Collector> found;
    for (std::uint64_t row = 0; row < rows.size(); ++row) found.push_back(collector_row(rows, row));
    return found;
  }

  void run_each(const std::vector<Collector>& due) {
    for (const Collector& collector : due) {
      const bool has_time = collector.is_quick && clock_.now() - started_ < kQuickTurn;
      if (!runs_.empty() && !has_time) break;
      const pg::ScratchContext memory("monitoring collector");
      runs_.push_back(run(spi_, collector, clock_, Wish::due));
      resting_.forget(collector.name);
    }
  }

  void run_carefully() {
    const pg::Rows names = spi_.query(
        "SELECT collector_name FROM monitoring.collectors"
        " WHERE enabled AND collector_name <> ALL ($1) ORDER BY next_run_at, collector_name",
        {pg::text_array(left_out_)});
    for (std::uint64_t row = 0; row < names.size(); ++row) {
      const std::string name = *names.text(row, 1);
      resting_.attempt(name, started_, [&] { run_each(due_now(pg::text(name))); });
    }
  }

  pg::Spi& spi_;
  const RunElsewhere& elsewhere_;
  const Clock& clock_;
  issues::RestingObjects& resting_;
  const Instant started_;
  const std::vector<std::string> left_out_;
  std::vector<CollectorRun> runs_;
};

}  // namespace

std::vector<CollectorRun> run_due_collectors(pg::Spi& spi, const RunElsewhere& elsewhere,
                                             const Clock& clock) {
  static auto* const resting = new issues::RestingObjects("collectors", "unusable", "collector");
  auto runs = Turn(spi, elsewhere, clock, *resting).take();
  resting->settle(spi, clock.now());
  return runs;
}

CollectorRun run_collector(pg::Spi& spi, const std::string& name, const Clock& clock) {
  return run(spi, load(spi, kNamedForRun, name), clock, Wish::asked_for);
}

std::vector<CollectedSample> preview_collector(pg::Spi& spi, const std::string& name, Instant now) {
  Collected collected = collect(nullptr, load(spi, kNamed, name), now);
  if (collected.failure) raise(*collected.failure);
  return std::move(collected.samples);
}

std::vector<QueryColumn> columns_of_query(pg::Spi& spi, const QueryOfOwner& query) {
  Collector collector;
  collector.query = query.query;
  collector.timeout = kPlanTimeout;
  collector.owner = query.owner;
  collector.search_path = query.search_path;
  const pg::Rows role =
      spi.query("SELECT r.oid, r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1",
                {pg::text(query.owner)});
  if (!role.empty()) {
    collector.owner_id = static_cast<Oid>(*role.int8(0, 1));
    collector.bound_owner = *collector.owner_id;
    collector.owner_is_superuser = *role.boolean(0, 2);
  }
  std::vector<QueryColumn> columns;
  const auto failure = as_owner(nullptr, collector, [&] {
    columns = result_columns(series::plan_one_query(collector.query));
  });
  if (failure) raise(*failure);
  return columns;
}

}  // namespace monitoring::collect
