#!/bin/sh
# `ps` of macOS, as far as it is asked: from a /proc, which no Mac has. PROC says where that is.
proc=${PROC:-/proc}
# look PID: name, state, parent, began (in hundredths of a second since boot)
look() {
  read -r line 2>/dev/null <"$proc/$1/stat" || return 1
  name=${line#*\(} name=${name%) *}
  # shellcheck disable=SC2086
  set -- ${line##*") "}
  state=$1 parent=$2
  shift 19
  began=$1
}
# What it was started as: its path, where the kernel's name of it agrees.
command_of() {
  exe=$(readlink "$proc/$1/exe" 2>/dev/null)
  exe=${exe%' (deleted)'}
  case ${exe##*/} in "$name"*) printf '%s\n' "$exe" ;; *) printf '%s\n' "$name" ;; esac
}
each() {
  for pid in "$proc"/[0-9]*; do
    pid=${pid##*/}
    look "$pid" || continue
    if [ "$pid" = 1 ]; then name=launchd; fi
    "$1"
  done
}
names() { printf '%5s %5s %s\n' "$pid" "$(stat -c %u "$proc/$pid" 2>/dev/null || echo 0)" "$name"; }
commands() {
  if [ "$pid" = 1 ]; then echo '    1 /sbin/launchd'; else printf '%5s %s\n' "$pid" "$(command_of "$pid")"; fi
}
owners() { printf '%5s\n' "$(stat -c %u "$proc/$pid" 2>/dev/null || echo 0)"; }
started() {
  boot=$(sed -n 's/^btime //p' "$proc/stat")
  LC_ALL=C date -d "@$((boot + began / 100))" '+%a %b %e %H:%M:%S %Y'
}
case $* in
  '-axww -o pid= -o uid= -o ucomm=') each names ;;
  '-axww -o pid= -o comm=') each commands ;;
  '-axo uid=')
    each owners
    if [ -e /recorded/sessions ]; then cat /recorded/sessions; fi
    ;;
  '-o ppid= -p '*) look "$4" && printf '%5s\n' "$parent" ;;
  '-o ucomm= -p '*) look "$4" && printf '%-16s\n' "$name" ;;
  '-o state= -o ppid= -o lstart= -p '*) look "$8" && printf '%-4s %5s %s\n' "${state}s" "$parent" "$(started)" ;;
  *)
    printf 'ps: not recorded: %s\n' "$*" >&2
    exit 99
    ;;
esac
