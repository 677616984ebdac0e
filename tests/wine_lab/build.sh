#!/bin/bash
# build.sh prefix OUT: makes the Wine prefix that all hosts share, once for a machine.
# build.sh tools OUT PREFIX SOURCES: builds the lab's own programs and lays them, with their registry entries, over
# that prefix; OUT then holds only what differs.
# Both run in namespaces of their own: nothing of them is left, whatever becomes of them.
set -eu
what=$1
out=$2
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 WINEARCH=win64 WINEDEBUG=-all
export USER=Administrator LOGNAME=Administrator WINEDLLOVERRIDES="mscoree,mshtml="
wine=/usr/lib/wine/wine64
server=/usr/lib/wine/wineserver64

case $what in
  prefix)
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
    ;;
  tools)
    prefix=$3
    sources=$4
    work=$(mktemp -d)
    mount -t tmpfs lab "$work"
    mkdir "$work/up" "$work/work" "$work/home"
    mount -t overlay -o "lowerdir=$prefix,upperdir=$work/up,workdir=$work/work" overlay /mnt
    export HOME="$work/home" WINEPREFIX=/mnt
    system=/mnt/drive_c/windows/system32
    mkdir -p /mnt/drive_c/lab
    # What the lab's msiexec has the work done by.
    cp "$system/msiexec.exe" /mnt/drive_c/lab/winemsi.exe
    build() {
      from=$1
      to=$2
      shift 2
      rm -f "$to"
      x86_64-w64-mingw32-gcc -Wall -Wno-unused-function -O1 -s -municode -o "$to" "$sources/$from.c" "$@" -lcrypt32 -ladvapi32
    }
    for program in labcmd labboot service fault uninst; do build "$program" "/mnt/drive_c/lab/$program.exe"; done
    build schedule "$system/labsched.exe"
    {
      printf 'REGEDIT4\n\n[HKEY_CURRENT_USER\\Software\\Wine\\DllOverrides]\n'
      for source in "$sources"/replace/*.c; do
        program=${source##*/}
        program=${program%.c}
        build "replace/$program" "$system/$program.exe" "-I$sources"
        printf '"%s.exe"="native,builtin"\n' "$program"
      done
      printf '\n[HKEY_LOCAL_MACHINE\\System\\CurrentControlSet\\Services\\Schedule]\n'
      printf '"ImagePath"="C:\\\\windows\\\\system32\\\\labsched.exe"\n"Start"=dword:00000002\n"Type"=dword:00000010\n'
    } >/mnt/drive_c/lab/lab.reg
    "$wine" regedit /S 'C:\lab\lab.reg'
    "$server" -k -w || true
    rm /mnt/drive_c/lab/lab.reg
    umount /mnt
    rm -rf "$out.new"
    cp -a "$work/up" "$out.new"
    mv "$out.new" "$out"
    umount -l "$work"
    rmdir "$work"
    ;;
esac
