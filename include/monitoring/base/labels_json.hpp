#pragma once
// Labels as a JSON object of texts: as they stand in tables, arguments and notifications.

#include <optional>
#include <string_view>

#include "monitoring/base/json.hpp"
#include "monitoring/base/labels.hpp"

namespace monitoring {

Json json_of(const Labels& labels);

/// The labels of an object. A null is no label; what is no text counts by its JSON spelling. Of
/// what is no object there are none.
Labels labels_of(const Json& object);
Labels labels_of(const std::string& text) = delete;  // which would be taken as a JSON string

/// The labels of an object in the database, which need not be UTF-8.
Labels labels_of_stored(std::string_view text);

/// The same, quickly, where the text is an object of texts without escapes and in ASCII, as the
/// server writes it; nothing for any other.
std::optional<Labels> plain_labels_of_stored(std::string_view text);

/// Whether it is an object without objects and arrays in it, as labels are wanted of a user.
bool are_labels(const Json& json);

}  // namespace monitoring
