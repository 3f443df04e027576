// SQL functions that fail in every way C++ code in a server can: the tests of src/pg call them.
#include "monitoring/pg/guard.hpp"

extern "C" {
#include <commands/trigger.h>
#include <executor/spi.h>
#include <funcapi.h>
#include <utils/builtins.h>
#include <utils/memutils.h>
#include <utils/tuplestore.h>

PG_MODULE_MAGIC;
}
// clang-format keeps the server's headers first.
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "monitoring/pg/arguments.hpp"
#include "monitoring/pg/memory.hpp"
#include "monitoring/pg/spi.hpp"
#include "monitoring/pg/transaction.hpp"

namespace pg = monitoring::pg;

namespace {

int alive = 0;

/// Something with a destructor, in each frame that an error has to leave properly.
struct Witness {
  Witness() { ++alive; }
  ~Witness() { --alive; }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
};

/// Holds interrupts off as an LWLock does.
struct HeldOff {
  HeldOff() { HOLD_INTERRUPTS(); }
  ~HeldOff() { RESUME_INTERRUPTS(); }
  HeldOff(const HeldOff&) = delete;
  HeldOff& operator=(const HeldOff&) = delete;
};

void server_error() {
  pg::call([] {
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("the server's message"),
                    errdetail("the server's detail"), errhint("the server's hint")));
  });
}

void failing_sql() {
  pg::Spi spi;
  spi.query("SELECT 1 / 0");
}

/// Between sixteen and a hundred kilobytes, which outgrows the server's own error context.
std::string long_text(char letter) {
  return std::string(50000, letter);
}

using Failure = void (*)();

const std::map<std::string, Failure>& failures() {
  static const auto& all = *new std::map<std::string, Failure>{
      {"server", server_error},
      {"sql", failing_sql},
      {"report", [] { throw pg::Report(ERRCODE_FEATURE_NOT_SUPPORTED, "our message"); }},
      {"report with all",
       [] {
         throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "our message")
             .detail("our detail")
             .hint("our hint");
       }},
      {"long report",
       [] {
         throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, long_text('m'))
             .detail(long_text('d'))
             .hint(long_text('h'));
       }},
      {"format", [] { throw pg::Report(ERRCODE_INVALID_PARAMETER_VALUE, "100 %s %n").hint("%s"); }},
      {"bad_alloc", [] { throw std::bad_alloc(); }},
      {"new",
       [] {
         // Volatile, because an allocation that nobody uses is optimised away.
         [[maybe_unused]] static char* volatile kept = nullptr;
         volatile std::size_t size = std::numeric_limits<std::ptrdiff_t>::max();
         kept = new char[size];
       }},
      {"palloc",
       [] { pg::call([] { MemoryContextAllocHuge(CurrentMemoryContext, MaxAllocHugeSize); }); }},
      {"palloc of a wrong size", [] { pg::call([] { palloc(MaxAllocSize + Size{1}); }); }},
      {"std::exception", [] { throw std::out_of_range("no such element"); }},
      {"unknown", [] { throw 42; }},
      {"C++ inside a call",
       [] {
         pg::call([] {
           MemoryContextSwitchTo(TopTransactionContext);
           throw pg::Report(ERRCODE_FEATURE_NOT_SUPPORTED, "thrown inside of pg::call");
         });
       }},
      {"unknown inside a call", [] { pg::call([] { throw 42; }); }},
  };
  return all;
}

/// Fails `depth` frames and guarded calls further down.
void fail(Failure failure, int depth) {
  Witness witness;
  if (depth == 0) return failure();
  pg::call([&] { fail(failure, depth - 1); });
}

Failure failure_argument(FunctionCallInfo fcinfo, int index) {
  return failures().at(pg::required_text(fcinfo, index, "failure"));
}

std::string describe(const pg::PgError& error) {
  return error.sqlstate_text() + " | " + error.message() + " | " + error.detail() + " | " +
         error.hint() + " | " + error.context();
}

Datum to_text(const std::string& value) {
  return pg::text(value).value;
}

void run(const std::string& sql) {
  Witness witness;
  pg::Spi spi;
  spi.run_script(sql.c_str());
}

/// More than malloc takes from its own reserves, so that it has to ask the system for more.
constexpr std::size_t kMuch = 64 * 1024 * 1024;

