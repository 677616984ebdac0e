# shellcheck shell=sh disable=SC2016
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

ask_packages() {
  if database dpkg /var/lib/dpkg; then
    [ -s /var/lib/dpkg/status ] || [ ! -x /var/lib/dpkg ] || mark empty dpkg
    run dpkg dpkg-query -W -f='+${Package}\t${Version}\t${Architecture}\t${Status}\n'
  fi
  if database rpm /var/lib/rpm/rpmdb.sqlite /var/lib/rpm/Packages /var/lib/rpm/Packages.db \
    /usr/lib/sysimage/rpm/rpmdb.sqlite /usr/lib/sysimage/rpm/Packages /usr/lib/sysimage/rpm/Packages.db \
    /usr/share/rpm/rpmdb.sqlite /usr/share/rpm/Packages /usr/share/rpm/Packages.db; then
    run rpm rpm -qa --qf '+%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\tinstalled\n'
  fi
  if database apk /lib/apk/db/installed /usr/lib/apk/db/installed; then
    run apk sed -n '/^[PVA]:/p' "$f"
  fi
  if database pacman /var/lib/pacman/local; then
    run pacman pacman -Q
  fi
  flush
}
