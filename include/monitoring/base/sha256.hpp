#pragma once
// SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104). For identifiers and message signatures; not
// constant-time and not for passwords.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace monitoring {

using Sha256Digest = std::array<std::uint8_t, 32>;

Sha256Digest sha256(std::string_view message);
Sha256Digest hmac_sha256(std::string_view key, std::string_view message);

/// 64 lower-case hex digits.
std::string hex_text(const Sha256Digest& digest);

}  // namespace monitoring
