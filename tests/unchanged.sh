# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Holds tests/run to what it promises: a root that was given stays as it was; of
# a host, what Samba, systemd and msrpcd keep does; nothing is left in /tmp, and
# no process. To be sourced after lib.sh.

# manifest ROOT lists all that a run could have changed, but for access times.
manifest() {
    local places=(.)
    [ "$1" != / ] || places=(
        etc/{samba,systemd,msrpcd,passwd,group,shadow,machine-id,hostname,hosts,resolv.conf,nsswitch.conf,krb5.conf,ld.so.preload}
        run/{samba,msrpc,msrpcd,systemd/system,systemd/generator} var/lib/{samba,msrpcd,systemd} var/{cache,log,spool}/samba
    )
    (cd "$1" && find "${places[@]}" -xdev -printf '%p %y %m %U %G %s %T@ %l\n' 2>/dev/null | sort) || :
}

# remember ROOT begins: everything temporary goes to one directory, whose name
# is short since there are sockets below it.
remember() {
    before=$(mktemp) TMPDIR=$(mktemp -d /tmp/mt.XXXX)
    export TMPDIR
    at_exit+=("rm -f '$before'; rmdir '$TMPDIR' 2>/dev/null")
    manifest "$1" >"$before"
}

# unchanged ROOT fails, and says why, when it is not as it was at remember.
unchanged() {
    local rc=0 left
    manifest "$1" | diff "$before" - || { echo "(before: <, now: >)"; rc=1; }
    left=$(find "$TMPDIR" -mindepth 1 -maxdepth 1)
    # A failed test keeps its journal on purpose.
    [ -z "$left" ] || awk '{ n += $2 } END { exit n == 0 }' "$counts" || { echo "left: $left"; rc=1; }
    left=$(cd /proc && env -u TMPDIR grep -lszxF "TMPDIR=$TMPDIR" [0-9]*/environ) || :
    [ -z "$left" ] || { echo "still running:"; for left in $left; do tr '\0' ' ' <"/proc/${left%/*}/cmdline"; echo; done; rc=1; }
    return "$rc"
}

# only_tmp_written ROOT COMMAND... runs a command for which ROOT is read-only, but
# for a /tmp of its own; on the host itself, what Samba has.
only_tmp_written() {
    unshare --mount --propagation private sh -ec '
        root=$1
        shift
        if [ "$root" = / ]; then
            set -- etc var/lib/samba var/cache/samba var/log/samba run/samba -- "$@"
        else
            set -- . -- "$@"
        fi
        while [ "$1" != -- ]; do
            if [ -d "$root/$1" ]; then
                mount --bind "$root/$1" "$root/$1"
                [ "$1" != . ] || mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
                mount -o remount,bind,ro "$root/$1"
            fi
            shift
        done
        shift
        exec "$@"' only_tmp_written "$@"
}
