#pragma once
// Secrets: values that receivers name in their settings and that only the courier reads.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace monitoring::store {

/// Stores, replaces or (nullopt) removes a secret, with the caller's rights.
void set_secret(pg::Spi& spi, std::string_view name, const std::optional<std::string>& value);

/// The values of those of the secrets that are set, in monitoring.secrets or else, where Supabase
/// Vault is installed, in vault.decrypted_secrets, which is read as its owner.
std::map<std::string, std::string, std::less<>> read_secrets(pg::Spi& spi,
                                                             const std::vector<std::string>& names);

/// Whether there is a vault that has a secret of each of the names.
bool vault_has_all(pg::Spi& spi, const std::vector<std::string>& names);

}  // namespace monitoring::store
