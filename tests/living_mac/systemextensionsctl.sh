#!/bin/sh
if [ "$*" != list ]; then
  printf 'systemextensionsctl: not recorded: %s\n' "$*" >&2
  exit 99
fi
# What waited for a reboot is gone in another boot than that in which it was removed.
if [ -e /recorded/removed-in-boot ] && [ "$(cat /recorded/removed-in-boot)" != "$(/usr/sbin/sysctl -n kern.bootsessionuuid)" ]; then
  cat /recorded/extensions-next-boot
else
  cat /recorded/extensions
fi
