#pragma once
// The two bodies of a mail about a notification.

#include <string>

#include "monitoring/notify/notification.hpp"

namespace monitoring::notify {

/// Plain text, lines ended by LF.
std::string mail_text(const Notification& notification);

/// HTML with inline styles (mail readers drop style sheets) and no remote content. Everything that
/// comes from labels and annotations is escaped; only http and https URLs become links.
std::string mail_html(const Notification& notification);

}  // namespace monitoring::notify
