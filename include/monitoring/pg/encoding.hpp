#pragma once
// Text between this database's encoding and UTF-8, which is what all code above this room has and
// what leaves the server. Never an error: what has no place on the other side is replaced, as one
// name or statement text must not be in the way of all others.

#include "monitoring/pg/guard.hpp"
// clang-format keeps the server's header first.
#include <string>
#include <string_view>

namespace monitoring::pg {

/// Bytes that the database calls text, as UTF-8. In a UTF-8 database they are taken as they are:
/// who writes them anywhere else uses valid_utf8(). What cannot be converted becomes U+FFFD.
std::string utf8_of(std::string_view text);

/// UTF-8 in the encoding of the database, without zero bytes, which no text has. What cannot be
/// converted becomes '?'; a zero byte U+FFFD, or '?' where that has no place.
std::string server_text(std::string_view utf8);

/// JSON in UTF-8 as jsonb takes it: as server_text(), and so is what is written as \u0000.
std::string server_json(std::string_view utf8);

}  // namespace monitoring::pg
