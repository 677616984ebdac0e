#!/bin/bash
# boot.sh DIR PREFIX TOOLS: the first process of a host, in namespaces of its own. Its Windows is at /mnt, what the lab
# keeps outside of its drives at /media; the machine's own files are there to read only.
set -e
dir=$1
name=
guid=
# shellcheck source=/dev/null
. "$dir/settings"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin WINEDEBUG=-all WINEPREFIX=/mnt
export HOME=/tmp/home USER=Administrator LOGNAME=Administrator
hostname "$name"
# With `xino` a folder has the same number after each start: by it the lab remembers who may use it.
mount -t overlay -o "xino=on,lowerdir=$3:$2,upperdir=$dir/disk/up,workdir=$dir/disk/work" overlay /mnt
mount --bind "$dir/outside" /media
mount -t proc proc /proc
mount -t tmpfs tmpfs /tmp
mount -o remount,bind,ro /
mkdir /tmp/home
cd /mnt/drive_c
/usr/lib/wine/wineserver64 -p
/usr/lib/wine/wine64 'C:\lab\labboot.exe' "$guid"
: >/media/booted
# Reaps what nobody waits for.
while :; do
  sleep 1000 &
  wait $!
done
