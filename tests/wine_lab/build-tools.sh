#!/bin/bash
# build-tools.sh OUT PREFIX SOURCES: builds the lab's own programs and lays them, with their registry entries, over the
# prefix, in namespaces of its own; OUT then holds only what differs.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 WINEARCH=win64 WINEDEBUG=-all
export USER=Administrator LOGNAME=Administrator WINEDLLOVERRIDES="mscoree,mshtml="
wine=/usr/lib/wine/wine64
server=/usr/lib/wine/wineserver64
out=$1
prefix=$2
sources=$3
work=$(mktemp -d)
trap 'umount -l "$work" 2>/dev/null; rmdir "$work"' EXIT
mount -t tmpfs lab "$work"
mkdir "$work/up" "$work/work" "$work/home"
mount -t overlay -o "lowerdir=$prefix,upperdir=$work/up,workdir=$work/work" overlay /mnt
export HOME="$work/home" WINEPREFIX=/mnt
system=/mnt/drive_c/windows/system32
mkdir -p /mnt/drive_c/lab
# What the lab's msiexec has the work done by.
cp "$system/msiexec.exe" /mnt/drive_c/lab/winemsi.exe
builds=()
build() { # SOURCE PROGRAM
  rm -f "$2"
  x86_64-w64-mingw32-gcc -Wall -Werror -Wno-unused-function -O1 -s -municode -I"$sources" -o "$2" "$sources/$1.c" \
    -lcrypt32 -ladvapi32 -lmsi &
  builds+=($!)
}
for program in labcmd labboot service fault uninst; do build "$program" "/mnt/drive_c/lab/$program.exe"; done
build schedule "$system/labsched.exe"
{
  printf 'REGEDIT4\n\n[HKEY_CURRENT_USER\\Software\\Wine\\DllOverrides]\n'
  for source in "$sources"/replace/*.c; do
    program=${source##*/}
    program=${program%.c}
    printf '"%s.exe"="native,builtin"\n' "$program"
  done
  printf '\n[HKEY_LOCAL_MACHINE\\System\\CurrentControlSet\\Services\\Schedule]\n'
  printf '"ImagePath"="C:\\\\windows\\\\system32\\\\labsched.exe"\n"Start"=dword:00000002\n"Type"=dword:00000010\n'
} >/mnt/drive_c/lab/lab.reg
for source in "$sources"/replace/*.c; do
  program=${source##*/}
  build "replace/${program%.c}" "$system/${program%.c}.exe"
done
for job in "${builds[@]}"; do wait "$job"; done
"$wine" regedit /S 'C:\lab\lab.reg'
"$server" -k -w || true
rm /mnt/drive_c/lab/lab.reg
umount /mnt
rm -rf "$out.new"
cp -a "$work/up" "$out.new"
mv "$out.new" "$out"
