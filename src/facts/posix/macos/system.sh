# shellcheck shell=sh
mac_kernel_modules() {
  if [ -x /usr/bin/kmutil ]; then
    run kexts /usr/bin/kmutil showloaded --list-only
  else
    run kexts /usr/sbin/kextstat -l
  fi
}

mac_certificates() {
  mark file /Library/Keychains/System.keychain
  run pem /usr/bin/security find-certificate -a -p /Library/Keychains/System.keychain
}

# `ucomm` is the kernel's name of the program, at most 16 bytes; `comm` is what it was started as,
# mostly its path. Each may have spaces, so each is the last of its line.
mac_processes() {
  mark shell "$$"
  run names /bin/ps -axww -o pid= -o uid= -o ucomm=
  run commands /bin/ps -axww -o pid= -o comm=
}

mac_users() {
  run users /usr/bin/dscl . -list /Users UniqueID
}

mac_groups() {
  run groups /usr/bin/dscl . -list /Groups PrimaryGroupID
}
