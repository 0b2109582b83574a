#!/bin/sh
# Starts the server as the user redis with /data its own; any other command runs as it stands.
set -e

# "docker run redis --appendonly yes" and "docker run redis /etc/my.conf" mean the server.
case "${1:-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "$1" = redis-server ]; then
    if [ "$(id -u)" = 0 ]; then
        find . ! -user redis -exec chown redis:redis '{}' +
        exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
    fi
    umask 0077
    # A container's network is the boundary: the server answers on all of it, unless a configuration says otherwise.
    case " $* " in
        *" --protected-mode "*) ;;
        *)
            if ! { [ -f "${2:-}" ] && grep -q '^[[:space:]]*protected-mode' "$2"; }; then
                set -- "$@" --protected-mode no
            fi
            ;;
    esac
fi

exec "$@"
