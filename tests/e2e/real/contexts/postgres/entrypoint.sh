#!/bin/sh
# A volume that is empty gets a database cluster; one that holds a cluster is left as it is.
set -eu
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
	echo "initialising $PGDATA"
	umask 077
	printf '%s\n' "${POSTGRES_PASSWORD:?}" >/tmp/password
	initdb --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password >/dev/null
	rm /tmp/password
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
exec "$@"
