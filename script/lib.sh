# shellcheck shell=bash
# Functions that the scripts here share. Sourced, never run; everything it says goes to stderr, so that stdout stays
# the output of the command that was asked for.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
node=$root/node_modules/node/bin/node

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "$@"
    exit 1
}

need_root() {
    [[ $EUID -eq 0 ]] || die "this needs root: sudo $0"
}

# Installs those of the named Debian packages that are missing; touches nothing when none is.
need_packages() {
    local package state missing=()
    command -v dpkg-query >/dev/null || {
        say "this is no Debian or Ubuntu; hoping that these are installed: $*"
        return 0
    }
    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [[ $state == installed ]] || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    [[ $EUID -eq 0 ]] || die "these packages are missing: ${missing[*]}"
    say "installing ${missing[*]}"
    {
        apt-get update -q || say "apt-get update failed; trying with the lists that are here"
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    } </dev/null >&2
}

# Starts the script once more where /tmp, /var/tmp and /srv are folders of a new ext4 file system, which is gone with the
# last process that is in there. Tests make and remove a million files: what they find is the same on every machine, and
# fast. An ext4 without a journal takes up to a millisecond for a new file where many have been removed.
#   in_own_files "$@"
in_own_files() {
    [[ -z ${DOCKERSH_OWN_FILES:-} ]] || return 0
    local image free
    image=$(mktemp /var/tmp/dockersh-files.XXXXXX)
    free=$(df --output=avail -k /var/tmp | tail -n 1)
    truncate -s "$((free < 40000000 ? free * 9 / 10 : 36000000))K" "$image"
    mkfs.ext4 -q -F -m 0 -E nodiscard,lazy_itable_init=1,lazy_journal_init=1 "$image"
    # Ends with us. Some tests want the namespace that it stays in.
    setpriv --pdeathsig KILL sleep infinity </dev/null >/dev/null 2>&1 &
    DOCKERSH_OWN_FILES=$image DOCKERSH_FIRST_NAMESPACE=/proc/$!/ns/mnt exec unshare --mount --propagation slave -- "$root/script/own-files" "$root" "$0" "$@"
}

# What building needs, npm's packages included.
build_packages=(gcc g++ make python3 musl-tools linux-libc-dev libpam0g-dev libssl-dev libzstd-dev)

# Of whichever version the system has: libFuzzer and the sanitizers are in the second.
# shellcheck disable=SC2034 # used by what sources this
fuzz_packages=(clang libclang-rt-dev)

# What test/vm needs on the machine that its systems are made on.
# shellcheck disable=SC2034 # used by what sources this
vm_packages=(mmdebstrap openssh-client netcat-openbsd util-linux iproute2 rsync dpkg-dev binutils qemu-system-x86
    e2fsprogs xfsprogs dnsmasq-base)

# npm comes from whatever is on the machine and only fetches packages; everything of the project runs on
# the Node that npm then puts in node_modules/node.
need_npm() {
    command -v npm >/dev/null || need_packages nodejs npm
    local version
    version=$(npm --version 2>/dev/null) || die 'npm does not run; try: apt-get install nodejs npm'
    [[ ${version%%.*} -ge 8 ]] || die "npm $version is too old: 8 or later is needed"
}

# Sets npm_config_nodedir, so that node-pty compiles against headers that are on this machine.
need_node_headers() {
    local configured prefix
    configured=${npm_config_nodedir:-$(npm config get nodedir 2>/dev/null || true)}
    [[ -z $configured || $configured == undefined || $configured == null ]] || return 0
    for prefix in "$(dirname -- "$(dirname -- "$(readlink -f -- "$(command -v node)")")")" /usr; do
        if [[ -e $prefix/include/node/node_api.h ]]; then
            export npm_config_nodedir=$prefix
            return 0
        fi
    done
    need_packages libnode-dev
    export npm_config_nodedir=/usr
}

# Runs a command as the owner of the checkout when that is the person who called sudo: nothing that npm
# downloads needs root, and what it writes stays theirs.
as_owner() {
    local owner entry name home
    owner=$(stat -c %u -- "$root")
    if [[ $EUID -ne 0 || $owner -eq 0 || $owner != "${SUDO_UID:-}" ]]; then
        "$@"
        return
    fi
    entry=$(getent passwd "$owner")
    IFS=: read -r name _ _ _ _ home _ <<<"$entry"
    runuser -u "$name" -- env "HOME=$home" "USER=$name" "LOGNAME=$name" "$@"
}

# Undoes what root's test runs left in the checkout of somebody else.
give_back() {
    local owner folder
    owner=$(stat -c %u:%g -- "$root")
    [[ $EUID -eq 0 && ${owner%%:*} -ne 0 && ${owner%%:*} == "${SUDO_UID:-}" ]] || return 0
    for folder in node_modules build dist; do
        [[ ! -d $root/$folder ]] || find "$root/$folder" -user 0 -exec chown -h "$owner" {} +
    done
}

# `npm ci`, unless node_modules is what the lock file says already.
install_modules() {
    local stamp=$root/node_modules/.lock-checksum checksum
    checksum=$(sha256sum "$root/package-lock.json" | cut -d ' ' -f 1)
    if [[ -x $node && -f $stamp && $(<"$stamp") == "$checksum" ]]; then
        return 0
    fi
    need_npm
    need_node_headers
    # Debian's node-gyp finds its modules with Debian's Python only, not with another one in the path.
    [[ ! -x /usr/bin/python3 ]] || export PYTHON=/usr/bin/python3
    say 'installing the npm packages of package-lock.json'
    (cd "$root" && as_owner npm ci --no-audit --no-fund --loglevel=error </dev/null >&2) || die 'npm ci failed'
    [[ -x $node ]] || die "npm ci did not bring $node"
    as_owner tee "$stamp" <<<"$checksum" >/dev/null
}

# Everything that runs needs: compilers, modules, the bundles and the native programs.
build_all() {
    need_packages "${build_packages[@]}"
    install_modules
    say 'building'
    (cd "$root" && as_owner "$node" script/build.ts && as_owner make -s -j "$(nproc)" -C native) >&2 || die 'the build failed'
}
