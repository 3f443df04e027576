#include "monitoring/pg/prepared.hpp"

extern "C" {
#include <executor/spi.h>
}
// clang-format keeps the server's headers first.
#include <string>

namespace monitoring::pg {

namespace {

[[noreturn]] void fail(int code) {
  throw Report(ERRCODE_INTERNAL_ERROR, std::string("SPI: ") + SPI_result_code_string(code));
}

}  // namespace

void Prepared::prepare() {
  _SPI_plan* plan =
      call([&] { return SPI_prepare(sql_, static_cast<int>(types_.size()), types_.data()); });
  if (plan == nullptr) fail(SPI_result);
  if (const int code = call([&] { return SPI_keepplan(plan); }); code != 0) fail(code);
  plan_ = plan;
}

Rows Prepared::query([[maybe_unused]] Spi& spi, std::initializer_list<Param> params) {
  return run(params, false);
}

Rows Prepared::read([[maybe_unused]] Spi& spi, std::initializer_list<Param> params) {
  return run(params, true);
}

Rows Prepared::run(std::initializer_list<Param> params, bool read_only) {
  if (params.size() != types_.size()) fail(SPI_ERROR_PARAM);
  if (plan_ == nullptr) prepare();
  std::vector<Datum> values;
  std::vector<char> nulls;
  for (const Param& param : params) {
    values.push_back(param.value);
    nulls.push_back(param.is_null ? 'n' : ' ');
  }
  const int code =
      call([&] { return SPI_execute_plan(plan_, values.data(), nulls.data(), read_only, 0); });
  if (code < 0) fail(code);
  return {SPI_tuptable, SPI_processed};
}

std::uint64_t Prepared::execute(Spi& spi, std::initializer_list<Param> params) {
  query(spi, params);
  return SPI_processed;
}

}  // namespace monitoring::pg
