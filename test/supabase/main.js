// Runs document 001's functions, and the wrappers, through @supabase/supabase-js and looks at what is in the database.
import assert from 'node:assert/strict';
import { createClient } from '@supabase/supabase-js';
import { psql, start } from './standin.js';

const server = await start();
globalThis.supabase = createClient(`http://127.0.0.1:${server.address().port}`, 'service-role-key', { auth: { persistSession: false } });
globalThis.sendAlert = async () => {};
const problems = [];
const { error: print, log } = console;
console.error = (...words) => problems.push(words);
console.log = () => {};
const document001 = await import('./document_001.js');

let passed = 0;
function shows(sql, expected, what) {
  assert.equal(psql(sql), expected, what);
  passed += 1;
  log(`ok ${passed} - ${what}`);
}
async function call(name, args) {
  const { data, error } = await supabase.rpc(name, args);
  assert.equal(error, null, `${name}: ${JSON.stringify(error)}`);
  return data;
}

try {
  await document001.recordProcessingMetric('invoices', 120.5, 9, 1);
  await document001.recordApiCall('stripe', 80, true);
  await document001.logWorkerIssue('importer', 'timeout', 'no answer', 'warning', { attempt: 2 });
  const health = await document001.checkSystemHealth();
  shows("SELECT queue_name, total_batches, success_count, error_count FROM monitoring.queue_metrics", 'invoices|1|9|1', 'recordProcessingMetric');
  shows("SELECT api_name, total_calls, success_count FROM monitoring.api_metrics", 'stripe|1|1', 'recordApiCall');
  shows("SELECT worker_name, issue_type, severity, message, details, resolved FROM monitoring.worker_issues WHERE worker_name = 'importer'",
    'importer|timeout|warning|no answer|{"attempt": 2}|f', 'logWorkerIssue');
  assert.equal(health.worker_health.open_issues, 1, 'checkSystemHealth');

  await call('record_metric', { metric_name: 'edge_ms', metric_value: 5, tags: { edge: 'fra' } });
  await call('heartbeat', { worker_name: 'importer', expected_every: '10 minutes' });
  await call('log_event', { event_type: 'deployed', details: { version: 7 } });
  await call('counter_inc', { name: 'signups_total', by: 2, labels: { plan: 'pro' } });
  await call('gauge_set', { name: 'open_carts', value: 3 });
  await call('histogram_observe', { name: 'render_seconds', value: 0.2 });
  shows("SELECT monitoring.flush_records() * 0, count(*) FROM monitoring.pipeline_metrics WHERE metric_name = 'edge_ms'", '0|1', 'record_metric');
  shows("SELECT expected_every FROM monitoring.worker_heartbeats WHERE worker_name = 'importer'", '00:10:00', 'heartbeat');
  shows("SELECT details FROM public.monitoring_events WHERE event_type = 'deployed'", '{"version": 7}', 'log_event');
  shows("SELECT metric_name, labels, coalesce(value, count) FROM monitoring.metrics WHERE metric_name IN ('signups_total', 'open_carts', 'render_seconds') ORDER BY 1",
    'open_carts|{}|3\nrender_seconds|{}|1\nsignups_total|{"plan": "pro"}|2', 'counter_inc, gauge_set, histogram_observe');

  psql("SELECT monitoring.pause_worker(); SET monitoring.allow_superuser_rules = on; SELECT monitoring.create_alert('Late', 'SELECT 1 AS value'); SELECT monitoring.evaluate_alerts()");
  const [alert] = await call('get_active_alerts', {});
  assert.equal(alert.rule_name, 'Late');
  await call('acknowledge', { fingerprint: alert.fingerprint, note: 'on it' });
  const silence = await call('silence', { matchers: ['alertname=Late'], duration: '1 hour', comment: 'deploy' });
  shows("SELECT acknowledged_by FROM monitoring.alerts", 'service_role', 'get_active_alerts, acknowledge');
  shows(`SELECT comment FROM monitoring.silences WHERE id = '${silence}'`, 'deploy', 'silence');
  await call('expire_silence', { id: silence });
  shows("SELECT count(*) FROM monitoring.silences WHERE ends_at > clock_timestamp()", '0', 'expire_silence');

  const read = await supabase.from('monitoring.pipeline_metrics').insert({ metric_name: 'x', metric_value: null });
  assert.equal(read.error.code, '23502', 'what the table refuses the client is told');
  // The better way: the schema itself, where it is exposed.
  const direct = await supabase.schema('monitoring').from('worker_issues').insert({ worker_name: 'direct', issue_type: 'i', severity: 'info' });
  assert.equal(direct.error, null);
  shows("SELECT count(*) FROM monitoring.worker_issues WHERE worker_name = 'direct'", '1', ".schema('monitoring')");
  assert.deepEqual(problems, [], 'no function of the document has complained');
  log(`${passed} passed, 0 failed`);
} catch (error) {
  print(error, problems);
  process.exitCode = 1;
} finally {
  server.close();
}
