#!/bin/sh
# What the vendor's `UninstallScript` does, in short: none of it is the vendor's. It leaves data, logs, a user's
# preferences and a receipt behind, as such scripts do.
if [ "$(id -u)" != 0 ]; then
  echo 'This script must be run as root' >&2
  exit 1
fi
if [ -e /recorded/uninstaller-fails ]; then
  echo 'the product is protected' >&2
  exit 4
fi
/bin/launchctl bootout system/com.kaspersky.kav
rm -f /Library/LaunchDaemons/com.kaspersky.kav.plist
rm -rf '/Applications/Kaspersky Endpoint Security.app'
/usr/sbin/pkgutil --forget com.kaspersky.kav.core
cat /recorded/extensions-after >/recorded/extensions
/usr/sbin/sysctl -n kern.bootsessionuuid >/recorded/removed-in-boot
rm -rf '/Library/Application Support/Kaspersky Lab/KAV/Binaries'
echo uninstalled >>/recorded/calls
