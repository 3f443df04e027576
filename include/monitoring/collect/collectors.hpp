#pragma once
// Collectors: queries of users, run on a timer as their owners. Their rows become measurements and
// metrics of the registry.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/base/clock.hpp"
#include "monitoring/base/labels.hpp"
#include "monitoring/shmem/cluster_collectors.hpp"

namespace monitoring::collect {

struct CollectedSample {
  std::string metric_name;
  Labels labels;
  double value = 0;
};

/// How far failures may put off a collector's next run.
constexpr Duration kLongestBackOff = std::chrono::hours(1);

/// One run of one collector.
struct CollectorRun {
  std::string collector_name;
  std::uint64_t series = 0;
  std::uint64_t rows_written = 0;
  Duration duration{0};
  /// Why it gave nothing.
  std::optional<std::string> error;
};

/// Collectors of scope cluster, by a hash of their names, that run in another database: of the
/// workers that offer one, that of the database with the lowest oid runs it.
using RunElsewhere = std::vector<shmem::CollectorHash>;
RunElsewhere run_elsewhere();

/// Offers those of this database, for the others to know: in its worker, before it runs any.
void offer_collectors(pg::Spi& spi);

/// Runs the collector that has been due for longest, in the caller's transaction, and in the same
/// turn those behind it that are quick; writes what came of each to its row. Nothing if none is
/// due, or those that are are being run elsewhere. What a collector does wrong is no error here.
std::vector<CollectorRun> run_due_collectors(pg::Spi& spi, const RunElsewhere& elsewhere,
                                             const Clock& clock);

/// Runs this one, due or not. The clock measures how long it takes. 42704 if there is none,
/// 55P03 if it is being run.
CollectorRun run_collector(pg::Spi& spi, const std::string& name, const Clock& clock);

/// What the collector gives now; nothing is written. Throws what is wrong with it.
std::vector<CollectedSample> preview_collector(pg::Spi& spi, const std::string& name, Instant now);

/// A query, and as whom and with which search_path it is to run.
struct QueryOfOwner {
  std::string query;
  std::string owner;
  std::string search_path;
};

struct QueryColumn {
  std::string name;
  Oid type;
};

/// The columns of what the query will give as a collector's. It is planned, as its owner, and not
/// run. Throws what is wrong with it, as preview_collector() does.
std::vector<QueryColumn> columns_of_query(pg::Spi& spi, const QueryOfOwner& query);

/// Gives collectors longer intervals where they would take more than monitoring.max_duty_cycle of
/// the time, and their own again where they do not; both with a worker issue.
void fit_into_budget(pg::Spi& spi, const RunElsewhere& elsewhere);

/// Takes away the metrics that collectors of an earlier worker have exposed. Once in a worker,
/// before the first run.
void forget_exposed(pg::Spi& spi);

/// Takes away the metrics of collectors that are gone, disabled, not to be exposed any more or now
/// run elsewhere.
void withdraw_others(pg::Spi& spi, const RunElsewhere& elsewhere);

}  // namespace monitoring::collect
