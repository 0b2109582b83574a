#!/bin/bash
# Makes the database cluster when PGDATA is empty, then starts the server as the user postgres.
#
#   POSTGRES_PASSWORD           password of the superuser; needed unless POSTGRES_HOST_AUTH_METHOD=trust
#   POSTGRES_USER               name of the superuser (postgres)
#   POSTGRES_DB                 database to create (the user's name)
#   POSTGRES_INITDB_ARGS        further options of initdb
#   POSTGRES_INITDB_WALDIR      where the write-ahead log goes
#   POSTGRES_HOST_AUTH_METHOD   how clients from the network prove who they are (scram-sha-256)
#
# Each can be given as NAME_FILE, the path of a file that holds the value. Files in /docker-entrypoint-initdb.d
# (*.sql, *.sql.gz, *.sql.xz, *.sql.zst, *.sh) run once, in the order of their names, on the new cluster.
set -Eeuo pipefail
UNFINISHED=.initialising

complain() {
    printf '%s\n' "$@" >&2
    exit 1
}

# Sets $1 from the file that $1_FILE names, or to the default $2.
from_file() {
    local name=$1 file=${1}_FILE value=${2:-}
    if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
        complain "error: both $name and $file are set (but are exclusive)"
    fi
    if [ -n "${!name:-}" ]; then
        value=${!name}
    elif [ -n "${!file:-}" ]; then
        value=$(<"${!file}")
    fi
    export "$name=$value"
    unset "$file"
}

# psql as the superuser of the new cluster, over the local socket, stopping at the first error.
process_sql() {
    local database=()
    if [ -n "${POSTGRES_DB:-}" ]; then database=(--dbname "$POSTGRES_DB"); fi
    PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc \
        --username "$POSTGRES_USER" "${database[@]}" "$@"
}

own_folders() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 00700 "$PGDATA" || true
    chmod 03775 /var/run/postgresql || true
    if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
        mkdir -p "$POSTGRES_INITDB_WALDIR"
        chmod 700 "$POSTGRES_INITDB_WALDIR"
    fi
    if [ "$(id -u)" = 0 ]; then
        find "$PGDATA" ! -user postgres -exec chown postgres '{}' +
        find /var/run/postgresql ! -user postgres -exec chown postgres '{}' +
        if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
            find "$POSTGRES_INITDB_WALDIR" ! -user postgres -exec chown postgres '{}' +
        fi
    fi
}

check_password() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
        complain 'Error: Database is uninitialized and superuser password is not specified.' \
            '       Give POSTGRES_PASSWORD a value, for example "-e POSTGRES_PASSWORD=password".' \
            '' \
            '       POSTGRES_HOST_AUTH_METHOD=trust lets everyone in without a password. That is no' \
            '       way to run a database that matters.'
    fi
    if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
        echo 'WARNING: POSTGRES_HOST_AUTH_METHOD is "trust": whoever reaches this port is a superuser.' >&2
    fi
}

make_cluster() {
    local options=()
    # An arbitrary user (docker run --user 1234) has no entry in the user database, which initdb asks for:
    # nothing to do about that here but to say so.
    getent passwd "$(id -u)" >/dev/null || complain "initdb needs a user with a name, and $(id -u) has none"
    if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then options+=(--waldir "$POSTGRES_INITDB_WALDIR"); fi
    # shellcheck disable=SC2086 # several options in one variable
    # Made aside and moved, so that a cluster cut short by a kill is never taken for one.
    initdb --pgdata="$PGDATA/$UNFINISHED" --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
        "${options[@]}" ${POSTGRES_INITDB_ARGS:-}
    find "$PGDATA/$UNFINISHED" -mindepth 1 -maxdepth 1 -exec mv -t "$PGDATA" '{}' +
}

# Until the initialisation is over, the folder $UNFINISHED lies in PGDATA. Nobody from the network could write
# before that, so what an interrupted one left is removed and made again.
clear_unfinished() {
    if [ -d "$PGDATA/$UNFINISHED" ]; then
        printf 'An earlier initialisation did not finish; beginning again.\n'
        find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name "$UNFINISHED" ! -name lost+found -exec rm -rf '{}' +
        rm -rf "${PGDATA:?}/$UNFINISHED"
    fi
}

allow_network() {
    local method=$POSTGRES_HOST_AUTH_METHOD
    if [ -z "$method" ]; then method=$(postgres -C password_encryption "${@:2}"); fi
    {
        printf '\n'
        if [ "$method" = trust ]; then
            printf '# warning: trust lets every connection in without a password\n'
        fi
        printf 'host all all all %s\n' "$method"
    } >>"$PGDATA/pg_hba.conf"
}

# The server for the time of the initialisation: local socket only.
start_local() {
    if [ "${1:-}" = postgres ]; then shift; fi
    NOTIFY_SOCKET='' pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@" -c listen_addresses='' -p "${PGPORT:-5432}")" -w start
}

create_database() {
    local there
    there=$(POSTGRES_DB='' process_sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only <<<"SELECT 1 FROM pg_database WHERE datname = :'db';")
    if [ -z "$there" ]; then
        POSTGRES_DB='' process_sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
        printf '\n'
    fi
}

run_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh)
                if [ -x "$file" ]; then
                    printf '%s: running %s\n' "$0" "$file"
                    "$file"
                else
                    # Without the executable bit it becomes part of this script, process_sql included.
                    printf '%s: sourcing %s\n' "$0" "$file"
                    # shellcheck disable=SC1090
                    . "$file"
                fi
                ;;
            *.sql) printf '%s: running %s\n' "$0" "$file"; process_sql -f "$file" ;;
            *.sql.gz) printf '%s: running %s\n' "$0" "$file"; gunzip -c "$file" | process_sql ;;
            *.sql.xz) printf '%s: running %s\n' "$0" "$file"; xzcat "$file" | process_sql ;;
            *.sql.zst) printf '%s: running %s\n' "$0" "$file"; zstd -dc "$file" | process_sql ;;
            '/docker-entrypoint-initdb.d/*') ;;
            *) printf '%s: ignoring %s\n' "$0" "$file" ;;
        esac
        printf '\n'
    done
}

# Options that only print something need no cluster.
wants_help() {
    local argument
    for argument; do
        case "$argument" in
            -'?' | --help | --describe-config | -V | --version) return 0 ;;
        esac
    done
    return 1
}

main() {
    if [ "${1:0:1}" = - ]; then set -- postgres "$@"; fi
    if [ "$1" = postgres ] && ! wants_help "$@"; then
        from_file POSTGRES_PASSWORD
        from_file POSTGRES_USER postgres
        from_file POSTGRES_DB "$POSTGRES_USER"
        from_file POSTGRES_INITDB_ARGS
        : "${POSTGRES_HOST_AUTH_METHOD:=}"
        own_folders
        if [ "$(id -u)" = 0 ]; then
            exec setpriv --reuid=postgres --regid=postgres --init-groups \
                env HOME=/var/lib/postgresql USER=postgres LOGNAME=postgres "${BASH_SOURCE[0]}" "$@"
        fi
        clear_unfinished
        if [ -s "$PGDATA/PG_VERSION" ]; then
            printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
        else
            check_password
            make_cluster
            allow_network "$@"
            export PGPASSWORD=$POSTGRES_PASSWORD
            start_local "$@"
            create_database
            run_init_files
            pg_ctl -D "$PGDATA" -m fast -w stop
            unset PGPASSWORD
            rmdir "$PGDATA/$UNFINISHED"
            printf '\nPostgreSQL init process complete; ready for start up.\n\n'
        fi
    fi
    exec "$@"
}

main "$@"
