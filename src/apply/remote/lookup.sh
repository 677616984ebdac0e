# shellcheck shell=sh disable=SC2015,SC2034,SC2154
# What became of a step that may have been begun. Set besides: up_may_begin.

up_look_up() {
  up_arrive || return 0
  if ! [ -d "$up_run" ]; then
    up_say forgotten
    return
  fi
  # Whose lock it is now does not matter to what was.
  up_hold
  if [ -e "$up_at.claim" ]; then
    up_follow
  elif [ "$up_may_begin" = yes ]; then
    up_say unbegun "it was not begun"
  else
    up_refuse "it was not begun"
  fi
}

up_look_up
