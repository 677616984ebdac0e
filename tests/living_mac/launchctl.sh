#!/bin/sh
# `launchctl` of root: the jobs stand in /recorded/jobs, each as DOMAIN PID LABEL.
jobs=/recorded/jobs
printf 'launchctl %s\n' "$*" >>/recorded/calls
job() { grep -q "^${1%/*} [0-9-]* ${1##*/}\$" "$jobs"; }
case $1:$# in
  list:1)
    printf 'PID\tStatus\tLabel\n'
    sed -n 's/^system \([0-9-]*\) \(.*\)/\1	0	\2/p' "$jobs"
    ;;
  print:2)
    if job "$2"; then
      printf '%s = {\n}\n' "$2"
    else
      printf 'Could not find service "%s" in domain for %s\n' "${2##*/}" "${2%/*}" >&2
      exit 113
    fi
    ;;
  bootout:2)
    if ! job "$2"; then
      echo 'Boot-out failed: 3: No such process' >&2
      exit 3
    fi
    if [ -e /recorded/stays-loaded ]; then
      echo 'Boot-out failed: 5: Input/output error' >&2
      exit 5
    fi
    pid=$(sed -n "s:^${2%/*} \([0-9]*\) ${2##*/}\$:\1:p" "$jobs")
    if [ -n "$pid" ]; then kill "$pid" 2>/dev/null; fi
    sed "\:^${2%/*} [0-9-]* ${2##*/}\$:d" "$jobs" >"$jobs.new"
    cat "$jobs.new" >"$jobs"
    rm "$jobs.new"
    ;;
  *)
    printf 'launchctl: not recorded: %s\n' "$*" >&2
    exit 99
    ;;
esac
