#!/bin/bash
# Keeps one Windows host of the lab: its disk (a tmpfs of this mount namespace) and, while it is up, its processes.
# supervisor.sh DIR LAB PREFIX TOOLS
# Reads commands on standard input: "ready", "boot", "stop" (as Windows shuts down), "cut" (the power), "quit". The
# end of the input without a "quit" means that the test process is gone: then nothing may stay behind, the lab's
# directory included. What the host itself asks for (shutdown /r) is a line in the file outside/power.
# DIR/state says what is: "up PID" or "down".
set -m # jobs get their own process groups and keep the default signals
trap : INT TERM HUP
dir=$1
lab=$2
prefix=$3
tools=$4
mount --make-rprivate / || exit 1
mount -t tmpfs -o mode=755 lab "$dir/disk" || exit 1
mkdir "$dir/disk/up" "$dir/disk/work" || exit 1
if [ -d "$dir/first" ]; then cp -a "$dir/first/." "$dir/disk/up/"; fi
echo down >"$dir/state"
job=
inside=
cut() {
  echo down >"$dir/state"
  [ -n "$job" ] || return 0
  # The first process goes first: `unshare` ends when all of the host's processes are gone, and not before.
  kill -9 "${inside:-$job}" 2>/dev/null
  wait "$job" 2>/dev/null
  job=
  inside=
}
stop() {
  echo down >"$dir/state"
  [ -z "$inside" ] || nsenter -t "$inside" -m -p -u -i -- env -i HOME=/tmp/home USER=Administrator \
    WINEPREFIX=/mnt timeout 20 /usr/lib/wine/wineserver64 -k -w </dev/null >>"$dir/log" 2>&1
  cut
}
boot() {
  cut
  rm -f "$dir/outside/power" "$dir/outside/booted"
  unshare -m -p -u -i -f --kill-child --propagation private \
    bash "$dir/boot.sh" "$dir" "$prefix" "$tools" </dev/null >>"$dir/log" 2>&1 &
  job=$!
  for _ in $(seq 1200); do
    [ ! -e "$dir/outside/booted" ] || break
    kill -0 "$job" 2>/dev/null || break
    sleep 0.05
  done
  inside=$(cat "/proc/$job/task/$job/children" 2>/dev/null)
  inside=${inside%% *}
  if [ -e "$dir/outside/booted" ]; then echo "up $inside" >"$dir/state"; else cut; fi
}
quit=
# What was read of a word whose rest had not come in time.
begun=
while :; do
  if read -t 0.3 -r word; then
    word=$begun$word
    begun=
    case $word in
      ready) ;;
      boot) boot ;;
      stop) stop ;;
      cut) cut ;;
      quit)
        quit=yes
        break
        ;;
    esac
    echo "$word"
  elif [ $? -le 128 ]; then
    break
  elif [ -n "$word" ]; then
    begun=$begun$word
  elif [ -n "$job" ] && [ -s "$dir/outside/power" ]; then
    read -r word _ <"$dir/outside/power"
    stop
    if [ "$word" = reboot ] && [ ! -e "$dir/outside/flags/never-back" ]; then boot; fi
  fi
done
cut
umount -l "$dir/disk" 2>/dev/null
[ -n "$quit" ] || rm -rf "$dir" "$lab"
