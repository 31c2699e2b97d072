#!/bin/sh
# What the package manager has done on the node: `after` an installation or upgrade, `before` the last version goes,
# `clear` before files are replaced.
set -eu
prefix=/usr/lib/vzhooks

clear_caches() { # made for the python of this node, and owned by no package
    find "$prefix/modules" -name __pycache__ -prune -exec rm -rf {} +
}

reload_units() {
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
}

case ${1-} in
    after)
        clear_caches
        "$prefix/bin/python3" -I -m compileall -q "$prefix/modules"
        if [ -d /etc/vz/conf ]; then
            said=$(/usr/sbin/vzhooks install)
            printf '%s\n' "$said" | grep -v -e '^put ' -e '^$' -e daemon-reload || :
            reload_units
        else
            echo "vzhooks: /etc/vz/conf: not there; run \`vzhooks install\` when vzctl is on this node" >&2
        fi
        ;;
    before)
        if [ -e /var/lib/vzhooks/installed.json ]; then
            /usr/sbin/vzhooks uninstall >/dev/null
            reload_units
        fi
        clear_caches
        ;;
    clear) clear_caches ;;
    *)
        echo "usage: $0 after|before|clear" >&2
        exit 2
        ;;
esac
