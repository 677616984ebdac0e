# shellcheck shell=sh disable=SC2034,SC2154
# macOS. Tools go by the full path that they have there: nothing else can answer in their place.

mac_base() {
  mark uname "$kernel"
  mark shell "$$"
  mark uid "$uid"
  run hostname /bin/hostname
  run sw_vers /usr/bin/sw_vers
  run hardware hardware
  run boot-session /usr/sbin/sysctl -n kern.bootsessionuuid
  run mount /sbin/mount
}

# The rest of that entry, with the serial number, is nobody's business.
hardware() {
  /usr/sbin/ioreg -rd1 -c IOPlatformExpertDevice | sed -n 's/.*"IOPlatformUUID" = "\([0-9A-Fa-f-]*\)".*/\1/p'
}

mac_paths() {
  ask_paths
}
