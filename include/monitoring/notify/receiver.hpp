#pragma once
// The kinds of receivers: for each, how its settings are checked, how a notification becomes a
// payload, how a payload becomes a request, and how an answer is judged. One table (receiver.cpp),
// one .cpp per kind.
//
// A notification is composed once, when it is queued, and the payload is stored in the outbox; it
// holds no secret. The request is made anew for every attempt, from the stored payload, the
// receiver's settings and the secrets that the settings name. Requests are never stored.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/json.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/notify/delivery.hpp"
#include "monitoring/notify/notification.hpp"
#include "monitoring/notify/rate_limit.hpp"
#include "monitoring/notify/retry.hpp"

namespace monitoring::notify {

struct Field;

/// The settings that a kind knows.
struct FieldTable {
  const Field* first = nullptr;
  std::size_t count = 0;
};

struct ReceiverKind {
  std::string_view name;
  /// Whether resolved alerts are sent where the receiver does not say (SendResolved defaults of
  /// Alertmanager).
  bool send_resolved_default;
  /// Whether it can be told that a group was acknowledged (Notification::acknowledgement). Others
  /// are not to be given such a notification.
  bool takes_acknowledgement;
  /// What is wrong with a receiver's settings, if anything. A secret field holds {"secret": "name"}
  /// here. Called when a receiver is created.
  std::optional<Error> (*check)(const Json& settings);
  /// The payload for the outbox. `settings` have passed check(), and their templates are rendered.
  Result<Json> (*compose)(const Notification& notification, const Json& settings, Instant now);
  /// The request that carries a payload. Every {"secret": "name"} in `settings` has been replaced
  /// by its value. An error names no secret's value.
  Result<DeliveryRequest> (*request)(const Json& payload, const Json& settings, Instant now);
  /// What an attempt's outcome means for the notification.
  Judgement (*judge)(const DeliveryOutcome& outcome);
  /// What check() knows of; those that are templates are rendered before compose().
  FieldTable fields = {};
  /// How often a receiver is sent a request that does not say it itself (setting `rate_limit`).
  std::optional<RateLimit> rate_limit = std::nullopt;
  /// The setting that may list several addresses, each of which gets a notification of its own.
  const char* address_setting = nullptr;
  /// What a value of a label or an annotation becomes before the receiver's templates see it;
  /// nullptr: it stays as it is.
  std::string (*defuse)(std::string_view value) = nullptr;
};

/// The kind of that name, or null.
const ReceiverKind* find_receiver_kind(std::string_view name);

/// The names of all kinds, comma-separated, for messages.
std::string receiver_kind_names();

/// What is wrong with the settings of a receiver of that kind, if anything: unknown kind, unknown
/// or missing key, wrong type, a literal where the name of a secret belongs.
std::optional<Error> check_settings(std::string_view kind, const Json& settings);

/// The names of the secrets that settings refer to, each once, sorted. Safe on unchecked settings.
std::vector<std::string> secret_names(const Json& settings);

/// The settings to compose notifications with: the receiver's, once for each of its addresses.
std::vector<Json> settings_by_address(std::string_view kind, const Json& settings);
/// The address that such settings are for; "" for a kind whose receivers have one.
std::string address_of(std::string_view kind, const Json& settings);

/// The value of the secret of that name, if it is set.
using SecretLookup = std::function<std::optional<std::string>(std::string_view name)>;

/// The payload for the outbox (jsonb): what the receiver will be told, without secrets. `now` is
/// the time of the notification; the result depends on nothing else, so that composing twice gives
/// the same ids. A template of the settings that cannot be rendered for this notification is passed
/// over for the kind's own text, and `note` says so.
Result<Json> store_payload(std::string_view kind, const Notification& notification,
                           const Json& settings, Instant now, std::string* note = nullptr);

/// The request for one attempt at sending a stored payload. `now` is the time of the attempt.
/// Errors: unknown kind, a secret that is not set, settings or a secret's value that cannot be used
/// (a DSN that does not parse, a header with a line break). Never holds a secret's value.
Result<DeliveryRequest> wire_request(std::string_view kind, const Json& payload,
                                     const Json& settings, const SecretLookup& secrets,
                                     Instant now);

}  // namespace monitoring::notify
