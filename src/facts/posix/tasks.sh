# shellcheck shell=sh disable=SC2154
cron_files() {
  for d; do
    listable "$d" || continue
    set +f
    for f in "$d"/*; do
      case $f in *"$NL"*) mark gap "$idx a file's name has a line break"; continue ;; esac
      if [ -f "$f" ]; then
        mark "$word" "$f"
        tabs=$tabs$f$NL
      elif [ -h "$f" ]; then
        need "$f/."
      fi
    done
  done
}

ask_scheduled_tasks() {
  tabs=''
  for f in /etc/crontab /etc/anacrontab; do
    if [ -e "$f" ]; then
      mark tab "$f"
      tabs=$tabs$f$NL
    else
      need "$f"
    fi
  done
  word=tab
  cron_files /etc/cron.d /etc/crontabs /var/spool/cron /var/spool/cron/crontabs /var/spool/cron/tabs
  kept=$tabs
  word=script
  cron_files /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/periodic/15min \
    /etc/periodic/hourly /etc/periodic/daily /etc/periodic/weekly /etc/periodic/monthly
  if [ -n "$kept" ]; then
    IFS=$NL
    set -f
    # shellcheck disable=SC2086
    set -- $kept
    set +f
    IFS=
    run lines grep -aHv -e '^[[:space:]]*#' -e '^[[:space:]]*$' -- "$@"
  fi
  units .timer
  flush
}
