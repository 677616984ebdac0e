#!/bin/sh
# Every day by cron, with a mail: proves that no product is on the fleet, or says so in the subject.
# Exit codes: docs/ci.md. Copy to /usr/local/bin/uproot-daily (mode 0755); the line for /etc/cron.d/uproot:
#
#   MAILTO=root
#   17 5 * * *  uproot  /usr/local/bin/uproot-daily
#
# MAILTO is for what goes wrong before there is a mail. A day without a mail is a day without a proof.
set -eu
umask 077

# ==== Yours: from here ====
inventory=/etc/uproot/hosts.yml
known_hosts=/etc/uproot/known_hosts         # host keys, collected by a way you trust
ssh_key=/etc/uproot/ssh_key                 # mode 0600, readable by the user of the cron line
seal_key=/etc/uproot/seal_key               # likewise; made by `ssh-keygen -t ed25519`, no passphrase
allowed_signers=/etc/uproot/allowed_signers # who may seal: the public half of seal_key
options=--become                            # a password for sudo: `become_password: { file: … }` in hosts.yml
fail_on=                                    # `new`: only what the last good run did not have makes it bad
mail_to=root
state=/var/lib/uproot-daily # runs, reports and `last-good`, the id of the last good run
# ==== Yours: to here ====
# To accept what is known (for `new`): write the id of a reviewed run into $state/last-good.

mkdir -p "$state/runs" "$state/reports"
today=$(mktemp -d "$state/today.XXXXXX")
trap 'rm -rf "$today"' EXIT
trap 'exit 130' HUP INT TERM

# shellcheck disable=SC2086
set -- -i "$inventory" --known-hosts "$known_hosts" --key "$ssh_key" $options
if [ -s "$state/last-good" ]; then
  run=$state/runs/$(cat "$state/last-good")
  # An earlier run is believed only with its seal.
  uproot journal verify "$run" --allowed-signers "$allowed_signers" --require-seal 1
  set -- "$@" --against "$run" ${fail_on:+--fail-on "$fail_on"}
fi

status=0
uproot verify "$@" --runs "$today/runs" -q --format table -o "$today/report.txt" \
  --format html -o "$today/report.html" --format json -o "$today/report.json" \
  --format junit -o "$today/junit.xml" 2>"$today/errors.txt" || status=$?

id=none
seal=0
for run in "$today"/runs/*/; do
  [ -d "$run" ] || continue
  id=$(basename "$run")
  uproot journal seal "$run" --key "$seal_key" --yes >>"$today/errors.txt" 2>&1 || seal=$?
  mv "$run" "$state/runs/$id"
  rm -rf "$today/runs"
done

case $status in
  0) words='nothing that counts is on any host' ;;
  1) words='A PRODUCT OR ITS RESIDUE IS ON A HOST' ;;
  2) words='the input is wrong, no host was contacted' ;;
  3) words='not every host can be vouched for' ;;
  4) words='stopped by a gate' ;;
  5) words='a defect of uproot' ;;
  130) words='interrupted' ;;
  *) words='uproot could not be run, or was killed' ;;
esac
if [ "$seal" != 0 ]; then
  words="$words; THE RUN COULD NOT BE SEALED"
  [ "$status" != 0 ] || status=$seal
fi
mailed=0
{
  printf 'To: %s\nSubject: uproot on %s (%s): %s\n' "$mail_to" "$(uname -n)" "$status" "$words"
  printf 'Auto-Submitted: auto-generated\nMIME-Version: 1.0\n'
  printf 'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n'
  for part in "$today/report.txt" "$today/errors.txt"; do
    [ ! -e "$part" ] || cat "$part"
  done
  printf '\nrun: %s\nreports: %s\n' "$state/runs/$id" "$state/reports/$id"
} | sendmail -oi -t || mailed=$?

if [ "$id" != none ]; then
  mv "$today" "$state/reports/$id"
  if [ "$status" = 0 ]; then
    printf '%s\n' "$id" >"$state/last-good.new"
    mv "$state/last-good.new" "$state/last-good"
  fi
fi
if [ "$mailed" != 0 ]; then
  echo "uproot-daily: the mail could not be sent (sendmail: $mailed); uproot: $status, $words" >&2
  [ "$status" != 0 ] || status=$mailed
fi
exit "$status"
