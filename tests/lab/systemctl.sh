#!/bin/sh
# Stand-in for systemctl on a lab host, with the real one's words and codes. It starts what a unit's
# ExecStart says; anything it was not taught fails loudly, so that no test passes by its ignorance.
state=/run/lab/units

unsupported() {
  echo "systemctl stand-in: not taught: $all" >&2
  exit 99
}
path_of() {
  for dir in /etc/systemd/system /run/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    if [ -e "$dir/$1" ]; then
      echo "$dir/$1"
      return 0
    fi
  done
  return 1
}
full_name() { case $1 in *.service | *.timer | *.socket | *.target) echo "$1" ;; *) echo "$1.service" ;; esac; }
pid_of() { # prints the main pid if it is alive
  [ -e "$state/$1" ] || return 1
  pid=$(cat "$state/$1" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || [ -d "/proc/${pid:-none}" ] || return 1
  case $(cat "/proc/$pid/stat" 2>/dev/null) in *') Z '* | '') return 1 ;; esac
  echo "$pid"
}
active_of() { if pid_of "$1" >/dev/null; then echo active; else echo inactive; fi; }
sub_of() { if pid_of "$1" >/dev/null; then echo running; else echo dead; fi; }
enabled_of() {
  if [ -e "/etc/systemd/system/multi-user.target.wants/$1" ]; then echo enabled; else echo disabled; fi
}
start() {
  pid_of "$1" >/dev/null && return 0
  command=$(sed -n 's/^ExecStart=-\{0,1\}//p' "$(path_of "$1")" | head -n 1)
  # shellcheck disable=SC2016
  setsid sh -c 'echo $$ >"$1"; exec $2' sh "$state/$1" "$command" </dev/null >/dev/null 2>&1 &
  sleep 0.1
}
stop() {
  pid=$(pid_of "$1") || return 0
  kill "$pid"
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    pid_of "$1" >/dev/null || break
    sleep 0.05
  done
  pid_of "$1" >/dev/null || rm -f "$state/$1"
}
all_units() { # every unit file, one a line: NAME PATH
  seen=" "
  for unit_file in /etc/systemd/system/*.service /etc/systemd/system/*.timer /run/systemd/system/*.service \
    /usr/lib/systemd/system/*.service /usr/lib/systemd/system/*.timer; do
    [ -e "$unit_file" ] || continue
    base=${unit_file##*/}
    case $seen in *" $base "*) continue ;; esac
    seen="$seen$base "
    echo "$base $unit_file"
  done
}
show_one() {
  file=$(path_of "$1") || file=
  for property in $properties; do
    case $property in
      Id | Names) echo "$property=$1" ;;
      LoadState) if [ -n "$file" ]; then echo LoadState=loaded; else echo LoadState=not-found; fi ;;
      ActiveState) echo "ActiveState=$(active_of "$1")" ;;
      SubState) echo "SubState=$(sub_of "$1")" ;;
      MainPID) echo "MainPID=$(pid_of "$1" || echo 0)" ;;
      FragmentPath) echo "FragmentPath=$file" ;;
      UnitFileState) if [ -n "$file" ]; then echo "UnitFileState=$(enabled_of "$1")"; else echo UnitFileState=; fi ;;
      *) unsupported ;;
    esac
  done
}

all="$*"
verb=''
units=''
properties=''
now=''
types=''
while [ $# -gt 0 ]; do
  case $1 in
    -p | --property) properties="$properties $(echo "$2" | tr , ' ')" && shift ;;
    --property=*) properties="$properties $(echo "${1#*=}" | tr , ' ')" ;;
    -p*) properties="$properties $(echo "${1#-p}" | tr , ' ')" ;;
    -t | --type) types="$types $(echo "$2" | tr , ' ')" && shift ;;
    --type=*) types="$types $(echo "${1#*=}" | tr , ' ')" ;;
    --now) now=yes ;;
    -a | -l | --all | --no-legend | --legend=false | --no-pager | --plain | --full | --no-ask-password | --quiet | -q | --system | --no-block | --) ;;
    -*) unsupported ;;
    *) if [ -z "$verb" ]; then verb=$1; else units="$units $(full_name "$1")"; fi ;;
  esac
  shift