/// From arm() on the process gets little more memory from the system than it has.
class MemoryLimit {
 public:
  MemoryLimit() { getrlimit(RLIMIT_AS, &before_); }
  ~MemoryLimit() { setrlimit(RLIMIT_AS, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

  void arm() {
    unsigned long pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    struct rlimit limit = before_;
    limit.rlim_cur = pages * static_cast<unsigned long>(getpagesize()) + kMuch / 4;
    setrlimit(RLIMIT_AS, &limit);
  }

 private:
  struct rlimit before_ {};
};

/// Raises an error that has enough memory for its message, but not for a copy of it.
void error_too_big_to_copy() {
  const std::string message(kMuch, 'm');
  MemoryLimit limit;
  ErrorContextCallback callback{
      nullptr, [](void* argument) { static_cast<MemoryLimit*>(argument)->arm(); }, &limit};
  pg::call([&] {
    callback.previous = error_context_stack;
    error_context_stack = &callback;
    ereport(ERROR, (errmsg_internal("%s", message.c_str())));
  });
}

/// Raises an exception of ours for which the server has no memory.
void report_too_big_to_raise() {
  pg::Report report(ERRCODE_FEATURE_NOT_SUPPORTED, std::string(kMuch, 'm'));
  MemoryLimit limit;
  pg::call([&] {
    pg::detail::PendingError pending;
    try {
      limit.arm();
      throw pg::Report(std::move(report));
    } catch (...) {
      pending.record_current_exception();
    }
    pending.raise();
  });
}

std::string caught(Failure failure) {
  try {
    failure();
  } catch (const std::bad_alloc&) {
    return "bad_alloc";
  } catch (const pg::PgError& error) {
    return error.sqlstate_text() + " " + error.message();
  }
  return "nothing";
}

}  // namespace

/// (failure text, depth int): fails, from below as many guarded calls.
MONITORING_FUNCTION(guard_fail) {
  const Failure failure = failure_argument(fcinfo, 0);
  fail(failure, PG_GETARG_INT32(1));
  PG_RETURN_VOID();
}

/// (sql text): runs it; its error passes through C++ from the server to the server.
MONITORING_FUNCTION(guard_run) {
  run(pg::required_text(fcinfo, 0, "sql"));
  PG_RETURN_VOID();
}

/// (sql text): runs it in a subtransaction and returns what C++ sees of its error, or "ok".
MONITORING_FUNCTION(guard_attempt) {
  const std::string sql = pg::required_text(fcinfo, 0, "sql");
  const auto error = pg::attempt([&] { run(sql); });
  return to_text(error ? describe(*error) : "ok");
}

/// (sql text, failure text): runs the statement and fails, both inside of one attempt.
MONITORING_FUNCTION(guard_attempt_then_fail) {
  const std::string sql = pg::required_text(fcinfo, 0, "sql");
  const Failure failure = failure_argument(fcinfo, 1);
  const auto error = pg::attempt([&] {
    run(sql);
    fail(failure, 0);
  });
  return to_text(error ? describe(*error) : "ok");
}

/// (failure text, depth int): the surroundings after a caught error are those before it.
MONITORING_FUNCTION(guard_surroundings) {
  const Failure failure = failure_argument(fcinfo, 0);
  const int depth = PG_GETARG_INT32(1);
  const MemoryContext context = CurrentMemoryContext;
  const auto* callbacks = error_context_stack;
  const auto* handler = PG_exception_stack;
  HeldOff held_off;
  try {
    fail(failure, depth);
  } catch (...) {
  }
  std::string changed;
  if (CurrentMemoryContext != context) changed += " context";
  if (error_context_stack != callbacks) changed += " callbacks";
  if (PG_exception_stack != handler) changed += " handler";
  if (InterruptHoldoffCount != 1) changed += " interrupts";
  return to_text(changed.empty() ? "unchanged" : "changed:" + changed);
}

/// (failure text): fails while interrupts are held off, in a frame that lets go of them.
MONITORING_FUNCTION(guard_fail_held_off) {
  HeldOff held_off;
  fail(failure_argument(fcinfo, 0), 1);
  PG_RETURN_VOID();
}

/// The counters that decide whether this backend can be cancelled.
MONITORING_FUNCTION(guard_held_off) {
  PG_RETURN_INT64(static_cast<std::int64_t>(InterruptHoldoffCount) + QueryCancelHoldoffCount);
}

MONITORING_FUNCTION(guard_alive) {
  PG_RETURN_INT32(alive);
}

/// (failure text, times int): catches as many errors in C++.
MONITORING_FUNCTION(guard_repeat) {
  const Failure failure = failure_argument(fcinfo, 0);
  const int times = PG_GETARG_INT32(1);
  int caught = 0;
  for (int i = 0; i < times; ++i) {
    try {
      fail(failure, 1);
    } catch (...) {
      ++caught;
    }
  }
  PG_RETURN_INT32(caught);
}

/// (sql text, times int): as many attempts; returns how many failed.
MONITORING_FUNCTION(guard_repeat_attempt) {
  const std::string sql = pg::required_text(fcinfo, 0, "sql");
  const int times = PG_GETARG_INT32(1);
  int failed = 0;
  for (int i = 0; i < times; ++i) {
    if (pg::attempt([&] { run(sql); })) ++failed;
  }
  PG_RETURN_INT32(failed);
}

/// (sql text, times int): as many statements on one connection to SPI.
MONITORING_FUNCTION(guard_repeat_execute) {
  const std::string sql = pg::required_text(fcinfo, 0, "sql");
  const int times = PG_GETARG_INT32(1);
  pg::Spi spi;
  std::uint64_t rows = 0;
  for (int i = 0; i < times; ++i) rows += spi.execute(sql.c_str());
  PG_RETURN_INT64(static_cast<std::int64_t>(rows));
}

/// Bytes that this process has from malloc: C++ objects, and the server's contexts, too.
MONITORING_FUNCTION(guard_heap_bytes) {
  const struct mallinfo2 heap = mallinfo2();
  PG_RETURN_INT64(static_cast<std::int64_t>(heap.uordblks + heap.hblkhd));
}

/// (times int): what is caught when there is no memory to keep an error.
MONITORING_FUNCTION(guard_no_memory_for_errors) {
  std::string found;
  for (int i = 0; i < PG_GETARG_INT32(0); ++i) {
    found = caught(error_too_big_to_copy) + ", " + caught(report_too_big_to_raise) + ", " +
            caught(server_error);
  }
  return to_text(found);
}

/// An outer connection to SPI is as it was after an inner one failed, and takes more statements.
MONITORING_FUNCTION(guard_spi_after_error) {
  pg::Spi outer;
  const pg::Rows before = outer.query("SELECT 'before' FROM generate_series(1, 3)");
  const auto error = pg::attempt([] {
    pg::Spi middle;
    middle.query("SELECT 1");
    pg::Spi inner;
    inner.query("SELECT 1 / 0");
  });
  const pg::Rows after = outer.query("SELECT 'after'");
  return to_text(std::to_string(before.size()) + " " + *before.text(2, 1) + ", " +
                 error->sqlstate_text() + ", " + *after.text(0, 1));
}

/// (sql text, type text): the first value, read as that type.
MONITORING_FUNCTION(guard_read) {
  const std::string sql = pg::required_text(fcinfo, 0, "sql");
  const std::string type = pg::required_text(fcinfo, 1, "type");
  std::string found = "NULL";
  {
    pg::Spi spi;
    const pg::Rows rows = spi.query(sql.c_str());
    if (type == "int8" && rows.int8(0, 1)) found = std::to_string(*rows.int8(0, 1));
    if (type == "float8" && rows.float8(0, 1)) found = std::to_string(*rows.float8(0, 1));
    if (type == "boolean" && rows.boolean(0, 1)) found = *rows.boolean(0, 1) ? "true" : "false";
    if (type == "timestamptz" && rows.timestamptz(0, 1)) {
      found = std::to_string(rows.timestamptz(0, 1)->time_since_epoch().count());
    }
    if (type == "text" && rows.text(0, 1)) found = *rows.text(0, 1);
  }
  return to_text(found);
}

/// (times int): a context for each round; its memory must not add up.
MONITORING_FUNCTION(guard_scratch) {
  const MemoryContext outer = CurrentMemoryContext;
  const int times = PG_GETARG_INT32(0);
  int failed = 0;
  for (int i = 0; i < times; ++i) {
    try {
      pg::ScratchContext scratch("guard test");
      pg::call([] { palloc(5000); });
      server_error();
    } catch (const pg::PgError&) {
      if (CurrentMemoryContext == outer) ++failed;
    }
  }
  PG_RETURN_INT32(failed);
}

/// (times int): loses a byte of the server's and one of C++ each time, to show that it is noticed.
MONITORING_FUNCTION(guard_leak) {
  const int times = PG_GETARG_INT32(0);
  for (int i = 0; i < times; ++i) {
    pg::call([] { MemoryContextAlloc(TopMemoryContext, 1); });
    static_cast<void>(::operator new(1));
  }
  PG_RETURN_INT32(times);
}

/// A row trigger with one argument: a failure, or "none" to let the row pass.
MONITORING_FUNCTION(guard_trigger) {
  Witness witness;
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    throw pg::Report(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, "not called as a trigger");
  }
  const auto* data = reinterpret_cast<TriggerData*>(fcinfo->context);
  const std::string failure = data->tg_trigger->tgargs[0];
  if (failure != "none") fail(failures().at(failure), 1);
  return PointerGetDatum(data->tg_trigtuple);
}

