# `make compare POSTGRES_EXPORTER=<program> NODE_EXPORTER=<program>`: both exporters beside the packs
# on a server of its own, under load: which names are in both, which are missing here, what differs.
# Programs that are not named are looked for on the PATH. Debian has both:
#   apt-get download prometheus-postgres-exporter prometheus-node-exporter
#   for package in prometheus-*-exporter_*.deb; do dpkg -x "$package" /tmp/exporters; done
#   make compare POSTGRES_EXPORTER=/tmp/exporters/usr/bin/prometheus-postgres-exporter \
#                NODE_EXPORTER=/tmp/exporters/usr/bin/prometheus-node-exporter
.PHONY: compare
compare:
	@test/run/packages && POSTGRES_EXPORTER='$(POSTGRES_EXPORTER)' NODE_EXPORTER='$(NODE_EXPORTER)' \
		$(harness_settings) exec test/run/in-copy compare test/compare/run
