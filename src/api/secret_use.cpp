#include "api/secret_use.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <miscadmin.h>
#include <utils/acl.h>
#include <utils/builtins.h>
}
// clang-format keeps the server's headers first.
#include <algorithm>

#include "monitoring/base/json.hpp"
#include "monitoring/notify/receiver.hpp"
#include "monitoring/outbox/secrets.hpp"

namespace monitoring::api {

namespace {

std::string current_user() {
  return pg::call([] { return static_cast<const char*>(GetUserNameFromId(GetUserId(), false)); });
}

/// A restore by a superuser names roles that may not be here.
bool may_act_for(const std::string& name) {
  const Oid role = outbox::role_of(name);
  return pg::call(
      [&] { return OidIsValid(role) ? has_privs_of_role(GetUserId(), role) : superuser(); });
}

void check_secrets(const SecretUse& use, Oid role) {
  pg::Spi spi;
  for (const auto& [name, secret] : outbox::read_secret_terms(spi, use.secrets)) {
    notify::SecretTerms terms = secret.terms;
    terms.is_trusted = outbox::is_trusted_with(role, secret);
    const auto error = notify::check_destination(name, terms, use.kind, use.destination);
    if (error) throw pg::Report(ERRCODE_INSUFFICIENT_PRIVILEGE, *error);
  }
}

}  // namespace

SecretUse use_of_receiver(const std::string& kind, const Json& settings) {
  SecretUse use{
      kind, notify::secret_names(settings), notify::known_destination(kind, settings), {}};
  Json route = {kind, use.secrets};
  for (const char* setting : {"url", "smarthost", "require_tls"}) {
    route.push_back(settings.is_object() ? settings.value(setting, Json()) : Json());
  }
  use.route = route.dump();
  return use;
}

SecretUse use_of_probe(const std::string& url, const Json& headers) {
  SecretUse use{std::string(notify::kProbeKind),
                notify::secret_names(headers),
                notify::destination_of_url(url),
                {}};
  const Json route = {use.secrets, url};
  use.route = route.dump();
  return use;
}

void settle_set_by(pg::TriggerCall& row, const SecretUse& use,
                   const std::optional<SecretUse>& before) {
  const std::string user = current_user();
  const std::string given = row.name("set_by").value_or(user);
  const std::optional<std::string> old = row.is_update() ? row.old_name("set_by") : std::nullopt;
  // Whoever writes a role's OID wants its name to be looked up anew.
  const bool is_named =
      old != given || (row.is_update() && row.old_oid("set_by_oid") != row.oid("set_by_oid"));
  const bool is_same_route = before && before->route == use.route;
  if (is_same_route && !is_named) return;
  // An update that does not name anybody is the current user's.
  const std::string set_by = before && !is_named ? user : given;
  if (set_by != user && !may_act_for(set_by)) {
    throw pg::Report(ERRCODE_INSUFFICIENT_PRIVILEGE,
                     "permission denied to name role \"" + set_by + "\" in set_by")
        .hint("Leave the column out: it then names the current user.");
  }
  const Oid role = outbox::role_of(set_by);
  const Datum value =
      pg::call([&] { return DirectFunctionCall1(namein, CStringGetDatum(set_by.c_str())); });
  row.set("set_by", pg::datum(NAMEOID, value));
  row.set("set_by_oid", pg::datum(OIDOID, ObjectIdGetDatum(role)));
  if (!use.secrets.empty()) check_secrets(use, role);
}

}  // namespace monitoring::api
