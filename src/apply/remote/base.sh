# shellcheck shell=sh disable=SC2015,SC2034,SC2154
# What every script shares: the private directory, the boot, processes, claims. All names begin with
# `up_`, because a step's own script is evaluated in a child of the wrapper that has them too.
#
# Set by whoever renders: up_state, up_systemd, up_run, up_owner, up_lease.

up_umask=$(umask)
up_path=${PATH-}
up_locale=${LC_ALL-}
umask 077
set +a
IFS=' 	
'
up_line_break='
'
PATH=${PATH:+$PATH:}/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
unset CDPATH

# The answer's first line, and one line only.
up_say() {
  up_said=$*
  printf '= %s\n' "${up_said%%"$up_line_break"*}"
}

up_is_number() {
  case $1 in '' | *[!0-9]*) return 1 ;; esac
}

# Seconds since boot, sleep included.
up_clock() {
  if [ -r /proc/uptime ]; then
    read -r up_now up_rest </proc/uptime
    up_now=${up_now%%.*}
  else
    up_now=$(sysctl -n kern.boottime) up_now=${up_now#*sec = }
    up_now=$(($(date +%s) - ${up_now%%,*}))
  fi
  up_is_number "$up_now"
}

# Which boot it is.
up_find_boot() {
  up_boot=
  if [ -r /proc/sys/kernel/random/boot_id ]; then
    read -r up_boot </proc/sys/kernel/random/boot_id
  else
    up_boot=$(sysctl -n kern.bootsessionuuid)
  fi
  case $up_boot in '' | *[!0-9A-Za-z-]*) return 1 ;; esac
}

# When process $1 was started (up_start) and by whom (up_parent). False if it does not run: a pid
# that is in use again has another start.
up_look_at() {
  up_start='' up_parent=''
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  if [ -r /proc/self/stat ]; then
    read -r up_line <"/proc/$1/stat" || return 1
    # The name between the brackets may hold anything.
    # shellcheck disable=SC2086
    set -- ${up_line##*") "}
    case ${1-} in '' | Z | X) return 1 ;; esac
    up_parent=${2-} up_start=${20-}
  else
    # In one time zone, whatever each login has: a time that reads otherwise is another process's.
    # shellcheck disable=SC2046
    set -- $(TZ=UTC0 ps -o state= -o ppid= -o lstart= -p "$1")
    case ${1-} in '' | Z*) return 1 ;; esac
    up_parent=${2-} up_start=${3-}${4-}${5-}${6-}${7-}
  fi
  [ -n "$up_start" ]
}

# Which process this very (sub)shell is: up_pid, up_start, up_parent. `$$` is its parent's in a subshell.
up_look_at_self() {
  if [ -r /proc/self/stat ]; then
    read -r up_pid up_rest </proc/self/stat
  else
    up_pid=$(exec sh -c 'echo "$PPID"')
  fi
  up_look_at "$up_pid"
}

# A short sleep, where the host has such.
up_nap() { sleep "$1" || sleep 1; }

# Goes to the private directory; with `make`, makes it where it is missing. Status 2: it is missing; 3: it cannot be
# looked at, as where a program cannot be started this once.
# Nothing but a real directory that is ours alone will do.
up_enter() {
  if ! [ -e "$up_state" ] && ! [ -L "$up_state" ]; then
    up_why="\`$up_state\` is missing"
    [ "$1" = make ] || return 2
    if ! up_why=$(mkdir "$up_state" 2>&1) && ! [ -d "$up_state" ]; then
      up_why="\`$up_state\` cannot be made: $up_why"
      return 1
    fi
  fi
  if [ -L "$up_state" ]; then
    up_why="\`$up_state\` is a symbolic link"
    return 1
  elif ! [ -d "$up_state" ]; then
    up_why="\`$up_state\` is not a directory"
    return 1
  fi
  if ! cd -P "$up_state"; then
    up_why="\`$up_state\` cannot be entered"
    return 3
  fi
  # shellcheck disable=SC2046
  set -- $(ls -ldn .)
  case ${1-} in
    drwx------ | drwx------[.@] | drwx--S--- | drwx--S---[.@]) ;;
    '') up_why="\`$up_state\` cannot be looked at" && return 3 ;;
    *) up_why="\`$up_state\` is open to others ($1)" && return 1 ;;
  esac
  # shellcheck disable=SC3067
  if ! [ -O . ]; then
    up_why="\`$up_state\` belongs to another user (uid ${3-})"
    return 1
  fi
}

# The claim $1: who runs the step and since when. False where it is void: nobody does or ever will.
up_read_claim() {
  up_claim_pid='' up_claim_start='' up_claim_boot='' up_claim_begun=''
  read -r up_claim_pid up_claim_start up_claim_boot up_claim_begun <"$1.claim"
  up_is_number "$up_claim_begun"
}

# Whether the step of the claim that was read runs: its wrapper does, or its own shell still does.
up_lives() {
  [ "$up_claim_boot" = "$up_boot" ] || return 1
  up_look_at "$up_claim_pid" && [ "$up_start" = "$up_claim_start" ] && return 0
  up_step_pid='' up_step_start=''
  read -r up_step_pid up_step_start <"$1.step"
  up_look_at "$up_step_pid" && [ "$up_start" = "$up_step_start" ]
}

# Whether any step of run $1 still runs: up_living is its claim.
up_run_lives() {
  for up_living in "$1"/*.claim; do
    up_living=${up_living%.claim}
    [ -e "$up_living.claim" ] && up_read_claim "$up_living" && ! [ -e "$up_living.status" ] &&
      up_lives "$up_living" && return 0
  done
  return 1
}

# Files of processes that died before they were whole.
up_clear_temp() {
  for up_file in temp.*; do
    up_pid=${up_file#temp.} up_started=${up_file##*.}
    up_look_at "${up_pid%%.*}" && [ "$up_start" = "$up_started" ] || rm -f "./$up_file"
  done
}

# How many bytes stream $1 has so far (up_total), from its last segment.
up_count() {
  up_last=0 up_total=0
  for up_file in "$1".[0-9]*; do
    up_number=${up_file##*.}
    up_is_number "$up_number" && [ "$up_number" -gt "$up_last" ] && up_last=$up_number
  done
  [ -e "$1.$up_last" ] || return 0
  up_size=0
  [ -s "$1.$up_last" ] && up_size=$(wc -c <"$1.$up_last")
  up_total=$((up_last * up_segment + up_size))
}
