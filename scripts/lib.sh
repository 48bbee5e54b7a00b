# shellcheck shell=bash
# What quickstart and test share: packages, a copy of the sources to build in, a throw-away server.  To be sourced.
#
# Nothing here changes a PostgreSQL that is in use.  Packages are only added, never upgraded; no cluster is created,
# started or restarted; the module is installed into the throw-away folder alone, where the throw-away server finds it.
# The folder goes when the script ends, however it ends.

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The PostgreSQL of each Debian release: 12, 13, and what is to become 14.
declare -A RELEASES=([15]=bookworm [17]=trixie [18]=forky)

heading() { printf '\n== %s\n' "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

passed=0
failed=0

# tally PASSED FAILED
tally() {
    passed=$((passed + $1))
    failed=$((failed + $2))
}

# check CLAIM COMMAND...: one test, whose output is of interest where it fails.
check() {
    local claim=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        printf 'ok: %s\n' "$claim"
        tally 1 0
    else
        printf '%s\nNOT OK: %s\n' "$output" "$claim"
        tally 0 1
    fi
}

# finish: the last line of every script that tests.
finish() {
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    exit $((failed > 0))
}

# release: the code name of the Debian that this is.
release() {
    # shellcheck source=/dev/null
    (source /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
}

# own_postgresql: the major version that this Debian has.
own_postgresql() {
    local major
    for major in "${!RELEASES[@]}"; do
        [ "${RELEASES[$major]}" != "$(release)" ] || printf '%s' "$major"
    done
}

# Another one than the release's own can be named: PG_MAJOR=16, where apt knows it.
PG_MAJOR=${PG_MAJOR:-$(own_postgresql)}
[ -n "$PG_MAJOR" ] || die "this is for Debian 12, 13 and testing; elsewhere name a PostgreSQL that apt has: PG_MAJOR=17"
PG_BIN=/usr/lib/postgresql/$PG_MAJOR/bin

# install_packages NAME...: what the build and a server need, and these; with no cluster made and no service started.
install_packages() {
    local name missing=() root=()
    for name in "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR" libboost-dev g++ make "$@"; do
        [ "$(dpkg-query -Wf '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$EUID" -ne 0 ]; then
        command -v sudo >/dev/null || die "run this as root or install sudo; packages are missing: ${missing[*]}"
        root=(sudo --)
    fi
    heading "Installing ${missing[*]}"
    "${root[@]}" bash -s -- "${missing[@]}" <<'ROOT' || die "the packages could not be installed"
        set -euo pipefail
        log=$(mktemp)
        made=("$log")
        trap 'rm -f -- "${made[@]}"; rmdir --ignore-fail-on-non-empty /etc/postgresql-common/createcluster.d || :' EXIT
        for_now() {  # for_now FILE MODE TEXT: a file for the time of the installation, unless there is one already
            [ ! -e "$1" ] || return 0
            made+=("$1")
            mkdir -p "$(dirname "$1")"
            printf '%b\n' "$3" >"$1"
            chmod "$2" "$1"
        }
        for_now /etc/postgresql-common/createcluster.d/contact_sync.conf 644 'create_main_cluster = false'
        for_now /usr/sbin/policy-rc.d 755 '#!/bin/sh\nexit 101'
        export DEBIAN_FRONTEND=noninteractive
        if ! { apt-get update && apt-get install -y --no-install-recommends --no-upgrade --no-remove "$@"; } \
            </dev/null >"$log" 2>&1; then
            cat "$log"
            exit 1
        fi
ROOT
}

# make_workplace: the folder WORK, with a copy of the sources in TREE and room for a server, owned by whoever works there:
# never root, which PostgreSQL refuses.
make_workplace() {
    WORK=$(mktemp -d /tmp/contact_sync.XXXXXX) # not TMPDIR: the path of a socket must be short
    TREE=$WORK/tree
    worker=()
    trap remove_workplace EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ "$EUID" -eq 0 ]; then
        worker=(runuser -u postgres --)
        chown postgres: "$WORK"
    fi
    cd "$WORK" || exit
    as_worker mkdir "$TREE"
    tar -C "$SOURCE" --exclude=./.git -cf - . | as_worker tar -C "$TREE" -xf -
    # For every server, those that the TAP tests start too.
    as_worker tee server.conf >/dev/null <<CONF
fsync = off
CONF
}

# paths_to FOLDER: the settings with which a server finds what make install DESTDIR=FOLDER put there.
paths_to() {
    if [ "$PG_MAJOR" -ge 18 ]; then
        printf "extension_control_path = '%s:\$system'\n" "$1$("$PG_BIN/pg_config" --sharedir)"
        printf "dynamic_library_path = '%s:\$libdir'\n" "$1$("$PG_BIN/pg_config" --pkglibdir)"
    else
        printf "extension_destdir = '%s'\n" "$1" # which Debian adds
    fi
}

# as_worker COMMAND...: in an environment of its own, not the caller's, but for the settings of the tests.
as_worker() {
    "${worker[@]}" env -i HOME="$WORK" TMPDIR="$WORK" PATH="$PG_BIN:/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C.UTF-8 \
        PGHOST="$WORK" PGUSER=postgres PGDATABASE=postgres PSQL_PAGER=cat TEMP_CONFIG="$WORK/server.conf" \
        ${CONTACT_SYNC_OLD:+CONTACT_SYNC_OLD="$CONTACT_SYNC_OLD"} \
        ${CONTACT_SYNC_SEED:+CONTACT_SYNC_SEED="$CONTACT_SYNC_SEED"} \
        ${CONTACT_SYNC_DATABASES:+CONTACT_SYNC_DATABASES="$CONTACT_SYNC_DATABASES"} \
        ${CONTACT_SYNC_STATEMENTS:+CONTACT_SYNC_STATEMENTS="$CONTACT_SYNC_STATEMENTS"} \
        ${CONTACT_SYNC_SLOW:+CONTACT_SYNC_SLOW="$CONTACT_SYNC_SLOW"} \
        ${CONTACT_SYNC_SMALL_DISK:+CONTACT_SYNC_SMALL_DISK="$CONTACT_SYNC_SMALL_DISK"} "$@"
}

# run_make TARGET...: in the copy of the sources; diagnostics on standard output as well.
run_make() {
    as_worker make -C "$TREE" --no-print-directory PG_CONFIG="$PG_BIN/pg_config" "$@" </dev/null 2>&1
}

# build: makes the module and installs it into WORK, for its servers.  What the compilers say is in build.log.
build() {
    local made=$WORK/installed
    if ! { run_make clean && run_make -j "$(nproc)" all && run_make install DESTDIR="$made"; } >build.log; then
        cat build.log
        return 1
    fi
    paths_to "$made" | as_worker tee -a server.conf >/dev/null
}

# start_server SUPERUSER: on a Unix socket in WORK, and nowhere else.
start_server() {
    if ! as_worker initdb -D data -U "$1" --auth=trust --encoding=UTF8 --no-locale >server.log 2>&1 </dev/null; then
        cat server.log
        die "initdb failed"
    fi
    as_worker tee -a data/postgresql.conf >/dev/null <<CONF
include '$WORK/server.conf'
listen_addresses = ''
unix_socket_directories = '$WORK'
CONF
    # shellcheck disable=SC2024  # the log is the script's
    if ! as_worker pg_ctl -D data -w start >>server.log 2>&1 </dev/null; then
        cat server.log
        die "the throw-away server did not start"
    fi
}

# mount_small_disk: a disk for tests of one that is full, where that may be done.
mount_small_disk() {
    as_worker mkdir "$WORK/disk"
    local options
    options=size=16m,uid=$(as_worker id -u)
    if [ "$EUID" -eq 0 ] && mount -t tmpfs -o "$options" contact_sync "$WORK/disk" 2>/dev/null; then
        CONTACT_SYNC_SMALL_DISK=$WORK/disk
    fi
}

remove_workplace() {
    cd /
    if [ -e "$WORK/data/postmaster.pid" ]; then
        as_worker pg_ctl -D "$WORK/data" -m immediate -w stop >/dev/null 2>&1 </dev/null || :
    fi
    [ -z "${CONTACT_SYNC_SMALL_DISK:-}" ] || umount -l "$CONTACT_SYNC_SMALL_DISK"
    rm -rf -- "$WORK"
}
