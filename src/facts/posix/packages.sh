# shellcheck shell=sh disable=SC2016,SC2034,SC2154
# A manager counts as being here by its database, not by its program. rpm is not run without one,
# since it would make one.
database() {
  db=$1
  shift
  for f; do
    if [ -e "$f" ] || [ -h "$f" ]; then
      mark database "$db $f"
      return 0
    fi
  done
  idx=$db
  for f; do need "$f"; done
  idx=-
  return 1
}

rpm_database() {
  database rpm "$1/rpmdb.sqlite" "$1/Packages" "$1/Packages.db"
}

ask_packages() {
  if database dpkg /var/lib/dpkg; then
    [ -s /var/lib/dpkg/status ] || [ ! -x /var/lib/dpkg ] || mark empty dpkg
    # Every package that dpkg knows has a list of its files.
    set +f
    set -- /var/lib/dpkg/info/*.list
    [ -e "$1" ] || set --
    mark lists "$#"
    run dpkg dpkg-query -W -f='+${Package}\t${Version}\t${Architecture}\t${Status}\n'
  fi
  # Debian's rpm has a database for each user.
  own=
  if command -v rpm >/dev/null; then own=$(rpm --eval '%{_dbpath}' 2>/dev/null); fi
  set -- /var/lib/rpm /usr/lib/sysimage/rpm /usr/share/rpm
  case $own in "$HOME"/*) set -- "$@" "/root/${own#"$HOME"/}" ;; esac
  if [ "$uid" = 0 ]; then set -- "$@" /root/.rpmdb; fi
  case $own in
    /*)
      if rpm_database "$own"; then
        run rpm rpm -qa --qf '+%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\tinstalled\n'
        set --
      fi
      ;;
  esac
  for d; do
    if [ "$d" != "$own" ] && rpm_database "$d"; then break; fi
  done
  if database apk /lib/apk/db/installed /usr/lib/apk/db/installed; then
    run apk sed -n '/^[PVA]:/p' "$f"
  fi
  if database pacman /var/lib/pacman/local; then
    run pacman pacman -Q
  fi
  flush
}
