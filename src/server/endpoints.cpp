#include "server/endpoints.hpp"

extern "C" {
#include <access/xlog.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "monitoring/pg/connections.hpp"
#include "monitoring/pg/guard.hpp"
#include "monitoring/pg/settings.hpp"
#include "monitoring/pg/spi.hpp"
#include "monitoring/shmem/database_names.hpp"
#include "server/health.hpp"
#include "server/metrics.hpp"

namespace monitoring::server {

namespace {

using transport::Answer;
using transport::IncomingRequest;

constexpr int kOk = 200;
constexpr int kUnavailable = 503;
/// As for get_system_health(): what has not given a sign for so many of its intervals is stale.
constexpr int kStaleIntervals = 3;
constexpr const char* kPlainText = "text/plain; charset=utf-8";

ClusterView look(Instant now) {
  ClusterView view;
  view.now = now;
  view.steady_now = shmem::steady_now();
  view.started_at = pg::instant_of(PgStartTime);
  view.in_recovery = RecoveryInProgress();
  for (const auto& [database, connections] : pg::count_connections()) {
    view.client_connections += connections.active + connections.idle;
  }
  view.stale_after = kStaleIntervals * std::chrono::seconds(pg::settings().health_check_interval_s);
  view.processes = shmem::all_slots();
  view.names = shmem::database_names();
  return view;
}

Answer json(const Statement& statement) {
  return {statement.is_good ? kOk : kUnavailable, "application/json", statement.json + "\n", {}};
}

template <Statement (*say)(const ClusterView&)>
Answer say_of(const IncomingRequest&, Instant now) {
  return json(say(look(now)));
}

Answer metrics_page(const IncomingRequest& request, Instant) {
  const auto format = transport::prefers_openmetrics(request.accept)
                          ? metrics::ExpositionFormat::openmetrics
                          : metrics::ExpositionFormat::prometheus;
  return {kOk, std::string(metrics::content_type(format)), metrics_of_cluster(format), {}};
}

struct Path {
  std::string_view path;
  Answer (*answer)(const IncomingRequest&, Instant);
  /// Probes of orchestrators carry no secret, and learn no more than a word.
  bool open_to_all;
};

constexpr Path kPaths[] = {
    {"/metrics", metrics_page, false},
    {"/health", say_of<health>, false},
    {"/live", say_of<liveness>, true},
    {"/ready", say_of<readiness>, true},
    {"/trpc/health.metrics", metrics_page, false},
    {"/trpc/health.check", say_of<health>, false},
    {"/trpc/health.liveness", say_of<liveness>, true},
    {"/trpc/health.readiness", say_of<readiness>, true},
    {"/api/v1/health", say_of<short_health>, false},
};

Answer not_found() {
  return {404, kPlainText, "there are /metrics, /health, /live and /ready\n", {}};
}

Answer unauthorized() {
  return {401, kPlainText, "a bearer token is needed\n", {{"WWW-Authenticate", "Bearer"}}};
}

}  // namespace

void Endpoints::require_token(std::string token) {
  is_guarded_ = !token.empty();
  token_ = std::move(token);
}

void Endpoints::refuse_all() {
  is_guarded_ = true;
  token_.clear();
}

bool Endpoints::may_read(const IncomingRequest& request) const {
  return !is_guarded_ || transport::bears_token(request.authorization, token_);
}

Answer Endpoints::answer(const IncomingRequest& request) const {
  const auto path = std::find_if(std::begin(kPaths), std::end(kPaths),
                                 [&](const Path& entry) { return entry.path == request.path; });
  if (path == std::end(kPaths)) return not_found();
  if (!path->open_to_all && !may_read(request)) return unauthorized();
  return path->answer(request, clock_.now());
}

}  // namespace monitoring::server
