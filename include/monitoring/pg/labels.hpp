#pragma once
// Labels that a user gives as jsonb.

#include <string>

#include "monitoring/base/labels.hpp"

namespace monitoring::pg {

/// The labels of a JSON object, in which null is no label. Error 22023, which names `what`: it is
/// no object, or has an object or an array in it.
Labels labels_of_json(const std::string& json, const char* what);

}  // namespace monitoring::pg
