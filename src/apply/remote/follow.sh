# shellcheck shell=sh disable=SC2015,SC2034,SC2154
# What became of a step: waits for it and tells. Set besides: up_at (RUN/CLAIM), up_limit, up_pulse (seconds),
# up_only_begin. Standard error is at 9, for the step's own.

# Says that the connection lives, and waits a little: shortly at first, since most steps are short.
up_wait() {
  up_clock
  : "${up_beat:=$up_now}" "${up_waits:=0}"
  if [ $((up_now - up_beat)) -ge "$up_pulse" ]; then
    up_beat=$up_now
    echo '~'
  fi
  up_waits=$((up_waits + 1))
  if [ "$up_waits" -le 5 ]; then
    up_nap 0.01
  elif [ "$up_waits" -le 15 ]; then
    up_nap 0.02
  elif [ "$up_waits" -le 45 ]; then
    up_nap 0.1
  elif [ "$up_waits" -le 100 ]; then
    up_nap 0.5
  else
    sleep 1
  fi
}

# How much of stream $1 there is: up_head bytes at the beginning, up_tail at the end, of up_total (given
# as $2 once the step has ended).
up_measure() {
  up_total=${2-}
  if [ -z "$up_total" ]; then
    up_count "$1"
  fi
  up_head=$up_total up_tail=0
  if [ "$up_total" -gt "$up_segment" ]; then
    up_head=$up_segment up_tail=$((up_total - up_segment))
    [ "$up_tail" -le "$up_segment" ] || up_tail=$up_segment
  fi
}

# The measured bytes of stream $1. The last segment is $2 bytes long at most.
up_show() {
  [ "$up_head" -eq 0 ] || head -c "$up_head" "$1.0"
  [ "$up_tail" -gt 0 ] || return 0
  up_last=$(((up_total - 1) / up_segment))
  up_size=$((up_total - up_last * up_segment))
  [ "$up_size" -ge "$up_tail" ] || tail -c $((up_tail - up_size)) "$1.$((up_last - 1))"
  head -c "$up_size" "$1.$up_last"
}

# Answers $* with what both streams had; totals as up_out and up_err, where the step has ended.
up_tell() {
  up_measure "$up_at.out" "${up_out-}"
  up_out_measure="$up_head $up_tail $up_total"
  up_measure "$up_at.err" "${up_err-}"
  up_say "$@" "$up_out_measure $up_head $up_tail $up_total"
  up_show "$up_at.err" >&9
  # shellcheck disable=SC2086
  set -- $up_out_measure
  up_head=$1 up_tail=$2 up_total=$3
  up_show "$up_at.out"
}

# The recorded outcome; false if there is none.
up_tell_outcome() {
  [ -e "$up_at.status" ] || return 1
  read -r up_word up_status up_out up_err <"$up_at.status"
  case $up_word in
    ended)
      if up_is_number "$up_status" && up_is_number "$up_out" && up_is_number "$up_err"; then
        up_tell ended "$up_status"
        return 0
      fi
      ;;
    unbegun)
      up_say unbegun "$up_status $up_out $up_err"
      return 0
      ;;
  esac
  # Not whole: a power cut took it.
  up_out='' up_err=''
  return 1
}

# Claims the step for nobody, so that nothing of it is ever run.
up_void() {
  up_look_at_self || return 1
  up_temp=temp.$up_pid.$up_start
  : >"$up_temp" && ln "$up_temp" "$up_at.claim"
  up_voided=$?
  rm -f "$up_temp"
  return "$up_voided"
}

# Sees to it that the step is not begun, unless it was: answers $*, or what became of it.
up_refuse() {
  if up_void; then
    up_say unbegun "$@"
  elif [ -e "$up_at.claim" ]; then
    up_follow
  elif ! [ -d "$up_run" ]; then
    up_say forgotten
  else
    up_say unsure "it cannot be made sure that the step is not begun: $*"
  fi
}

# The claim is there: waits for the end of the step as long as it may take.
up_follow() {
  if ! up_read_claim "$up_at"; then
    if [ -e "$up_at.claim" ]; then
      up_say unbegun "it was given up before it was begun"
    else
      up_say forgotten
    fi
    return
  fi
  while :; do
    up_tell_outcome && return
    if ! up_lives "$up_at"; then
      # It may have ended between the two looks.
      up_tell_outcome && return
      up_cut=here
      [ "$up_claim_boot" = "$up_boot" ] || up_cut=reboot
      if [ -d "$up_run" ]; then up_tell cut "$up_cut"; else up_say forgotten; fi
      return
    fi
    up_clock
    if [ "$up_only_begin" = yes ] || [ $((up_now - up_claim_begun)) -ge "$up_limit" ]; then
      up_tell running "$up_claim_pid" $((up_now - up_claim_begun))
      return
    fi
    up_wait
  done
}

# To where all is. False, with the answer given, where nothing can be asked: the script has done its work then.
up_arrive() {
  up_find_boot && up_clock || { up_say unsure "it cannot be told which boot of the host it is" && return 1; }
  # With the lock it was there. That it is missing now says nothing of the step: it may be on a file system that is not
  # mounted yet.
  up_enter find || { up_say unsure "$up_why" && return 1; }
}
