#pragma once
// Objects of configuration that functions make: rows that have a name. Made anew or, with replace,
// put in the place of the row of that name, which keeps its key, and so does what refers to it; and
// dropped.

#include "monitoring/pg/spi.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace monitoring::api {

/// A kind of object.
struct NamedKind {
  const char* what;   ///< for people: alert rule
  const char* table;  ///< with its schema
  const char* key;    ///< the column that names it
};

inline constexpr NamedKind kAlertRule{"alert rule", "monitoring.alert_rules", "rule_name"};
inline constexpr NamedKind kReceiver{"receiver", "monitoring.receivers", "receiver_name"};
inline constexpr NamedKind kRoute{"route", "monitoring.routes", "route_name"};
inline constexpr NamedKind kInhibitRule{"inhibit rule", "monitoring.inhibit_rules", "rule_name"};
inline constexpr NamedKind kTimeInterval{"time interval", "monitoring.time_intervals",
                                         "interval_name"};
inline constexpr NamedKind kEscalation{"escalation policy", "monitoring.escalations",
                                       "policy_name"};
inline constexpr NamedKind kWatchdog{"watchdog of receiver", "monitoring.watchdogs", "receiver"};
inline constexpr NamedKind kMaintenance{"maintenance", "monitoring.maintenances",
                                        "maintenance_name"};
inline constexpr NamedKind kCollector{"collector", "monitoring.collectors", "collector_name"};
inline constexpr NamedKind kProbe{"probe", "monitoring.probes", "probe_name"};

/// The end of "INSERT INTO table AS old ..." for a row that may be there already: these columns get
/// the new row's values, unless all of them have them. `on_change` sets further ones if so.
std::string replacing(const char* key, const std::vector<const char*>& columns,
                      const char* on_change = "");

/// Makes a row. A name that is taken is told as such, without a dump of the row.
void make(const NamedKind& kind, std::string_view name, const std::function<void()>& insert);

/// The known name that is most like this one; empty where none is.
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

/// 42704: no object has this name; says which has one like it.
[[noreturn]] void refuse_unknown(pg::Spi& spi, const NamedKind& kind, const std::string& name);

/// Deletes the object that the first argument names. Without it false, or, unless the second
/// argument, if_exists, is true, an error.
bool drop(FunctionCallInfo fcinfo, const NamedKind& kind);

}  // namespace monitoring::api
