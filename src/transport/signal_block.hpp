#pragma once
// Blocks signals for the length of a scope. A thread started inside inherits the mask, so libcurl's
// resolver threads never run a signal handler of the process.

#include <pthread.h>

#include <csignal>

namespace monitoring::transport {

class SignalBlock {
 public:
  SignalBlock() noexcept {
    sigset_t all;
    sigfillset(&all);
    // These report a fault of the running thread itself; blocking them hides the crash's place.
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) {
      sigdelset(&all, fault);
    }
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
};

}  // namespace monitoring::transport
