#pragma once
// SQL that users supplied for the passes of worker and duties, and what becomes of such SQL that
// cannot be stopped.
//
// Its process ends (pg/time_limit.hpp), notes in shared memory for whom, and the worker that comes
// after it writes that down: in monitoring.query_overruns, and as an issue. The query then is not
// run for a while, after the third time not until somebody changes its row.

#include "monitoring/pg/owner_scope.hpp"
#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's headers first.
#include <functional>
#include <optional>
#include <string>

namespace monitoring::issues {

/// How long something may take in a pass, for which everybody else's queries wait: its own timeout,
/// but no longer than monitoring.query_timeout.
Duration timeout_in_pass(Duration timeout);

/// Runs body as pg::run_as_owner() does, with limits.what as worker_name of the query's issues, and
/// no longer than timeout_in_pass(). A query that has to wait, or is switched off, fails without
/// being run.
std::optional<pg::OwnerFailure> run_owned(pg::Spi& spi, Oid owner, const pg::OwnerLimits& limits,
                                          const std::function<void()>& body);

/// The same when somebody asks for this one query, who wants to see how it does: it is run in any
/// case, and counted as nothing.
std::optional<pg::OwnerFailure> run_asked(Oid owner, const pg::OwnerLimits& limits,
                                          const std::function<void()>& body);

/// A duty of the worker has a limit, too. What it could not be stopped at is an issue of this
/// worker_name, which has to be the `what` of the limit, until the duty ends in time again.
std::string overrun_name_of_duty(const std::string& duty);
void tell_overruns();

/// What is called so has ended in time again.
void forget_overruns(pg::Spi& spi, const std::string& worker_name);

/// Writes down what an earlier process of this database could not stop. For the worker, at the
/// beginning of its work and now and then.
void record_overrun(pg::Spi& spi);

/// Why a row's query is not run: the role that it was given to is not there any more.
/// `named` has the row's owner's name now, if any role has; `thing` is "rule", "collector".
std::optional<pg::OwnerFailure> lost_owner(const std::string& owner, std::optional<Oid> named,
                                           Oid bound, const char* thing);

}  // namespace monitoring::issues
