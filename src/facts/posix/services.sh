# shellcheck shell=sh disable=SC2154
ask_services() {
  units .service
  # systemd tells the state of an alias under the name of the unit that it points to.
  if [ -n "$links" ]; then
    IFS=$NL
    set -f
    # shellcheck disable=SC2086
    set -- $links
    set +f
    IFS=
    run aliases ls -ld -- "$@"
  fi
  for d in /etc/init.d /etc/rc.d/init.d; do
    if [ "$d" = /etc/rc.d/init.d ] && [ -h /etc/init.d ]; then continue; fi
    listable "$d" || continue
    mark scripts "$d"
    for f in "$d"/*; do
      if [ -d "$f" ]; then continue; fi
      if [ -e "$f" ] || [ -h "$f" ]; then name "${f##*/}"; fi
    done
  done
  if [ -d /run/systemd/system ]; then mark booted systemd; fi
  if [ -d /run/systemd/system ] || command -v systemctl >/dev/null; then
    run systemctl systemctl list-units --all --plain --no-legend --no-pager --full --type=service
  fi
  flush
}
