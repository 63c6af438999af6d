#!/usr/bin/env bash
# Debian testing's llama.cpp in a folder of its own: nothing of this system changes.
#
#   llama_root.sh ROOT      makes it, once; needs root and debootstrap
#   llama_root.sh ROOT COMMAND...   runs a command in it
#
# It stays: `umount ROOT/proc` before you delete it.
set -euo pipefail
root=$1
shift

packages() {
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}

if [[ ! -e $root/.done ]]; then
  command -v debootstrap >/dev/null || { echo "debootstrap is missing" >&2; exit 1; }
  mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources)
  debootstrap --variant=minbase testing "$root" "$mirror" >&2
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
  packages apt-get update -qq >&2
  packages apt-get install -y -qq --no-install-recommends llama.cpp-tools >&2
  touch "$root/.done"
fi
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
[[ $# -eq 0 ]] || exec chroot "$root" env -i PATH=/usr/bin:/bin HOME=/root "$@"
