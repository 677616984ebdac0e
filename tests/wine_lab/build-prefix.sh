#!/bin/bash
# build-prefix.sh OUT: makes the Wine prefix that all hosts share, once for a machine, in namespaces of its own.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 WINEARCH=win64 WINEDEBUG=-all
export USER=Administrator LOGNAME=Administrator WINEDLLOVERRIDES="mscoree,mshtml="
wine=/usr/lib/wine/wine64
server=/usr/lib/wine/wineserver64
out=$1
export HOME="$out.home" WINEPREFIX="$out.new"
rm -rf "$HOME" "$WINEPREFIX"
mkdir -p "$HOME"
"$wine" wineboot -i
"$server" -w
# A Windows of today; Wine 8 would be Windows 7.
"$wine" winecfg -v win10
"$server" -k -w || true
# No drive shows the machine's own files.
rm -f "$WINEPREFIX/dosdevices/z:" "$WINEPREFIX/dosdevices/com"*
find "$WINEPREFIX/drive_c/users" -type l | while read -r link; do
  rm "$link"
  mkdir "$link"
done
rm -rf "$HOME"
mv "$WINEPREFIX" "$out"
