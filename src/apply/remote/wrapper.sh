# shellcheck shell=sh disable=SC2015,SC2016,SC2034,SC2154
# Runs one step, apart from the connection that began it: claims it, keeps its output within bounds,
# records its status. Set besides: up_at (RUN/CLAIM), up_retry, up_limit (seconds), up_script, up_files
# (what lays down its files).
#
# Five processes: the supervisor, which is the one in the claim; the step's own shell; one that keeps
# each stream; one that renews the lease. The streams end when the last child of the step closes them,
# which may be never: nobody but the keepers waits for that.

# As the login had them.
up_umask=$1 up_path=$2 up_locale=$3

# Data of a file onto the disk, and with it its name.
up_flush() { dd if=/dev/null of="$1" conv=notrunc,fsync 2>/dev/null || sync; }

# Keeps the first and the last up_segment bytes (at least) of its input in segments $1.0, $1.1 and so on,
# each full but the last; drains the rest. A block is written as soon as it is read.
up_keep() {
  # Ignored by its children too: a step that signals its whole process group loses no word of its own.
  trap '' HUP INT TERM
  up_segments=0 up_had=0
  while :; do
    up_room=$((up_segment - up_had)) up_block=4096
    [ "$up_room" -ge "$up_block" ] || up_block=$up_room
    up_blocks=$((up_room / up_block))
    up_said=$(dd bs="$up_block" count="$up_blocks" 2>&1 >>"$1.$up_segments")
    up_status=$?
    # `WHOLE+PARTIAL records in`: fewer than asked for are all there were.
    up_read=${up_said%%" records in"*} up_read=${up_read##*"$up_line_break"}
    up_whole=${up_read%%+*} up_read=${up_read#*+}
    if [ "$up_status" -eq 0 ] && up_is_number "$up_whole" && up_is_number "$up_read" &&
      [ $((up_whole + up_read)) -lt "$up_blocks" ]; then
      : >"$1.end"
      return
    fi
    # One that was killed with the step's process group has not seen the end.
    [ "$up_status" -eq 0 ] || [ "$up_status" -gt 128 ] || break
    up_size=$(wc -c <"$1.$up_segments") || break
    if [ "$up_status" -eq 0 ] && [ "$up_size" -le "$up_had" ]; then
      : >"$1.end"
      return
    fi
    up_had=$((up_size))
    if [ "$up_had" -ge "$up_segment" ]; then
      # Once the outcome is recorded, what children of the step say is nobody's business.
      [ -e "$up_at.status" ] && break
      up_segments=$((up_segments + 1)) up_had=0
      [ "$up_segments" -gt 2 ] && rm -f "$1.$((up_segments - 2))"
    fi
  done
  cat >/dev/null
  : >"$1.end"
}

# Renews the lease while the step runs.
up_renew_meanwhile() {
  up_nap_pid=
  trap '[ -z "$up_nap_pid" ] || kill "$up_nap_pid"; exit 0' TERM
  trap : HUP INT
  while :; do
    sleep "$up_pulse_lease" &
    up_nap_pid=$!
    wait "$up_nap_pid"
    up_read_claim "$up_at" && up_lives "$up_at" || exit 0
    up_hold
  done
}

# Claims the step for this very process. A claim is whole from the beginning.
up_claim() {
  up_clock && up_look_at_self || return 1
  up_me=$up_pid up_begun=$up_now
  up_temp=$up_at.$up_pid
  printf '%s %s %s %s\n' "$up_pid" "$up_start" "$up_boot" "$up_now" >"$up_temp" &&
    [ -s "$up_temp" ] && ln "$up_temp" "$up_at.claim" || return 1
  # Not even a power cut may make it forgotten that the step was begun.
  up_flush "$up_at.claim"
}

# By what the host reads base64: up_decoder.
up_find_decoder() {
  for up_decoder in 'base64 -d' 'base64 -D' 'openssl base64 -d' 'perl -MMIME::Base64 -pe $_=decode_base64($_)'; do
    [ "$(echo eA== | $up_decoder)" = x ] && return
  done
  up_why='the host has no `base64`, `openssl` or `perl`, so no file can be laid down'
  return 1
}

# The SHA-256 of file $1: up_sum.
up_sha256() {
  for up_how in sha256sum 'shasum -a 256' 'openssl dgst -sha256 -r'; do
    up_sum=$($up_how <"$1") && up_sum=${up_sum%% *} && [ ${#up_sum} -eq 64 ] && return
  done
  up_why='the host has no `sha256sum`, `shasum` or `openssl`, so no file can be laid down'
  return 1
}

# Lays down file $1 of SHA-256 $2 from base64 $3. Nobody but root comes into the directory.
up_lay() {
  up_find_decoder || return
  up_why="the file \`$1\` cannot be laid down: is the disk full?"
  [ -d "$up_at.files" ] || mkdir -m 700 "$up_at.files" || return
  printf '%s\n' "$3" | $up_decoder >"$up_at.files/$1" && chmod 700 "$up_at.files/$1" || return
  up_sha256 "$up_at.files/$1" || return
  up_why="the file \`$1\` did not arrive as it is: its SHA-256 is $up_sum on the host"
  [ "$up_sum" = "$2" ]
}

# Lays down all files of the step anew: one that a former try changed or took away is not run. What does not fit is
# taken away again, so that the disk is no fuller than it was.
up_lay_all() {
  [ -n "$up_files" ] || return 0
  rm -rf "./$up_at.files"
  eval "$up_files" && return
  rm -rf "./$up_at.files"
  return 1
}

# The outcome $*, last of all. A disk that is full now may not be later.
up_record() {
  up_tries=0
  while [ "$up_tries" -lt 150 ]; do
    if printf '%s\n' "$*" >"$up_at.temp" && [ -s "$up_at.temp" ] && up_flush "$up_at.temp" &&
      mv -f "$up_at.temp" "$up_at.status"; then
      return
    fi
    [ -d "$up_run" ] || return
    up_tries=$((up_tries + 1))
    sleep 2
  done
}

# The step's own shell, as if it had been started by a login. Who finds its supervisor gone does not
# begin: the supervisor may have been found dead already.
up_run_step() {
  trap - HUP INT TERM
  up_look_at_self && printf '%s %s\n' "$up_pid" "$up_start" >"$up_at.step"
  up_look_at_self && [ "$up_parent" = "$up_me" ] || exit 125
  cd / || exit 125
  umask "$up_umask"
  PATH=$up_path
  if [ -n "$up_locale" ]; then LC_ALL=$up_locale; else unset LC_ALL; fi
  exec </dev/null >&3 2>&4 3>&- 4>&-
  if [ -n "$up_files" ]; then export UPROOT_FILES="$up_state/$up_at.files"; fi
  eval "$up_script"
}

up_supervise() {
  trap : HUP INT TERM
  up_claim || return
  if ! up_hold; then
    up_record unbegun "the host's lock was lost to run ${up_lock_run:-(nobody)}"
    return
  fi
  if ! up_lay_all; then
    up_record unbegun "$up_why"
    return
  fi
  { exec 3>&- 4>&- && up_renew_meanwhile; } &
  up_renewer=$!
  while :; do
    (up_run_step)
    up_status=$?
    case " $up_retry " in *" $up_status "*) ;; *) break ;; esac
    up_clock
    [ $((up_begun + up_limit - up_now)) -gt 5 ] || break
    sleep 5
    up_lay_all || break
  done
  exec 3>&- 4>&-
  # What the step itself wrote is on its way through the pipe at most.
  up_tries=0
  while [ "$up_tries" -lt 40 ] && ! { [ -e "$up_at.out.end" ] && [ -e "$up_at.err.end" ]; }; do
    up_tries=$((up_tries + 1))
    if [ "$up_tries" -lt 20 ]; then up_nap 0.01; else up_nap 0.1; fi
  done
  up_count "$up_at.out"
  up_out=$up_total
  up_count "$up_at.err"
  [ "$up_out" -eq 0 ] || up_flush "$up_at.out.0"
  [ "$up_total" -eq 0 ] || up_flush "$up_at.err.0"
  up_record ended "$up_status" "$up_out" "$up_total"
  kill "$up_renewer"
}

up_wrap() {
  exec </dev/null >/dev/null 2>&1
  up_break=no
  # In the private directory already, as whoever started it.
  up_find_boot && [ -e "$up_run/made" ] && ! [ -e "$up_at.claim" ] || return
  # By `exec` in processes of their own: a function's redirections leave copies of what they replace
  # open in the shell, and a stream of which anybody holds a copy never ends.
  (
    exec 5>&1 >/dev/null
    { exec 3>&5 4>&1 5>&- >/dev/null && up_supervise; } | { exec 5>&- && up_keep "$up_at.err"; } &
    exec 5>&-
    wait
  ) | up_keep "$up_at.out"
}

up_wrap
