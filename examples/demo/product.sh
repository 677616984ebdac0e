#!/bin/sh
# Builds a package named and laid out like the vendor's, and installs it: dpkg's real work, with
# maintainer scripts and a daemon that runs. None of it is the vendor's.
name=$1
tree=/tmp/$name
mkdir -p "$tree/DEBIAN"
case $name in
  kesl) version=12.1.0-1543 daemon=/opt/kaspersky/kesl/libexec/kesl data=/var/opt/kaspersky/kesl ;;
  kesl-gui) version=12.1.0-1543 daemon='' data='' ;;
  klnagent64) version=15.0.0-12912 daemon=/opt/kaspersky/klnagent64/sbin/klnagent data=/var/opt/kaspersky/klnagent ;;
  *) version=12.4 daemon='' data='' ;;
esac
{
  echo "Package: $name"
  echo "Version: $version"
  echo "Architecture: $(dpkg --print-architecture)"
  echo 'Maintainer: uproot demo <demo@example.invalid>'
  [ "$name" != kesl-gui ] || echo 'Depends: kesl'
  echo 'Description: a stand-in'
} >"$tree/DEBIAN/control"
case $name in
  k*)
    mkdir -p "$tree/opt/kaspersky/$name/bin" "$tree/etc/opt/kaspersky/$name"
    printf '#!/bin/sh\necho "Version: %s"\n' "$version" >"$tree/opt/kaspersky/$name/bin/$name-control"
    chmod 755 "$tree/opt/kaspersky/$name/bin/$name-control"
    echo 'scan = yes' >"$tree/etc/opt/kaspersky/$name/$name.conf"
    echo "/etc/opt/kaspersky/$name/$name.conf" >"$tree/DEBIAN/conffiles"
    ;;
esac
if [ -n "$daemon" ]; then
  mkdir -p "$tree${daemon%/*}" "$tree/opt/kaspersky/$name/share" "$tree/etc/systemd/system" "$tree/etc/init.d"
  cp "$(readlink -f /bin/sh)" "$tree$daemon"
  # A shell under the product's name that waits on a pipe: a process whose executable is the product's.
  cat >"$tree/opt/kaspersky/$name/share/main" <<MAIN
trap 'rm -f /run/$name.pid /run/$name.control; exit 0' TERM
rm -f /run/$name.control
mkfifo /run/$name.control
echo \$\$ >/run/$name.pid
exec 3<>/run/$name.control
while :; do read -r line <&3; done
MAIN
  printf '[Unit]\nDescription=%s\n[Service]\nExecStart=%s %s\n[Install]\nWantedBy=multi-user.target\n' \
    "$name" "$daemon" "/opt/kaspersky/$name/share/main" >"$tree/etc/systemd/system/$name.service"
  cat >"$tree/DEBIAN/postinst" <<POSTINST
#!/bin/sh
set -e
mkdir -p $data/common /var/log/kaspersky/$name
echo version=$version >$data/common/$name.ini
[ $name != kesl ] || for group in kesladmin kesluser keslaudit nokesl; do groupadd -r \$group; done
systemctl enable $name
systemctl start $name
POSTINST
  cat >"$tree/DEBIAN/prerm" <<PRERM
#!/bin/sh
if [ -e /var/lib/lab/fail-$name ]; then
  echo '$name: the product refuses to be removed' >&2
  exit 1
fi
systemctl stop $name
systemctl disable $name
exit 0
PRERM
  chmod 755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm"
fi
dpkg-deb --root-owner-group -Zgzip -b "$tree" "/tmp/$name.deb"
dpkg --force-unsafe-io -i "/tmp/$name.deb"
