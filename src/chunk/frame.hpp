#pragma once
// What is around the body of a chunk: version, packing, check (FORMAT.md, "Frame").

#include <string>
#include <string_view>

#include "monitoring/base/result.hpp"
#include "monitoring/chunk/chunk.hpp"

namespace monitoring::chunk {

std::string framed(const std::string& body, Packing packing);
/// The body, unpacked.
Result<std::string> unframed(std::string_view bytes);

}  // namespace monitoring::chunk
