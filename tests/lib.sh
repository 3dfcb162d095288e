# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What tests/run and tests/demo share: what they need, the build, the stage.
# To be sourced with the project's root as working directory. Whatever is made
# outside of build/ is removed at exit; a host's services are never started.

set -euo pipefail
umask 022
export LC_ALL=C.UTF-8 GOTOOLCHAIN=local GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"
export HOME="${HOME:-/root}"

packages=(
    systemd dbus util-linux iproute2 procps
    samba samba-common-bin smbclient samba-testsuite winbind libnss-winbind samba-ad-dc samba-ad-provision
    python3-impacket python3-gssapi krb5-kdc krb5-admin-server krb5-user
    meson ninja-build pkgconf gcc libc6-dev ca-certificates
)
programs=(meson ninja pkg-config gcc nsenter ip smbd smbclient rpcclient smbtorture) # of these packages
build=build/tests
at_exit=()

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 2; }

# quietly COMMAND... shows what a command prints only when it fails.
quietly() {
    local text
    text=$("$@" 2>&1) || { printf '%s\n' "$text" >&2; die "failed: $*"; }
}

cleanup() {
    local rc=$? i
    trap - EXIT
    for ((i = ${#at_exit[@]} - 1; i >= 0; i--)); do
        eval "${at_exit[i]}" || :
    done
    exit "$rc"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

need_root() {
    [ "$(id -u)" -eq 0 ] || die "namespaces, mounts and packages need root: run it as root, or with sudo"
}

# need_go puts a Go that is new enough first in PATH.
need_go() {
    local dir version
    for dir in "" /usr/local/go/bin/ /usr/lib/go-*/bin/; do
        version=$("${dir}go" env GOVERSION 2>/dev/null) || continue
        version=${version#go1.}
        version=${version%%[!0-9]*}
        if [ "${version:-0}" -ge 24 ]; then
            [ -z "$dir" ] || PATH=$dir:$PATH
            return
        fi
    done
    die "Go 1.24 or later is needed, in PATH or in /usr/local/go: see https://go.dev/dl/, or the package golang-1.24-go"
}

# need_packages installs what is missing. Maintainer scripts start services
# where they can; policy-rc.d forbids that for the time of our call.
need_packages() {
    local p missing=() policy=/usr/sbin/policy-rc.d
    if ! command -v dpkg-query >/dev/null; then
        for p in "${programs[@]}"; do
            command -v "$p" >/dev/null || missing+=("$p")
        done
        [ ${#missing[@]} -eq 0 ] || die "not on Debian: install what has these programs: ${missing[*]}"
        return
    fi
    [ -n "$(apt-cache policy systemd-dev 2>/dev/null)" ] && packages+=(systemd-dev) # systemd.pc, since Debian 13
    for p in "${packages[@]}"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    need_root
    say "install ${missing[*]}"
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        mv "$policy" "$policy.msrpcd-tests"
        at_exit+=("restore_policy")
    else
        at_exit+=("rm -f $policy")
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
    eval "${at_exit[-1]}"
    unset 'at_exit[-1]'
    echo "(services of these packages are enabled, as Debian does, and not started)"
}

restore_policy() { mv -f /usr/sbin/policy-rc.d.msrpcd-tests /usr/sbin/policy-rc.d; }

# build_and_stage [ROOT] builds with meson for the systemd of ROOT and installs
# into a stage on a tmpfs: an overlay refuses a stage on the root's own file
# system. Sets MSRPCD_STAGE, MSRPCD_SANDBOX and MSRPCD_ROOT.
build_and_stage() {
    local root=${1:-/} version
    version=$(chroot "$root" systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    [ -n "$version" ] || die "$root has no systemd that can be run: install the packages ${packages[*]:0:13} in it"
    say "build for systemd $version"
    if [ -e "$build/build.ninja" ]; then
        quietly meson configure "$build" -Dsystemd_version="$version"
    else
        quietly meson setup "$build" -Dsystemd_version="$version"
    fi
    quietly ninja -C "$build"
    CGO_ENABLED=0 go build -o "$build/sandbox" ./tests/tools/sandbox/cmd/sandbox
    [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] ||
        die "/dev/shm is not a tmpfs: mount -t tmpfs tmpfs /dev/shm"
    MSRPCD_STAGE=$(mktemp -d /dev/shm/msrpcd-stage-XXXXXX)
    at_exit+=("rm -rf '$MSRPCD_STAGE'")
    chmod 755 "$MSRPCD_STAGE"
    DESTDIR=$MSRPCD_STAGE quietly meson install -C "$build" --no-rebuild
    MSRPCD_SANDBOX=$PWD/$build/sandbox
    MSRPCD_ROOT=$root
    export MSRPCD_STAGE MSRPCD_SANDBOX MSRPCD_ROOT
}
