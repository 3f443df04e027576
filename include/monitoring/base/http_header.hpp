#pragma once
// What an HTTP header that a user names may be. One place for receivers, probes and the transport.

#include <string_view>

namespace monitoring {

/// Whether it is the name of an HTTP header (RFC 9110, section 5.6.2).
bool header_name_allowed(std::string_view name);

/// Whether an HTTP header may carry it: no control characters (RFC 9110, section 5.5).
bool header_value_allowed(std::string_view value);

/// Headers that say where a message ends, whom it is for or what the connection does next (RFC
/// 9110, sections 7.2, 7.6 and 8.6). They belong to whoever writes the message to the connection: a
/// second Content-Length makes the two ends disagree about what was said.
bool is_connection_header(std::string_view name);

/// Whether a header of this name, or with this literal value, carries credentials.
bool carries_credentials(std::string_view name, std::string_view value);

}  // namespace monitoring
