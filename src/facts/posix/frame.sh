# shellcheck shell=sh disable=SC2034,SC2154
# Frames. At the outside a line is `NONCE begin NAME`, `NONCE end NAME`, or belongs to a section and
# starts with `|`. Within a section a line is `NONCE WORD REST` (a mark) or raw text that belongs to
# the mark before it. The nonce is never an argument of a program, where others could read it.

# Everywhere else `>/dev/null` would make a file of that name.
[ -c /dev/null ] || return 1
umask 077
IFS=' 	
'
NL='
'
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
unset LANGUAGE CDPATH ENV BASH_ENV GLOBIGNORE GREP_OPTIONS POSIXLY_CORRECT QUOTING_STYLE TIME_STYLE
unset BLOCK_SIZE BLOCKSIZE LS_BLOCK_SIZE DPKG_ADMINDIR DPKG_ROOT DPKG_COLORS DPKG_DEBUG RPM_CONFIGDIR
unset SYSTEMD_COLORS SYSTEMD_PAGER SYSTEMCTL_FORCE_BUS
unset -f uname id sed cat grep ls stat readlink head printf systemctl rpm pacman 2>/dev/null
set -f
if [ -n "${BASH_VERSION-}" ]; then
  # shellcheck disable=SC3044
  for o in globskipdots failglob nullglob nocaseglob dotglob extglob; do shopt -u "$o"; done 2>/dev/null
fi

mark() { printf '%s %s %s\n' "$N" "$1" "$2"; }

# A program's output as raw text, then its status, then what it said on standard error. These do not
# share a pipe while it runs: a message could land within a line of output.
run() {
  mark run "$1"
  shift
  err=$("$@" 2>&1 >&3 3>&-)
  printf '\n%s rc %s\n' "$N" "$?"
  if [ -n "$err" ]; then
    mark err ''
    printf '%s\n' "$err"
  fi
}

section() {
  mark begin "$1"
  { "${ask}_$1"; mark "done" "$1"; } 3>&1 | sed 's/^/|/'
  mark end "$1"
}

# Paths are looked at in batches by one program, whose messages tell "no such file" from every other
# reason not to find one. `/` is looked at too: what cannot find that finds nothing.
idx=- list='' count=0 want=''
flush() {
  [ "$count" -gt 0 ] || return 0
  IFS=$NL
  set -f
  # shellcheck disable=SC2086
  set -- $list
  set +f
  IFS=
  list='' count=0
  if [ "$statable" ]; then
    run stat stat -c '%f %s %u %U:%n' -- / "$@"
  else
    run ls ls -ld -- / "$@"
  fi
}

# What `idx` asks depends on this path being there or provably not being there.
need() {
  case $1 in *"$NL"*) mark gap "$idx a directory's name has a line break"; return 0 ;; esac
  mark need "$idx $1"
  list=$list$1$NL count=$((count + 1))
}

# Whether a directory's names can be read. If it cannot, the reason is told; if it is not there,
# that is left to be proved. A directory that was read shows `..`.
listable() {
  if [ -d "${1:-/}" ]; then
    set +f
    set -- "$1" "$1"/.[.]
    [ "$2" = "$1/.." ] && return 0
    err=$(ls -a -- "${1:-/}" 2>&1 >/dev/null) && return 0
    mark gap "$idx ${err%%"$NL"*}"
  elif ! [ -e "$1" ]; then
    need "$1/."
  fi
  return 1
}
