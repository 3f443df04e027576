// The entry of monitoring_net.so, which only the courier's process loads.

#include "monitoring/pg/postgres.hpp"

extern "C" {
PG_MODULE_MAGIC;
}
