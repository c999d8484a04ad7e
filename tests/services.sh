#!/usr/bin/env bash
# Run a command beside a PostgreSQL and an S3-compatible server on loopback, for the tests marked `services`:
#     tests/services.sh make test
# DEMSR_TEST_POSTGRES is the SQLAlchemy URL of an empty database, DEMSR_TEST_S3 the address of the S3 server; both end
# with the command and leave nothing behind.
set -euo pipefail

if ! command -v moto_server >/dev/null; then
  echo "tests/services.sh: moto_server is not there; run \`make install\` and put .venv/bin into PATH" >&2
  exit 1
fi
owner=()
[ "$(id -u)" -ne 0 ] || owner=(runuser -u nobody --)  # PostgreSQL refuses to run as root
data=$(cd / && "${owner[@]}" mktemp -d)
# a copy, since another user may not be allowed to read the environment
packages=$(python -c 'from importlib.util import find_spec; print(find_spec("pgserver").origin.rpartition("/pgserver/")[0])')
tar -c -C "$packages" pgserver pgserver.libs | (cd / && "${owner[@]}" tar -x -C "$data")
bin=$data/pgserver/pginstall/bin

stop() {
  kill $(jobs -p) 2>/dev/null || true
  (cd / && "${owner[@]}" "$bin/pg_ctl" --pgdata "$data/cluster" --mode immediate --silent stop) || true
  "${owner[@]}" rm -rf "$data"
}
trap stop EXIT

read -r postgres_port s3_port < <(python -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in sockets))')

(
  cd /
  "${owner[@]}" "$bin/initdb" --pgdata "$data/cluster" --username demsr --auth trust --encoding UTF8 --no-sync
  options="-h 127.0.0.1 -p $postgres_port -c unix_socket_directories= -c fsync=off"
  "${owner[@]}" "$bin/pg_ctl" --pgdata "$data/cluster" --log "$data/log" --options "$options" --wait start
) >/dev/null
moto_server --host 127.0.0.1 --port "$s3_port" >/dev/null 2>&1 &

export DEMSR_TEST_POSTGRES="postgresql+psycopg2://demsr@127.0.0.1:$postgres_port/postgres"
export DEMSR_TEST_S3="http://127.0.0.1:$s3_port"
"$@"
