# shellcheck shell=sh disable=SC2015,SC2034,SC2154
# Begins a step unless it is claimed. Set besides: up_text, the wrapper with the step's script and its
# secrets: it only ever goes through a pipe, never into an argument, the environment or a file.

# Becomes the wrapper in a session of its own, out of reach of the connection's end, as far as the host
# has the means. Where systemd is the init, also in a scope of its own, which the login's does not take along.
up_detach() {
  up_how=$1
  # shellcheck disable=SC2016
  set -- sh -c 'eval "$(cat)"' uproot "$up_umask" "$up_path" "$up_locale"
  if [ "$up_how" = systemd ]; then
    # shellcheck disable=SC2016
    set -- sh -c 'systemd-run --scope --description=uproot -- "$@" && exit; exec "$@"' uproot "$@"
  fi
  if [ "$up_how" != plain ]; then
    if command -v setsid >/dev/null; then exec setsid "$@"; fi
    # macOS has none; its `nohup` refuses where there is no console, as over SSH.
    if command -v perl >/dev/null; then
      exec perl -e 'use POSIX (); POSIX::setsid(); exec @ARGV; exit 127' "$@"
    fi
  fi
  # Nothing but a hang-up comes from the connection's end to what stays in its session.
  trap '' HUP
  exec "$@"
}

up_begin() {
  up_arrive || return 0
  up_hold
  case $? in
    0) ;;
    1) up_left && up_say lost "$up_left" "${up_lock_run:--}" "$up_lock_owner" && return ;;
    *) up_refuse "the lock cannot be renewed: $up_why" && return ;;
  esac
  if ! [ -d "$up_run" ]; then
    up_say forgotten
    return
  fi
  if ! [ -e "$up_at.claim" ]; then
    if [ "$(command -v printf)" != printf ]; then
      up_refuse "the host's \`sh\` would show secrets to other processes: it has no \`printf\` of its own"
      return
    fi
    up_launch
  fi
  if [ -e "$up_at.claim" ]; then up_follow; else up_refuse "its wrapper did not start"; fi
}

# Starts the wrapper and waits until it has claimed the step. A second one, where the first does not
# come, does no harm: the claim decides.
up_launch() {
  for up_how in systemd session plain; do
    if [ "$up_how" = systemd ]; then
      [ -d "$up_systemd" ] && command -v systemd-run >/dev/null || continue
    fi
    printf '%s\n' "$up_text" | { exec >/dev/null 9>&- && up_detach "$up_how"; } &
    up_await_claim "$!" && return
  done
}

# Whether the step is claimed in time.
up_await_claim() {
  up_clock
  up_patience=$((up_now + 15)) up_waits=0
  while ! [ -e "$up_at.claim" ]; do
    if ! up_look_at "$1"; then
      [ -e "$up_at.claim" ]
      return
    fi
    up_wait
    [ "$up_now" -lt "$up_patience" ] || return 1
  done
  up_waits=0
}

up_begin
