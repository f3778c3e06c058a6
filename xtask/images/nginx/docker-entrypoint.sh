#!/bin/sh
# Runs what lies in /docker-entrypoint.d before nginx starts.
set -eu

if [ "${1:-}" = nginx ]; then
	for file in /docker-entrypoint.d/*; do
		case "$file" in
			*.envsh) [ -x "$file" ] && . "$file" ;;
			*.sh) [ -x "$file" ] && "$file" ;;
		esac
	done
fi

exec "$@"
