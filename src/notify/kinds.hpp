#pragma once
// The kinds of receivers, one .cpp each. receiver.cpp lists them.

#include "monitoring/notify/receiver.hpp"

namespace monitoring::notify {

extern const ReceiverKind kPagerduty;
extern const ReceiverKind kSlack;
extern const ReceiverKind kEmail;
extern const ReceiverKind kWebhook;
extern const ReceiverKind kSentry;
extern const ReceiverKind kSms;
extern const ReceiverKind kLog;

}  // namespace monitoring::notify
