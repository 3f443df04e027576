#pragma once
// Receiver settings: a table of fields per kind, one check over it, and access to checked settings.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/base/json.hpp"
#include "monitoring/base/result.hpp"
#include "monitoring/notify/receiver.hpp"

namespace monitoring::notify {

enum class FieldType {
  kText,     // a string that is not empty
  kSecret,   // {"secret": "name"}
  kUrl,      // http or https, as text or a secret
  kMailUrl,  // smtp or smtps, as text or a secret
  kBoolean,
  kCount,      // an integer, 0 or more
  kChoice,     // one of `choices`
  kTexts,      // an object of strings
  kHeaders,    // an object of HTTP headers, values as text or secrets
  kAddresses,  // mail addresses: a comma-separated string or an array of strings
  kLinks,      // [{"href", "text"?}]
  kImages,     // [{"src", "href"?, "alt"?}]
  kList,       // texts: a comma-separated string or an array of strings
  kRateLimit,  // false, or as parse_rate_limit() reads it
  kTemplate,   // Alertmanager's template of a text
  kHtml,       // the same of HTML: what it prints is escaped
  kTemplates,  // an object of templates
};

/// Whether settings of the type are rendered before a notification is composed.
inline bool is_templated(FieldType type) {
  return type == FieldType::kTemplate || type == FieldType::kHtml || type == FieldType::kTemplates;
}

struct Field {
  std::string_view name;
  FieldType type;
  bool required = false;
  /// For kChoice, separated by spaces.
  std::string_view choices = {};
};

template <std::size_t N>
constexpr FieldTable field_table(const Field (&fields)[N]) {
  return {fields, N};
}

/// What is wrong with settings by that table and by what every kind has (rate_limit), if anything.
/// Messages hold no value of a field.
std::optional<Error> check_fields(const Json& settings, const Field* fields, std::size_t count);
template <std::size_t N>
std::optional<Error> check_fields(const Json& settings, const Field (&fields)[N]) {
  return check_fields(settings, fields, N);
}

/// The secret's name where `value` is {"secret": "name"}.
std::optional<std::string> secret_name(const Json& value);

/// Settings with every {"secret": "name"} replaced by its value. Error where one is not set.
Result<Json> resolve_secrets(const Json& settings, const SecretLookup& secrets);

/// Access to settings that have passed check_fields(). A field that is missing, or that still is
/// the name of a secret, gives the fallback.
std::string text_setting(const Json& settings, const char* key, std::string_view fallback = {});
bool flag_setting(const Json& settings, const char* key, bool fallback);
std::uint64_t count_setting(const Json& settings, const char* key, std::uint64_t fallback);

/// The elements of a comma-separated string or an array of strings, trimmed, empty ones left out.
std::vector<std::string> list_setting(const Json& settings, const char* key);

/// What is wrong with the name of a header that a user adds, if anything.
std::optional<Error> check_header_name(std::string_view name);

/// Whether it is smtp://host[:port] or smtps://host[:port].
bool is_mail_url(std::string_view url);

}  // namespace monitoring::notify
