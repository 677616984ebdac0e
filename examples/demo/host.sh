#!/bin/sh
# The first process of a demo host, in namespaces of its own: builds a small system on a tmpfs, with the
# machine's /usr read-only in it, makes that its root, installs the host's products by the real dpkg,
# says "ready PID", and ends, and with it every process and file of the host, when its input does.
# Arguments: DIRECTORY NAME BROKEN PRODUCT...
set -eu
dir=$1 name=$2 broken=$3
shift 3
read -r pid _ </proc/self/stat # the machine's /proc, so the machine's pid
exec 3<&0 </dev/null
root=$dir/root
mount -t tmpfs -o mode=755 demo "$root"
cd "$root"
mkdir -p usr etc/opt dev proc sys run/lab/units tmp root opt mnt srv home \
  var/lib/dpkg/info var/lib/dpkg/updates var/lib/dpkg/triggers var/lib/lab var/log var/opt var/tmp \
  var/cache var/spool/cron/crontabs etc/systemd/system etc/init.d etc/cron.d
chmod 1777 tmp var/tmp
mount --rbind /usr usr
# The machine's own programs are never to be changed, whoever runs this.
mount -o remount,bind,ro usr
mount -t tmpfs -o mode=755 local usr/local
mkdir -p usr/local/bin usr/local/sbin usr/local/share/ca-certificates
for link in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$link" ]; then
    cp -P "/$link" "$link"
  elif [ -d "/$link" ]; then
    mkdir "$link"
    mount --rbind "/$link" "$link"
    mount -o remount,bind,ro "$link"
  fi
done
mount -t proc proc proc
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom; do
  : >"dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mkdir -p dev/shm
ln -s /proc/self/fd dev/fd

echo 'root:x:0:0:root:/root:/bin/sh' >etc/passwd
printf 'root:x:0:\nshadow:x:42:\n' >etc/group
echo 'root:*:19700::::::' >etc/shadow
: >etc/gshadow
: >etc/login.defs
echo "$name" >etc/hostname
printf '127.0.0.1 localhost %s\n' "$name" >etc/hosts
ln -s ../usr/lib/os-release etc/os-release
ln -s ../run var/run
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
cat /proc/sys/kernel/random/uuid >run/boot_id
mount --bind run/boot_id proc/sys/kernel/random/boot_id
[ ! -d /etc/alternatives ] || cp -RP /etc/alternatives etc/alternatives
: >etc/crontab
for file in ld.so.cache ssl/certs/ca-certificates.crt; do
  [ ! -e "/etc/$file" ] || { mkdir -p "etc/${file%/*}" && cp "/etc/$file" "etc/$file"; }
done 2>/dev/null
# A stand-in for systemctl, in the machine's place if it has one.
cp "$dir/systemctl.sh" run/lab/systemctl
chmod 755 run/lab/systemctl
if [ -e usr/bin/systemctl ]; then
  mount --bind run/lab/systemctl usr/bin/systemctl
else
  cp run/lab/systemctl usr/local/bin/systemctl
fi
cp "$dir/product.sh" run/lab/product.sh
hostname "$name"
pivot_root . mnt
cd /
umount -l /mnt

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
LC_ALL=C
export PATH HOME LC_ALL
: >/var/lib/dpkg/status
: >/var/lib/dpkg/available
for package in base-files "$@"; do
  sh -eu /run/lab/product.sh "$package" 3<&- >/run/lab/log 2>&1 || { cat /run/lab/log >&2; exit 1; }
done
case $broken in
  removal) : >/var/lib/lab/fail-kesl ;;
  packages) printf 'not a\npackage database\n' >/var/lib/dpkg/status ;;
esac
rm -rf /run/lab/product.sh /run/lab/log /var/tmp/* /tmp/*
echo "ready $pid"
# Waiting reaps whatever processes are left to this one.
cat <&3 >/dev/null &
wait $!
