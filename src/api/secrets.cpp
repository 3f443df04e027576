// SQL entry points of secrets.

#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/trigger.hpp"

extern "C" {
#include <access/xact.h>
#include <catalog/pg_authid.h>
#include <catalog/pg_type.h>
#include <mb/pg_wchar.h>
#include <utils/acl.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "monitoring/base/regular_file.hpp"
#include "monitoring/notify/secret_terms.hpp"
#include "monitoring/outbox/courier_wake.hpp"
#include "monitoring/outbox/secrets.hpp"

using namespace monitoring;

namespace {

constexpr std::size_t kLongestSecret = 65536;
constexpr int kLongestName = 200;

[[noreturn]] void report(const FileError& failure) {
  pg::call([&] {
    errno = failure.system_error;
    ereport(ERROR, (failure.system_error != 0 ? errcode_for_file_access()
                                              : errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg_internal("%s", failure.error.message.c_str())));
  });
  std::abort();  // not reached
}

/// The server's own words for bytes that are no text would show them.
void check_encoding(const std::string& value) {
  const bool is_valid =
      pg::call([&] { return pg_verifymbstr(value.data(), static_cast<int>(value.size()), true); });
  if (is_valid) return;
  throw pg::Report(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
                   "the file's content is no text in this database's encoding");
}

/// The content of a file, without the line break at its end.
std::string file_content(const std::string& path) {
  std::string text;
  if (const auto failure = read_regular_file(path, kLongestSecret + 2, &text)) report(*failure);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (!text.empty() && text.back() == '\r') text.pop_back();
  check_encoding(text);
  return text;
}

void require_file_access() {
  const bool allowed =
      pg::call([] { return has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES); });
  if (allowed) return;
  throw pg::Report(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied to read a file of the server")
      .hint("Only roles with privileges of pg_read_server_files may.");
}

/// Elements that are NULL are of no use, and neither are more dimensions than one.
std::vector<std::string> elements(Datum array) {
  struct Elements {
    Datum* values;
    bool* nulls;
    int count;
    int dimensions;
  };
  const Elements found = pg::call([&] {
    ArrayType* list = DatumGetArrayTypeP(array);
    Elements all{nullptr, nullptr, 0, ARR_NDIM(list)};
    deconstruct_array(list, TEXTOID, -1, false, TYPALIGN_INT, &all.values, &all.nulls, &all.count);
    return all;
  });
  if (found.dimensions > 1) {
    throw pg::Report(ERRCODE_ARRAY_SUBSCRIPT_ERROR, "a list must have one dimension");
  }
  std::vector<std::string> list;
  for (int i = 0; i < found.count; ++i) {
    if (found.nulls[i]) {
      throw pg::Report(ERRCODE_NULL_VALUE_NOT_ALLOWED, "a list must not contain NULL");
    }
    list.emplace_back(
        pg::call([&] { return static_cast<const char*>(TextDatumGetCString(found.values[i])); }));
  }
  return list;
}

using ListCheck = std::optional<Error> (*)(const std::vector<std::string>&);

void check_list(const pg::Param& array, ListCheck check) {
  if (array.is_null) return;
  const auto error = check(elements(array.value));
  if (error) throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, *error);
}

/// The server would add the statement to its log, and with it the value.
[[noreturn]] void refuse_silently(int code, const char* message) {
  pg::call([&] {
    ereport(ERROR, (errcode(code), errmsg_internal("%s", message), errhidestmt(true),
                    errhidecontext(true)));
  });
  std::abort();  // not reached
}

void check_name(const std::optional<std::string>& name) {
  if (!name) refuse_silently(ERRCODE_NULL_VALUE_NOT_ALLOWED, "secret_name must not be NULL");
  const int length =
      pg::call([&] { return pg_mbstrlen_with_len(name->data(), static_cast<int>(name->size())); });
  if (length >= 1 && length <= kLongestName) return;
  refuse_silently(ERRCODE_INVALID_PARAMETER_VALUE,
                  "secret_name must have between 1 and 200 characters");
}

void check_value(const std::string& value) {
  if (value.empty()) refuse_silently(ERRCODE_INVALID_PARAMETER_VALUE, "a secret must not be empty");
  if (value.size() <= kLongestSecret) return;
  refuse_silently(ERRCODE_INVALID_PARAMETER_VALUE, "a secret must not be longer than 65536 bytes");
}

/// Whoever may read the values may do with them as he likes.
bool may_read_values() {
  return outbox::may_read_secrets(pg::call([] { return GetUserId(); }));
}

void check_row(const pg::TriggerCall& row) {
  check_name(row.text("secret_name"));
  const pg::Param vaulted = row.value("in_vault", BOOLOID);
  if (vaulted.is_null) {
    refuse_silently(ERRCODE_NULL_VALUE_NOT_ALLOWED, "in_vault must not be NULL");
  }
  const bool in_vault = DatumGetBool(vaulted.value);
  const auto value = row.text("secret_value");
  if (value) check_value(*value);
  if (in_vault == value.has_value()) {
    refuse_silently(ERRCODE_NULL_VALUE_NOT_ALLOWED,
                    "a secret has a value, unless it is in the vault");
  }
  check_list(row.value("allowed_kinds", TEXTARRAYOID), notify::check_allowed_kinds);
  check_list(row.value("allowed_hosts", TEXTARRAYOID), notify::check_allowed_hosts);
  if (!in_vault || may_read_values()) return;
  throw pg::Report(ERRCODE_INSUFFICIENT_PRIVILEGE,
                   "permission denied to release secrets of the vault")
      .hint("Only roles that may read monitoring.secrets may.");
}

outbox::StoredSecret stored(FunctionCallInfo fcinfo, int kinds, int hosts) {
  outbox::StoredSecret secret;
  secret.allowed_kinds = pg::argument(fcinfo, kinds, TEXTARRAYOID);
  secret.allowed_hosts = pg::argument(fcinfo, hosts, TEXTARRAYOID);
  return secret;
}

}  // namespace

