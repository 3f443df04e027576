#include "server/health.hpp"

#include <algorithm>

#include "monitoring/base/json.hpp"
#include "monitoring/base/rfc3339.hpp"
#include "monitoring/pg/spi.hpp"
#include "monitoring/shmem/process_checks.hpp"

namespace monitoring::server {

namespace {

using shmem::Activity;
using shmem::Role;
using shmem::WorkerSlot;

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// "a,b" as a list.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

const char* name_of(Activity activity) {
  switch (activity) {
    case Activity::waiting:
      return "waiting";
    case Activity::starting:
      return "starting";
    case Activity::running:
      return "running";
    case Activity::paused:
      return "paused";
    case Activity::holding:
      return "holding";
  }
  return "";
}

/// A database that has the extension, as far as anybody knows.
struct Judged {
  std::string name;
  const WorkerSlot* slot;
  HealthStatus status = HealthStatus::healthy;
  std::vector<std::string> reasons;
  /// What the processes say, in words.
  std::vector<std::string> findings;
  std::optional<Duration> age;
  bool stale = false;
};

/// Of a database whose worker has not looked yet, and so has not left its own: as it is shipped.
constexpr shmem::SteadyUs kLongestPause = 300'000'000;

shmem::SteadyUs longest_pause(const WorkerSlot& slot) {
  return slot.health.checked_us != 0 ? slot.health.longest_pause : kLongestPause;
}

shmem::SteadyUs micros(Duration duration) {
  return duration.count();
}

shmem::SteadyUs cluster_started(const ClusterView& view) {
  return view.steady_now - micros(std::max(view.now - view.started_at, Duration::zero()));
}

/// A copy that was not activated is not looked at, and that is a warning of its own.
void judge_holding(Judged* judged) {
  judged->status = HealthStatus::warning;
  judged->reasons = {"inactive"};
}

/// No result yet: a worker that has just started may still be looking.
void judge_unknown(const ClusterView& view, Judged* judged) {
  const bool has_process = judged->slot->pid != 0;
  const shmem::SteadyUs since = has_process ? judged->slot->started_us : cluster_started(view);
  judged->stale = view.steady_now - since > micros(view.stale_after);
}

bool has_service_down(const shmem::HealthNote& note) {
  return std::any_of(note.services, note.services + note.service_count,
                     [](const shmem::ServiceNote& service) {
                       return service.state == shmem::ServiceState::disconnected;
                     });
}

void judge_result(const ClusterView& view, Judged* judged) {
  const shmem::HealthNote& note = judged->slot->health;
  judged->age = Duration(view.steady_now - note.checked_us);
  judged->stale = *judged->age > view.stale_after;
  judged->status = note.overall;
  judged->reasons = split(note.reasons);
  if (!has_service_down(note)) return;
  judged->status = std::max(judged->status, HealthStatus::warning);
  judged->reasons.emplace_back("service_down");
}

void add_findings(const ClusterView& view, Judged* judged) {
  shmem::ProcessTerms terms{};
  terms.now = view.steady_now;
  terms.patience = micros(view.stale_after);
  terms.longest_pause = longest_pause(*judged->slot);
  terms.expected_since = cluster_started(view);
  for (const HealthFinding& finding :
       shmem::check_processes(view.processes, judged->slot->database, terms)) {
    const std::string name(finding.check.name);
    judged->status = std::max(judged->status, finding.status);
    judged->findings.push_back(name + ": " + finding.reason);
    const auto& reasons = judged->reasons;
    if (std::find(reasons.begin(), reasons.end(), name) == reasons.end()) {
      judged->reasons.push_back(name);
    }
  }
}

Judged judge_slot(const ClusterView& view, const WorkerSlot& slot) {
  const auto name = view.names.find(slot.database);
  Judged judged;
  judged.name = name != view.names.end() ? name->second : std::to_string(slot.database);
  judged.slot = &slot;
  if (slot.activity == Activity::holding) {
    judge_holding(&judged);
    return judged;
  }
  if (slot.health.checked_at == 0) {
    judge_unknown(view, &judged);
  } else {
    judge_result(view, &judged);
  }
  if (!judged.stale) return judged;
  judged.status = HealthStatus::critical;
  judged.reasons = {"stale"};
  return judged;
}

Judged judge(const ClusterView& view, const WorkerSlot& slot) {
  Judged judged = judge_slot(view, slot);
  if (!view.in_recovery) add_findings(view, &judged);
  return judged;
}

/// All of them together.
struct Verdict {
  std::vector<Judged> databases;
  HealthStatus status = HealthStatus::healthy;
  HealthStatus queues = HealthStatus::healthy;
  HealthStatus processing = HealthStatus::healthy;
  std::int64_t pending_messages = 0;
  double latency_ms = 0;
  bool stale = false;
  /// The newest of their notes, for what is of the machine; nullptr where there is none yet.
  const shmem::HealthNote* newest = nullptr;
};

/// A slot that is only being looked at, for the launcher to know whether the extension is there,
/// says nothing of a database.
bool is_database(const WorkerSlot& slot) {
  if (slot.role != Role::worker) return false;
  return slot.health.checked_at != 0 || slot.activity != Activity::starting;
}

Verdict judge_all(const ClusterView& view) {
  Verdict verdict;
  for (const WorkerSlot& slot : view.processes) {
    if (!is_database(slot)) continue;
    verdict.databases.push_back(judge(view, slot));
    const Judged& judged = verdict.databases.back();
    verdict.status = std::max(verdict.status, judged.status);
    verdict.stale = verdict.stale || judged.stale;
    verdict.queues = std::max(verdict.queues, slot.health.queues);
    verdict.processing = std::max(verdict.processing, slot.health.processing);
    verdict.pending_messages += slot.health.pending_messages;
    verdict.latency_ms = std::max(verdict.latency_ms, slot.health.latency_ms);
    if (slot.health.checked_at == 0) continue;
    const bool is_newer =
        verdict.newest == nullptr || slot.health.checked_at > verdict.newest->checked_at;
    if (is_newer) verdict.newest = &slot.health;
  }
  return verdict;
}

Json json_of(const Judged& judged) {
  return Json::in_order({{"status", status_text(judged.status)},
                         {"reasons", judged.reasons},
                         {"findings", judged.findings},
                         {"worker", name_of(judged.slot->activity)},
                         {"age_seconds", judged.age ? Json(seconds_of(*judged.age)) : Json()}});
}

const char* service_word(shmem::ServiceState state) {
  switch (state) {
    case shmem::ServiceState::unknown:
      return "unknown";
    case shmem::ServiceState::connected:
      return "connected";
    case shmem::ServiceState::disconnected:
      return "disconnected";
  }
  return "";
}

Json json_of(const shmem::ServiceNote& service) {
  const bool is_known = service.state != shmem::ServiceState::unknown;
  return Json::in_order({{"status", service_word(service.state)},
                         {"latency_ms", is_known ? Json(service.latency_ms) : Json()}});
}

/// What the databases probe. Where two know one of the same name, the first tells of it; nobody
/// takes the name of what is there anyway.
void add_probed(const Verdict& verdict, Json* services) {
  for (const Judged& judged : verdict.databases) {
    const shmem::HealthNote& note = judged.slot->health;
    for (std::uint32_t i = 0; i < note.service_count; ++i) {
      const std::string name = note.services[i].name;
      if (!services->contains(name)) (*services)[name] = json_of(note.services[i]);
    }
  }
}

/// The state of the worker that is worst off.
const char* worker_state(const ClusterView& view, const Verdict& verdict) {
  if (view.in_recovery) return "standby";
  const auto worst = std::min_element(
      verdict.databases.begin(), verdict.databases.end(),
      [](const Judged& a, const Judged& b) { return a.slot->activity < b.slot->activity; });
  return worst != verdict.databases.end() ? name_of(worst->slot->activity) : "absent";
}

bool has_launcher(const ClusterView& view) {
  return std::any_of(view.processes.begin(), view.processes.end(), [](const WorkerSlot& slot) {
    return slot.role == Role::launcher && slot.pid != 0;
  });
}

/// Of the machine, by the newest note; null where it is not known.
Json json_of_machine(const Verdict& verdict, std::int32_t shmem::HealthNote::*figure) {
  if (verdict.newest == nullptr || verdict.newest->*figure < 0) return nullptr;
  return verdict.newest->*figure;
}

const char* database_word(const Verdict& verdict) {
  return verdict.stale ? "not responding" : "connected";
}

}  // namespace

Statement health(const ClusterView& view) {
  const Verdict verdict = judge_all(view);
  Json databases = Json::in_order({});
  for (const Judged& judged : verdict.databases) databases[judged.name] = json_of(judged);
  Json services = Json::in_order(
      {{"database",
        Json::in_order({{"status", database_word(verdict)}, {"latency_ms", verdict.latency_ms}})},
       {"worker", {{"status", worker_state(view, verdict)}}},
       {"queues", {{"status", status_text(verdict.queues)}}},
       {"processing", {{"status", status_text(verdict.processing)}}}});
  add_probed(verdict, &services);
  const Json metrics = Json::in_order(
      {{"active_connections", view.client_connections},
       {"job_queue_size", verdict.pending_messages},
       {"memory_usage_mb", json_of_machine(verdict, &shmem::HealthNote::memory_mb)},
       {"cpu_usage_percent", json_of_machine(verdict, &shmem::HealthNote::cpu_percent)}});
  const Json json =
      Json::in_order({{"status", status_text(verdict.status)},
                      {"timestamp", rfc3339(view.now)},
                      {"uptime", static_cast<std::int64_t>(seconds_of(view.now - view.started_at))},
                      {"version", MONITORING_VERSION},
                      {"services", services},
                      {"metrics", metrics},
                      {"databases", databases}});
  return {verdict.status != HealthStatus::critical, json.dump()};
}

Statement short_health(const ClusterView& view) {
  const Verdict verdict = judge_all(view);
  const Json json = Json::in_order({{"status", status_text(verdict.status)},
                                    {"database", database_word(verdict)},
                                    {"cache", "not_configured"},
                                    {"version", MONITORING_VERSION}});
  return {verdict.status != HealthStatus::critical, json.dump()};
}

Statement liveness(const ClusterView& view) {
  return {true, Json::in_order({{"status", "alive"}, {"timestamp", rfc3339(view.now)}}).dump()};
}

Statement readiness(const ClusterView& view) {
  std::vector<std::string> reasons;
  if (view.in_recovery) reasons.emplace_back("in_recovery");
  if (!view.in_recovery && !has_launcher(view)) reasons.emplace_back("no_launcher");
  // One that takes turns with others, and was looked at not long ago, is not missed.
  const bool missing =
      std::any_of(view.processes.begin(), view.processes.end(), [&](const WorkerSlot& slot) {
        if (slot.role != Role::worker || slot.activity != Activity::waiting) return false;
        const bool takes_turns =
            slot.health.checked_us != 0 && slot.failed_starts == 0 &&
            view.steady_now - slot.health.checked_us <= micros(view.stale_after);
        return !takes_turns;
      });
  if (missing) reasons.emplace_back("no_worker");
  const Json json = Json::in_order({{"status", reasons.empty() ? "ready" : "not_ready"},
                                    {"reasons", reasons},
                                    {"timestamp", rfc3339(view.now)}});
  return {reasons.empty(), json.dump()};
}

}  // namespace monitoring::server
