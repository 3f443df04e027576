#include "monitoring/shmem/process_checks.hpp"

#include <algorithm>
#include <map>
#include <string>

#include "monitoring/shmem/database_names.hpp"

namespace monitoring::shmem {

namespace {

namespace checks = health_checks;

std::string seconds_text(SteadyUs duration) {
  return std::to_string(duration / 1'000'000) + " s";
}

const WorkerSlot* find(const std::vector<WorkerSlot>& slots, Role role, Oid database) {
  const auto found = std::find_if(slots.begin(), slots.end(), [&](const WorkerSlot& slot) {
    return slot.role == role && slot.database == database;
  });
  return found != slots.end() ? &*found : nullptr;
}

std::string last_error_of(const WorkerSlot& slot) {
  return slot.last_error[0] != '\0' ? ": " + std::string(slot.last_error) : "";
}

/// One that nobody has named yet goes by its number.
std::string name_of(Oid database) {
  const std::map<Oid, std::string> names = database_names();
  const auto found = names.find(database);
  return found != names.end() ? found->second : std::to_string(database);
}

/// "a", "b" and 3 more.
std::string listed(std::vector<std::string> names) {
  constexpr std::size_t kMostNames = 20;
  std::sort(names.begin(), names.end());
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    text += (i == 0 ? "\"" : ", \"") + names[i] + "\"";
  }
  if (names.size() > kMostNames) {
    text += " and " + std::to_string(names.size() - kMostNames) + " more";
  }
  return text;
}

class ProcessChecks {
 public:
  ProcessChecks(const std::vector<WorkerSlot>& slots, Oid database, const ProcessTerms& terms)
      : slots_(slots),
        database_(database),
        terms_(terms),
        worker_(find(slots, Role::worker, database)) {}

  HealthFindings run() {
    if (!terms_.asked_by_worker) {
      check_launcher();
      check_worker_is_there();
      check_worker_looks();
    }
    check_duties(worker_);
    check_duties(find(slots_, Role::courier, database_));
    check_shares();
    return std::move(found_);
  }

 private:
  void warn(const HealthCheck& check, std::string reason) {
    found_.push_back({check, HealthStatus::warning, std::move(reason)});
  }

  bool is_early(SteadyUs since) const { return terms_.now - since <= terms_.patience; }

  void check_launcher() {
    const WorkerSlot* launcher = find(slots_, Role::launcher, InvalidOid);
    const bool is_there = launcher != nullptr && launcher->pid != 0;
    if (!is_there && !is_early(terms_.expected_since)) {
      warn(checks::kNoLauncher, "the launcher of the workers is not running");
    }
  }

  void check_worker_is_there() {
    if (worker_ == nullptr) {
      if (!is_early(terms_.expected_since)) warn(checks::kNoWorker, "this database has no worker");
      return;
    }
    if (worker_->failed_starts > 1 || (worker_->pid == 0 && worker_->failed_starts > 0)) {
      return warn(checks::kWorkerFailing, "the worker has failed " +
                                              std::to_string(worker_->failed_starts) +
                                              " times in a row" + last_error_of(*worker_));
    }
    if (worker_->pid != 0) return;
    if (worker_->wait == Wait::for_connections_to_be_allowed) {
      return warn(checks::kNoWorker, worker_->last_error);
    }
    const SteadyUs served = std::max(worker_->health.checked_us, terms_.expected_since);
    if (is_early(std::max(served, worker_->wait == Wait::none ? worker_->waiting_us : 0))) return;
    warn(checks::kNoWorker, "this database has no worker" + last_error_of(*worker_));
  }

  void check_worker_looks() {
    if (worker_ == nullptr || worker_->pid == 0) return;
    if (worker_->activity == Activity::paused) {
      const SteadyUs paused = terms_.now - worker_->paused_us;
      if (paused > terms_.longest_pause) {
        warn(checks::kPaused, "the worker has been paused for " + seconds_text(paused));
      }
      return;
    }
    if (worker_->activity == Activity::holding) {
      return warn(checks::kInactive,
                  "the worker holds: this database is a copy, and was not "
                  "activated");
    }
    const SteadyUs since = std::max(worker_->health.checked_us, worker_->started_us);
    if (is_early(since)) return;
    std::string reason =
        "the worker has not looked at health for " + seconds_text(terms_.now - since);
    if (worker_->doing[0] != '\0') {
      reason += ": it has been busy with \"" + std::string(worker_->doing) + "\" for " +
                seconds_text(terms_.now - worker_->doing_us);
    }
    if (worker_->running[0] != '\0') {
      reason += ", in process " + std::to_string(worker_->pid) + " with the query of \"" +
                worker_->running + "\" for " + seconds_text(terms_.now - worker_->running_us);
    }
    warn(checks::kStale, reason);
  }

  /// One that had to give way to somebody's lock once is no fault yet.
  void check_duties(const WorkerSlot* slot) {
    if (slot == nullptr || slot->pid == 0 || slot->activity == Activity::paused) return;
    for (std::uint32_t i = 0; i < slot->failing_count; ++i) {
      const FailingDuty& duty = slot->failing[i];
      if (terms_.now - duty.since < terms_.patience / 3) continue;
      warn(checks::kDutyFailing, "\"" + std::string(duty.name) + "\" has failed for " +
                                     seconds_text(terms_.now - duty.since) + ": " + duty.error);
    }
  }

  /// Of the whole cluster: the database that waits for a process cannot tell by itself.
  void check_shares() {
    std::vector<std::string> waiting;
    std::string why;
    for (const WorkerSlot& slot : slots_) {
      if (slot.role != Role::worker || slot.pid != 0 || slot.wait != Wait::for_process) continue;
      waiting.push_back(name_of(slot.database));
      why = last_error_of(slot);
    }
    if (!waiting.empty()) {
      warn(checks::kTooFewProcesses, std::to_string(waiting.size()) +
                                         " databases wait for a worker process, and all take "
                                         "turns: " +
                                         listed(waiting) + why);
    }
    if (worker_ == nullptr || worker_->courier_wanted_us == 0) return;
    if (is_early(worker_->courier_wanted_us)) return;
    warn(checks::kTooFewProcesses, "no process has been free for the courier for " +
                                       seconds_text(terms_.now - worker_->courier_wanted_us) +
                                       ", so no notification is sent");
  }

  const std::vector<WorkerSlot>& slots_;
  const Oid database_;
  const ProcessTerms& terms_;
  const WorkerSlot* worker_;
  HealthFindings found_;
};

}  // namespace

HealthFindings check_processes(const std::vector<WorkerSlot>& slots, Oid database,
                               const ProcessTerms& terms) {
  return ProcessChecks(slots, database, terms).run();
}

}  // namespace monitoring::shmem
