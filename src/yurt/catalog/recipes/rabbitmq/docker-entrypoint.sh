#!/bin/sh
# Starts the broker as the user rabbitmq. The first start makes the account that the environment names.
#
#   RABBITMQ_DEFAULT_USER, RABBITMQ_DEFAULT_PASS   account of the administrator (guest, guest)
#   RABBITMQ_DEFAULT_VHOST                         virtual host to create (/)
#   RABBITMQ_ERLANG_COOKIE                         secret shared by the nodes of a cluster
set -eu

case "${1:-}" in
    rabbitmq*)
        if [ "$(id -u)" = 0 ]; then
            if [ "$1" = rabbitmq-server ]; then
                find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq:rabbitmq '{}' +
            fi
            exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$0" "$@"
        fi
        ;;
esac

if [ "${1:-}" = rabbitmq-server ]; then
    if [ -n "${RABBITMQ_ERLANG_COOKIE:-}" ]; then
        (umask 0377 && printf '%s' "$RABBITMQ_ERLANG_COOKIE" >/var/lib/rabbitmq/.erlang.cookie.new)
        mv -f /var/lib/rabbitmq/.erlang.cookie.new /var/lib/rabbitmq/.erlang.cookie
        unset RABBITMQ_ERLANG_COOKIE
    fi
    # A file of its own, so that it can be written anew at each start and never collides with the user's.
    (
        umask 0077
        : >/etc/rabbitmq/conf.d/20-environment.conf
        for name in user pass vhost; do
            upper=$(echo "$name" | tr a-z A-Z)
            eval "value=\${RABBITMQ_DEFAULT_$upper:-}"
            if [ -n "$value" ]; then
                printf 'default_%s = %s\n' "$name" "$value" >>/etc/rabbitmq/conf.d/20-environment.conf
            fi
        done
    )
fi

exec "$@"