/// (rows int, failure text): so many rows, then the failure.
MONITORING_FUNCTION(guard_series) {
  Witness witness;
  const int rows = PG_GETARG_INT32(0);
  const Failure failure = failure_argument(fcinfo, 1);
  pg::call([&] { InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC); });
  const auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  for (int i = 1; i <= rows; ++i) {
    Datum value = Int32GetDatum(i);
    bool null = false;
    pg::call([&] { tuplestore_putvalues(result->setResult, result->setDesc, &value, &null); });
  }
  fail(failure, 1);
  return 0;
}

/// Computes until it is cancelled.
MONITORING_FUNCTION(guard_loop) {
  Witness witness;
  for (;;) pg::call([] { CHECK_FOR_INTERRUPTS(); });
}

/// Runs statements until it is cancelled.
MONITORING_FUNCTION(guard_loop_spi) {
  Witness witness;
  for (;;) {
    pg::Spi spi;
    spi.query("SELECT count(*) FROM generate_series(1, 100)");
  }
}

/// (sql text): attempts it for ever; only what must not be swallowed ends this.
MONITORING_FUNCTION(guard_loop_attempt) {
  const std::string sql = pg::required_text(fcinfo, 0, "sql");
  for (;;) pg::attempt([&] { run(sql); });
}
