#!/usr/bin/env bash
# Packs what the machine of `./run vm` boots from: pack.sh LIST, in the folder that is to hold it. machine.py calls it.
# Each line of LIST: the name of a suite, its program's path, how many seconds it may take, options for it.
# Leaves vmlinuz, initramfs, disk (ext4: the suites, their libraries, strace) and scratch (zeros).
set -euo pipefail
readonly list=$1 here=${BASH_SOURCE[0]%/*}

die() {
    printf 'pack: %s\n' "$*" >&2
    exit 1
}

# In the order of loading: checksums, NVMe with its poll queues, ext4, loop devices. What a kernel lacks is built in.
modules=(crc64 crct10dif_common crct10dif_generic crc-t10dif crc64-rocksoft t10-pi nvme-core 'nvme poll_queues=2'
    crc16 crc32c_generic libcrc32c mbcache jbd2 ext4 loop)

# fetch PACKAGE: it is unpacked into a folder of its name, not installed.
fetch() {
    [[ ! -d $1 ]] || return 0
    echo "fetching $1"
    apt-get download -q "$1" >fetch.log 2>&1 || { cat fetch.log; die "no $1: does apt-get update help?"; }
    dpkg -x "$1"_*.deb "$1.part"
    rm "$1"_*.deb
    mv "$1.part" "$1"
}

pack_initramfs() {
    rm -rf initramfs.root
    mkdir -p initramfs.root/{bin,dev,disk,modules,proc,sys}
    cp busybox-static/bin/busybox initramfs.root/bin
    cp "$here/init.sh" initramfs.root/init
    chmod +x initramfs.root/init
    local module path
    for module in "${modules[@]}"; do
        path=$(find "$kernel/lib/modules" -name "${module%% *}.ko*")
        [[ -n $path ]] || continue
        cp "$path" initramfs.root/modules
        [[ $path != *.xz ]] || xz -d "initramfs.root/modules/${path##*/}"
        echo "${module/ /.ko }" | sed '/\.ko/!s/$/.ko/' >>initramfs.root/modules/list
    done
    (cd initramfs.root && find . | cpio -o -H newc --quiet) >initramfs
}

# The suites are linked as ever; the libraries that they were linked with come along.
pack_disk() {
    rm -rf disk.root disk scratch
    mkdir -p disk.root/{bin,dev,mnt/nvme,proc,suites,sys,tmp}
    local name program rest programs=()
    while read -r name program rest; do
        mkdir -p "disk.root/suites/${name%/*}"
        strip --strip-debug -o "disk.root/suites/$name" "$program"
        echo "$name $rest" >>disk.root/suites/list
        programs+=("$program")
    done <"$list"
    # For tests that make system calls fail.
    cp busybox-static/bin/busybox disk.root/bin
    ln -s busybox disk.root/bin/sh
    ln -s busybox disk.root/bin/true
    programs+=("$(command -v strace)")
    cp "${programs[-1]}" disk.root/bin
    ldd "${programs[@]}" | grep -o '/[^ :]* (0x' | sort -u | sed 's/ (0x//' | xargs cp -L --parents -t disk.root
    truncate -s 2G disk
    mkfs.ext4 -q -F -d disk.root disk
    truncate -s 256M scratch
}

kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: *\(linux-image-[^ ]*\)$/\1/p' | head -n 1)
[[ -n $kernel ]] || die "apt knows no linux-image-amd64; the machine's kernel is Debian's: apt-get update, on Debian"
fetch "$kernel"
fetch busybox-static
cp "$kernel"/boot/vmlinuz-* vmlinuz
pack_initramfs
pack_disk
