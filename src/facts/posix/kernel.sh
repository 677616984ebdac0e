# shellcheck shell=sh
ask_kernel_modules() {
  # A kernel built without loadable modules has neither file.
  if [ -e /proc/sys/kernel/ostype ] && [ ! -e /proc/sys/kernel/modules_disabled ] && [ ! -e /proc/modules ]; then
    mark not_modular yes
  else
    run modules sed 's/ .*//' /proc/modules
  fi
}

# Sockets that listen (state 0A; 07 of udp, which has no other). The head line shows that a table
# was read.
ask_ports() {
  for t in tcp tcp6 udp udp6; do
    if [ -e "/proc/net/$t" ] || [ "$t" = tcp ] || [ "$t" = udp ]; then
      run "$t" sed -n -e '/^ *sl /s/.*/head/p' \
        -e 's/^ *[0-9]*: \([0-9A-F]*:[0-9A-F]*\) [0-9A-F]*:[0-9A-F]* \(0[A7]\) .*/\2 \1/p' "/proc/net/$t"
    fi
  done
}

# `Name:` in status is escaped by the kernel, unlike comm and stat, so that a name cannot look like
# another process. A kernel thread has no VmSize.
ask_processes() {
  mark shell "$$"
  set +f
  run status grep -ahE '^(Name|State|Pid|Uid|VmSize|Threads):' /proc/[0-9]*/status
  run exe exes /proc/[0-9]*/exe
  # Which of them are still there: what ended meanwhile has no executable, and is no question left open.
  run left grep -ahE '^(Name|State|Pid|VmSize|Threads):' /proc/[0-9]*/status
}

# shellcheck disable=SC2012
exes() {
  ls -ln "$@" 2>/dev/null | sed -e 's/^[^/]* \/proc\/\([0-9]*\)\/exe/\1/' -e t -e 's/^/?/'
}
