//! What looking at a fleet costs this machine: `uproot identify` with the whole built-in catalogue on
//! 200 hosts at 64 at once, beside a bare ssh2 connect, login and exec of the same script, in turns.
//!
//! `cargo bench --bench fanout [-- --hosts N --rounds N]`. The hosts are one real sshd of this machine
//! (sixteen addresses a process, which is all that an sshd listens on) on 127.78.0.0/16. Fails when a
//! host gave no answer, when a host costs more than 5 ms of processor time, or 80 MB were passed.

use ssh2::Session;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Hosts at once.
const PARALLEL: usize = 64;
/// Processor time that a host may cost, in milliseconds.
const MOST_CPU: f64 = 5.0;
/// Memory that the whole may take at its peak, in kilobytes.
const MOST_MEMORY: u64 = 80_000;
/// Addresses on which one sshd listens at most.
const SSHD_SOCKETS: usize = 16;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match bench() {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            complaints.iter().for_each(|complaint| eprintln!("fanout: {complaint}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("fanout: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs it and prints the figures; gives what was not good enough.
fn bench() -> Result<Vec<String>, Failure> {
    let (count, rounds) = (option("--hosts", 200)?, option("--rounds", 5)?);
    let hosts = Hosts::start(count)?;
    let loaded = uproot::playbook::read_catalogue().map_err(|_| "the built-in catalogue is broken")?;
    let questions = uproot::facts::Questions::of_playbook(&loaded.playbook);
    let script = uproot::facts::script(&questions, "fanout").text().to_owned();
    println!("{count} hosts, {PARALLEL} at once, {rounds} rounds, a script of {} bytes", script.len());
    println!("round        uproot: CPU/host   wall     peak      bare ssh2: CPU/host   wall");
    let (mut ours, mut bare, mut peak, mut complaints) = (Vec::new(), Vec::new(), 0, Vec::new());
    for round in 0..=rounds {
        let one = identify(&hosts)?;
        let two = bare_exec(&hosts, &script)?;
        // The first only warms caches up; what it must get right is the same.
        let name = if round == 0 { "warm-up".to_owned() } else { format!("{round}") };
        println!(
            "{name:8} {:15.2} ms {:6.2} s {:6.1} MB {:17.2} ms {:7.2} s",
            one.cpu_each(count),
            one.wall.as_secs_f64(),
            megabytes(one.memory),
            two.cpu_each(count),
            two.wall.as_secs_f64()
        );
        for (what, cost) in [("uproot", &one), ("the bare exec", &two)] {
            if cost.answered != count {
                complaints.push(format!("round {name}: {} of {count} hosts answered {what}", cost.answered));
            }
        }
        if round > 0 {
            ours.push(one.cpu_each(count));
            bare.push(two.cpu_each(count));
        }
        peak = peak.max(one.memory);
    }
    let (ours, bare) = (Figures::of(&mut ours), Figures::of(&mut bare));
    println!("CPU of the controller for each host, ms (min / median / max)");
    println!("  uproot identify   {:5.2} / {:5.2} / {:5.2}", ours.min, ours.median, ours.max);
    println!("  bare ssh2 exec    {:5.2} / {:5.2} / {:5.2}", bare.min, bare.median, bare.max);
    println!("  ratio of medians  {:5.2}", ours.median / bare.median);
    println!("peak memory of uproot: {:.1} MB", megabytes(peak));
    if ours.median > MOST_CPU {
        complaints.push(format!("{:.2} ms of CPU for each host, at most {MOST_CPU} ms", ours.median));
    }
    if peak > MOST_MEMORY {
        complaints.push(format!("{:.1} MB, at most {} MB", megabytes(peak), MOST_MEMORY / 1000));
    }
    Ok(complaints)
}

/// A whole number from the command line.
fn option(name: &str, default: usize) -> Result<usize, Failure> {
    let mut words = std::env::args();
    match words.find(|word| word == name) {
        None => Ok(default),
        Some(_) => words
            .next()
            .and_then(|word| word.parse().ok())
            .filter(|number| *number > 0)
            .ok_or_else(|| format!("{name} wants a whole number above 0").into()),
    }
}

/// What one round cost.
struct Cost {
    cpu: Duration,
    wall: Duration,
    /// Peak resident memory in kilobytes.
    memory: u64,
    answered: usize,
}

impl Cost {
    fn cpu_each(&self, hosts: usize) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / hosts as f64
    }
}

struct Figures {
    min: f64,
    median: f64,
    max: f64,
}

impl Figures {
    fn of(values: &mut [f64]) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
    }
}

fn megabytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1000.0
}

