#pragma once
// Who uses which secrets, and where: what the triggers of monitoring.receivers and
// monitoring.probes ask when a row is written. The courier asks once more whenever it sends.

#include "monitoring/base/json.hpp"
#include "monitoring/pg/trigger.hpp"
// clang-format keeps the server's headers first.
#include <optional>
#include <string>
#include <vector>

#include "monitoring/notify/secret_terms.hpp"

namespace monitoring::api {

/// What a row makes of secrets.
struct SecretUse {
  std::string kind;
  std::vector<std::string> secrets;  ///< sorted names
  std::optional<notify::Destination> destination;
  /// All of the row that decides where its secrets go, and how.
  std::string route;
};

SecretUse use_of_receiver(const std::string& kind, const Json& settings);
SecretUse use_of_probe(const std::string& url, const Json& headers);

/// Sets the column set_by: to the current user for a row that is new or takes its secrets
/// elsewhere. 42501 where somebody is named whom the current user may not act for, and where a
/// secret may not be sent where the row sends it. `before` is that of an update.
void settle_set_by(pg::TriggerCall& row, const SecretUse& use,
                   const std::optional<SecretUse>& before);

}  // namespace monitoring::api
