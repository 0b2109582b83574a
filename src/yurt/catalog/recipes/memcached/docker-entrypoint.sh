#!/bin/sh
# "docker run memcached -m 64" means the server with that option.
set -e

case "${1:-}" in
    -*) set -- memcached "$@" ;;
esac

exec "$@"
