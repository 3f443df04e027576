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

/// The token of this process, for loops that nobody has given another one: never cancelled, unless
/// whoever loaded this code has said otherwise.
CancelToken*& process_cancel_token();

}  // namespace monitoring
