#include "monitoring/pg/labels.hpp"

#include "monitoring/base/labels_json.hpp"
#include "monitoring/pg/error.hpp"

namespace monitoring::pg {

Labels labels_of_json(const std::string& json, const char* what) {
  if (auto plain = plain_labels_of_stored(json)) return *std::move(plain);
  const Json object = Json::parse_stored(json);
  if (are_labels(object)) return labels_of(object);
  throw Report(ERRCODE_INVALID_PARAMETER_VALUE,
               std::string(what) + " must be a JSON object of texts");
}

}  // namespace monitoring::pg
