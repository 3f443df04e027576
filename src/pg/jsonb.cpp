#include "monitoring/pg/jsonb.hpp"

extern "C" {
#include <catalog/pg_type.h>
#include <utils/jsonb.h>
}
// clang-format keeps the server's headers first.
#include <string>

#include "monitoring/pg/encoding.hpp"

namespace monitoring::pg {

namespace {

JsonbValue string_value(const std::string& text) {
  JsonbValue value;
  value.type = jbvString;
  value.val.string.val = const_cast<char*>(text.data());
  value.val.string.len = static_cast<int>(text.size());
  return value;
}

}  // namespace

Param jsonb_object(const std::vector<std::pair<std::string_view, std::string_view>>& texts) {
  std::vector<std::pair<std::string, std::string>> stored;
  stored.reserve(texts.size());
  for (const auto& [name, value] : texts) {
    stored.emplace_back(server_text(name), server_text(value));
  }
  const Datum object = call([&] {
    JsonbParseState* state = nullptr;
    pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
    for (const auto& [name, value] : stored) {
      JsonbValue key = string_value(name);
      JsonbValue text = string_value(value);
      pushJsonbValue(&state, WJB_KEY, &key);
      pushJsonbValue(&state, WJB_VALUE, &text);
    }
    return PointerGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr)));
  });
  return {JSONBOID, object, false};
}

}  // namespace monitoring::pg
