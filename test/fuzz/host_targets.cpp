// Files below /proc, and files of other programs.

#include <string>

#include "monitoring/foreign/exporter_queries.hpp"
#include "monitoring/foreign/version_range.hpp"
#include "monitoring/foreign/yaml.hpp"
#include "monitoring/host/network.hpp"
#include "monitoring/host/proc.hpp"
#include "target.hpp"

using namespace monitoring;

FUZZ_TARGET(proc) {
  host::Samples samples;
  host::read_stat(bytes, 100, &samples);
  host::read_meminfo(bytes, &samples);
  host::read_loadavg(bytes, &samples);
  host::read_diskstats(bytes, &samples);
  host::read_net_dev(bytes, &samples);
  host::read_pressure("cpu", bytes, &samples);
  host::read_file_nr(bytes, &samples);
  host::read_number("node_x", bytes, &samples);
  host::read_vmstat(bytes, &samples);
  for (const host::Mount& mount : host::read_mounts(bytes)) {
    host::describe_filesystem(mount, std::nullopt, &samples);
  }
}

FUZZ_TARGET(proc_net) {
  host::Samples samples;
  host::read_netstat(bytes, &samples);
  host::read_snmp6(bytes, &samples);
  host::read_sockstat(bytes, 4096, &samples);
  host::read_softnet(bytes, &samples);
  host::read_arp(bytes, &samples);
  std::map<std::string, std::string> files;
  for (const std::string& name : host::interface_files()) files[name] = std::string(bytes);
  host::describe_interface("eth0", files, &samples);
}

FUZZ_TARGET(yaml) {
  (void)foreign::read_yaml(std::string(bytes));
  const auto parsed = foreign::parse_exporter_queries(std::string(bytes), {15, 0, 0});
  if (!parsed) return;
  for (const foreign::ExporterQuery& query : parsed->queries) {
    (void)foreign::collector_of(query, std::nullopt);
    (void)foreign::collector_of(
        query, std::vector<foreign::ResultColumn>{{"a", foreign::ValueKind::text}});
  }
}

FUZZ_TARGET(version_range) {
  (void)foreign::is_within({15, 4, 0}, bytes);
}
