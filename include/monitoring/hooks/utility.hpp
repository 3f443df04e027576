#pragma once
// Makes way for commands that the workers would be in the way of: DROP DATABASE, CREATE DATABASE
// ... TEMPLATE, ALTER DATABASE ... RENAME and SET TABLESPACE, and DROP EXTENSION monitoring.

namespace monitoring::hooks {

/// Installs the ProcessUtility hook. Called once, while the library is preloaded.
void watch_utility_commands();

}  // namespace monitoring::hooks