/// Trigger BEFORE INSERT OR UPDATE FOR EACH ROW on monitoring.secrets.
MONITORING_FUNCTION(monitoring_check_secret) {
  pg::TriggerCall row(fcinfo,
                      {"check_secret", pg::TriggerTime::before, pg::kOnInsert | pg::kOnUpdate, 0});
  check_row(row);
  const Oid user = pg::call([] { return GetUserId(); });
  row.set("set_by", pg::datum(OIDOID, ObjectIdGetDatum(user)));
  row.set("updated_at",
          pg::datum(TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())));
  // What waits for it may go.
  outbox::wake_courier_at_commit();
  return row.result();
}

/// monitoring.set_secret(secret_name, secret_value, allowed_kinds, allowed_hosts) -> void
MONITORING_FUNCTION(monitoring_set_secret) {
  const std::optional<std::string> name = pg::optional_text(fcinfo, 0);
  const std::optional<std::string> value = pg::optional_text(fcinfo, 1);
  check_name(name);
  if (value) check_value(*value);
  pg::Spi spi;
  outbox::remove_secret(spi, *name);
  if (!value) PG_RETURN_VOID();
  outbox::StoredSecret secret = stored(fcinfo, 2, 3);
  secret.value = value;
  outbox::store_secret(spi, *name, secret);
  PG_RETURN_VOID();
}

/// monitoring.set_secret_from_file(secret_name, file_path, allowed_kinds, allowed_hosts) -> void
MONITORING_FUNCTION(monitoring_set_secret_from_file) {
  const std::string name = pg::required_text(fcinfo, 0, "secret_name");
  const std::string path = pg::required_text(fcinfo, 1, "file_path");
  require_file_access();
  if (path.size() >= MAXPGPATH) {
    throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE,
                     "file_path is longer than " + std::to_string(MAXPGPATH - 1) + " bytes");
  }
  outbox::StoredSecret secret = stored(fcinfo, 2, 3);
  secret.value = file_content(path);
  check_value(*secret.value);
  pg::Spi spi;
  outbox::remove_secret(spi, name);
  outbox::store_secret(spi, name, secret);
  PG_RETURN_VOID();
}

/// monitoring.release_vault_secret(secret_name, allowed_kinds, allowed_hosts) -> void
MONITORING_FUNCTION(monitoring_release_vault_secret) {
  const std::string name = pg::required_text(fcinfo, 0, "secret_name");
  pg::Spi spi;
  outbox::require_vault(spi);
  outbox::remove_secret(spi, name);
  outbox::store_secret(spi, name, stored(fcinfo, 1, 2));
  PG_RETURN_VOID();
}
