#pragma once

namespace monitoring::worker {

/// Lets the postmaster start the HTTP server with the cluster, a standby included, if
/// monitoring.http_port asks for one.
void register_server();

}  // namespace monitoring::worker
