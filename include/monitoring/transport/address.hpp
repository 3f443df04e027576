#pragma once
// Addresses that a database server must not be made to talk to: the ones under which clouds hand
// out a machine's credentials.

#include <sys/socket.h>

#include <string>

namespace monitoring::transport {

/// Whether requests to this address are refused. It is the address connected to that counts, so a
/// host name that resolves to one of these is no way around. Refused are:
///   169.254.0.0/16 and fe80::/10 (link-local, RFC 3927 and RFC 4291; metadata services),
///   0.0.0.0/8 and :: ("this host", RFC 1122),
///   100.100.100.200, fd00:ec2::254, fd20:ce::254 (metadata services outside link-local),
///   any IPv6 form that carries one of the IPv4 addresses: IPv4-mapped ::ffff:0:0/96,
///   IPv4-compatible ::/96, NAT64 64:ff9b::/96 and 64:ff9b:1::/48 (RFC 6052, RFC 8215),
///   6to4 2002::/16,
///   and every family other than IPv4 and IPv6.
/// Loopback and private networks are allowed.
bool address_refused(const sockaddr& address, socklen_t length);

/// The address in its usual notation, for messages; empty for other families.
std::string address_text(const sockaddr& address, socklen_t length);

}  // namespace monitoring::transport
