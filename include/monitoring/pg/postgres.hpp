#pragma once
// The server's headers, and nothing else, made safe for C++. Include this first, before the
// standard library: the server redefines printf and friends.

extern "C" {
#include <postgres.h>

#include <fmgr.h>
#include <miscadmin.h>
}

// Up to PostgreSQL 15 PGDLLEXPORT is empty on Unix; with -fvisibility=hidden that would hide the
// entry points from the dynamic loader.
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))

#if PG_VERSION_NUM < 150000
#error "monitoring needs PostgreSQL 15 or newer"
#endif

// The server's gettext macros collide with the standard library's names.
#undef gettext
#undef dgettext
#undef ngettext
#undef dngettext
