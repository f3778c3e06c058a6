#!/usr/bin/env bash
# Starts PostgreSQL; on an empty data directory it first makes a cluster, and
# fills it through a server that listens on the unix socket only.
set -Eeuo pipefail
shopt -s nullglob

fail() {
	printf 'postgres: %s\n' "$@" >&2
	exit 1
}

# read_setting NAME [DEFAULT]: $NAME, or the content of the file $NAME_FILE.
read_setting() {
	local name=$1 file_name="$1_FILE" default=${2:-}
	if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
		fail "both $name and $file_name are set; keep one of them"
	fi
	if [[ -n ${!file_name:-} ]]; then
		[[ -r ${!file_name} ]] || fail "$file_name names ${!file_name}, which cannot be read"
		printf -v "$name" '%s' "$(<"${!file_name}")"
	elif [[ -z ${!name:-} ]]; then
		printf -v "$name" '%s' "$default"
	fi
	export "${name?}"
	unset "$file_name"
}

read_settings() {
	read_setting POSTGRES_PASSWORD
	read_setting POSTGRES_USER postgres
	read_setting POSTGRES_DB "$POSTGRES_USER"
	read_setting POSTGRES_INITDB_ARGS
	: "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
}

# A volume comes with its mount point owned by root.
own_directories() {
	mkdir -p "$PGDATA" /var/run/postgresql
	chmod 0700 "$PGDATA" || true
	chmod 3775 /var/run/postgresql || true
	find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
	find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
}

require_password() {
	[[ -n $POSTGRES_PASSWORD || $POSTGRES_HOST_AUTH_METHOD == trust ]] && return
	fail 'no cluster in the data directory, and no password for its superuser.' \
		'Set POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE).' \
		'POSTGRES_HOST_AUTH_METHOD=trust lets everybody in without one.'
}

make_cluster() {
	local arguments
	read -r -a arguments <<<"$POSTGRES_INITDB_ARGS"
	if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
		arguments+=(--waldir "$POSTGRES_INITDB_WALDIR")
	fi
	initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${arguments[@]}"
	printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"
}

as_superuser() {
	PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password \
		--username "$POSTGRES_USER" "$@"
}

# Used by scripts in /docker-entrypoint-initdb.d as well.
docker_process_sql() {
	as_superuser --dbname "$POSTGRES_DB" "$@"
}

make_database() {
	[[ $POSTGRES_DB == postgres ]] && return
	as_superuser --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
}

run_init_file() {
	echo "postgres: running $1"
	case $1 in
		*.sh) if [[ -x $1 ]]; then "$1"; else . "$1"; fi ;;
		*.sql) docker_process_sql -f "$1" ;;
		*.sql.gz) gunzip -c "$1" | docker_process_sql ;;
		*.sql.xz) xzcat "$1" | docker_process_sql ;;
		*.sql.zst) zstd -dc "$1" | docker_process_sql ;;
		*) echo "postgres: $1 is no .sh, .sql, .sql.gz, .sql.xz or .sql.zst: left alone" ;;
	esac
}

initialise() {
	require_password
	make_cluster
	export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
	NOTIFY_SOCKET='' pg_ctl -D "$PGDATA" -w start \
		-o "-c listen_addresses='' -p ${PGPORT:-5432}"
	make_database
	local file
	for file in /docker-entrypoint-initdb.d/*; do
		run_init_file "$file"
	done
	pg_ctl -D "$PGDATA" -m fast -w stop
	unset PGPASSWORD
	printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

main() {
	if [[ ${1:-} == -* ]]; then
		set -- postgres "$@"
	fi
	[[ ${1:-} == postgres ]] || exec "$@"
	if [[ $(id -u) == 0 ]]; then
		own_directories
		export HOME=/var/lib/postgresql
		exec setpriv --reuid=postgres --regid=postgres --init-groups "$BASH_SOURCE" "$@"
	fi
	read_settings
	if [[ -s $PGDATA/PG_VERSION ]]; then
		printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
	else
		initialise
	fi
	exec "$@"
}

main "$@"
