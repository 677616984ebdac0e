#!/bin/bash
# Keeps one lab host: its disk (a tmpfs of this mount namespace) and, while it is up, its processes.
# Reads commands on standard input: "ready", "boot", "cut" (the power), "quit". The end of the input
# without a "quit" means that the test process is gone: then nothing may stay behind, the lab's directory
# included. What the host itself asks for ("reboot") comes by the pipe `power`, which it sees as
# /dev/lab-power; the file `next_boot` says what then becomes of it.
set -m # jobs get their own process groups and keep the default signals
trap : INT TERM HUP
dir=$1
lab=$2
shift 2
mount --make-rprivate / || exit 1
mount -t tmpfs -o mode=755 lab "$dir/disk" || exit 1
mkdir "$dir/disk/up" "$dir/disk/work" "$dir/disk/root"
mkfifo -m 600 "$dir/power" || exit 1
exec 3<>"$dir/power" 4<&0 </dev/null
{
  cat <&4
  echo gone
} >&3 &
forward=$!
exec 4<&-
job=
later=
cut() {
  [ -n "$job" ] || return 0
  # The first process goes first: `unshare` ends when all of the host's processes are gone, and not before.
  first=$(cat "$dir/pid.new" "$dir/pid" 2>/dev/null)
  kill -9 "${first:-$job}" 2>/dev/null
  wait "$job" 2>/dev/null
  rm -f "$dir/pid" "$dir/pid.new"
  job=
}
boot() {
  rm -f "$dir/pid" "$dir/pid.new"
  unshare -m -p -u -i -f --kill-child --propagation private \
    sh "$dir/boot.sh" "$dir" </dev/null >>"$dir/log" 2>&1 3>&- &
  job=$!
}
boot_after() {
  {
    sleep "$1"
    echo power-on
  } >&3 2>/dev/null &
  later=$!
}
reboot() {
  cut
  wish=$(cat "$dir/next_boot" 2>/dev/null)
  rm -f "$dir/next_boot"
  case $wish in
    never) return ;;
    after\ *) boot_after "${wish#after }" && return ;;
    machine-id)
      rm -f "$dir/disk/up/etc/machine-id"
      tr -d - </proc/sys/kernel/random/uuid >"$dir/disk/up/etc/machine-id"
      ;;
    host-key)
      rm -f "$dir/disk/up/etc/ssh/lab_host_key"*
      ssh-keygen -q -t ed25519 -N '' -f "$dir/disk/up/etc/ssh/lab_host_key"
      ;;
  esac
  boot_after 0.5
}
quit=
while read -r word <&3; do
  case $word in
    ready) ;;
    boot)
      cut
      boot
      ;;
    cut) cut ;;
    reboot)
      # From a host that was cut off meanwhile it means nothing.
      [ -z "$job" ] || reboot
      continue
      ;;
    power-on)
      [ -n "$job" ] || boot
      continue
      ;;
    quit)
      quit=yes
      break
      ;;
    gone) break ;;
  esac
  echo "$word"
done
cut
for group in $forward $later; do
  kill -9 -- "-$group" 2>/dev/null
done
umount -l "$dir/disk" 2>/dev/null
[ -n "$quit" ] || rm -rf "$dir" "$lab"
