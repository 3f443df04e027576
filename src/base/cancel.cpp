#include "monitoring/base/cancel.hpp"

namespace monitoring {

CancelToken*& process_cancel_token() {
  static CancelToken* token = new NeverCancelled;
  return token;
}

}  // namespace monitoring
