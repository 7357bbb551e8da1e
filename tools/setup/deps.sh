#!/bin/bash
# deps.sh build|check|bench|npm: installs the Debian packages that a purpose needs and that are missing.
#
# As root, or through sudo; where neither is possible it prints the one line to run and fails. With
# everything there it only asks dpkg, and touches no network. On other systems it does nothing: the
# build then says itself what it misses.
set -euo pipefail

case "${1:-build}" in
build)
    packages=(gcc g++ make cmake ninja-build pkg-config git curl ca-certificates
        libvips-dev liblcms2-dev libheif-dev libwebp-dev libseccomp-dev libdnnl-dev libsqlite3-dev libjansson-dev libexpat1-dev nettle-dev
        zlib1g-dev libcurl4-openssl-dev libutf8proc-dev libarchive-dev libedit-dev libcmocka-dev)
    case "${CC:-cc}" in *clang*) packages+=(clang libomp-dev) ;; esac
    ;;
check) packages=(clang-format) ;;
bench) packages=(libfaiss-dev libopenblas0-openmp) ;;
npm) packages=(npm) ;;
*)
    echo "deps.sh: $1: no such purpose" >&2
    exit 2
    ;;
esac

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || exit 0

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | head -1 || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || { ! sudo -n true 2>/dev/null && [ ! -t 0 ]; }; then
        echo "Debian packages are missing, and installing them needs root. Run this, then try again:" >&2
        echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing Debian packages: ${missing[*]}" >&2
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >>"$log" 2>&1; }
# A list of packages that is old or absent makes the install fail; then it is fetched first.
if ! apt install --no-install-recommends "${missing[@]}"; then
    if ! apt update || ! apt install --no-install-recommends "${missing[@]}"; then
        tail -15 "$log" >&2
        echo "installing the Debian packages failed; the lines above say why" >&2
        exit 1
    fi
fi
