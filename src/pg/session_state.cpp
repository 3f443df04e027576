#include "pg/session_state.hpp"

extern "C" {
#include <access/xact.h>
#include <catalog/pg_type.h>
#include <fmgr.h>
#include <link.h>
#include <storage/lock.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/fmgrprotos.h>
#include <utils/timestamp.h>
}
// clang-format keeps the server's headers first.
#include <cstring>

#include "monitoring/pg/transaction.hpp"
#include "monitoring/pg/version.hpp"

namespace monitoring::pg {

namespace {

/// By its file, whatever functions of that name there are in this database.
constexpr const char* kDblink = "$libdir/dblink";
constexpr std::string_view kDblinkFile = "/dblink" DLSUFFIX;

struct Libraries {
  unsigned long long loaded = 0;  ///< how many the process has ever loaded
  bool have_dblink = false;
};

int count_libraries(dl_phdr_info* info, std::size_t, void* libraries) {
  static_cast<Libraries*>(libraries)->loaded = info->dlpi_adds;
  return 1;
}

int look_for_dblink(dl_phdr_info* info, std::size_t, void* libraries) {
  const std::string_view file(info->dlpi_name);
  const bool is_it = file.size() >= kDblinkFile.size() &&
                     file.substr(file.size() - kDblinkFile.size()) == kDblinkFile;
  if (is_it) static_cast<Libraries*>(libraries)->have_dblink = true;
  return is_it ? 1 : 0;
}

/// Looks through the libraries only when there is a new one. The server never unloads any.
bool has_dblink() {
  static Libraries known;
  Libraries now;
  dl_iterate_phdr(count_libraries, &now);
  if (known.have_dblink || now.loaded == known.loaded) return known.have_dblink;
  known.loaded = now.loaded;
  dl_iterate_phdr(look_for_dblink, &known);
  return known.have_dblink;
}

bool is_background_worker() {
  return MyBackendType == B_BG_WORKER;
}

/// The statement at whose beginning this session had no dblink. What is open later on in the same
/// statement was opened by SQL that we have run.
TimestampTz clean_statement = 0;

void refuse_open_dblink(Oid owner) {
  const TimestampTz statement = GetCurrentStatementStartTimestamp();
  if (!has_dblink()) {
    clean_statement = statement;
    return;
  }
  if (clean_statement == statement || owner == GetSessionUserId()) return;
  call([&] {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("role \"%s\" could use the dblink connections of this session",
                           GetUserNameFromId(owner, false)),
                    errhint("Use a new session, or leave it to the monitoring worker.")));
  });
}

/// random() goes on from what setseed() was last given.
void forget_seed() {
  call([] {
    double seed = 0;
    std::uint32_t bits = 0;
    if (!pg_strong_random(&bits, sizeof bits)) return;
    seed = static_cast<double>(bits) / PG_UINT32_MAX;
    DirectFunctionCall1(setseed, Float8GetDatum(seed));
  });
}

Datum call_dblink(const char* function, NullableDatum* argument, bool* is_null) {
  return call([&] {
    const auto found =
        reinterpret_cast<PGFunction>(load_external_function(kDblink, function, true, nullptr));
    LOCAL_FCINFO(fcinfo, 1);
    InitFunctionCallInfoData(*fcinfo, nullptr, argument != nullptr ? 1 : 0, InvalidOid, nullptr,
                             nullptr);
    if (argument != nullptr) fcinfo->args[0] = *argument;
    const Datum result = found(fcinfo);
    *is_null = fcinfo->isnull;
    return result;
  });
}

void close_named_connections() {
  bool is_null = false;
  const Datum names = call_dblink("dblink_get_connections", nullptr, &is_null);
  if (is_null) return;
  Datum* elements = nullptr;
  int count = 0;
  call([&] {
    deconstruct_array(DatumGetArrayTypeP(names), TEXTOID, -1, false, TYPALIGN_INT, &elements,
                      nullptr, &count);
  });
  for (int i = 0; i < count; ++i) {
    NullableDatum name{elements[i], false};
    call_dblink("dblink_disconnect", &name, &is_null);
  }
}

void close_dblink() {
  close_named_connections();
  // An error if there is none, and there is no way to ask.
  attempt([] {
    bool is_null = false;
    call_dblink("dblink_disconnect", nullptr, &is_null);
  });
}

}  // namespace

void prepare_session_for(Oid owner) {
  if (!is_background_worker()) return refuse_open_dblink(owner);
  static Oid last_owner = InvalidOid;
  if (last_owner != InvalidOid && last_owner != owner) forget_seed();
  last_owner = owner;
}

void clean_session() {
  if (has_dblink()) {
    const bool is_the_users =
        !is_background_worker() && clean_statement != GetCurrentStatementStartTimestamp();
    if (!is_the_users) close_dblink();
  }
  if (is_background_worker()) call([] { LockReleaseSession(USER_LOCKMETHOD); });
}

}  // namespace monitoring::pg
