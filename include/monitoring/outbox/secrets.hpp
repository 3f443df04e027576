#pragma once
// Secrets: values that receivers name in their settings and that only the courier reads.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/notify/secret_terms.hpp"

namespace monitoring::outbox {

struct StoredSecret {
  std::optional<std::string> value;  ///< none: Supabase Vault has it
  pg::Param allowed_kinds;           ///< text[]
  pg::Param allowed_hosts;           ///< text[]
};

/// Both with the caller's rights. What is stored replaces what has just been removed, also where
/// somebody else stores the same at the same time.
void remove_secret(pg::Spi& spi, std::string_view name);
void store_secret(pg::Spi& spi, std::string_view name, const StoredSecret& secret);

/// 55000 where Supabase Vault is not installed, 42501 for who may not read it.
void require_vault(pg::Spi& spi);

/// Whether a role may read the values in monitoring.secrets.
bool may_read_secrets(Oid role);

/// The role that has this name now, if any has.
Oid role_of(const std::string& name);

struct Secret {
  std::string value;
  notify::SecretTerms terms;  ///< without is_trusted
  Oid set_by = InvalidOid;
};
using Secrets = std::map<std::string, Secret, std::less<>>;

/// Those of the secrets that are set. A value that was released from Supabase Vault is read there
/// as the vault's owner.
Secrets read_secrets(pg::Spi& spi, const std::vector<std::string>& names);

/// Likewise, without their values: for who may not read them.
Secrets read_secret_terms(pg::Spi& spi, const std::vector<std::string>& names);

/// Whether a role is trusted with a secret, wherever it sends it: it has the rights of whoever
/// stored it, or may read it.
bool is_trusted_with(Oid role, const Secret& secret);

/// Whether there is a vault that has a secret of each of the names.
bool vault_has_all(pg::Spi& spi, const std::vector<std::string>& names);

}  // namespace monitoring::outbox
