# shellcheck shell=bash
# Debian systems of other releases, each in a folder, to build and test in.  To be sourced after lib.sh, by root.

[ "$EUID" -eq 0 ] || die "run this as root: it makes Debian systems with debootstrap"
SYSTEMS=${CONTACT_SYNC_SYSTEMS:-/var/cache/contact_sync}

# One at a time: the systems are shared.
mkdir -p "$SYSTEMS"
exec 9>"$SYSTEMS/lock"
flock --nonblock 9 || {
    heading "Waiting for another run to leave the systems in $SYSTEMS"
    flock 9
}

# mirror: where this machine has its own Debian from, if it is one.
mirror() {
    local uri
    # shellcheck disable=SC2016  # apt's own variable
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Release: $(release)" 'Component: main' |
        head -n 1)
    printf '%s' "${uri:-http://deb.debian.org/debian}"
}

# make_system NAME RELEASE: in SYSTEMS/NAME, unless it is there.
make_system() {
    local folder=$SYSTEMS/$1 script=$2 log
    if [ ! -e "$folder" ]; then
        command -v debootstrap >/dev/null || install_packages debootstrap
        # A debootstrap that is older than the release makes it as it makes sid.
        [ -e "/usr/share/debootstrap/scripts/$2" ] || script=sid
        heading "Making a Debian $2 in $folder, from $(mirror)"
        log=$folder.log
        rm -rf -- "$folder.new"
        if ! debootstrap --variant=minbase --include=ca-certificates "$2" "$folder.new" "$(mirror)" "$script" \
            >"$log" 2>&1 </dev/null; then
            tail -n 20 "$log"
            rm -rf -- "$folder.new" "$log"
            die "there is no Debian $2 to test on: debootstrap failed, with the mirror $(mirror)"
        fi
        rm -f -- "$log"
        mv "$folder.new" "$folder"
    fi
    # The network as it is here: names, proxies, and whether a mirror may be a copy of old.
    cp -L /etc/resolv.conf /etc/hosts "$folder/etc/"
    apt-config dump | grep -E '^Acquire::(https?::|Check-)' >"$folder/etc/apt/apt.conf.d/90contact_sync" || :
}

# remove_system NAME
remove_system() { rm -rf -- "${SYSTEMS:?}/$1"; }

# in_system NAME COMMAND...: as root in the system, in a copy of the sources.  It sees no process but its own, and none of
# these outlives it.
in_system() {
    local folder=$SYSTEMS/$1
    shift
    rm -rf -- "$folder/contact_sync"
    mkdir "$folder/contact_sync"
    tar -C "$SOURCE" --exclude=./.git -cf - . | tar -C "$folder/contact_sync" -xf -
    # shellcheck disable=SC2016  # the inner shell's
    unshare --mount --pid --ipc --fork --kill-child bash -c '
        folder=$1
        shift
        mount -t proc proc "$folder/proc"
        mount -t tmpfs tmpfs "$folder/dev/shm"
        cd "$folder/contact_sync"
        exec chroot "$folder" env -C /contact_sync "$@"' - "$folder" "$@"
}
