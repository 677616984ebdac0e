#!/bin/sh
# `pkgutil`: receipts stand in /recorded/pkgs, what they own in /recorded/owners, each as ID PATH.
pkgs=/recorded/pkgs
case $1 in --pkgs | --pkg-info) ;; *) printf 'pkgutil %s\n' "$*" >>/recorded/calls ;; esac
known() {
  grep -qxF -e "$1" "$pkgs" && return
  printf "No receipt for '%s' found at '/'.\n" "$1" >&2
  exit 1
}
case $1:$# in
  --pkgs:1) cat "$pkgs" ;;
  --pkg-info:2)
    known "$2"
    printf 'package-id: %s\nversion: 12.1.0.553\nvolume: /\nlocation: /\ninstall-time: 1700000000\n' "$2"
    ;;
  --forget:2)
    known "$2"
    grep -vxF -e "$2" "$pkgs" >"$pkgs.new"
    cat "$pkgs.new" >"$pkgs"
    rm "$pkgs.new"
    printf "Forgot package '%s' on '/'.\n" "$2"
    ;;
  --file-info:2)
    # It ends well for what nobody owns too.
    printf 'volume: /\npath: %s\n' "${2#/}"
    while read -r id path; do
      if [ "$path" = "$2" ] && grep -qxF -e "$id" "$pkgs"; then
        printf '\npkgid: %s\npkg-version: 1.0\ninstall-time: 1700000000\nuid: 0\ngid: 0\nmode: 40755\n' "$id"
      fi
    done </recorded/owners
    ;;
  *)
    printf 'pkgutil: not recorded: %s\n' "$*" >&2
    exit 99
    ;;
esac
