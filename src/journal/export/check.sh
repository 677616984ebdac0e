#!/bin/sh
# Checks this export of a run of uproot with standard tools only: sha256sum, jq and ssh-keygen.
#
# usage: sh check.sh [ALLOWED_SIGNERS]
#
# ALLOWED_SIGNERS is your own list of those who may seal and approve (ssh-keygen(1), ALLOWED SIGNERS). Without
# it the list in this export is used, which whoever made the export could write.
#
# Exit status: 0 whole; 1 altered or incomplete; 2 it cannot be checked here; 3 whole, but the run has no end.
LC_ALL=C
export LC_ALL
unset CDPATH

case ${1-} in
  -*)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
signers=${1-}
case $signers in
  '' | /*) ;;
  *) signers=$PWD/$signers ;;
esac
cd "$(dirname "$0")" || exit 2
for tool in sha256sum jq ssh-keygen; do
  if ! command -v "$tool" >/dev/null; then
    echo "check.sh: \`$tool\` is needed and not installed" >&2
    exit 2
  fi
done
if [ -n "$signers" ] && [ ! -r "$signers" ]; then
  echo "check.sh: \`$signers\` cannot be read" >&2
  exit 2
fi
if [ -z "$signers" ] && [ -e allowed_signers ]; then
  signers=$PWD/allowed_signers
  echo "note: signers are named by the list in this export; give your own list to be sure"
fi

altered=0
bad() {
  printf 'ALTERED: %s\n' "$*"
  altered=1
}

# Only files and directories were packed: a pipe would be waited for, a link leads elsewhere.
odd=$(find . ! -type f ! -type d)
if [ -n "$odd" ]; then
  bad "no file: $odd"
  echo "ALTERED OR INCOMPLETE: do not rely on it"
  exit 1
fi

# The files are those that were packed.
said=$(sha256sum -c SHA256SUMS 2>&1 | grep -v ': OK$')
if [ -n "$said" ]; then bad "$said"; fi
listed=$(cut -c 67- SHA256SUMS)
find . -type f ! -name SHA256SUMS | sed 's,^\./,,' | sort | while IFS= read -r file; do
  case "
$listed
" in
    *"
$file
"*) ;;
    *) echo "note: $file is not part of the export" ;;
  esac
done

# The chain: each line ends with the hash of the line before and of its own text.
if [ "$(tr -d '\000' <journal.jsonl | wc -c)" != "$(wc -c <journal.jsonl)" ]; then
  bad "journal.jsonl: a zero byte stands in it"
fi
number=0 previous=0000000000000000000000000000000000000000000000000000000000000000
while IFS= read -r line; do
  number=$((number + 1))
  body=${line%',"hash":"'*}
  hash=${line#"$body"',"hash":"'}
  hash=${hash%'"}'}
  sum=$(printf '%s%s' "$previous" "$body" | sha256sum)
  if [ "${sum%% *}" != "$hash" ]; then bad "journal.jsonl:$number: the hash is $hash, should be ${sum%% *}"; fi
  previous=$hash
done <journal.jsonl
torn=$line

# The records, but for a last line that was cut short.
records() { head -n "$number" journal.jsonl; }
state_of() { # NUMBER OF RECORDS
  head -n "$1" journal.jsonl | jq -rn '
    [inputs.event | if type == "string" then . else keys_unsorted[0] end | select(. != "repaired")] | last
    | if . == "run_ended" then "finished" elif . == "run_stopped" then "stopped" else "unfinished" end'
}
if ! records | jq -en 'reduce inputs as $r (0; if $r.seq == . then . + 1 else error("gap") end)' >/dev/null 2>&1; then
  bad "journal.jsonl: a record is missing, doubled, or no JSON"
fi
run=$(records | jq -rn 'input | .event.run_started.run // empty' 2>/dev/null)
if [ -z "$run" ]; then bad "journal.jsonl: the first record does not start a run"; fi
if [ "$(records | jq -r 'select(.event.run_started?) | .seq' 2>/dev/null)" != 0 ]; then
  bad "journal.jsonl: the run starts more than once"
fi
state=$(state_of "$number" 2>/dev/null)
if [ -n "$torn" ]; then
  echo "note: the last line is torn: its write was cut short"
  if [ "$state" = finished ]; then bad "journal.jsonl: something follows the end of the run"; fi
fi
echo "run $run: $number records ($state), head $previous"

# The outputs are named by their SHA-256, and all that the records name are there.
for blob in $(records | jq -r '.event | objects
  | .facts.blob, .step_outcome.stdout.blob, .step_outcome.stderr.blob | strings' 2>/dev/null | sort -u); do
  if [ ! -f "output/$blob" ]; then bad "output/$blob: missing"; fi
done
said=$(find output -type f -exec sha256sum {} + 2>/dev/null | while read -r sum file; do
  if [ "output/$sum" != "$file" ]; then echo "$file: its SHA-256 is $sum"; fi
done)
if [ -n "$said" ]; then bad "$said"; fi

# Signatures. Sets `key` to the fingerprint of the key, empty where the signature does not hold.
signature() { # FILE NAMESPACE SIGNATURE WORDS
  key=''
  if ! said=$(ssh-keygen -Y check-novalidate -n "$2" -s "$3" <"$1" 2>&1); then
    bad "$3: the signature does not hold: $said"
    return
  fi
  key=${said##* }
  who=''
  if [ -n "$signers" ]; then
    who=$(ssh-keygen -Y find-principals -s "$3" -f "$signers" 2>/dev/null | while IFS= read -r principal; do
      if ssh-keygen -Y verify -f "$signers" -I "$principal" -n "$2" -s "$3" <"$1" >/dev/null 2>&1; then
        printf '%s ' "$principal"
      fi
    done)
  fi
  if [ -n "$who" ]; then
    echo "$3: $4 by ${who% } with key $key"
  else
    echo "$3: $4 by key $key, for which nobody vouches"
  fi
}

# The plan is the one that the run was begun with; the approvals that the records name are there.
plan=$(records | jq -rn 'input.event.run_started.plan // empty' 2>/dev/null)
if [ -n "$plan" ]; then
  sum=$(sha256sum <plan.json 2>/dev/null)
  if [ "${sum%% *}" != "$plan" ]; then bad "plan.json: missing or altered, its SHA-256 should be $plan"; fi
  keys=' '
  for sig in plan.json.sig plan.json.*.sig; do
    if [ ! -e "$sig" ]; then continue; fi
    signature plan.json uproot-plan "$sig" "the plan is approved"
    keys="$keys$key "
  done
  approved=$(records | jq -r '.event | objects | .decision.what | strings
    | select(startswith("approved plan ")) | split(" ") | .[2] + " " + .[5]' 2>/dev/null)
  while read -r digest key; do
    if [ -z "$digest" ]; then continue; fi
    case "$keys" in
      *" $key "*) if [ "$digest" = "$plan" ]; then continue; fi ;;
    esac
    bad "the approval of the plan by key $key is missing"
  done <<LIST
$approved
LIST
fi

# Seals: the first records are those that were signed.
sealed=0
for seal in seal seal-*; do
  case $seal in *.*) continue ;; esac
  if [ ! -e "$seal" ]; then continue; fi
  count=$(sed -n 's/^records \([1-9][0-9]\{0,17\}\)$/\1/p' "$seal")
  if [ -z "$count" ] || [ "$count" -gt "$number" ]; then
    bad "$seal: it seals ${count:-an unknown number of} records, and $number are there"
  else
    head=$(sed -n "${count}p" journal.jsonl | sed 's/.*,"hash":"\([0-9a-f]\{64\}\)"}$/\1/')
    fits="uproot seal 1
run $run
records $count
head $head
state $(state_of "$count" 2>/dev/null)"
    if [ "$seal" != seal ] && [ "$seal" != "seal-$count" ]; then bad "$seal: its name does not say that it seals $count records"; fi
    if [ "$(cat "$seal")" != "$fits" ]; then bad "$seal: it does not fit the journal"; fi
  fi
  for sig in "$seal".sig "$seal".*.sig; do
    if [ ! -e "$sig" ]; then continue; fi
    signature "$seal" uproot-seal "$sig" "${count:-?} of $number records are sealed"
    if [ -n "$key" ] && [ "${count:-0}" = "$number" ]; then sealed=$((sealed + 1)); fi
  done
done
for sig in seal.sig seal.*.sig seal-*.sig; do
  if [ -e "$sig" ] && [ ! -e "${sig%%.*}" ]; then bad "${sig%%.*}: missing, and $sig is there"; fi
done
if [ "$sealed" = 0 ]; then echo "note: nobody sealed all records"; fi

if [ "$altered" != 0 ]; then
  echo "ALTERED OR INCOMPLETE: do not rely on it"
  exit 1
fi
echo "whole: the chain, the outputs, the plan and every signature hold"
if [ "$state" = unfinished ]; then
  echo "note: the run has no end: it was still at work, or its controller died"
  exit 3
fi
exit 0
