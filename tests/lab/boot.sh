#!/bin/sh
# Runs as the first process of a host, in its own mount, pid, host name and IPC namespaces: builds its
# file system over the machine's, makes it the root, and becomes sshd.
# shellcheck disable=SC2154 # what `settings` assigns
set -eu
trap 'echo "lab: the host did not boot" >&2' EXIT
dir=$1
# The machine's /proc is still there: its pid is the one by which the test enters the host.
read -r pid _ </proc/self/stat
echo "$pid" >"$dir/pid.new"
# shellcheck disable=SC1091
. "$dir/settings"
disk=$dir/disk

if [ ! -e "$disk/made" ]; then
  # What of the machine must not be seen on the host: whatever people and other packages put there;
  # and what is only bulk (a snapshot looks at every path).
  mkdir -p "$disk/up/etc" "$disk/up/usr/lib" "$disk/up/usr/share"
  chmod 755 "$disk/up/etc" "$disk/up/usr" "$disk/up/usr/lib" "$disk/up/usr/share"
  hide() {
    if [ -e "/$1" ] || [ -L "/$1" ]; then mknod "$disk/up/$1" c 0 0; fi
  }
  cd /
  for entry in * etc/opt usr/local usr/include usr/src usr/games \
    usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/icons usr/share/fonts; do
    case $entry in
      bin | sbin | lib | lib32 | lib64 | libx32 | usr | etc) ;;
      *) hide "$entry" ;;
    esac
  done
  for entry in usr/lib/*/; do
    case $entry in
      */*-linux-gnu*/ | */apt/ | */dpkg/ | */locale/ | */openssh/ | */rpm/ | */sudo/ | */systemd/ | */udev/) ;;
      */*.d/ | */init/ | */lsb/ | */ssl/ | */terminfo/ | */binfmt*/ | */kernel/ | */modules/ | */python3*/) ;;
      *) hide "${entry%/}" ;;
    esac
  done
fi
mount -t overlay lab -o "xino=off,lowerdir=/,upperdir=$disk/up,workdir=$disk/work" "$disk/root"
cd "$disk/root"
if [ ! -e "$disk/made" ]; then
  mkdir -p boot dev home mnt opt proc root run srv sys tmp media etc/opt \
    usr/local/bin usr/local/sbin usr/local/lib usr/local/share usr/local/etc \
    var/backups var/cache/apt var/lib/misc var/lib/sudo var/lib/lab var/log var/mail var/opt \
    var/spool/cron/crontabs var/tmp
  ln -s /run var/run
  ln -s /run/lock var/lock
  chmod 1777 tmp var/tmp
  chmod 700 root
fi

mount -t tmpfs -o mode=755 dev dev
# By this the host tells its supervisor that it reboots.
: >dev/lab-power
mount --bind "$dir/power" dev/lab-power
for node in null zero full random urandom tty; do
  : >"dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t proc proc proc
mount -t tmpfs -o mode=755 sys sys
mkdir -p sys/class/dmi/id sys/module sys/fs/cgroup
(umask 377 && echo "$dmi_uuid" >sys/class/dmi/id/product_uuid)
mount -t tmpfs -o mode=755 run run
mkdir -p run/sshd run/lock run/lab/units
cat /proc/sys/kernel/random/uuid >run/lab/boot_id
chmod 444 run/lab/boot_id
mount --bind run/lab/boot_id proc/sys/kernel/random/boot_id
hostname "$name"

pivot_root . mnt
cd /
exec </dev/null
if [ ! -e "/mnt$disk/made" ]; then
  sh -eu "/mnt$dir/provision.sh" "/mnt$dir"
  : >"/mnt$disk/made"
fi
mv "/mnt$dir/pid.new" "/mnt$dir/pid"
umount -l /mnt
exec /usr/sbin/sshd -D -e
