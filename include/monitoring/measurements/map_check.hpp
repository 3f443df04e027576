#pragma once
// Private to the room.

#include <string>
#include <vector>

#include "monitoring/pg/spi.hpp"

namespace monitoring::measurements {

/// Partitions that cannot be read as one, have no map of changed blocks, or have a block whose new
/// rows the map does not name. Of large ones a random sample of blocks is read.
std::vector<std::string> map_violations(pg::Spi& spi);

}  // namespace monitoring::measurements
