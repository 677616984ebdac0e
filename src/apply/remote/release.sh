# shellcheck shell=sh disable=SC2015,SC2034,SC2154
# Gives the lock back and takes away everything of this run; or renews the lease.

up_renew_only() {
  if ! up_find_boot || ! up_enter find; then
    up_say lost 0 - "${up_why-}"
    return
  fi
  up_hold
  case $? in
    0) up_say renewed ;;
    1) up_left && up_say lost "$up_left" "${up_lock_run:--}" "$up_lock_owner" ;;
    *) up_say refused "the lock in \`$up_state\` cannot be renewed: $up_why" ;;
  esac
}

up_release() {
  up_find_boot || { up_say left "it cannot be told which boot of the host it is" && return; }
  up_enter find
  case $? in
    0) ;;
    2) up_say released && return ;;
    *) up_say left "$up_why" && return ;;
  esac
  if up_run_lives "$up_run"; then
    up_clock
    up_say left "step \`${up_living#*/}\` still runs: pid $up_claim_pid, for $((up_now - up_claim_begun)) s"
    return
  fi
  # A directory that something is added to meanwhile is tried once more.
  rm -rf "./$up_run" || rm -rf "./$up_run"
  for up_file in lock.*; do
    up_read_lock "${up_file#lock.}" && [ "$up_lock_run" = "$up_run" ] && rm -f "./$up_file"
  done
  up_clear_temp
  cd / || return
  if [ -e "$up_state/$up_run" ]; then
    up_say left "\`$up_state/$up_run\` cannot be removed"
  elif rmdir "$up_state" || ! [ -e "$up_state" ]; then
    up_say released
  else
    up_remaining
  fi
}

# What another run has there is its own.
up_remaining() {
  for up_file in "$up_state"/* "$up_state"/.[!.]*; do
    [ -e "$up_file" ] || [ -L "$up_file" ] || continue
    case ${up_file##*/} in lock.* | temp.*) continue ;; esac
    [ -e "$up_file/made" ] && continue
    up_say left "\`$up_file\` is not of uproot, so it stays"
    return
  done
  up_say released
}
