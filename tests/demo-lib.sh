# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the steps of both demos share. Each step prints what an administrator
# would look at, and checks it: `expect` ends the demo. To be sourced, as root in
# the sandbox.

set -euo pipefail
trap 'echo "demo: failed in line $LINENO; the journal ends with:" >&2
      journalctl --no-pager -n 60 -o short-monotonic >&2' ERR

bold='' dim='' plain=''
if [ -t 1 ]; then bold=$'\033[1m' dim=$'\033[2m' plain=$'\033[0m'; fi
step() { printf '\n%s---- %s%s\n' "$bold" "$*" "$plain"; }
run() { printf '%s# %s%s\n' "$dim" "$*" "$plain"; "$@"; }

# show COMMAND... runs a command and keeps what it printed in $shown.
show() {
    printf '%s# %s%s\n' "$dim" "$*" "$plain"
    shown=$("$@" 2>&1) || { printf '%s\n' "$shown"; return 1; }
    printf '%s\n' "$shown"
}

# expect TEXT checks that the last output has it.
expect() {
    grep -qF -e "$1" <<<"$shown" || { echo "demo: this should say: $1" >&2; return 1; }
}

# await WHAT COMMAND... waits until a condition holds, for a minute at most.
await() {
    local what=$1 end=$((SECONDS + 60))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || { echo "demo: not within a minute: $what" >&2; return 1; }
        sleep 0.1
    done
    echo "($what)"
}

running() { systemctl list-units --no-legend --plain --state=active,activating 'msrpc-broker@*.service' 'msrpc-worker-*.service'; }
idle() { [ -z "$(running)" ]; }
processes() { systemd-cgls --no-pager --full -u msrpc.slice | grep -v 'invocation_id' || :; }
property() { systemctl show -P "$2" "$1"; }

# finish ends the target: no listener, no process.
finish() {
    run systemctl stop msrpc.target
    show sh -c 'systemctl list-sockets --no-pager --no-legend "msrpc-*"; systemctl list-units --no-legend "msrpc-*.service" --state=active'
    [ -z "$shown" ] || { echo "demo: this should be empty" >&2; return 1; }
    printf '\n%sAll steps held.%s\n' "$bold" "$plain"
}
