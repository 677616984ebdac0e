# shellcheck shell=sh disable=SC2015,SC2034,SC2154
# The host's lock: a lease in the host's own uptime. Generations `lock.N`; the highest is the lock. A
# file is made whole by a hard link, which fails if it is there, and made anew by a rename.
#
# At most one holds it, because everybody writes first and looks afterwards. Who makes a generation
# looks at all others then, and takes his own away if one of them is live: of two makers the later sees
# the earlier. Who renews his looks for a higher one: either he sees it, or its maker, who came later,
# sees the renewed. Numbers are seconds of uptime at least, so that nobody makes one below a stale one.

# The highest generation; 0: none.
up_find_highest() {
  up_highest=0
  for up_file in lock.*; do
    up_number=${up_file#lock.}
    up_is_number "$up_number" && [ "$up_number" -gt "$up_highest" ] && up_highest=$up_number
  done
  return 0
}

# Whose generation $1 is.
up_read_lock() {
  up_lock_run='' up_lock_boot='' up_lock_expires='' up_lock_owner=''
  {
    read -r up_lock_run
    read -r up_lock_boot
    read -r up_lock_expires
    read -r up_lock_owner
  } <"lock.$1" && up_is_number "$up_lock_expires"
}

# How long the lock that was read is still valid, in seconds.
up_left() {
  up_left=0
  if [ "$up_lock_boot" = "$up_boot" ] && [ "$up_lock_expires" -gt "$up_now" ]; then
    up_left=$((up_lock_expires - up_now))
  fi
}

# Whether generation $1 may be taken over by this run; up_from says why.
up_is_free() {
  up_from='' up_broken=whole up_own=''
  if ! up_read_lock "$1"; then
    up_from='a lock that was damaged'
    return 0
  fi
  if [ "$up_lock_run" = "$up_run" ]; then
    up_own=yes
    return 0
  fi
  up_from="run $up_lock_run of $up_lock_owner"
  if [ "$up_lock_boot" != "$up_boot" ]; then
    up_from="$up_from: of another boot"
    return 0
  fi
  up_left
  # A step that still runs keeps its run's lock, even where the host slept so long that it expired.
  if [ "$up_left" -eq 0 ] && ! up_run_lives "$up_lock_run"; then
    up_from="$up_from: expired"
    return 0
  fi
  [ "$up_break" = yes ] || return 1
  up_from="$up_from: broken" up_broken=broken
}

# A name of this very process for a file that is not whole yet; up_why where it cannot be written.
up_write_lease() {
  up_clock && up_look_at_self || return 1
  up_temp=temp.$up_pid.$up_start
  up_put_lease && [ -s "$up_temp" ] && return 0
  up_why=$(up_put_lease 2>&1)
  up_why=${up_why##*: }
  rm -f "$up_temp"
  return 1
}

up_put_lease() { printf '%s\n' "$up_run" "$up_boot" $((up_now + up_lease)) "$up_owner" >"$up_temp"; }

# Makes the lease of this run's generation $1 last anew. Status 1: it is another's (as read) or nobody's;
# 2: it cannot be written.
up_renew() {
  up_write_lease || return 2
  if ! up_read_lock "$1" || [ "$up_lock_run" != "$up_run" ]; then
    rm -f "$up_temp"
    return 1
  fi
  if ! up_why=$(mv -f "$up_temp" "lock.$1" 2>&1); then
    rm -f "$up_temp"
    return 2
  fi
  up_find_highest
  [ "$up_highest" -eq "$1" ] && return 0
  rm -f "lock.$1"
  up_read_lock "$up_highest"
  return 1
}

# Renews this run's lock. Status as up_renew.
up_hold() {
  up_find_highest
  up_lock_run='' up_lock_boot='' up_lock_expires=0 up_lock_owner=''
  [ "$up_highest" -gt 0 ] || return 1
  up_renew "$up_highest"
}

# One attempt at the lock. Status 0: it is ours; 1: it is held, as read; 2: it cannot be written;
# 3: others came between.
up_try_lock() {
  up_clock
  up_find_highest
  up_from='' up_broken=whole up_own=''
  if [ "$up_highest" -gt 0 ]; then
    up_is_free "$up_highest" || { [ -e "lock.$up_highest" ] && return 1 || return 3; }
    if [ "$up_own" ]; then
      up_renew "$up_highest"
      case $? in 0) return 0 ;; 2) return 2 ;; *) return 3 ;; esac
    fi
  fi
  up_why_taken=$up_from up_was_broken=$up_broken
  up_mine=$((up_highest + 1))
  [ "$up_now" -gt "$up_mine" ] && up_mine=$up_now
  up_write_lease || return 2
  if ! up_why=$(ln "$up_temp" "lock.$up_mine" 2>&1); then
    rm -f "$up_temp"
    [ -e "lock.$up_mine" ] && return 3
    return 2
  fi
  rm -f "$up_temp"
  for up_file in lock.*; do
    up_number=${up_file#lock.}
    up_is_number "$up_number" && [ "$up_number" -ne "$up_mine" ] || continue
    if [ "$up_number" -gt "$up_mine" ] || { ! up_is_free "$up_number" && [ -e "$up_file" ]; }; then
      rm -f "lock.$up_mine"
      return 3
    fi
  done
  for up_file in lock.*; do
    up_number=${up_file#lock.}
    up_is_number "$up_number" && [ "$up_number" -lt "$up_mine" ] && rm -f "$up_file"
  done
  up_from=$up_why_taken up_broken=$up_was_broken
  return 0
}