done
wanted_type() { [ -z "$types" ] || case " $types " in *" ${1##*.} "*) ;; *) return 1 ;; esac; }

status=0
case $verb in
  stop | disable) /usr/lib/lab/log systemctl "$verb$units" ;;
  reboot) exec /usr/sbin/shutdown -r now ;;
esac
case $verb in
  start | restart | stop | enable | disable | is-active | is-enabled | status | kill)
    [ -n "$units" ] || unsupported
    ;;
esac
case $verb in
  daemon-reload | reset-failed | daemon-reexec) ;;
  start | restart)
    for unit in $units; do
      if path_of "$unit" >/dev/null; then
        [ "$verb" = start ] || stop "$unit"
        start "$unit"
      else
        echo "Failed to $verb $unit: Unit $unit not found." >&2
        status=5
      fi
    done
    ;;
  stop)
    for unit in $units; do
      if path_of "$unit" >/dev/null || pid_of "$unit" >/dev/null; then
        stop "$unit"
      else
        echo "Failed to stop $unit: Unit $unit not loaded." >&2
        status=5
      fi
    done
    ;;
  enable)
    for unit in $units; do
      if file=$(path_of "$unit"); then
        mkdir -p /etc/systemd/system/multi-user.target.wants
        ln -sf "$file" "/etc/systemd/system/multi-user.target.wants/$unit"
        [ -z "$now" ] || start "$unit"
      else
        echo "Failed to enable unit: Unit file $unit does not exist." >&2
        status=1
      fi
    done
    ;;
  disable)
    for unit in $units; do
      if path_of "$unit" >/dev/null || [ -L "/etc/systemd/system/multi-user.target.wants/$unit" ]; then
        rm -f "/etc/systemd/system/multi-user.target.wants/$unit"
        [ -z "$now" ] || stop "$unit"
      else
        echo "Failed to disable unit: Unit file $unit does not exist." >&2
        status=1
      fi
    done
    ;;
  is-active)
    status=3
    for unit in $units; do
      active_of "$unit"
      pid_of "$unit" >/dev/null && status=0
    done
    ;;
  is-enabled)
    for unit in $units; do
      if path_of "$unit" >/dev/null; then
        enabled_of "$unit"
        [ "$(enabled_of "$unit")" = enabled ] || status=1
      else
        echo "Failed to get unit file state for $unit: No such file or directory" >&2
        status=1
      fi
    done
    ;;
  is-system-running) echo running ;;
  status)
    for unit in $units; do
      if file=$(path_of "$unit"); then
        echo "* $unit"
        echo "     Loaded: loaded ($file; $(enabled_of "$unit"))"
        echo "     Active: $(active_of "$unit") ($(sub_of "$unit"))"
        pid_of "$unit" >/dev/null || status=3
      else
        echo "Unit $unit could not be found." >&2
        status=4
      fi
    done
    ;;
  show)
    [ -n "$properties" ] || unsupported
    if [ -z "$units" ]; then unsupported; fi
    first=yes
    for unit in $units; do
      case $unit in
        '*.service' | '*.timer')
          all_units | while read -r name _; do
            case $name in *".${unit#*.}") show_one "$name" && echo ;; esac
          done
          continue
          ;;
      esac
      [ -n "$first" ] || echo
      first=
      show_one "$unit"
    done
    ;;
  list-unit-files)
    all_units | while read -r name _; do
      wanted_type "$name" && echo "$name $(enabled_of "$name") enabled"
    done
    ;;
  list-units)
    all_units | while read -r name _; do
      wanted_type "$name" || continue
      # Most were never started: no process is spent on them.
      states='inactive dead'
      [ ! -e "$state/$name" ] || states="$(active_of "$name") $(sub_of "$name")"
      echo "$name loaded $states $name"
    done
    ;;
  list-timers) ;;
  *) unsupported ;;
esac
exit $status
