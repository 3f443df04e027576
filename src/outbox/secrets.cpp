#include "monitoring/outbox/secrets.hpp"

#include <functional>

extern "C" {
#include <catalog/namespace.h>
#include <utils/acl.h>
#include <utils/lsyscache.h>
}
// clang-format keeps the server's headers first.

#include "monitoring/base/json.hpp"
#include "monitoring/issues/issues.hpp"
#include "monitoring/pg/extension_members.hpp"
#include "monitoring/pg/owner_scope.hpp"
#include "monitoring/pg/relations.hpp"

namespace monitoring::outbox {

void remove_secret(pg::Spi& spi, std::string_view name) {
  spi.execute("DELETE FROM monitoring.secrets WHERE secret_name OPERATOR(pg_catalog.=) $1",
              {pg::text(name)});
}

// Not ON CONFLICT DO UPDATE: that asks for the right to update, with which the lists of a secret
// could be changed without its value.
void store_secret(pg::Spi& spi, std::string_view name, const StoredSecret& secret) {
  const auto insert = [&] {
    return !spi.query(
                   "INSERT INTO monitoring.secrets"
                   " (secret_name, secret_value, allowed_kinds, allowed_hosts, in_vault, set_by)"
                   " VALUES ($1, $2, $3, $4, $2 IS NULL, 0)"
                   " ON CONFLICT (secret_name) DO NOTHING RETURNING secret_name",
                   {pg::text(name), pg::text(secret.value), secret.allowed_kinds,
                    secret.allowed_hosts})
                .empty();
  };
  while (!insert()) remove_secret(spi, name);
}

bool may_read_secrets(Oid role) {
  return pg::call([&] {
    const Oid table = get_relname_relid("secrets", get_namespace_oid("monitoring", false));
    const AttrNumber column = get_attnum(table, "secret_value");
    return pg_class_aclcheck(table, role, ACL_SELECT) == ACLCHECK_OK ||
           pg_attribute_aclcheck(table, column, role, ACL_SELECT) == ACLCHECK_OK;
  });
}

Oid role_of(const std::string& name) {
  return pg::call([&] { return get_role_oid(name.c_str(), true); });
}

bool is_trusted_with(Oid role, const Secret& secret) {
  if (!OidIsValid(role)) return false;
  const bool has_rights = pg::call([&] { return has_privs_of_role(role, secret.set_by); });
  return has_rights || may_read_secrets(role);
}

namespace {

using SecretValues = std::map<std::string, std::string, std::less<>>;

constexpr pg::OwnerLimits kVaultLimits{std::chrono::seconds(5), std::chrono::seconds(1),
                                       "pg_catalog, pg_temp", true, "vault.decrypted_secrets"};

/// Supabase Vault's view, which decrypts. Not a view that anybody may have put there: its owner
/// would choose where our notifications go.
std::optional<pg::ExtensionMember> vault(pg::Spi& spi) {
  return pg::relation_of_extension(spi, "supabase_vault", "decrypted_secrets");
}

/// Runs a query of one row for each secret, with the names as $1, as the vault's owner.
std::optional<pg::OwnerFailure> query_vault(Oid owner, const std::string& sql,
                                            const std::vector<std::string>& names,
                                            const std::function<void(const pg::Rows&)>& use) {
  const pg::NamedRelations nothing_else(sql.c_str(), owner);
  return pg::run_as_owner(owner, kVaultLimits, [&] {
    pg::Spi inner;
    use(inner.query(sql.c_str(), {pg::text_array(names)}));
  });
}

std::optional<std::vector<std::string>> list_of(const pg::Rows& rows, std::uint64_t row,
                                                int column) {
  const auto text = rows.text(row, column);
  if (!text) return std::nullopt;
  std::vector<std::string> list;
  const Json parsed = Json::parse_or_null(*text);
  for (const Json& element : parsed.elements()) {
    if (element.is_string()) list.push_back(element.string());
  }
  return list;
}

/// `columns` begin with the name, the two lists as JSON, and who stored it.
Secret secret_of(const pg::Rows& rows, std::uint64_t row) {
  Secret secret;
  secret.terms.allowed_kinds = list_of(rows, row, 2);
  secret.terms.allowed_hosts = list_of(rows, row, 3);
  secret.set_by = static_cast<Oid>(*rows.int8(row, 4));
  return secret;
}

/// Without the failure's message: it is about secrets, and not ours.
void note_outcome(pg::Spi& spi, const std::optional<pg::OwnerFailure>& failure) {
  constexpr const char* kCourier = "courier";
  constexpr const char* kFailed = "vault_failed";
  if (!failure) {
    issues::resolve_issues(spi, kCourier, kFailed, "It could be read again.");
    return;
  }
  issues::log_issue_once(spi, {kCourier, kFailed,
                               "vault.decrypted_secrets could not be read: SQLSTATE " +
                                   std::string(unpack_sql_state(failure->sqlstate))});
}

}  // namespace

namespace {

SecretValues values_of_vault(pg::Spi& spi, const std::vector<std::string>& names) {
  SecretValues values;
  const auto view = names.empty() ? std::nullopt : vault(spi);
  if (!view) return values;
  const auto failure = query_vault(
      view->owner,
      "SELECT name, decrypted_secret FROM " + view->name +
          " WHERE name OPERATOR(pg_catalog.=) ANY ($1) AND decrypted_secret IS NOT NULL",
      names, [&](const pg::Rows& rows) {
        for (std::uint64_t row = 0; row < rows.size(); ++row) {
          values.emplace(*rows.text(row, 1), *rows.text(row, 2));
        }
      });
  note_outcome(spi, failure);
  return values;
}

}  // namespace

Secrets read_secrets(pg::Spi& spi, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  Secrets secrets;
  std::vector<std::string> released;
  const pg::Rows rows = spi.query(
      "SELECT secret_name, pg_catalog.array_to_json(allowed_kinds)::pg_catalog.text,"
      " pg_catalog.array_to_json(allowed_hosts)::pg_catalog.text, set_by::pg_catalog.int8,"
      " secret_value FROM monitoring.secrets"
      " WHERE secret_name OPERATOR(pg_catalog.=) ANY ($1)",
      {pg::text_array(names)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    const std::string name = *rows.text(row, 1);
    Secret& secret = secrets.emplace(name, secret_of(rows, row)).first->second;
    const auto value = rows.text(row, 5);
    if (value) secret.value = *value;
    if (!value) released.push_back(name);
  }
  const SecretValues values = values_of_vault(spi, released);
  for (const std::string& name : released) {
    const auto value = values.find(name);
    if (value == values.end()) {
      secrets.erase(name);
    } else {
      secrets[name].value = value->second;
    }
  }
  return secrets;
}

Secrets read_secret_terms(pg::Spi& spi, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  Secrets secrets;
  const pg::Rows rows = spi.query(
      "SELECT secret_name, pg_catalog.array_to_json(allowed_kinds)::pg_catalog.text,"
      " pg_catalog.array_to_json(allowed_hosts)::pg_catalog.text, set_by::pg_catalog.int8"
      " FROM monitoring.secrets WHERE secret_name OPERATOR(pg_catalog.=) ANY ($1)",
      {pg::text_array(names)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    secrets.emplace(*rows.text(row, 1), secret_of(rows, row));
  }
  return secrets;
}

void require_vault(pg::Spi& spi) {
  const auto view = vault(spi);
  if (!view) {
    throw pg::Report(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                     "extension supabase_vault is not installed in this database")
        .hint("monitoring.set_secret() stores a secret without it.");
  }
  const bool may_read = pg::call(
      [&] { return pg_class_aclcheck(view->oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK; });
  if (may_read) return;
  throw pg::Report(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for view " + view->name)
      .hint("Only who may read a secret may release it.");
}

bool vault_has_all(pg::Spi& spi, const std::vector<std::string>& names) {
  const auto view = vault(spi);
  if (!view) return false;
  bool has_all = false;
  // Nothing is decrypted for the names.
  const auto failure =
      query_vault(view->owner,
                  "SELECT n FROM pg_catalog.unnest($1) AS n WHERE NOT EXISTS"
                  " (SELECT FROM " +
                      view->name + " AS d WHERE d.name OPERATOR(pg_catalog.=) n)",
                  names, [&](const pg::Rows& missing) { has_all = missing.empty(); });
  return !failure && has_all;
}

}  // namespace monitoring::outbox
