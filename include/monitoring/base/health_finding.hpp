#pragma once
// What is wrong with the monitoring itself or with what it watches, in words for people. Every
// check that health makes is in this one list; health, /health, readiness and the notices of
// create_ functions say it in the same words.

#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/health_status.hpp"

namespace monitoring {

/// A check: its name is what `reasons` shows, the hint says what to do.
struct HealthCheck {
  std::string_view name;
  std::string_view hint;
};

namespace health_checks {

inline constexpr HealthCheck kStuckMessages = {
    "stuck_messages", "See public.queue_monitoring_view, and whether the queue's workers run."};
inline constexpr HealthCheck kErrorRate = {
    "error_rate", "See monitoring.queue_metrics and monitoring.api_metrics for what fails."};
inline constexpr HealthCheck kP95 = {
    "p95_ms", "See monitoring.queue_metrics and monitoring.api_metrics for what is slow."};
inline constexpr HealthCheck kStaleWorkers = {
    "stale_workers",
    "See monitoring.worker_heartbeats; monitoring.forget_worker() for one that is shut down."};
inline constexpr HealthCheck kCriticalIssues = {
    "critical_issues",
    "See monitoring.worker_issues; monitoring.resolve_worker_issue() ends an issue."};
inline constexpr HealthCheck kOpenIssues = {
    "open_issues",
    "See monitoring.worker_issues; monitoring.resolve_worker_issue() ends an issue."};
inline constexpr HealthCheck kNotPreloaded = {
    "not_preloaded",
    "Add monitoring to shared_preload_libraries and restart the server: until then nothing is "
    "collected, evaluated or sent by itself."};
inline constexpr HealthCheck kNoLauncher = {
    "no_launcher", "See the server's log for why the process \"monitoring launcher\" is gone."};
inline constexpr HealthCheck kNoWorker = {
    "no_worker", "See monitoring.worker_status.last_error and the server's log."};
inline constexpr HealthCheck kWorkerFailing = {
    "worker_failing", "See monitoring.worker_status.last_error and the server's log."};
inline constexpr HealthCheck kTooFewProcesses = {
    "too_few_processes",
    "Raise max_worker_processes to the number that the server's log and monitoring.worker_status "
    "name, and restart the server."};
inline constexpr HealthCheck kPaused = {"paused", "monitoring.resume_worker() ends the pause."};
inline constexpr HealthCheck kInactive = {
    "inactive", "Call monitoring.activate() if this copy is to do its own monitoring."};
inline constexpr HealthCheck kStale = {
    "stale", "See monitoring.worker_status, and pg_stat_activity for what the worker waits for."};
inline constexpr HealthCheck kDutyFailing = {
    "duty_failing", "Mend the cause that the error names; the worker tries it again by itself."};
inline constexpr HealthCheck kDroppedRecords = {
    "dropped_records",
    "Raise monitoring.record_ring_size, or record less; see monitoring.record_status."};
inline constexpr HealthCheck kClockBehind = {
    "clock_behind",
    "Set the server's clock right. What was evaluated in its future waits until then."};
inline constexpr HealthCheck kReplicationWait = {
    "replication_wait",
    "Start the standby again or take it out of synchronous_standby_names. Monitoring goes on "
    "without it."};
inline constexpr HealthCheck kMissingSecret = {
    "missing_secret", "Set it by monitoring.set_secret() or monitoring.set_secret_from_file()."};
inline constexpr HealthCheck kMissingReceiver = {
    "missing_receiver",
    "Make it by monitoring.create_receiver(), or change the routes and escalations that name it."};
inline constexpr HealthCheck kReceiverFailing = {
    "receiver_failing", "See monitoring.notification_trail for what the receiver answers."};
inline constexpr HealthCheck kNobodyTold = {
    "nobody_told",
    "monitoring.explain_route(labels) says why; monitoring.create_route() leads them to a "
    "receiver, and monitoring.create_route('receiver', parent => NULL) all the rest. Where there "
    "is a root already, UPDATE monitoring.routes SET receiver = ... WHERE id = 0 changes it."};
inline constexpr HealthCheck kFiringCritical = {"firing_critical", "See monitoring.alerts."};
inline constexpr HealthCheck kCollectorsLate = {
    "collectors_late", "See monitoring.collectors and the duty \"collectors\" of the worker."};
inline constexpr HealthCheck kProbesLate = {"probes_late",
                                            "See monitoring.probe_state and pg_locks: the "
                                            "database's courier sends them, unless it is busy or "
                                            "a transaction has locked their rows."};
inline constexpr HealthCheck kOwnerGone = {
    "owner_gone",
    "UPDATE ... SET owner = 'a role that is there' on the named rows, or delete them. Until then "
    "they are run as nobody."};
inline constexpr HealthCheck kMetricNameConflict = {
    "metric_name_conflict",
    "Name the metric otherwise in one of the databases: a page that Prometheus reads can show one "
    "type under a name."};
inline constexpr HealthCheck kMetricNeverSeen = {
    "metric_never_seen",
    "Check the name; SELECT DISTINCT metric_name FROM monitoring.aggregated_metrics lists those "
    "that there are."};
inline constexpr HealthCheck kMissingRelation = {
    "missing_relation", "Make it, or correct the name: schema and name, as in public.jobs."};
inline constexpr HealthCheck kStandby = {"in_recovery",
                                         "A standby does no monitoring until it is promoted."};

}  // namespace health_checks

struct HealthFinding {
  HealthCheck check;
  HealthStatus status;
  /// What is the case, with names and numbers.
  std::string reason;
};

using HealthFindings = std::vector<HealthFinding>;

}  // namespace monitoring
