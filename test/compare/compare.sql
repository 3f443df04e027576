-- A server with something to see: a second database, slots, statements.
CREATE DATABASE load;
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION monitoring;
SELECT pg_create_physical_replication_slot('standby', true);
SELECT pg_create_logical_replication_slot('subscriber', 'pgoutput');
CREATE TABLE orders (id integer PRIMARY KEY, note text);
INSERT INTO orders SELECT n, repeat('x', 100) FROM generate_series(1, 10000) AS n;
DELETE FROM orders WHERE id % 3 = 0;
VACUUM ANALYZE orders;
SELECT pg_switch_wal();
SELECT monitoring.enable_pack('postgres'), monitoring.enable_pack('host');
UPDATE monitoring.collectors SET every = '1 second';
