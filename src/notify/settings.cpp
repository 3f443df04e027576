#include "notify/settings.hpp"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "monitoring/base/http_header.hpp"
#include "monitoring/base/json.hpp"
#include "monitoring/notify/http_headers.hpp"
#include "monitoring/notify/rate_limit.hpp"
#include "monitoring/notify/url.hpp"
#include "notify/address.hpp"
#include "notify/templates.hpp"

namespace monitoring::notify {

namespace {

constexpr Field kOfEveryKind = {"rate_limit", FieldType::kRateLimit};

constexpr const char* kSecretKey = "secret";
constexpr std::string_view kSecretHint =
    "Store the value with monitoring.set_secret('name', 'value') and write {\"secret\": \"name\"}.";

std::string in_quotes(std::string_view name) {
  return "\"" + std::string(name) + "\"";
}

Error wrong(std::string_view field, std::string_view expected) {
  return Error::of("setting " + in_quotes(field) + " must be " + std::string(expected));
}

/// Levenshtein distance: for the key that a misspelt one was meant to be.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

/// Beyond this length a key is no misspelling, and the distance not worth its time.
constexpr std::size_t kLongestKey = 64;

std::string_view nearest_field(std::string_view key, const Field* fields, std::size_t count) {
  if (key.size() > kLongestKey || count == 0) return {};
  const auto nearest =
      std::min_element(fields, fields + count, [&](const Field& a, const Field& b) {
        return edit_distance(key, a.name) < edit_distance(key, b.name);
      });
  const std::size_t most = std::max<std::size_t>(2, nearest->name.size() / 2);
  return edit_distance(key, nearest->name) <= most ? nearest->name : std::string_view{};
}

Error unknown_key(const std::string& key, const Field* fields, std::size_t count) {
  std::string hint;
  const std::string_view nearest = nearest_field(key, fields, count);
  if (!nearest.empty()) hint = "Did you mean " + in_quotes(nearest) + "? ";
  hint += "Known settings: ";
  for (std::size_t i = 0; i < count; ++i) hint += std::string(fields[i].name) + ", ";
  hint += kOfEveryKind.name;
  return Error::of("unknown setting " + in_quotes(key.substr(0, kLongestKey)), hint + ".");
}

bool is_text(const Json& value) {
  return value.is_string() && !value.string().empty();
}

/// What a URL's check said, as said of the setting that holds it.
Error within(std::string_view field, const Error& error) {
  return Error{"setting " + in_quotes(field) + ": " + error.message, error.hint, error.position};
}

std::optional<Error> check_url(const Field& field, const Json& value) {
  if (secret_name(value)) return std::nullopt;
  if (!is_text(value)) return wrong(field.name, "an http or https URL, or a secret");
  const auto url = check_http_url(value.string());
  if (url) return std::nullopt;
  return within(field.name, url.error());
}

bool is_choice(const Json& value, std::string_view choices) {
  if (!is_text(value)) return false;
  const std::string padded = " " + std::string(choices) + " ";
  const auto& text = value.string();
  return text.find(' ') == std::string::npos && padded.find(" " + text + " ") != std::string::npos;
}

/// An array of texts.
bool are_texts(const Json& value) {
  return value.is_array() && std::all_of(value.elements().begin(), value.elements().end(), is_text);
}

bool is_texts(const Json& value) {
  return value.is_object() &&
         std::all_of(value.members().begin(), value.members().end(),
                     [](const Json::Member& member) { return member.value.is_string(); });
}

/// An array of objects with text fields: `required` and any of `optional`.
bool is_references(const Json& value, std::string_view required, std::string_view optional) {
  if (!value.is_array()) return false;
  return std::all_of(value.elements().begin(), value.elements().end(), [&](const Json& element) {
    if (!is_texts(element) || !element.contains(required)) return false;
    if (!check_http_url(element[required].string())) return false;
    for (const auto& [key, unused] : element.members()) {
      if (key != required && !is_choice(key, optional)) return false;
    }
    return true;
  });
}

std::optional<Error> check_header(const Field& field, const std::string& name, const Json& value) {
  if (auto error = check_header_name(name)) return within(field.name, *error);
  if (secret_name(value)) return std::nullopt;
  if (!value.is_string() || !header_value_allowed(value.string())) {
    return wrong(field.name,
                 "an object whose values are text without control characters, or secrets");
  }
  if (!carries_credentials(name, value.string())) return std::nullopt;
  return Error::of("header " + in_quotes(name) + " must name a secret", std::string(kSecretHint));
}

std::optional<Error> check_headers(const Field& field, const Json& value) {
  if (!value.is_object()) return wrong(field.name, "an object of HTTP header names with values");
  for (const auto& [name, element] : value.members()) {
    if (auto error = check_header(field, name, element)) return error;
  }
  return std::nullopt;
}

std::optional<Error> check_list(const Json& settings, const Field& field) {
  const Json& value = settings[field.name];
  const bool texts = are_texts(value);
  if (texts || is_text(value)) {
    if (!list_setting(settings, std::string(field.name).c_str()).empty()) return std::nullopt;
  }
  return wrong(field.name, "a comma-separated string or an array of strings, at least one");
}

std::optional<Error> check_rate_limit(const Field& field, const Json& value) {
  if (value.is_boolean() && !value.boolean()) return std::nullopt;
  const auto limit = parse_rate_limit(value);
  if (limit) return std::nullopt;
  return within(field.name, limit.error());
}

std::optional<Error> check_addresses(const Json& settings, const Field& field) {
  const Json& value = settings[field.name];
  const bool texts = are_texts(value);
  if (!texts && !is_text(value)) {
    return wrong(field.name, "a comma-separated string or an array of mail addresses");
  }
  const auto addresses = list_setting(settings, std::string(field.name).c_str());
  if (addresses.empty()) return wrong(field.name, "at least one mail address");
  for (const std::string& address : addresses) {
    const auto parsed = parse_address(address);
    if (parsed) continue;
    return within(field.name, parsed.error());
  }
  return std::nullopt;
}

std::optional<Error> expect(bool holds, const Field& field, std::string_view expected) {
  if (holds) return std::nullopt;
  return wrong(field.name, expected);
}

std::optional<Error> check_template_field(const Field& field, const Json& value) {
  if (!is_text(value)) return wrong(field.name, "a string that is not empty");
  const auto error = check_template(value.string());
  if (!error) return std::nullopt;
  return within(field.name, *error);
}

std::optional<Error> check_templates_field(const Field& field, const Json& value) {
  if (!is_texts(value)) return wrong(field.name, "an object of strings");
  for (const auto& [name, text] : value.members()) {
    const auto error = check_template(text.string());
    if (error) return within(std::string(field.name) + "." + name, *error);
  }
  return std::nullopt;
}

std::optional<Error> check_field(const Json& settings, const Field& field) {
  const Json& value = settings[field.name];
  switch (field.type) {
    case FieldType::kText:
      return expect(is_text(value), field, "a string that is not empty");
    case FieldType::kSecret:
      if (secret_name(value)) return std::nullopt;
      return Error::of("setting " + in_quotes(field.name) + " must name a secret",
                       std::string(kSecretHint));
    case FieldType::kUrl:
      return check_url(field, value);
    case FieldType::kMailUrl:
      return expect(secret_name(value) || (is_text(value) && is_mail_url(value.string())), field,
                    "smtp://host:port or smtps://host:port, or a secret");
    case FieldType::kBoolean:
      return expect(value.is_boolean(), field, "true or false");
    case FieldType::kCount:
      return expect(value.is_count(), field, "an integer, 0 or more");
    case FieldType::kChoice:
      return expect(is_choice(value, field.choices), field,
                    "one of: " + std::string(field.choices));
    case FieldType::kTexts:
      return expect(is_texts(value), field, "an object of strings");
    case FieldType::kHeaders:
      return check_headers(field, value);
    case FieldType::kAddresses:
      return check_addresses(settings, field);
    case FieldType::kLinks:
      return expect(is_references(value, "href", "text"), field,
                    "an array of objects with \"href\" (a URL) and, optionally, \"text\"");
    case FieldType::kImages:
      return expect(
          is_references(value, "src", "href alt"), field,
          "an array of objects with \"src\" (a URL) and, optionally, \"href\" and \"alt\"");
    case FieldType::kList:
      return check_list(settings, field);
    case FieldType::kRateLimit:
      return check_rate_limit(field, value);
    case FieldType::kTemplate:
    case FieldType::kHtml:
      return check_template_field(field, value);
    case FieldType::kTemplates:
      return check_templates_field(field, value);
  }
  return std::nullopt;
}

std::optional<Error> resolve_value(Json& value, const SecretLookup& secrets) {
  const auto name = secret_name(value);
  if (!name) return std::nullopt;
  auto secret = secrets(*name);
  if (!secret) {
    return Error::of("secret " + in_quotes(*name) + " is not set",
                     "Set it with monitoring.set_secret('name', 'value').");
  }
  value = std::move(*secret);
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::optional<Error> check_fields(const Json& settings, const Field* fields, std::size_t count) {
  if (!settings.is_object()) return Error::of("receiver settings must be a JSON object");
  for (const auto& [key, unused] : settings.members()) {
    if (key == kOfEveryKind.name) continue;
    const bool known = std::any_of(fields, fields + count,
                                   [&key = key](const Field& field) { return field.name == key; });
    if (!known) return unknown_key(key, fields, count);
  }
  for (const Field* field = fields; field != fields + count; ++field) {
    if (settings.contains(field->name)) {
      if (auto error = check_field(settings, *field)) return error;
    } else if (field->required) {
      return Error::of("setting " + in_quotes(field->name) + " is missing");
    }
  }
  if (!settings.contains(kOfEveryKind.name)) return std::nullopt;
  return check_field(settings, kOfEveryKind);
}

std::optional<std::string> secret_name(const Json& value) {
  if (!value.is_object() || value.size() != 1 || !value.contains(kSecretKey)) return std::nullopt;
  const Json& name = value[kSecretKey];
  if (!is_text(name)) return std::nullopt;
  return name.string();
}

std::vector<std::string> secret_names(const Json& settings) {
  std::vector<std::string> names;
  for (const auto& [setting, value] : settings.members()) {
    if (auto name = secret_name(value)) {
      names.push_back(std::move(*name));
    } else {
      for (const auto& [key, inner] : value.members()) {
        if (auto inner_name = secret_name(inner)) names.push_back(std::move(*inner_name));
      }
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<Json> resolve_secrets(const Json& settings, const SecretLookup& secrets) {
  Json resolved = settings;
  for (auto& [setting, value] : resolved.members()) {
    if (auto error = resolve_value(value, secrets)) return *error;
    if (!value.is_object()) continue;
    for (auto& [key, inner] : value.members()) {
      if (auto error = resolve_value(inner, secrets)) return *error;
    }
  }
  return resolved;
}

std::string text_setting(const Json& settings, const char* key, std::string_view fallback) {
  const Json* found = settings.find(key);
  if (found == nullptr || !found->is_string()) return std::string(fallback);
  return found->string();
}

bool flag_setting(const Json& settings, const char* key, bool fallback) {
  const Json* found = settings.find(key);
  return found != nullptr && found->is_boolean() ? found->boolean() : fallback;
}

std::uint64_t count_setting(const Json& settings, const char* key, std::uint64_t fallback) {
  const Json* found = settings.find(key);
  return found != nullptr && found->is_integer() ? found->count() : fallback;
}

std::vector<std::string> list_setting(const Json& settings, const char* key) {
  std::vector<std::string> list;
  const Json* found = settings.find(key);
  if (found == nullptr) return list;
  for (const Json& element : found->elements()) {
    if (element.is_string()) list.push_back(element.string());
  }
  if (!found->is_string()) return list;
  std::string_view rest = found->string();
  while (!rest.empty()) {
    const std::string_view element = trimmed(rest.substr(0, rest.find(',')));
    if (!element.empty()) list.emplace_back(element);
    rest.remove_prefix(std::min(
        rest.size(), rest.find(',') == std::string_view::npos ? rest.size() : rest.find(',') + 1));
  }
  return list;
}

std::optional<Error> check_header_name(std::string_view name) {
  if (!header_name_allowed(name))
    return Error::of(in_quotes(name) + " is no name of an HTTP header");
  if (!is_connection_header(name)) return std::nullopt;
  return Error::of("header " + in_quotes(name) + " cannot be set",
                   "It belongs to the connection, which the courier makes.");
}

std::optional<Error> check_http_headers(const Json& headers) {
  constexpr Field kHeaders = {"headers", FieldType::kHeaders};
  return check_headers(kHeaders, headers);
}

bool is_mail_url(std::string_view url) {
  const auto separator = url.find("://");
  if (separator == std::string_view::npos) return false;
  const std::string_view scheme = url.substr(0, separator);
  if (scheme != "smtp" && scheme != "smtps") return false;
  // The rest has the form of an http URL, of which only host and port are wanted.
  const std::string as_http = "http" + std::string(url.substr(separator));
  const auto parts = check_http_url(as_http);
  return parts && parts->target.empty();
}

}  // namespace monitoring::notify
