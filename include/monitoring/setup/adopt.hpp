#pragma once
// Takes over the rows of an installation that was made from the older, plain SQL tables.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <string>
#include <string_view>
#include <vector>

namespace monitoring::setup {

struct Adopted {
  std::string object;
  std::int64_t rows;
};

/// Copies what is not here yet from the tables of old_schema into the extension's tables; running
/// it twice copies nothing twice. Only ordinary tables whose columns are of the expected built-in
/// types are read, so that reading them runs nobody's code. search_path must be pg_catalog.
std::vector<Adopted> adopt(pg::Spi& spi, std::string_view old_schema);

}  // namespace monitoring::setup
