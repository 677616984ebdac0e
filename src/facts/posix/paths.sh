# shellcheck shell=sh disable=SC2154,SC2086
# `of I`: what follows is asked by pattern I; `of I text`: the beginnings of the files too.
of() {
  idx=$1 want=${2-} full='' hits=0 tails=0 texts=0
}

more() {
  full=1
  mark gap "$idx there are more than $1"
}

add() {
  case $1 in *"$NL"*) odd "$1"; return 0 ;; esac
  list=$list$1$NL count=$((count + 1))
  if [ -e "$1" ] || [ -h "$1" ]; then led "$1"; fi
  if [ -h "$1" ]; then
    mark link "$1"
    run link readlink -- "$1"
  fi
  if [ "$want" ]; then text "$1"; fi
  [ "$count" -lt 300 ] || flush
}

# Where the directory of a path really is, if a link is on the way to it. Neighbours share the answer.
led() {
  if [ "${1%/*}" != "$near" ]; then
    near=${1%/*} real=''
    above=$near
    while [ -n "$above" ]; do
      if [ -h "$above" ]; then
        real=$(cd -P -- "$near" 2>/dev/null && pwd -P)/
        break
      fi
      above=${above%/*}
    done
  fi
  if [ -n "$real" ]; then
    mark real "$1"
    printf '%s\n' "$real"
  fi
}

# No name has `//` in it, so it stands for a line break.
odd() {
  name='' rest=$1
  while :; do
    case $rest in
      *"$NL"*) name=$name${rest%%"$NL"*}// rest=${rest#*"$NL"} ;;
      *) break ;;
    esac
  done
  mark odd "$name$rest"
  if [ "$statable" ]; then
    run odd stat -c '%f %s %u %U:' -- "$1"
  fi
  if [ "$want" ]; then mark gap "$idx a file's name has a line break"; fi
}

# Only what is a file at the end of all links is read: a pipe would never answer.
text() {
  if [ -f "$1" ]; then
    texts=$((texts + 1))
    if [ "$texts" -gt 100 ]; then more '100 files to read'; return 0; fi
    mark file "$1"
    run text head -c 65537 -- "$1"
  elif [ -e "$1" ]; then
    mark other "$1"
  elif [ -h "$1" ]; then
    mark other "$1"
    need "$1/."
  fi
}

found() {
  hits=$((hits + 1))
  if [ "$hits" -gt 1000 ]; then more '1000 matches'; else add "$1"; fi
}

# walk DIRECTORY [PATTERN DOT-PATTERN REST]…: names in DIRECTORY that match one of the patterns, with
# the literal REST behind, and so on below that.
walk() {
  if [ "$2" = '**' ]; then
    below "$1"
    return 0
  fi
  listable "$1" || return 0
  for m in "$1"/$2; do onward "$m" "$@"; done
  if [ -n "$3" ]; then
    for m in "$1"/$3; do onward "$m" "$@"; done
  fi
}

onward() {
  if [ "$full" ]; then return 0; fi
  case $1 in
    */. | */..) return 0 ;;
    "$2/$3" | "$2/$4") [ -e "$1" ] || [ -h "$1" ] || return 0 ;;
  esac
  if [ $# -gt 5 ]; then
    m=$1$5
    shift 5
    walk "$m" "$@"
  elif [ -n "$5" ]; then
    tails=$((tails + 1))
    if [ "$tails" -gt 5000 ]; then more '5000 directories to look in'; else add "$1$5"; fi
  else
    found "$1"
  fi
}

below() {
  listable "$1" || return 0
  for m in "$1"/* "$1"/.*; do
    if [ "$full" ]; then return 0; fi
    case $m in
      */. | */..) continue ;;
      "$1/*") [ -e "$m" ] || [ -h "$m" ] || continue ;;
    esac
    found "$m"
    if [ -d "$m" ] && ! [ -h "$m" ]; then below "$m"; fi
  done
}

ask_paths() {
  set +f
  IFS=
  near='' real=''
  # Looked at in any case, so that the batch is never empty.
  add /
  asked
  flush
  mark paths answered
}
