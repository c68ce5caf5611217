#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the machine that `./run vm` boots: it mounts what there is, states the facts, runs the suites
# and powers off. pack.sh makes it /init of the initramfs. What it says goes to the second serial port, where machine.py
# reads it; errors and the kernel's own words go to the first.
#
# The suites find in their environment what the machine has:
#   RINGLET_POLLED_DEVICE  a whole block device, zeroed when the machine starts, to read and to overwrite
#   RINGLET_POLLED_FOLDER  an empty folder of an ext4 file system on such a device
#   RINGLET_EMULATED       set, since everything takes 10 to 30 times as long here
#   RINGLET_TWO_NODES      set, since it has two NUMA nodes with as many CPUs each, and a socket for each
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
while read -r module; do
    # shellcheck disable=SC2086  # a module and its parameters
    insmod /modules/$module
done </modules/list

# device_of SERIAL: waits for the NVMe drive with that serial number.
device_of() {
    while true; do
        for serial in /sys/class/nvme/*/serial; do
            controller=${serial%/serial}
            device=/dev/${controller##*/}n1
            grep -q "^$1 *$" "$serial" && [ -b "$device" ] && echo "$device" && return
        done
        sleep 0.1
    done 2>/dev/null
}

disk=$(device_of disk)
RINGLET_POLLED_DEVICE=$(device_of scratch)
RINGLET_POLLED_FOLDER=/mnt/nvme
RINGLET_TWO_NODES=1
RINGLET_EMULATED=1
export RINGLET_POLLED_DEVICE RINGLET_POLLED_FOLDER RINGLET_TWO_NODES RINGLET_EMULATED
mount -t ext4 "$disk" /disk
for folder in dev proc sys; do mount --bind "/$folder" "/disk/$folder"; done
ip link set lo up
ulimit -Hn 65536 # as an ordinary system allows

exec >/dev/ttyS1
echo "kernel $(uname -r), CPUs $(cat /sys/devices/system/cpu/online), NUMA nodes $(cat /sys/devices/system/node/online)"
for device in "$RINGLET_POLLED_DEVICE" "$disk"; do
    polls=$(cat "/sys/block/${device##*/}/queue/io_poll")
    echo "$device polls: $polls, with $(cat /sys/module/nvme/parameters/poll_queues) poll queues"
done

# Each line: a program, how many seconds it may take, and options for it.
set -f
while read -r program seconds options; do
    echo "BEGIN $program"
    # shellcheck disable=SC2086  # options are words
    # First by a signal that the suite survives for long enough to say which case it was in.
    timeout -k 5 "$seconds" chroot /disk "/suites/$program" $options >/output 2>&1 </dev/null
    result=$?
    cat /output
    printf '\nEND %s %d\n' "$program" "$result"
done </disk/suites/list
echo DONE
exec >/dev/null # closing the port waits until all is sent
poweroff -f
