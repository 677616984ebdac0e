//! Windows hosts over SSH: a server that presents the banner of Windows' own OpenSSH and obeys the lines
//! that are sent to its `cmd.exe` as far as echoing goes. Needs no root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, run_stream};
use russh::{Channel, ChannelId, SshId};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

const PASSWORD: &str = "open sesame";

/// What answers a script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// A Windows of which only `cmd.exe` itself works: every program is missing.
    Bare,
    /// The same through a shell that shows every line and a prompt.
    Echoing,
    /// Says it is Windows and floods.
    Flood,
    /// No `cmd.exe` at all.
    None,
}

struct Host {
    answers: Answers,
    scripts: HashMap<ChannelId, Vec<u8>>,
    execs: Arc<Mutex<Vec<String>>>,
}

/// The text that `cmd.exe` would print of the lines.
fn obey(script: &str, answers: Answers) -> String {
    let mut variables: HashMap<String, String> = HashMap::new();
    let mut out = "Microsoft Windows [Version 10.0.19045.4291]\r\n\r\n".to_owned();
    let mut code = 0;
    for line in script.lines().map(str::trim_end) {
        if answers == Answers::Echoing {
            out.push_str(&format!("\r\nC:\\Users\\lab>{line}\r\n"));
        }
        let mut expanded = line.replace("%errorlevel%", &code.to_string());
        for (name, value) in &variables {
            expanded = expanded.replace(&format!("%{name}%"), value);
        }
        if let Some(text) = expanded.strip_prefix("echo ") {
            out.push_str(&format!("{text}\r\n"));
        } else if let Some((name, value)) = line.strip_prefix("set \"").and_then(|rest| rest.split_once('='))
        {
            variables.insert(name.to_owned(), value.trim_end_matches('"').to_owned());
        } else if line == "set OS" {
            out.push_str("OS=Windows_NT\r\n");
        } else if line == "set System" {
            out.push_str("SystemDrive=C:\r\nSystemRoot=C:\\WINDOWS\r\n");
        } else if line.starts_with("tasklist") && answers == Answers::Flood {
            out.push_str(&"\"x.exe\",\"9\",\"Services\",\"0\",\"1 K\"\r\n".repeat(1_200_000));
        } else if !line.starts_with("for ") {
            code = 9009;
        }
    }
    out
}

impl Handler for Host {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(if password == PASSWORD { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)?;
        self.execs.lock().unwrap().push(String::from_utf8_lossy(data).into_owned());
        self.scripts.insert(id, Vec::new());
        if self.answers == Answers::None {
            session.extended_data(id, 1, b"sh: cmd.exe: not found\n".to_vec())?;
            session.exit_status_request(id, 127)?;
            session.eof(id)?;
            session.close(id)?;
        }
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        let Some(script) = self.scripts.get_mut(&id) else { return Ok(()) };
        script.extend(data);
        if self.answers != Answers::None && script.ends_with(b"\r\nexit 0\r\n") {
            let said = obey(&String::from_utf8(std::mem::take(script)).unwrap(), self.answers);
            let handle = session.handle();
            tokio::spawn(async move {
                for chunk in said.as_bytes().chunks(32 * 1024) {
                    if handle.data(id, chunk.to_vec()).await.is_err() {
                        return;
                    }
                }
                let _ = handle.exit_status_request(id, 0).await;
                let _ = handle.eof(id).await;
                let _ = handle.close(id).await;
            });
        }
        Ok(())
    }
}

/// A running host.
struct Windows {
    at: SocketAddr,
    execs: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Windows {
    fn start(answers: Answers, banner: &'static str) -> Self {
        let config = Arc::new(Config {
            server_id: SshId::Standard(banner.into()),
            keys: vec![PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()],
            auth_rejection_time: std::time::Duration::from_millis(10),
            auth_rejection_time_initial: Some(std::time::Duration::ZERO),
            nodelay: true,
            ..Config::default()
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let at = listener.local_addr().unwrap();
        let execs: Arc<Mutex<Vec<String>>> = Arc::default();
        let counted = Arc::clone(&execs);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let host = Host { answers, scripts: HashMap::new(), execs: Arc::clone(&counted) };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(running) = run_stream(config, stream, host).await {
                        let _ = running.await;
                    }
                });
            }
        });
        Self { at, execs, _runtime: runtime }
    }
}

/// The answer of `uproot identify --format json` about one host, with its exit code.
fn identify(hosts: &[(&str, &Windows, &str)]) -> (serde_json::Value, Option<i32>, String) {
    let place = tempfile::tempdir().unwrap();
    let mut inventory = "uproot_inventory: 1\nhosts:\n".to_owned();
    for (name, host, more) in hosts {
        let port = host.at.port();
        inventory.push_str(&format!(
            "  {name}: {{ address: 127.0.0.1, port: {port}, user: lab, password: {{ env: LAB_PW }}{more} }}\n"
        ));
    }
    let file = place.path().join("hosts.yml");
    std::fs::write(&file, inventory).unwrap();
    std::fs::write(place.path().join("known_hosts"), "").unwrap();
    let output: Output = Command::new(env!("CARGO_BIN_EXE_uproot"))
        .args(["identify", "--format", "json", "--accept-new", "-i"])
        .arg(&file)
        .arg("--known-hosts")
        .arg(place.path().join("known_hosts"))
        .current_dir(place.path())
        .env("HOME", place.path())
        .env("XDG_STATE_HOME", place.path().join("state"))
        .env("LAB_PW", PASSWORD)
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (report, output.status.code(), said)
}

#[test]
fn a_windows_host_is_asked_by_one_exec_and_what_it_cannot_answer_is_unknown() {
    for answers in [Answers::Bare, Answers::Echoing] {
        let host = Windows::start(answers, "SSH-2.0-OpenSSH_for_Windows_9.5");
        // Nobody becomes root there, even where the inventory says so of all hosts.
        let (report, code, said) = identify(&[("pc1", &host, ", become: sudo")]);
        assert_eq!(code, Some(3), "{said}");
        let pc = &report["hosts"][0];
        assert_eq!(pc["platform"], "windows", "{report:#}");
        assert_eq!(pc["state"], "unknown", "{pc:#}");
        assert_eq!(*host.execs.lock().unwrap(), ["cmd.exe /d /q"]);
    }
}

#[test]
fn the_inventory_may_say_that_a_host_is_windows() {
    let host = Windows::start(Answers::Bare, "SSH-2.0-Bitvise_9");
    let (report, ..) = identify(&[("pc1", &host, ", platform: windows")]);
    assert_eq!(report["hosts"][0]["platform"], "windows", "{report:#}");
    assert_eq!(*host.execs.lock().unwrap(), ["cmd.exe /d /q"]);
}

#[test]
fn a_flood_is_bounded_and_unknown() {
    let host = Windows::start(Answers::Flood, "SSH-2.0-OpenSSH_for_Windows_9.5");
    let (report, code, said) = identify(&[("pc1", &host, "")]);
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(report["hosts"][0]["state"], "unknown", "{report:#}");
}

#[test]
fn a_host_that_only_claims_to_be_windows_says_why_nothing_is_known() {
    let host = Windows::start(Answers::None, "SSH-2.0-OpenSSH_for_Windows_9.5");
    let (report, code, said) = identify(&[("pc1", &host, "")]);
    assert_eq!(code, Some(3), "{said}");
    assert!(report["hosts"][0].to_string().contains("no `cmd.exe` was started there"), "{report:#}");
}
