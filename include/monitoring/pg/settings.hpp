#pragma once
// Every setting (GUC) of the extension, in one place. Names and defaults are the README's table.

#include "monitoring/pg/postgres.hpp"

namespace monitoring::pg {

/// Values of monitoring.on_full.
enum OnFull : int {
  kDropWhenFull,    ///< drop the measurement and count it
  kInsertWhenFull,  ///< insert it in the caller's transaction
};

/// The current values. Plain variables that the server writes to when a setting changes.
struct Settings {
  bool preloaded;  ///< no setting: whether shared_preload_libraries has loaded the library

  // Applied at server start.
  int record_ring_size_kb;  ///< shared memory for measurements on their way to the table
  int registry_size_kb;     ///< shared memory for counters, gauges and histograms

  int http_port;              ///< of the HTTP server; 0: there is none
  char* http_listen_address;  ///< an IPv4 or IPv6 address

  // Applied at once; a session or role may set its own.
  int on_full;  ///< an OnFull: what record_metric() does when the ring is full

  // Applied at once; set by superusers.
  bool track_queries;          ///< time the statements of clients
  bool track_errors;           ///< count errors and RLS violations
  bool track_logins;           ///< count rejected logins
  char* rls_context_settings;  ///< names, separated by commas

  // Read from postgresql.conf, applied on reload.
  int collect_interval_s;       ///< between two records of Postgres's own basics
  int flush_interval_ms;        ///< between two drains of the record ring
  int rollup_interval_s;        ///< between two looks for data that is not rolled up
  int queue_check_interval_s;   ///< between two checks of the queues
  int health_check_interval_s;  ///< between two looks at overall_status
  int naptime_s;                ///< safety timer of launcher and workers
  int duty_timeout_s;           ///< a worker's duty is cancelled after this; 0 never
  int query_timeout_s;          ///< a pass runs no query of others for longer
  int duty_lock_timeout_ms;     ///< a worker's duty gives up waiting for a lock after this

  double max_duty_cycle;  ///< part of the time that a database's collectors may take

  int snapshot_interval_s;  ///< between two records of the metrics that are marked for it

  // Those of postgresql.conf, or a superuser's session's own.
  int max_series_per_metric;  ///< in one database; more are refused

  // The store of samples: those of postgresql.conf, or a superuser's session's own.
  int max_series;             ///< in one database; more are refused
  int out_of_order_window_s;  ///< how much older than its series' newest a sample may be

  // Alert rules: those of postgresql.conf, or a superuser's session's own.
  int max_alerts_per_rule;     ///< more alerts are an error of the rule
  bool allow_superuser_rules;  ///< run rules whose owner is a superuser

  // What notifications and templates refer to, applied on reload.
  char* external_url;  ///< where people can look at this monitoring; empty: nowhere

  // The courier's, applied on reload to requests made from then on.
  int notification_timeout_ms;          ///< for one request, from connect to the end of the answer
  int notification_max_age_s;           ///< a notification that is older is given up
  int courier_concurrency;              ///< requests in flight at a time
  int courier_destination_concurrency;  ///< of these to one server
  int courier_idle_timeout_s;           ///< the process leaves after so long without work
  bool allow_link_local;                ///< connect to link-local and metadata addresses, too
  char* http_token_file;  ///< its first word is the bearer token; empty: none is asked for

  char* ca_file;  ///< PEM file of certificate authorities; empty: the system's
};

/// The values, also from monitoring_net.so, which finds those that monitoring.so has defined.
const Settings& settings();

/// Defines all settings. Called once, from _PG_init of monitoring.so. A setting that takes effect
/// at server start only can be defined only while the library is preloaded.
void define_settings(bool preloading);

}  // namespace monitoring::pg
