#!/bin/bash
# Keeps one lab host: its disk (a tmpfs of this mount namespace) and, while it is up, its processes.
# Reads commands on standard input: "boot", "cut" (the power), "quit". The end of the input without a
# "quit" means that the test process is gone: then nothing may stay behind, the lab's directory included.
set -m # jobs get their own process groups and keep the default signals
trap : INT TERM HUP
dir=$1
lab=$2
shift 2
mount --make-rprivate / || exit 1
mount -t tmpfs -o mode=755 lab "$dir/disk" || exit 1
mkdir "$dir/disk/up" "$dir/disk/work" "$dir/disk/root"
job=
cut() {
  [ -n "$job" ] || return 0
  # The first process goes first: `unshare` ends when all of the host's processes are gone, and not before.
  first=$(cat "$dir/pid.new" "$dir/pid" 2>/dev/null)
  kill -9 "${first:-$job}" 2>/dev/null
  wait "$job" 2>/dev/null
  job=
}
quit=
while read -r word; do
  case $word in
    boot)
      cut
      rm -f "$dir/pid" "$dir/pid.new"
      unshare -m -p -u -i -f --kill-child --propagation private \
        sh "$dir/boot.sh" "$dir" </dev/null >>"$dir/log" 2>&1 &
      job=$!
      ;;
    cut)
      cut
      ;;
    quit)
      quit=yes
      break
      ;;
  esac
  echo "$word"
done
cut
umount -l "$dir/disk" 2>/dev/null
[ -n "$quit" ] || rm -rf "$dir" "$lab"
