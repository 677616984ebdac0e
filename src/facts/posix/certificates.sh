# shellcheck shell=sh disable=SC2154
pem() {
  mark file "$1"
  run pem sed -n '/^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/,/^-----END [A-Z0-9 ]*CERTIFICATE-----/p' "$1"
}

ask_certificates() {
  for d in /usr/local/share/ca-certificates /etc/pki/ca-trust/source/anchors \
    /etc/ca-certificates/trust-source/anchors /usr/share/pki/trust/anchors /etc/pki/trust/anchors; do
    anchors "$d"
  done
  for f in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
    if [ -f "$f" ]; then
      pem "$f"
      break
    fi
    need "$f"
  done
  flush
}

# update-ca-certificates reads below its directory too.
anchors() {
  listable "$1" || return 0
  set +f
  for f in "$1"/*; do
    case $f in
      *"$NL"*) mark gap "$idx a file's name has a line break" ;;
      */README* | */\*) ;;
      *)
        if [ -f "$f" ]; then
          mark anchor "$f"
          pem "$f"
        elif [ -d "$f" ] && ! [ -h "$f" ]; then
          anchors "$f"
        elif [ -h "$f" ]; then
          need "$f/."
        fi
        ;;
    esac
  done
}
