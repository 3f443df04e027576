#include "worker/collect_duty.hpp"

extern "C" {
#include <utils/guc.h>
}
// clang-format keeps the server's headers first.
#include <memory>
#include <vector>

#include "monitoring/collect/collectors.hpp"
#include "monitoring/collect/cost.hpp"
#include "monitoring/shmem/process.hpp"

namespace monitoring::worker {

namespace {

/// How late a new or changed collector may start.
constexpr Duration kLookEvery = std::chrono::seconds(1);
/// How soon what collectors cost, or a new max_duty_cycle, changes their intervals.
constexpr Duration kBudgetEvery = std::chrono::seconds(5);
/// How long the metrics of a dropped or disabled collector may stay.
constexpr Duration kTidyEvery = std::chrono::seconds(5);

/// Takes away the metrics of collectors that are not to be exposed any more.
void tidy(DutyContext& context, const collect::RunElsewhere& elsewhere, Instant* next_tidy) {
  if (context.now < *next_tidy) return;
  if (*next_tidy == Instant{}) {
    collect::forget_exposed(context.spi);
  } else {
    collect::withdraw_others(context.spi, elsewhere);
  }
  *next_tidy = context.now + kTidyEvery;
}

/// What a crash may take of the last moment comes again with the next run.
void commit_without_wait() {
  pg::call([] {
    set_config_option("synchronous_commit", "off", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true,
                      0, false);
  });
}

/// Counts the runs of a turn, each with its part of what the turn took besides: the look for those
/// that are due, the transaction.
void count_runs(const std::vector<collect::CollectorRun>& runs, Duration turn) {
  Duration in_runs{0};
  for (const collect::CollectorRun& run : runs) in_runs += run.duration;
  const Duration besides = (turn - in_runs) / static_cast<Duration::rep>(runs.size());
  for (const collect::CollectorRun& run : runs) {
    collect::count_cost(collect::CostPart::collector, run.collector_name,
                        {1, run.error ? 1U : 0U, run.duration + besides, run.rows_written});
  }
}

}  // namespace

Duty collect_duty() {
  const auto may_be_more = std::make_shared<bool>(false);
  const auto next_tidy = std::make_shared<Instant>();
  Duty duty;
  duty.name = "collectors";
  duty.next_after = [may_be_more](Instant ran_at) {
    return *may_be_more ? ran_at : ran_at + kLookEvery;
  };
  duty.run = [may_be_more, next_tidy](DutyContext& context) {
    *may_be_more = false;
    commit_without_wait();
    const pg::SystemClock clock;
    const Instant started = clock.now();
    collect::offer_collectors(context.spi);
    const collect::RunElsewhere elsewhere = collect::run_elsewhere();
    tidy(context, elsewhere, next_tidy.get());
    const auto runs = collect::run_due_collectors(context.spi, elsewhere, clock);
    if (runs.empty()) return;
    *may_be_more = true;
    for (const collect::CollectorRun& run : runs) context.rows_written += run.rows_written;
    count_runs(runs, clock.now() - started);
  };
  return duty;
}

Duty collector_budget_duty() {
  Duty duty;
  duty.name = "collector-budget";
  duty.next_after = [](Instant ran_at) { return ran_at + kBudgetEvery; };
  duty.run = [](DutyContext& context) {
    collect::fit_into_budget(context.spi, collect::run_elsewhere());
  };
  return duty;
}

}  // namespace monitoring::worker
