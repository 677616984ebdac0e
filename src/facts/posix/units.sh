# shellcheck shell=sh disable=SC2154
# The unit files with this ending in every directory that systemd reads. A link to /dev/null masks a
# unit and is none itself.
units() {
  links=
  for d in /etc/systemd/system.control /run/systemd/system.control /run/systemd/transient \
    /run/systemd/generator.early /etc/systemd/system /etc/systemd/system.attached /run/systemd/system \
    /run/systemd/system.attached /run/systemd/generator /usr/local/lib/systemd/system \
    /usr/lib/systemd/system /lib/systemd/system /run/systemd/generator.late; do
    if [ "$d" = /lib/systemd/system ] && [ -h /lib ]; then continue; fi
    listable "$d" || continue
    mark units "$d"
    set +f
    for f in "$d"/*"$1"; do
      if [ -h "$f" ] && [ -c "$f" ]; then continue; fi
      if [ -h "$f" ]; then
        case $f in *"$NL"*) ;; *) links=$links$f$NL ;; esac
      fi
      if [ -e "$f" ] || [ -h "$f" ]; then name "${f##*/}"; fi
    done
  done
}

name() {
  case $1 in
    *"$NL"*) mark gap "$idx a file's name has a line break" ;;
    *) printf '%s\n' "$1" ;;
  esac
}
