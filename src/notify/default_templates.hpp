#pragma once
// The templates that Alertmanager defines for the kinds that are here.

#include "monitoring/template/template.hpp"

namespace monitoring::notify {

const templates::Template& default_templates();

}  // namespace monitoring::notify
