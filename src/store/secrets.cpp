#include "monitoring/store/secrets.hpp"

namespace monitoring::store {

void set_secret(pg::Spi& spi, std::string_view name, const std::optional<std::string>& value) {
  if (!value) {
    spi.execute("DELETE FROM monitoring.secrets WHERE secret_name OPERATOR(pg_catalog.=) $1",
                {pg::text(name)});
    return;
  }
  // Not excluded.secret_value: that asks for the right to read the column, which operators lack.
  spi.execute(
      "INSERT INTO monitoring.secrets (secret_name, secret_value) VALUES ($1, $2)"
      " ON CONFLICT (secret_name) DO UPDATE SET secret_value = $2,"
      " updated_at = pg_catalog.now()",
      {pg::text(name), pg::text(*value)});
}

std::map<std::string, std::string, std::less<>> read_secrets(
    pg::Spi& spi, const std::vector<std::string>& names) {
  std::map<std::string, std::string, std::less<>> values;
  if (names.empty()) return values;
  const pg::Rows rows = spi.query(
      "SELECT secret_name, secret_value FROM monitoring.secrets"
      " WHERE secret_name OPERATOR(pg_catalog.=) ANY ($1)",
      {pg::text_array(names)});
  for (std::uint64_t row = 0; row < rows.size(); ++row) {
    values.emplace(*rows.text(row, 1), *rows.text(row, 2));
  }
  return values;
}

}  // namespace monitoring::store
