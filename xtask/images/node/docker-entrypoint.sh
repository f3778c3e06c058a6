#!/bin/sh
# An option or a file is node's, a program is run as it is.
set -eu

if [ "$#" -gt 0 ] && [ "${1#-}" = "$1" ] && command -v "$1" >/dev/null && ! [ -f "$1" -a ! -x "$1" ]; then
	exec "$@"
fi
exec node "$@"