/// `uproot identify` on all hosts, as a user runs it.
fn identify(hosts: &Hosts) -> Result<Cost, Failure> {
    let dir = hosts.dir.path();
    let (before, begin) = (children_cpu()?, Instant::now());
    let report = dir.join("report.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_uproot"))
        .args([
            "identify",
            "--format",
            "json",
            "--quiet",
            "--parallel",
            &PARALLEL.to_string(),
            "-u",
            &hosts.user,
        ])
        .arg("-i")
        .arg(dir.join("hosts.yml"))
        .arg("--known-hosts")
        .arg(dir.join("known_hosts"))
        .arg("--key")
        .arg(dir.join("key"))
        .arg("--runs")
        .arg(dir.join("runs"))
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&report)?)
        .stderr(std::fs::File::create(dir.join("stderr"))?)
        .spawn()?;
    let mut memory = 0;
    while child.try_wait()?.is_none() {
        memory = memory.max(peak_memory(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    let cost =
        Cost { cpu: children_cpu()?.saturating_sub(before), wall: begin.elapsed(), memory, answered: 0 };
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report)?).map_err(|error| {
        let said = std::fs::read_to_string(dir.join("stderr")).unwrap_or_default();
        format!("uproot wrote no report: {error}\n{said}")
    })?;
    let told = report.get("hosts").and_then(serde_json::Value::as_array).ok_or("a report without hosts")?;
    let answered = told.iter().filter(|host| self::answered(host)).count();
    if let Some(host) = told.iter().find(|host| !self::answered(host)) {
        let field = |name| host.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        eprintln!("for example {}: {}: {}", field("host"), field("state"), field("reason"));
    }
    Ok(Cost { answered, ..cost })
}

/// Whether every question was answered, whatever there is on this machine.
fn answered(host: &serde_json::Value) -> bool {
    let state = host.get("state").and_then(serde_json::Value::as_str).unwrap_or_default();
    ["clean", "present", "residue"].contains(&state)
}

/// The same number of hosts, each by connect, handshake, login and exec of the script, with nothing
/// around it.
fn bare_exec(hosts: &Hosts, script: &str) -> Result<Cost, Failure> {
    let (before, begin) = (own_cpu()?, Instant::now());
    let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some(address) = hosts.addresses.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match exec_one(hosts, *address, script) {
                        Ok(()) => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => eprintln!("{address}: {error}"),
                    }
                }
            });
        }
    });
    let cpu = own_cpu()?.saturating_sub(before);
    Ok(Cost { cpu, wall: begin.elapsed(), memory: 0, answered: answered.into_inner() })
}

fn exec_one(hosts: &Hosts, address: SocketAddr, script: &str) -> Result<(), Failure> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(30))?;
    stream.set_nodelay(true)?;
    let mut session = Session::new()?;
    session.set_tcp_stream(stream);
    session.set_timeout(60_000);
    session.handshake()?;
    session.userauth_pubkey_file(&hosts.user, None, &hosts.dir.path().join("key"), None)?;
    let mut channel = session.channel_session()?;
    channel.exec("sh")?;
    channel.write_all(script.as_bytes())?;
    channel.send_eof()?;
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    channel.read_to_end(&mut output)?;
    channel.stderr().read_to_end(&mut errors)?;
    channel.wait_close()?;
    if output.ends_with(b"end paths\n") {
        Ok(())
    } else {
        Err(format!("the script did not come to its end: {}", String::from_utf8_lossy(&errors)).into())
    }
}

/// Processor time of this process's children that have ended.
fn children_cpu() -> Result<Duration, Failure> {
    cpu_fields(15)
}

/// Processor time of this process.
fn own_cpu() -> Result<Duration, Failure> {
    cpu_fields(13)
}

/// The user and system time that begin at this field of /proc/self/stat (counted from 0).
fn cpu_fields(first: usize) -> Result<Duration, Failure> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = text.rsplit_once(')').ok_or("strange /proc/self/stat")?;
    // The first two fields, pid and name, are cut off.
    let ticks: u64 =
        rest.split_whitespace().skip(first - 2).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // Linux tells these in hundredths of a second on every architecture.
    Ok(Duration::from_millis(ticks * 10))
}

