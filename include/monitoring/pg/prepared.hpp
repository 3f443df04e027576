#pragma once
// A statement that is planned once in this process and run often.

#include "monitoring/pg/spi.hpp"
// clang-format keeps the server's header first.
#include <initializer_list>
#include <vector>

struct _SPI_plan;

namespace monitoring::pg {

/// Make it a static local: the plan is made at the first query() and kept until the process ends.
/// The server plans again by itself when a relation, or search_path, has changed.
class Prepared {
 public:
  Prepared(const char* sql, std::initializer_list<Oid> types) : sql_(sql), types_(types) {}
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  /// As Spi::query; the parameters are of the types given above, in their order.
  Rows query(Spi& spi, std::initializer_list<Param> params = {});
  /// As Spi::read.
  Rows read(Spi& spi, std::initializer_list<Param> params = {});
  /// As Spi::execute: returns how many rows it touched.
  std::uint64_t execute(Spi& spi, std::initializer_list<Param> params = {});

 private:
  void prepare();
  Rows run(std::initializer_list<Param> params, bool read_only);

  const char* sql_;
  std::vector<Oid> types_;
  _SPI_plan* plan_ = nullptr;
};

}  // namespace monitoring::pg
