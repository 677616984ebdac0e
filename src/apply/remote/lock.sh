# shellcheck shell=sh disable=SC2015,SC2034,SC2154
# Takes the lock, makes the run's directory, clears away what dead runs left.

up_lock() {
  if ! up_find_boot; then
    up_say refused "it cannot be told which boot of the host it is"
    return
  fi
  up_tries=0 up_end=3
  while [ "$up_tries" -lt 60 ]; do
    up_tries=$((up_tries + 1))
    up_enter make
    up_end=$?
    if [ "$up_end" -eq 0 ]; then
      up_try_lock
      up_end=$?
      # The directory may have been taken away under our feet by one who had finished.
      [ "$up_end" -eq 2 ] && ! [ -e "$up_state" ] && up_end=3
      [ "$up_end" -eq 3 ] || break
      up_why='others took it and gave it back all the time'
    elif [ "$up_end" -eq 1 ]; then
      up_say refused "$up_why"
      return
    fi
    cd / || return
    # Apart from each other, or two that gave way would meet again.
    up_look_at_self
    up_nap "0.0$((up_pid * 7 % 90 + 10))"
  done
  case $up_end in
    0) up_settle ;;
    1)
      up_left
      up_say held "$up_left" "$up_lock_run" "$up_lock_owner"
      ;;
    *) up_say refused "the lock in \`$up_state\` cannot be taken: $up_why" ;;
  esac
}

# The lock is ours.
up_settle() {
  up_records=
  [ -d "$up_run" ] && ! [ -L "$up_run" ] && [ -e "$up_run/made" ] && read -r up_records <"$up_run/made"
  case $up_records in *[!0-9A-Za-z-]*) up_records='' ;; esac
  up_clear
  if [ -z "$up_records" ]; then
    up_records=$up_token
    if ! up_why=$(mkdir -p "$up_run" 2>&1 && { printf '%s\n' "$up_token" >"$up_run/made"; } 2>&1) ||
      ! [ -s "$up_run/made" ]; then
      up_say refused "\`$up_state/$up_run\` cannot be made: $up_why"
      return
    fi
  fi
  up_say taken "$up_records" "$up_broken" "$up_from"
}

# What dead runs and processes left; whatever is not known as such stays.
up_clear() {
  for up_made in */made; do
    up_dead=${up_made%/made}
    [ -e "$up_made" ] && ! [ -L "$up_dead" ] && [ "$up_dead" != "$up_run" ] || continue
    up_run_lives "$up_dead" || rm -rf "./$up_dead"
  done
  up_clear_temp
}

up_lock
