#pragma once
// What Linux says of its network in /proc/net and /sys/class/net, as node_exporter's metrics.

#include <map>
#include <string>
#include <string_view>

#include "monitoring/host/proc.hpp"

namespace monitoring::host {

/// /proc/net/snmp and /proc/net/netstat, of which what node_exporter shows by default: octets,
/// messages, datagrams, connections, retransmissions, errors.
void read_netstat(std::string_view text, Samples* samples);
/// /proc/net/snmp6, of which the same.
void read_snmp6(std::string_view text, Samples* samples);
/// /proc/net/sockstat and /proc/net/sockstat6. `page_bytes` is sysconf(_SC_PAGESIZE).
void read_sockstat(std::string_view text, double page_bytes, Samples* samples);
/// /proc/net/softnet_stat: packets per CPU.
void read_softnet(std::string_view text, Samples* samples);
/// /proc/net/arp: entries per device.
void read_arp(std::string_view text, Samples* samples);

/// The names of the files in /sys/class/net/<device> that the next function wants.
std::vector<std::string> interface_files();
/// Text by name of file; a file that is not there, or not for this device, is an empty text.
void describe_interface(const std::string& device, const std::map<std::string, std::string>& files,
                        Samples* samples);

}  // namespace monitoring::host
