#!/bin/sh
# `security` on the system keychain: certificates stand in /recorded/certificates as SHA256.SHA1.pem.
keychain=/Library/Keychains/System.keychain
cd /recorded/certificates || exit
case $* in
  "find-certificate -a -p $keychain") cat ./*.pem ;;
  "find-certificate -a -Z $keychain")
    for file in *.pem; do
      file=${file%.pem}
      if ! [ -e /recorded/old-security ]; then printf 'SHA-256 hash: %s\n' "${file%.*}"; fi
      printf 'SHA-1 hash: %s\nkeychain: "%s"\nversion: 256\n' "${file#*.}" "$keychain"
    done
    ;;
  "delete-certificate -Z "*" $keychain")
    printf 'security %s\n' "$*" >>/recorded/calls
    if ! [ -e "$(echo ./*".$3.pem")" ]; then
      echo "Unable to delete certificate matching \"$3\"" >&2
      exit 1
    fi
    rm ./*".$3.pem"
    ;;
  *)
    printf 'security: not recorded: %s\n' "$*" >&2
    exit 99
    ;;
esac
