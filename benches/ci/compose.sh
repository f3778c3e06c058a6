#!/usr/bin/env bash
# What `devrun ci` does, as people write it with Docker Compose: start, six checks, remove all.
set -euo pipefail
compose=(timeout "$LIMIT" "$COMPOSE" -f compose.yml)
trap '"${compose[@]}" down -v' EXIT
"${compose[@]}" up -d --wait
url=http://localhost:18960
curl -fsS -m 60 "$url/"
curl -fsS -m 60 "$url/health"
curl -fsS -m 60 "$url/api/v1/health/"
curl -fsS -m 60 "$url/api/v1/config/frontend/"
"${compose[@]}" exec -T backend python manage.py check_database
"${compose[@]}" exec -T backend python manage.py test --noinput
