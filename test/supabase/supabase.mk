# `make supabase`: document 001's TypeScript with the real @supabase/supabase-js, in a database of its own on the
# server that psql's settings (PGHOST, PGUSER, ...) name, as a superuser of it. Needs node 20, and npm to get
# what test/supabase/package.json names into build/supabase.
.PHONY: supabase
supabase:
	@test/supabase/run
