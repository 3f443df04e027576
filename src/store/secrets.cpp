#include "monitoring/store/secrets.hpp"

#include <functional>

#include "monitoring/pg/owner_scope.hpp"
#include "monitoring/store/issues.hpp"

namespace monitoring::store {

void set_secret(pg::Spi& spi, std::string_view name, const std::optional<std::string>& value) {
  if (!value) {
    spi.execute("DELETE FROM monitoring.secrets WHERE secret_name OPERATOR(pg_catalog.=) $1",
                {pg::text(name)});
    return;
  }
  // Not excluded.secret_value: that asks for the right to read the column, which operators lack.
  spi.execute(
      "INSERT INTO monitoring.secrets (secret_name, secret_value) VALUES ($1, $2)"
      " ON CONFLICT (secret_name) DO UPDATE SET secret_value = $2,"
      " updated_at = pg_catalog.now()",
      {pg::text(name), pg::text(*value)});
}

namespace {

using SecretValues = std::map<std::string, std::string, std::less<>>;

constexpr pg::OwnerLimits kVaultLimits{std::chrono::seconds(5)};

/// The owner of Supabase's vault.decrypted_secrets, whose code decrypts. Not of a view that
/// anybody may have put there: its owner would choose where our notifications go.
std::optional<Oid> vault_owner(pg::Spi& spi) {
  const pg::Rows rows = spi.query(
      "SELECT c.relowner FROM pg_catalog.pg_class AS c"
      " JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
      " JOIN pg_catalog.pg_roles AS o ON o.oid OPERATOR(pg_catalog.=) c.relowner"
      " WHERE n.nspname OPERATOR(pg_catalog.=) 'vault'"
      " AND c.relname OPERATOR(pg_catalog.=) 'decrypted_secrets' AND o.rolsuper");
  if (rows.empty()) return std::nullopt;
  return static_cast<Oid>(*rows.int8(0, 1));
}

/// Runs a query of one row for each secret, with the names as $1, as the vault's owner.
std::optional<pg::OwnerFailure> query_vault(Oid owner, const char* sql,
                                            const std::vector<std::string>& names,
                                            const std::function<void(const pg::Rows&)>& use) {
  return pg::run_as_owner(owner, kVaultLimits, [&] {
    pg::Spi inner;
    use(inner.query(sql, {pg::text_array(names)}));
  });
}

std::vector<std::string> without(const std::vector<std::string>& names, const SecretValues& found) {
  std::vector<std::string> rest;
  for (const std::string& name : names) {
    if (found.find(name) == found.end()) rest.push_back(name);
  }
  return rest;
}

SecretValues own_secrets(pg::Spi& spi, const std::vector<std::string>& names) {
  SecretValues values;
  const pg::Rows rows = spi.query(
      "SELECT secret_name, secret_value FROM monitoring.secrets"
      " WHERE secret_name OPERATOR(pg_catalog.=) ANY ($1)",
      {pg::text_array(names)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    values.emplace(*rows.text(row, 1), *rows.text(row, 2));
  }
  return values;
}

/// Without the failure's message: it is about secrets, and not ours.
void note_outcome(pg::Spi& spi, const std::optional<pg::OwnerFailure>& failure) {
  constexpr const char* kCourier = "courier";
  constexpr const char* kFailed = "vault_failed";
  if (!failure) {
    resolve_issues(spi, kCourier, kFailed, "It could be read again.");
    return;
  }
  log_issue_once(spi, {kCourier, kFailed,
                       "vault.decrypted_secrets could not be read: SQLSTATE " +
                           std::string(unpack_sql_state(failure->sqlstate))});
}

}  // namespace

SecretValues read_secrets(pg::Spi& spi, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  SecretValues values = own_secrets(spi, names);
  const std::vector<std::string> elsewhere = without(names, values);
  const auto owner = elsewhere.empty() ? std::nullopt : vault_owner(spi);
  if (!owner) return values;
  const auto failure =
      query_vault(*owner,
                  "SELECT name, decrypted_secret FROM vault.decrypted_secrets"
                  " WHERE name OPERATOR(pg_catalog.=) ANY ($1) AND decrypted_secret IS NOT NULL",
                  elsewhere, [&](const pg::Rows& rows) {
                    for (std::uint64_t row = 0; row < rows.size(); ++row) {
                      values.emplace(*rows.text(row, 1), *rows.text(row, 2));
                    }
                  });
  note_outcome(spi, failure);
  return values;
}

bool vault_has_all(pg::Spi& spi, const std::vector<std::string>& names) {
  const auto owner = vault_owner(spi);
  if (!owner) return false;
  bool has_all = false;
  // Nothing is decrypted for the names.
  const auto failure =
      query_vault(*owner,
                  "SELECT n FROM pg_catalog.unnest($1) AS n WHERE NOT EXISTS (SELECT"
                  " FROM vault.decrypted_secrets AS d WHERE d.name OPERATOR(pg_catalog.=) n)",
                  names, [&](const pg::Rows& missing) { has_all = missing.empty(); });
  return !failure && has_all;
}

}  // namespace monitoring::store
