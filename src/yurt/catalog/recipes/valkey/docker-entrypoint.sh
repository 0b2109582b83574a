#!/bin/sh
# Starts the server as the user valkey with /data its own; any other command runs as it stands.
set -e

# "docker run valkey --appendonly yes" and "docker run valkey /etc/my.conf" mean the server.
case "${1:-}" in
    -* | *.conf) set -- valkey-server "$@" ;;
esac

if [ "$1" = valkey-server ]; then
    if [ "$(id -u)" = 0 ]; then
        find . ! -user valkey -exec chown valkey:valkey '{}' +
        exec setpriv --reuid=valkey --regid=valkey --init-groups "$0" "$@"
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
