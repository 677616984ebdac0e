# shellcheck shell=sh disable=SC2154
# The first line of the first file that has one.
first() {
  word=$1
  shift
  for f; do
    line=
    { IFS= read -r line <"$f"; } 2>/dev/null
    if [ -n "$line" ]; then
      mark "$word" "$line"
      return 0
    fi
  done
}

ask_base() {
  mark uname "$kernel"
  mark shell "$$"
  mark uid "$uid"
  # A jail, as sshd's `ChrootDirectory`: what is asked here says nothing of the host. Only root may
  # look at the root directory of another.
  if [ / -ef /. ] 2>/dev/null && [ -e /proc/1/root/. ] && ! [ /proc/1/root/. -ef /. ]; then mark jail yes; fi
  first hostname /proc/sys/kernel/hostname /etc/hostname
  first machine-id /etc/machine-id /var/lib/dbus/machine-id
  first dmi-uuid /sys/class/dmi/id/product_uuid
  first boot-id /proc/sys/kernel/random/boot_id
  first init-stat /proc/1/stat
  for f in /etc/os-release /usr/lib/os-release; do
    if [ -e "$f" ]; then
      run os-release cat "$f"
      break
    fi
  done
  for f in /run/reboot-required /var/run/reboot-required; do
    if [ -e "$f" ]; then mark reboot "$f"; fi
  done
  if [ -e /var/lib/dpkg/status ]; then mark reboot-by dpkg; fi
  # Mount point, type and, of the options, only hidepid: those of overlays are long.
  run mounts sed -e 's/^[^ ]* \([^ ]* [^ ]* \).*\(hidepid=[a-z0-9]*\).*/\1\2/' -e t \
    -e 's/^[^ ]* \([^ ]* [^ ]*\) .*/\1/' /proc/self/mounts
}
