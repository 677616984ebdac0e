# shellcheck shell=sh disable=SC2034,SC2154
# What is looked at one by one has a bound.
bounded() {
  hits=$((hits + 1))
  [ "$hits" -gt 2000 ] || return 0
  [ "$hits" -gt 2001 ] || mark gap '- there are more than 2000'
  return 1
}

# in_homes FUNCTION REST: FUNCTION for REST below the home directory of root and of every user.
in_homes() {
  "$1" "/var/root/$2"
  listable /Users || return 0
  set +f
  for h in /Users/*; do
    case $h in
      *"$NL"*) mark gap "$idx a directory's name has a line break" ;;
      */Shared | */\*) ;;
      *) if [ -d "$h" ]; then "$1" "$h/$2"; fi ;;
    esac
  done
}

value() {
  run "$1" /usr/libexec/PlistBuddy -c "Print :$2" "$3"
}

plists() {
  listable "$1" || return 0
  set +f
  for f in "$1"/*.plist; do
    case $f in
      *"$NL"*)
        mark gap "$idx a file's name has a line break"
        continue
        ;;
    esac
    if ! [ -e "$f" ] && ! [ -h "$f" ]; then continue; fi
    bounded || return 0
    mark plist "$f"
    if [ -f "$f" ]; then value label Label "$f"; fi
  done
}

# As root `launchctl list` tells the jobs of the system, else those of the asking user.
mac_services() {
  hits=0
  plists /Library/LaunchDaemons
  plists /Library/LaunchAgents
  in_homes plists Library/LaunchAgents
  if [ "$uid" = 0 ]; then
    run launchctl /bin/launchctl list
  else
    mark gap '- launchd tells the jobs of the system to root, and this was not root'
  fi
  flush
}

# Versions of what does not come from Apple: each takes a program.
mac_receipts() {
  run pkgs /usr/sbin/pkgutil --pkgs
  IFS=$NL
  set -f
  # shellcheck disable=SC2046
  set -- $(/usr/sbin/pkgutil --pkgs 2>/dev/null | sed '/^com\.apple\./d' | head -n 300)
  for id; do
    mark receipt "$id"
    run pkg-info /usr/sbin/pkgutil --pkg-info "$id"
  done
}

mac_system_extensions() {
  # Before macOS 10.15 there are none, nor the program.
  if [ -e /usr/bin/systemextensionsctl ]; then run extensions /usr/bin/systemextensionsctl list; fi
}

app() {
  bounded || return 0
  mark app "$1"
  for f in "$1/Contents/Info.plist" "$1/WrappedBundle/Info.plist"; do
    if [ -f "$f" ]; then
      value app-id CFBundleIdentifier "$f"
      value app-version CFBundleShortVersionString "$f"
      return 0
    fi
  done
  need "$1/Contents/Info.plist"
}

# bundles DIRECTORY [below]: the applications in it and in the directories in it.
bundles() {
  listable "$1" || return 0
  set +f
  for a in "$1"/*; do
    case $a in
      *"$NL"*) mark gap "$idx a file's name has a line break" ;;
      *.app) if [ -d "$a" ]; then app "$a"; fi ;;
      *) if [ -z "${2-}" ] && [ -d "$a" ] && ! [ -h "$a" ]; then bundles "$a" below; fi ;;
    esac
  done
}

# The Finder is on every Mac: it shows that property lists can be read.
mac_apps() {
  hits=0
  app /System/Library/CoreServices/Finder.app
  bundles /Applications
  in_homes bundles Applications
  flush
}
