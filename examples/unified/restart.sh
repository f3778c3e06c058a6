#!/usr/bin/env bash
# On a second copy of the stack: it stops cleanly and lets go of its ports, and what was created is
# still there once it has been started again. A check of Stackfile.kdl; devrun tells it the rest.
set -euo pipefail

devrun=${DEVRUN:-devrun}
copy=$DEVRUN_STACK-copy
ports=(PROXY_PORT BACKEND_PORT FRONTEND_PORT DB_PORT REDIS_PORT)

is_taken() {
	(: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

copy() {
	"$devrun" --quiet -p "$copy" "$@"
}

clear() {
	copy down --volumes
	docker images --quiet --filter "label=devrun.stack=$copy" | xargs --no-run-if-empty docker rmi --force >/dev/null
}

next=$((20000 + RANDOM % 8000))
for port in "${ports[@]}"; do
	while is_taken "$next"; do
		next=$((next + 1))
	done
	export "$port=$next"
	next=$((next + 1))
done
items=http://localhost:$PROXY_PORT/api/v1/items/

trap clear EXIT
echo "the copy $copy starts at http://localhost:$PROXY_PORT/"
copy up -d
curl -fsS --json '{"name": "kept"}' "$items"
echo
copy down
for port in "${ports[@]}"; do
	if is_taken "${!port}"; then
		echo "$port: somebody still answers at ${!port}"
		exit 1
	fi
done
echo "stopped, and its ports are free"
copy up -d
curl -fsS "$items" | grep kept
