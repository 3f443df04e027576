/* A function that does nothing: what a call costs before it does anything.
 *
 * A library of its own, for `make bench` alone; in C, so that nothing but the server is in it. */
#include "postgres.h"
#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(bench_noop);

PGDLLEXPORT Datum bench_noop(PG_FUNCTION_ARGS) {
	PG_RETURN_VOID();
}
