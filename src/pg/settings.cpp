#include "monitoring/pg/settings.hpp"

extern "C" {
#include <utils/guc.h>
}
// clang-format keeps the server's header first.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <climits>
#include <string_view>

namespace monitoring::pg {

namespace {

constexpr const char* kRendezvous = "monitoring settings";

Settings values;

struct Whole {
  const char* name;
  const char* meaning;
  int* value;
  int initial;
  int minimum;
  int maximum;
  GucContext context;
  int unit;
};

void define(const Whole& setting) {
  DefineCustomIntVariable(setting.name, setting.meaning, nullptr, setting.value, setting.initial,
                          setting.minimum, setting.maximum, setting.context, setting.unit, nullptr,
                          nullptr, nullptr);
}

constexpr int kDayS = 86400;

void define_worker_settings() {
  const Whole settings[] = {
      {"monitoring.collect_interval", "Time between two records of the server's basic figures.",
       &values.collect_interval_s, 60, 1, kDayS, PGC_SIGHUP, GUC_UNIT_S},
      {"monitoring.flush_interval",
       "Time between two writes of recorded measurements to the table.", &values.flush_interval_ms,
       1000, 10, 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS},
      {"monitoring.rollup_interval", "Time between two looks for data that is not yet rolled up.",
       &values.rollup_interval_s, 30, 1, kDayS, PGC_SIGHUP, GUC_UNIT_S},
      {"monitoring.queue_check_interval", "Time between two checks of the queues.",
       &values.queue_check_interval_s, 60, 1, kDayS, PGC_SIGHUP, GUC_UNIT_S},
      {"monitoring.health_check_interval", "Time between two looks at the overall health status.",
       &values.health_check_interval_s, 10, 1, kDayS, PGC_SIGHUP, GUC_UNIT_S},
      {"monitoring.naptime", "Longest sleep of the launcher and of an idle worker.",
       &values.naptime_s, 60, 1, 60, PGC_SIGHUP, GUC_UNIT_S},
      {"monitoring.duty_timeout",
       "Time after which one duty of the worker is cancelled; 0 is never.", &values.duty_timeout_s,
       600, 0, kDayS, PGC_SIGHUP, GUC_UNIT_S},
      {"monitoring.query_timeout",
       "Longest time that one rule, collector or queue may take, whatever its own timeout.",
       &values.query_timeout_s, 60, 1, kDayS, PGC_SIGHUP, GUC_UNIT_S},
      {"monitoring.duty_lock_timeout", "Longest wait of a duty of the worker for one lock.",
       &values.duty_lock_timeout_ms, 500, 1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS},
  };
  for (const Whole& setting : settings) define(setting);
}

void define_collector_settings() {
  DefineCustomRealVariable(
      "monitoring.max_duty_cycle",
      "Fraction of the time of one core that the collectors of a database may take together. When "
      "they would take more, those that take most run less often.",
      nullptr, &values.max_duty_cycle, 0.02, 0.0001, 1, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
}

void define_record_settings(bool preloading) {
  static const config_enum_entry kOnFull[] = {
      {"drop", kDropWhenFull, false}, {"insert", kInsertWhenFull, false}, {nullptr, 0, false}};
  DefineCustomEnumVariable(
      "monitoring.on_full", "What record_metric() does when the record ring is full.", nullptr,
      &values.on_full, kDropWhenFull, kOnFull, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  if (!preloading) return;
  define({"monitoring.record_ring_size",
          "Shared memory for recorded measurements that are not yet in the table.",
          &values.record_ring_size_kb, 32 * 1024, 1024, 8 * 1024 * 1024, PGC_POSTMASTER,
          GUC_UNIT_KB});
}

void define_sample_settings() {
  define({"monitoring.max_series", "Series that the store of samples may have in a database.",
          &values.max_series, 1000 * 1000, 1, INT_MAX, PGC_SUSET, 0});
  define({"monitoring.out_of_order_window",
          "How much older than the newest sample of its series a sample may be that is stored.",
          &values.out_of_order_window_s, 3600, 0, INT_MAX, PGC_SUSET, GUC_UNIT_S});
}

void define_registry_settings(bool preloading) {
  define({"monitoring.snapshot_interval",
          "Time between two records of the counted metrics that are marked for it.",
          &values.snapshot_interval_s, 60, 1, kDayS, PGC_SIGHUP, GUC_UNIT_S});
  define({"monitoring.max_series_per_metric",
          "Label sets that one counted metric may have in a database; more are refused.",
          &values.max_series_per_metric, 1000, 1, 1000 * 1000, PGC_SUSET, 0});
  if (!preloading) return;
  define({"monitoring.registry_size", "Shared memory for counters, gauges and histograms.",
          &values.registry_size_kb, 16 * 1024, 256, 1024 * 1024, PGC_POSTMASTER, GUC_UNIT_KB});
}

/// It becomes a link in messages: a scheme, and nothing that would end the link.
bool check_external_url(char** value, void** /*extra*/, GucSource /*source*/) {
  const std::string_view url = *value;
  const bool is_http = url.rfind("http://", 0) == 0 || url.rfind("https://", 0) == 0;
  const bool is_plain =
      std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < '\x7F'; });
  if (url.empty() || (is_http && is_plain)) return true;
  GUC_check_errdetail("It must be an http or https URL without white space, or empty.");
  return false;
}

void define_alert_settings() {
  define({"monitoring.max_alerts_per_rule",
          "Alerts that one rule may have at a time; more are an error of the rule.",
          &values.max_alerts_per_rule, 1000, 1, 1000 * 1000, PGC_SUSET, 0});
  DefineCustomBoolVariable("monitoring.allow_superuser_rules",
                           "Runs the queries of alert rules whose owner is a superuser.", nullptr,
                           &values.allow_superuser_rules, false, PGC_SUSET, 0, nullptr, nullptr,
                           nullptr);
  static bool announce_changes;
  DefineCustomBoolVariable(
      "monitoring.announce_changes",
      "Tells those who LISTEN to monitoring_alerts of alerts, of health and of failed deliveries.",
      "Read by triggers in SQL.", &announce_changes, true, PGC_SUSET, 0, nullptr, nullptr, nullptr);
  DefineCustomStringVariable(
      "monitoring.external_url",
      "Address under which people can look at this monitoring; notifications "
      "link to it.",
      nullptr, &values.external_url, "", PGC_SIGHUP, 0, check_external_url, nullptr, nullptr);
}

void define_courier_settings() {
  const Whole settings[] = {
      {"monitoring.notification_timeout", "Time limit of one attempt to deliver a notification.",
       &values.notification_timeout_ms, 10000, 10, 10 * 60 * 1000, PGC_SIGHUP, GUC_UNIT_MS},
      {"monitoring.notification_max_age", "Age at which an undelivered notification is given up.",
       &values.notification_max_age_s, kDayS, 1, 30 * kDayS, PGC_SIGHUP, GUC_UNIT_S},
      {"monitoring.courier_concurrency", "Requests of a database's courier in flight at a time.",
       &values.courier_concurrency, 128, 1, 512, PGC_SIGHUP, 0},
      {"monitoring.courier_destination_concurrency",
       "Requests of a database's courier to one server in flight at a time.",
       &values.courier_destination_concurrency, 8, 1, 512, PGC_SIGHUP, 0},
      {"monitoring.courier_idle_timeout", "Time without work after which the courier leaves.",
       &values.courier_idle_timeout_s, 60, 1, kDayS, PGC_SIGHUP, GUC_UNIT_S},
  };
  for (const Whole& setting : settings) define(setting);
  DefineCustomBoolVariable("monitoring.allow_link_local",
                           "Lets the courier connect to link-local and cloud metadata addresses.",
                           nullptr, &values.allow_link_local, false, PGC_SIGHUP, 0, nullptr,
                           nullptr, nullptr);
  DefineCustomStringVariable("monitoring.ca_file",
                             "File of the certificate authorities that the courier trusts; empty "
                             "for those of the system.",
                             nullptr, &values.ca_file, "", PGC_SIGHUP, 0, nullptr, nullptr,
                             nullptr);
}

void define_hook_settings() {
  const auto define_switch = [](const char* name, const char* meaning, bool* value) {
    DefineCustomBoolVariable(name, meaning, nullptr, value, true, PGC_SUSET, 0, nullptr, nullptr,
                             nullptr);
  };
  define_switch("monitoring.track_queries", "Times the statements of clients.",
                &values.track_queries);
  define_switch("monitoring.track_errors", "Counts errors and violations of row-level security.",
                &values.track_errors);
  define_switch("monitoring.track_logins", "Counts rejected logins.", &values.track_logins);
  DefineCustomStringVariable(
      "monitoring.rls_context_settings",
      "Settings, separated by commas, that row-level security goes by; setting them is timed.",
      nullptr, &values.rls_context_settings, "", PGC_SUSET, 0, nullptr, nullptr, nullptr);
}

bool check_address(char** address, void**, GucSource) {
  unsigned char bytes[sizeof(in6_addr)];
  if (inet_pton(AF_INET, *address, bytes) == 1 || inet_pton(AF_INET6, *address, bytes) == 1) {
    return true;
  }
  GUC_check_errdetail("It must be an IPv4 or IPv6 address, such as 127.0.0.1, 0.0.0.0 or ::1.");
  return false;
}

void define_server_settings(bool preloading) {
  DefineCustomStringVariable(
      "monitoring.http_token_file",
      "File with the bearer token that /metrics and /health ask for; empty for none.", nullptr,
      &values.http_token_file, "", PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  if (!preloading) return;
  define({"monitoring.http_port", "TCP port of the HTTP server; 0 for none.", &values.http_port, 0,
          0, 65535, PGC_POSTMASTER, 0});
  DefineCustomStringVariable(
      "monitoring.http_listen_address", "Address on which the HTTP server listens.", nullptr,
      &values.http_listen_address, "127.0.0.1", PGC_POSTMASTER, 0, check_address, nullptr, nullptr);
}

}  // namespace

const Settings& settings() {
  static const Settings* found = nullptr;
  if (found == nullptr) found = static_cast<Settings*>(*find_rendezvous_variable(kRendezvous));
  return *found;
}

void define_settings(bool preloading) {
  values.preloaded = preloading;
  *find_rendezvous_variable(kRendezvous) = &values;
  define_worker_settings();
  define_collector_settings();
  define_record_settings(preloading);
  define_registry_settings(preloading);
  define_sample_settings();
  define_alert_settings();
  define_courier_settings();
  define_hook_settings();
  define_server_settings(preloading);
  MarkGUCPrefixReserved("monitoring");
}

}  // namespace monitoring::pg
