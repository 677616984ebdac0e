#!/bin/sh
# Runs once on a new host, inside it: its users, its identity, its package database.
# shellcheck disable=SC2154 # what `settings` assigns
lab=$1
# shellcheck disable=SC1091
. "$lab/settings"

echo "$name" >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >/etc/hosts
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
chmod 444 /etc/machine-id
cp "$lab/host_key" /etc/ssh/lab_host_key
chmod 600 /etc/ssh/lab_host_key
rm -rf /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d
{
  echo "ListenAddress $address:$port"
  echo 'HostKey /etc/ssh/lab_host_key'
  echo 'UsePAM no'
  echo 'UseDNS no'
  echo 'PidFile none'
  echo 'MaxStartups 200'
  echo 'MaxSessions 100'
  echo 'PasswordAuthentication yes'
  echo "PermitRootLogin $root_login"
  echo 'Subsystem sftp internal-sftp'
  cat "$lab/sshd_extra"
} >/etc/ssh/sshd_config

# Users. Whoever else the machine has keeps the account but has no home here.
for file in "$lab"/bin/*; do
  [ -e "$file" ] || continue
  cp "$file" /usr/local/bin/ && chmod 755 "/usr/local/bin/${file##*/}"
done
echo "$user:x:4000:" >>/etc/group
echo "$user:x:4000:4000:Operator:/home/$user:$shell" >>/etc/passwd
echo "$user:$password_hash:19700:0:99999:7:::" >>/etc/shadow
grep -qxF -e "$shell" /etc/shells || echo "$shell" >>/etc/shells
mkdir -m 755 "/home/$user"
for home in "/home/$user" /root; do
  mkdir -m 700 "$home/.ssh"
  cp "$lab/client_key.pub" "$home/.ssh/authorized_keys"
  chmod 600 "$home/.ssh/authorized_keys"
done
chown -R 4000:4000 "/home/$user"

# The login records are there from the start, so that a login only changes what is known to change.
for record in /run/utmp /var/log/wtmp /var/log/btmp /var/log/lastlog; do
  : >"$record"
  chmod 664 "$record"
done

# Becoming root.
rm -rf /etc/sudoers.d /etc/sudoers /etc/doas.conf
case $sudo in
  absent) rm -f /usr/bin/sudo ;;
  *)
    mkdir -m 750 /etc/sudoers.d
    (
      umask 227
      {
        echo 'Defaults env_reset'
        echo 'Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'
        echo 'root ALL=(ALL:ALL) ALL'
        case $sudo in
          no-password) echo "$user ALL=(ALL:ALL) NOPASSWD: ALL" ;;
          password) echo "$user ALL=(ALL:ALL) ALL" ;;
        esac
      } >/etc/sudoers
    )
    ;;
esac
if [ "$doas" = no-password ]; then
  (umask 377 && echo "permit nopass $user as root" >/etc/doas.conf)
else
  rm -f /usr/bin/doas
fi

# What keeps the host's own record of what was run on it, and what reboots it.
mkdir -p /usr/lib/lab
{
  echo '#!/bin/sh'
  # shellcheck disable=SC2016
  echo 'echo "$(date +%s.%N) $PPID $*" >>/var/lib/lab/log'
} >/usr/lib/lab/log
{
  echo '#!/bin/sh'
  # shellcheck disable=SC2016
  echo '/usr/lib/lab/log shutdown "$*"'
  # shellcheck disable=SC2016
  echo 'case "$*" in "-r now" | "-r +0") ;; *) echo "shutdown stand-in: not taught: $*" >&2; exit 99 ;; esac'
  echo 'setsid sh -c "sleep 0.3; echo reboot >/dev/lab-power" </dev/null >/dev/null 2>&1 &'
} >/usr/lib/lab/shutdown
chmod 755 /usr/lib/lab/log /usr/lib/lab/shutdown
rm -f /usr/sbin/shutdown /usr/sbin/reboot /usr/sbin/halt /usr/sbin/poweroff
cp /usr/lib/lab/shutdown /usr/sbin/shutdown
printf '#!/bin/sh\nexec /usr/sbin/shutdown -r now\n' >/usr/sbin/reboot
chmod 755 /usr/sbin/reboot
# recorded PROGRAM CASE-PATTERN: from here on its calls whose words match are recorded.
recorded() {
  mv "/usr/bin/$1" "/usr/lib/lab/$1"
  {
    echo '#!/bin/sh'
    # shellcheck disable=SC2016
    echo 'case " $* " in'
    # shellcheck disable=SC2016
    echo "  $2) /usr/lib/lab/log $1 \"\$*\" ;;"
    echo 'esac'
    echo "exec /usr/lib/lab/$1 \"\$@\""
  } >"/usr/bin/$1"
  chmod 755 "/usr/bin/$1"
}
recorded rm '*"-- ./kesl-"*'

# One package manager, with a database of its own.
if [ "$manager" = dpkg ]; then
  rm -f /usr/bin/rpm /usr/bin/rpm2* /usr/bin/rpmkeys /usr/bin/rpmdb /usr/bin/rpmquery
  mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers /var/lib/dpkg/alternatives
  : >/var/lib/dpkg/status
  : >/var/lib/dpkg/available
  dpkg --force-depends -i "$lab"/base/*.deb >/dev/null
  recorded dpkg '*" --remove "* | *" --purge "* | *" -r "* | *" -P "*'
else
  rm -rf /usr/bin/dpkg* /usr/sbin/dpkg* /usr/bin/apt* /usr/bin/deb* /etc/dpkg /etc/apt /etc/debian_version \
    /etc/os-release /usr/lib/os-release /etc/lsb-release
  {
    echo 'NAME="AlmaLinux"'
    echo 'VERSION="9.4 (Seafoam Ocelot)"'
    echo 'ID="almalinux"'
    echo 'ID_LIKE="rhel centos fedora"'
    echo 'VERSION_ID="9.4"'
    echo 'PRETTY_NAME="AlmaLinux 9.4 (Seafoam Ocelot)"'
  } >/usr/lib/os-release
  ln -s ../usr/lib/os-release /etc/os-release
  mkdir -p /etc/rpm /var/lib/rpm
  echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
  # Debian's rpm warns that packages should be converted instead, and asks to be forced.
  mv /usr/bin/rpm /usr/lib/lab/rpm # the name matters to it
  {
    echo '#!/bin/sh'
    # shellcheck disable=SC2016
    echo 'case $1 in -e* | --erase) /usr/lib/lab/log rpm "$*" ;; esac'
    # shellcheck disable=SC2016
    echo 'case $1 in'
    echo '  -e* | -i* | -U* | -F* | --erase | --install | --upgrade) exec /usr/lib/lab/rpm --force-debian "$@" ;;'
    echo 'esac'
    echo 'exec /usr/lib/lab/rpm "$@"'
  } >/usr/bin/rpm
  chmod 755 /usr/bin/rpm
  rpm --initdb
  rpm -i "$lab"/base/*.rpm
fi

case $systemctl in
  stand-in)
    rm -f /usr/bin/systemctl
    cp "$lab/systemctl.sh" /usr/bin/systemctl
    chmod 755 /usr/bin/systemctl
    ;;
  absent) rm -f /usr/bin/systemctl /bin/systemctl ;;
  not-booted) ;;
esac
sh -eu "$lab/extra.sh"
