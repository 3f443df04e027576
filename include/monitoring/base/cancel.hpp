#pragma once
// A long loop in an L1 room asks its CancelToken now and then whether it should stop.

namespace monitoring {

class CancelToken {
 public:
  virtual ~CancelToken() = default;
  /// True when the work should stop soon. The glue over Postgres may instead throw.
  virtual bool cancelled() = 0;
};

class NeverCancelled final : public CancelToken {
 public:
  bool cancelled() override { return false; }
};

}  // namespace monitoring
