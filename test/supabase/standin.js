// A stand-in for PostgREST, which no package brings: POST to /rest/v1/<relation> and /rest/v1/rpc/<function>
// become the SQL that PostgREST 12 makes of them (role, request settings, one argument of JSON, types from
// the catalog), run by psql. It is not PostgREST: filters, reading and JWT verification are not in it.
import { createServer } from 'node:http';
import { spawnSync } from 'node:child_process';

function psql(sql, payload = '{}') {
  const run = spawnSync('psql', ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align',
    '--set=ON_ERROR_STOP=1', '--set=VERBOSITY=verbose', `--set=payload=${payload}`], { input: sql, encoding: 'utf8' });
  if (run.status === 0) return run.stdout.trim();
  const [, code, message] = /ERROR: +(\w{5}): (.*)/.exec(run.stderr) ?? [, 'XX000', run.stderr];
  throw { code, message, details: null, hint: null };
}

const quoted = (name) => '"' + name.replaceAll('"', '""') + '"';
const literal = (text) => "'" + text.replaceAll("'", "''") + "'";

/** In the exposed schema: what names and types a relation's columns or a function's parameters have. */
function insertStatement(schema, relation, row) {
  const types = JSON.parse(psql(`SELECT coalesce(json_object_agg(attname, format_type(atttypid, atttypmod)), '{}')
    FROM pg_attribute WHERE attrelid = to_regclass(${literal(quoted(schema) + '.' + quoted(relation))}) AND attnum > 0`));
  const missing = Object.keys(row).find((name) => !(name in types));
  if (Object.keys(types).length === 0) throw { code: 'PGRST205', message: `Could not find the table '${schema}.${relation}' in the schema cache` };
  if (missing) throw { code: 'PGRST204', message: `Could not find the '${missing}' column of '${relation}' in the schema cache` };
  const names = Object.keys(row).sort();
  const list = names.map(quoted).join(', ');
  const typed = names.map((name) => `${quoted(name)} ${types[name]}`).join(', ');
  return `WITH pgrst_source AS (INSERT INTO ${quoted(schema)}.${quoted(relation)}(${list}) SELECT ${list}
    FROM (SELECT :'payload'::json AS json_data) pgrst_payload, LATERAL (SELECT json_build_array(json_data) AS val) pgrst_uniform_json,
    LATERAL (SELECT ${list} FROM json_to_recordset(pgrst_uniform_json.val) AS _(${typed})) pgrst_body RETURNING 1)
    SELECT count(_postgrest_t) FROM (SELECT * FROM pgrst_source) _postgrest_t;`;
}

function callStatement(schema, name, args) {
  const found = psql(`SELECT json_build_object('returns', p.prorettype::regtype::text, 'set', p.proretset, 'types',
      (SELECT coalesce(json_object_agg(n, format_type(t, NULL)), '{}') FROM unnest(p.proargnames, p.proargtypes::oid[]) AS a (n, t)))
    FROM pg_proc p WHERE p.proname = ${literal(name)} AND p.pronamespace = ${literal(schema)}::regnamespace
      AND ${literal('{' + Object.keys(args).join() + '}')}::text[] <@ coalesce(p.proargnames, '{}')`);
  // Without overloads, as PostgREST wants them.
  if (found === '' || found.includes('\n')) throw { code: 'PGRST202', message: `Could not find the function ${schema}.${name} in the schema cache` };
  const { returns, set, types } = JSON.parse(found);
  const names = Object.keys(args);
  const from = names.length === 0 ? `${quoted(schema)}.${quoted(name)}() pgrst_call` :
    `(SELECT :'payload'::json AS json_data) pgrst_payload,
     LATERAL (SELECT ${names.map(quoted).join(', ')} FROM json_to_record(pgrst_payload.json_data)
              AS _(${names.map((n) => `${quoted(n)} ${types[n]}`).join(', ')}) LIMIT 1) pgrst_body,
     LATERAL ${quoted(schema)}.${quoted(name)}(${names.map((n) => `${quoted(n)} := pgrst_body.${quoted(n)}`).join(', ')}) pgrst_call`;
  if (returns === 'void') return `SELECT 1 FROM (SELECT pgrst_call FROM ${from}) _postgrest_t;`;
  return `SELECT ${set ? "coalesce(json_agg(pgrst_call), '[]')" : 'to_json(pgrst_call)'} FROM ${from};`;
}

function transaction(statement, schema) {
  return `BEGIN;
    SELECT set_config('search_path', ${literal(quoted(schema) + ', "public"')}, true), set_config('role', 'service_role', true),
      set_config('request.jwt.claims', '{"role":"service_role"}', true), set_config('request.method', 'POST', true),
      set_config('request.headers', '{}', true), set_config('request.cookies', '{}', true) \\g /dev/null
    ${statement}
    COMMIT;`;
}

function answer(request, body) {
  const path = decodeURIComponent(new URL(request.url, 'http://x').pathname).replace(/^\/rest\/v1\//, '');
  const schema = request.headers['content-profile'] ?? 'public';
  const rpc = path.startsWith('rpc/');
  const payload = body || '{}';
  const statement = rpc ? callStatement(schema, path.slice(4), JSON.parse(payload)) : insertStatement(schema, path, JSON.parse(payload));
  const out = psql(transaction(statement, schema), payload);
  if (!rpc) return [201, ''];
  return out === '1' && statement.startsWith('SELECT 1') ? [204, ''] : [200, out];
}

export function start() {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => { body += chunk; });
    request.on('end', () => {
      let status, text;
      try {
        [status, text] = answer(request, body);
      } catch (error) {
        [status, text] = [error.code === '42501' ? 403 : 400, JSON.stringify(error)];
      }
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

export { psql };