/// The most resident memory that a process had so far, in kilobytes.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// sshd processes, and what it takes to log in to them. They end with this value.
struct Hosts {
    dir: tempfile::TempDir,
    addresses: Vec<SocketAddr>,
    user: String,
    servers: Vec<Child>,
}

impl Hosts {
    fn start(count: usize) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("uproot-fanout-").tempdir()?;
        let user = if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd")?;
            "root".to_owned()
        } else {
            std::env::var("USER")?
        };
        for name in ["key", "host_key"] {
            make_key(&dir.path().join(name))?;
        }
        std::fs::copy(dir.path().join("key.pub"), dir.path().join("authorized_keys"))?;
        let port = TcpListener::bind((Ipv4Addr::new(127, 78, 0, 1), 0))?.local_addr()?.port();
        let addresses: Vec<SocketAddr> = (0..count)
            .map(|number| {
                let [.., third, fourth] = (number as u32 / 250 * 256 + number as u32 % 250 + 1).to_be_bytes();
                SocketAddr::from((Ipv4Addr::new(127, 78, third, fourth), port))
            })
            .collect();
        let mut hosts = Self { dir, addresses, user, servers: Vec::new() };
        hosts.write_files()?;
        for (number, group) in hosts.addresses.chunks(SSHD_SOCKETS).enumerate() {
            let server = start_sshd(hosts.dir.path(), number, group)?;
            hosts.servers.push(server);
        }
        hosts.await_answers()?;
        Ok(hosts)
    }

    /// The inventory and the known hosts.
    fn write_files(&self) -> Result<(), Failure> {
        let key = std::fs::read_to_string(self.dir.path().join("host_key.pub"))?;
        let (mut inventory, mut known) = (String::from("uproot_inventory: 1\nhosts:\n"), String::new());
        for (number, address) in self.addresses.iter().enumerate() {
            writeln!(
                inventory,
                "  host{:03}: {{ address: {}, port: {} }}",
                number + 1,
                address.ip(),
                address.port()
            )?;
            writeln!(known, "[{}]:{} {}", address.ip(), address.port(), key.trim())?;
        }
        std::fs::write(self.dir.path().join("hosts.yml"), inventory)?;
        std::fs::write(self.dir.path().join("known_hosts"), known)?;
        Ok(())
    }

    fn await_answers(&self) -> Result<(), Failure> {
        let end = Instant::now() + Duration::from_secs(20);
        for address in self.addresses.iter().rev() {
            while TcpStream::connect_timeout(address, Duration::from_secs(1)).is_err() {
                if Instant::now() > end {
                    let log = std::fs::read_to_string(self.dir.path().join("sshd.log"))?;
                    return Err(format!("no sshd at {address}:\n{log}").into());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // One that ended by itself is what was wanted.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn make_key(path: &Path) -> Result<(), Failure> {
    let status =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status()?;
    if status.success() { Ok(()) } else { Err("ssh-keygen failed".into()) }
}

fn start_sshd(dir: &Path, number: usize, addresses: &[SocketAddr]) -> Result<Child, Failure> {
    let mut config = format!(
        "HostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys\nPidFile none\nUsePAM no\nUseDNS no\n\
         StrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 1000\n",
        dir.display()
    );
    for address in addresses {
        writeln!(config, "ListenAddress {address}")?;
    }
    let file = dir.join(format!("sshd_config.{number}"));
    std::fs::write(&file, config)?;
    let log = std::fs::File::options().create(true).append(true).open(dir.join("sshd.log"))?;
    // It dies with this process, however that ends. What stands in a developer's own profile is no part
    // of what is measured: root's home is empty there. Nor are this machine's own processes: the hosts
    // have theirs, whose first is sshd, as it is in a container.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if rustix::process::geteuid().is_root() {
        let set_up = "mount -t tmpfs -o mode=700 home /root && exec /usr/sbin/sshd \"$@\"";
        command.args(["unshare", "-m", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", set_up, "sh"]);
    } else {
        command.arg("/usr/sbin/sshd");
    }
    Ok(command
        .args(["-D", "-e", "-f"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?)
}
