#!/bin/sh
# Before nginx starts, runs what lies in /docker-entrypoint.d: *.envsh are read in, executable *.sh are run.
set -e

say() {
    if [ -z "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ]; then echo "$0: $*"; fi
}

if [ "$1" = nginx ] || [ "$1" = nginx-debug ]; then
    for file in /docker-entrypoint.d/*; do
        case "$file" in
            *.envsh)
                if [ -x "$file" ]; then say "reading $file"; . "$file"; else say "ignoring $file, not executable"; fi
                ;;
            *.sh)
                if [ -x "$file" ]; then say "running $file"; "$file"; else say "ignoring $file, not executable"; fi
                ;;
        esac
    done
fi

exec "$@"
