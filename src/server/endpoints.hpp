#pragma once
// What the HTTP server answers: paths, who may read them, and what they say.

#include "monitoring/pg/postgres.hpp"
// clang-format keeps the server's header first.
#include <string>

#include "monitoring/base/clock.hpp"
#include "monitoring/transport/http_server.hpp"

namespace monitoring::server {

class Endpoints {
 public:
  /// `clock` must outlive it.
  explicit Endpoints(const Clock& clock) : clock_(clock) {}

  /// From now on /metrics and /health ask for this token. An empty one opens them to everybody.
  void require_token(std::string token);
  /// They are refused to everybody: a token is to be asked for, and it is not known.
  void refuse_all();

  transport::Answer answer(const transport::IncomingRequest& request) const;

 private:
  bool may_read(const transport::IncomingRequest& request) const;

  const Clock& clock_;
  bool is_guarded_ = false;
  std::string token_;
};

}  // namespace monitoring::server
