#pragma once
// jsonb that is made of its parts, where thousands of values would have to be written as text
// first, and read again.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <string_view>
#include <utility>
#include <vector>

namespace monitoring::pg {

/// An object of texts in UTF-8. Of a name that is there twice the last value counts.
Param jsonb_object(const std::vector<std::pair<std::string_view, std::string_view>>& texts);

}  // namespace monitoring::pg
