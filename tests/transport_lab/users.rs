//! An sshd with users of its own, in a mount namespace: the machine's `/etc` is not touched.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

pub const PASSWORD: &str = "it's a Secret $HOME; exit 9 #";

/// Login name, shell, uid.
pub const USERS: [(&str, &str, u32); 11] = [
    ("asks", "/bin/bash", 61001),
    ("nopass", "/bin/bash", 61002),
    ("stranger", "/bin/bash", 61003),
    ("onlyls", "/bin/bash", 61004),
    ("asksdash", "/bin/dash", 61005),
    ("askscsh", "/bin/csh", 61006),
    ("asksfish", "/usr/bin/fish", 61007),
    ("askszsh", "/usr/bin/zsh", 61008),
    ("noisy", "/bin/bash", 61009),
    ("doer", "/bin/bash", 61010),
    ("doasker", "/bin/bash", 61011),
];

/// `$1`: the lab's directory; `$2`: what to leave out of /usr/bin; then sshd's arguments.
const NAMESPACE: &str = r#"
set -e
lab=$1 without=$2; shift 2
mount -t tmpfs tmpfs /mnt
over() { mkdir -p "/mnt/up$1" "/mnt/work$1"; mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/up$1,workdir=/mnt/work$1" "$1"; }
over /etc
over /usr/bin
for dir in /run /var/lib/sudo; do mkdir -p $dir; mount -t tmpfs tmpfs $dir; done
mkdir -p /run/sshd
for tool in $without; do rm -f /usr/bin/$tool; done
cat "$lab/passwd" >> /etc/passwd; cat "$lab/shadow" >> /etc/shadow; cat "$lab/group" >> /etc/group
rm -rf /etc/sudoers.d; cp "$lab/sudoers" /etc/sudoers; chmod 440 /etc/sudoers
cp "$lab/doas.conf" /etc/doas.conf; chmod 400 /etc/doas.conf
exec /usr/sbin/sshd "$@"
"#;

/// Starts it; `without`: programs of /usr/bin that this host does not have.
pub fn start(without: &str) -> Sshd {
    start_with(without, "")
}

/// As `start`, with further lines of sshd's configuration.
pub fn start_with(without: &str, extra: &str) -> Sshd {
    need_root();
    let files = tempfile::tempdir().unwrap();
    let lab = files.path().to_owned();
    std::fs::set_permissions(&lab, std::fs::Permissions::from_mode(0o755)).unwrap();
    let hash = run_ok(Command::new("perl").args(["-e", "print crypt($ARGV[0], '$6$saltsalt$')", PASSWORD]));
    let (mut passwd, mut shadow, mut group) = (String::new(), String::new(), String::new());
    for (name, shell, uid) in USERS {
        let home = lab.join("home").join(name);
        std::fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::chown(&home, Some(uid), Some(uid)).unwrap();
        passwd.push_str(&format!("{name}:x:{uid}:{uid}::{}:{shell}\n", home.display()));
        shadow.push_str(&format!("{name}:{hash}:19000:0:99999:7:::\n"));
        group.push_str(&format!("{name}:x:{uid}:\n"));
    }
    std::fs::write(
        lab.join("home/noisy/.bashrc"),
        "printf 'Welcome! '; echo 'no newline at the end' >&2; printf '$ '\n",
    )
    .unwrap();
    let sudoers = format!(
        "Defaults logfile={}/sudo.log, timestamp_type=global, passwd_tries=3\n\
         Defaults secure_path=\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\n\
         asks,asksdash,askscsh,asksfish,askszsh,noisy ALL=(ALL) ALL\n\
         nopass ALL=(ALL) NOPASSWD: ALL\nonlyls ALL=(ALL) /bin/ls\n",
        lab.display()
    );
    let write = |name: &str, text: &str| std::fs::write(lab.join(name), text).unwrap();
    write("passwd", &passwd);
    write("shadow", &shadow);
    write("group", &group);
    write("sudoers", &sudoers);
    write("doas.conf", "permit nopass doer as root\npermit doasker as root\n");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", NAMESPACE, "lab"]).arg(&lab).arg(without);
    let mut sshd = Sshd::start_in(extra, &mut command);
    std::fs::set_permissions(sshd.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    sshd.users = Some(files);
    sshd
}

/// What sudo wrote into its log.
pub fn sudo_log(sshd: &Sshd) -> String {
    let lab = sshd.users.as_ref().unwrap().path();
    // One entry goes over several lines, the further ones indented.
    std::fs::read_to_string(lab.join("sudo.log")).unwrap_or_default().replace("\n    ", " ")
}
