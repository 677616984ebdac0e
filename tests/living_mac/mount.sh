#!/bin/sh
# A host of the lab mounts its own when it boots.
if [ "$#" -gt 0 ]; then exec /usr/bin/mount "$@"; fi
cat <<'TOLD'
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect)
TOLD
