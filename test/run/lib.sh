# Shared by the scripts of this folder; to be sourced.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }

fail() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# Makes a new folder that an unprivileged user can reach, and prints its name.  The name is short,
# because a socket's path has at most 107 bytes.
new_work_folder() { # kind
	local parent=${TMPDIR:-/tmp}
	if [ "$(id -u)" = 0 ] || [ ${#parent} -gt 40 ] || [ ! -w "$parent" ]; then
		parent=/tmp
	fi
	mktemp -d "$parent/monitoring-$1.XXXXXX"
}

# Files of the working directory that git knows or would know; of a tree without git everything but
# what the build makes.
source_files() {
	if git -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1; then
		git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
			while IFS= read -r -d '' file; do
				[ ! -e "$file" ] || printf '%s\0' "$file"
			done
	else
		find . -path ./build -prune -o -type f ! -name '*.o' ! -name '*.d' ! -name '*.so' -print0
	fi
}

copy_sources() { # tree folder
	(cd "$1" && source_files | tar --create --null --no-recursion --files-from=-) | tar --extract --directory="$2"
}

# Process ids whose working directory is inside the folder.  Everything that a run starts stays
# there (a server's working directory is its data directory), and nothing else is.
processes_in() { # folder
	local entry
	for entry in /proc/[0-9]*; do
		case "$(readlink "$entry/cwd" 2>/dev/null)/" in
		"$1"/*) printf '%s\n' "${entry#/proc/}" ;;
		esac
	done
}

# Ends what still runs inside the folder: servers by immediate shutdown, which frees their shared
# memory; then the rest.
end_processes_in() { # folder
	local pid attempt signal
	while IFS= read -r file; do
		pid=$(head -n 1 "$file" 2>/dev/null)
		case "$(readlink "/proc/$pid/cwd" 2>/dev/null)/" in
		"$1"/*) kill -QUIT "$pid" 2>/dev/null || true ;;
		esac
	done < <(find "$1" -name postmaster.pid 2>/dev/null)
	for attempt in $(seq 1 60); do
		mapfile -t pids < <(processes_in "$1")
		[ ${#pids[@]} -gt 0 ] || return 0
		signal=TERM
		[ "$attempt" -lt 40 ] || signal=KILL
		if [ "$attempt" = 5 ] || [ "$attempt" -ge 40 ]; then
			kill -"$signal" "${pids[@]}" 2>/dev/null || true
		fi
		sleep 0.1
	done
}

# Copies the server's installation below a folder; Postgres finds its files relative to its own
# programs, so the copy is an installation of its own.  `make install DESTDIR=folder` adds to it.
copy_installation() { # pg_config folder
	local pg_config=$1 target=$2 directory
	for directory in $("$pg_config" --bindir) $("$pg_config" --pkglibdir) $("$pg_config" --sharedir); do
		[ ! -e "$target$directory" ] || continue
		mkdir -p "$target$(dirname "$directory")"
		cp -a "$directory" "$target$directory"
	done
	directory=$("$pg_config" --includedir)
	mkdir -p "$target$(dirname "$directory")"
	ln -sfn "$directory" "$target$directory"
}

# A TCP port that nobody listens on.  It also names the socket, so two clusters never share one.
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Makes and starts a cluster in the folder: data, socket/, log.  It listens on its socket only.
# Superuser postgres, no password.  Sets PGHOST, PGPORT and PGUSER for what follows.
start_cluster() { # bindir folder configuration-file...
	local bindir=$1 folder=$2
	shift 2
	mkdir -p "$folder/socket"
	"$bindir/initdb" --pgdata="$folder/data" --username=postgres --auth=trust --no-sync \
		--encoding=UTF8 --locale=C >"$folder/initdb.log" 2>&1 ||
		{ cat "$folder/initdb.log" >&2; return 1; }
	PGHOST=$folder/socket PGUSER=postgres PGPORT=$(free_port)
	export PGHOST PGUSER PGPORT
	{
		printf "listen_addresses = ''\nport = %s\n" "$PGPORT"
		printf "unix_socket_directories = '%s'\ncron.host = '%s'\n" "$PGHOST" "$PGHOST"
		cat "$@"
	} >>"$folder/data/postgresql.conf"
	"$bindir/pg_ctl" --pgdata="$folder/data" --log="$folder/log" --wait start >"$folder/pg_ctl.log" 2>&1 ||
		{ tail -n 20 "$folder/log" >&2; return 1; }
}

stop_cluster() { # bindir folder
	"$1/pg_ctl" --pgdata="$2/data" --mode=fast --wait stop >>"$2/pg_ctl.log" 2>&1
}
