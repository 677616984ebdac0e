#!/bin/sh
if [ "$*" != list ]; then
  printf 'systemextensionsctl: not recorded: %s\n' "$*" >&2
  exit 99
fi
cat /recorded/extensions
