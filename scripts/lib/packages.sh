# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# The Debian packages that the scripts need, by purpose, and how they get here. To be sourced.

# Compiles cvmd and cvmctl.
packages_build=(gcc libc6-dev meson ninja-build pkg-config libuv1-dev libjson-c-dev libssl-dev
                libsystemd-dev libcap-ng-dev liblzma-dev libcbor-dev libvirt-dev
                libxml2-dev libseccomp-dev libyaml-dev scdoc)
# hal/build: unpacks a kernel package, packs an initramfs.
packages_guest=(ca-certificates debian-archive-keyring busybox-static cpio gzip kmod libtss2-dev
                xz-utils zstd python3)
# Runs a CVM and looks at it.
packages_run=(qemu-system-x86 nftables openssl python3)
# What the lanes of scripts/test need beside all that.
packages_test=(git libcmocka-dev python3-pytest python3-pytest-xdist python3-cbor2
               python3-cryptography python3-jsonschema clang libclang-rt-14-dev clang-format
               shellcheck shfmt mmdebstrap procps systemd-container ovmf qemu-utils swtpm passt
               iproute2 tmux libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients libc6-dbg
               zsh fish jq netcat-openbsd python3-openssl)

# Installs those of the named packages that are missing: as root, or by sudo. Where it can do
# neither, it says what to run and fails.
packages_ensure() {
    local missing=() package as_root=()

    if ! command -v apt-get >/dev/null; then
        echo "no apt-get here: install what Debian calls $*" >&2
        return 1
    fi
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            echo "as root: apt-get install --no-install-recommends ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "installing ${missing[*]}"
    # An index of a source that is no part of Debian may well be out of reach: only the installation
    # itself must succeed.
    "${as_root[@]}" apt-get -qq update || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}
