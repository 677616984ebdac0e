//! One command on a Wine host, as Win32-OpenSSH runs it: see programs/labcmd.c for what is imitated and
//! from where.

use super::base::for_wine;
use super::fault::Fault;
use super::server::Shared;
use russh::ChannelId;
use russh::server::Handle;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};

/// The longest command line that cmd takes.
const CMD_LIMIT: usize = 8191;

pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) inside: u32,
    pub(super) handle: Handle,
    pub(super) id: ChannelId,
    /// Which of the host's commands it is.
    pub(super) number: usize,
    /// Gives an error when the channel or its connection is gone.
    pub(super) lives: watch::Receiver<()>,
    pub(super) cut: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

/// A command for labcmd in a host: `kill` is whether what it runs is to end with it.
pub(super) fn labcmd(shared: &Shared, inside: u32, command: &str, status: &str, kill: bool) -> Command {
    let mut run = Command::from(for_wine("nsenter", Some(&shared.processor)));
    run.env_clear().env("PATH", super::PATH).args([
        "-t",
        &inside.to_string(),
        "-m",
        "-p",
        "-u",
        "-i",
        "--",
        "env",
        "-i",
    ]);
    run.args([
        "HOME=/tmp/home",
        "USER=Administrator",
        "LOGNAME=Administrator",
        "WINEPREFIX=/mnt",
        "WINEDEBUG=-all",
    ]);
    run.arg(format!("PATH={}", super::PATH)).arg(format!("LABCMD={command}"));
    run.args(shared.locale.iter().map(|(name, value)| format!("{name}={value}")));
    let script = "cd /mnt/drive_c && exec /usr/lib/wine/wine64 'C:\\lab\\labcmd.exe' \"$1\" \"$2\"";
    run.args(["sh", "-c", script, "sh"]).arg(format!("\\\\?\\unix\\media\\status\\{status}"));
    run.arg(if kill { "kill" } else { "let-live" });
    run.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    run
}

/// A name for the file of an exit code that no other command has.
pub(super) fn status_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed).to_string()
}

impl Session {
    pub(super) async fn go(
        self,
        command: String,
        mut input: UnboundedReceiver<Vec<u8>>,
        fault: Option<Fault>,
    ) {
        match fault {
            Some(Fault::Hangs) => {
                let _ = self.drain(&mut input).await;
                std::future::pending::<()>().await;
            }
            Some(Fault::Lies(text, code)) => {
                let _ = tokio::time::timeout(Duration::from_secs(2), self.drain(&mut input)).await;
                let _ = self.handle.data(self.id, text).await;
                self.end(Some(code)).await;
            }
            Some(Fault::Floods(bytes)) => {
                let _ = tokio::time::timeout(Duration::from_secs(2), self.drain(&mut input)).await;
                let line = format!("{}\r\n", "a line of a flood ".repeat(28)).into_bytes().repeat(60);
                let mut left = bytes;
                while left > 0 {
                    let piece = line.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    if self.handle.data(self.id, line[..piece].to_vec()).await.is_err() {
                        return;
                    }
                    left -= piece as u64;
                }
                self.end(Some(0)).await;
            }
            fault => self.run(command, input, fault).await,
        }
    }

    async fn run(self, command: String, mut input: UnboundedReceiver<Vec<u8>>, fault: Option<Fault>) {
        if command.len() + "/c \"\"".len() > CMD_LIMIT {
            let text = "The command line is too long.\r\n";
            let _ = self.handle.extended_data(self.id, 1, text.as_bytes().to_vec()).await;
            return self.end(Some(1)).await;
        }
        let kill = self.shared.kills.load(Ordering::SeqCst);
        let status = status_name();
        let mut child =
            labcmd(&self.shared, self.inside, &command, &status, kill).spawn().expect("nsenter is missing");
        let (mut stdin, stdout, stderr) =
            (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (shared, number) = (Arc::clone(&self.shared), self.number);
        let by_line = command.to_ascii_lowercase().contains("cmd");
        let feeding = tokio::spawn(async move {
            let mut lines = Lines::default();
            let mut open = true;
            let mut held = Vec::new();
            while let Some(bytes) = input.recv().await {
                lines.note(&shared, number, &bytes);
                held.extend_from_slice(&bytes);
                while let Some(piece) = next_piece(&mut held, by_line) {
                    // A command that has closed its input leaves the rest unread, which is its right.
                    open = open && (!by_line || is_empty(&stdin).await);
                    open = open && stdin.write_all(&piece).await.is_ok();
                }
            }
            if open && !held.is_empty() && (!by_line || is_empty(&stdin).await) {
                let _ = stdin.write_all(&held).await;
            }
        });
        let mut lives = self.lives.clone();
        let finished = {
            let output = async {
                let command = async { tokio::join!(self.pump(stdout, false, fault.as_ref()), child.wait()) };
                let errors = self.pump(stderr, true, None);
                tokio::pin!(command, errors);
                let mut all_errors = false;
                loop {
                    tokio::select! {
                        _ = &mut command => break,
                        () = &mut errors, if !all_errors => all_errors = true,
                    }
                }
                // Every process of Wine's holds the standard error of what started it, so its end says nothing;
                // what was written to it is in the pipe by now.
                if !all_errors {
                    let _ = tokio::time::timeout(Duration::from_millis(200), errors).await;
                }
            };
            tokio::select! {
                () = output => true,
                _ = lives.changed() => false,
            }
        };
        feeding.abort();
        if !finished {
            // The pipes are closed by now; sshd does no more than that.
            return leave(child, kill);
        }
        let file = self.shared.dir.join("outside/status").join(&status);
        let code = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
        let _ = std::fs::remove_file(file);
        if matches!(fault, Some(Fault::CutsAfter(_))) {
            return self.cut_now();
        }
        if matches!(fault, Some(Fault::KeepsExitCode)) {
            self.note_end(code);
            return self.close().await;
        }
        self.end(code).await;
    }

    /// Sends what the command prints.
    async fn pump(&self, mut from: impl tokio::io::AsyncRead + Unpin, errors: bool, fault: Option<&Fault>) {
        let mut buffer = vec![0; 16384];
        let mut sent = 0;
        let mut first = true;
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let mut bytes = buffer[..count].to_vec();
            match fault {
                Some(Fault::CutsAfter(most)) => {
                    bytes.truncate(most.saturating_sub(sent));
                    sent += bytes.len();
                }
                Some(Fault::Utf16) => {
                    let mark = if first { &[0xff, 0xfe][..] } else { &[] };
                    let wide = bytes.iter().flat_map(|byte| [*byte, 0]);
                    bytes = mark.iter().copied().chain(wide).collect();
                    first = false;
                }
                _ => {}
            }
            let _ = if errors {
                self.handle.extended_data(self.id, 1, bytes).await
            } else {
                self.handle.data(self.id, bytes).await
            };
            if let Some(Fault::CutsAfter(most)) = fault
                && sent >= *most
            {
                // Time for the bytes to leave the pipe in between.
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.cut_now();
            }
        }
    }

    /// Reads the input to its end, or until the session's.
    async fn drain(&self, input: &mut UnboundedReceiver<Vec<u8>>) {
        let mut lines = Lines::default();
        while let Some(bytes) = input.recv().await {
            lines.note(&self.shared, self.number, &bytes);
        }
    }

    fn cut_now(&self) {
        let cut = self.cut.lock().unwrap().take();
        if let Some(cut) = cut {
            let _ = cut.send(());
        }
    }

    fn note_end(&self, code: Option<u32>) {
        let mut execs = self.shared.execs.lock().unwrap();
        let exec = &mut execs[self.number];
        exec.took = Some(exec.began.elapsed());
        exec.code = code;
    }

    /// Tells the exit code and closes the channel.
    async fn end(&self, code: Option<u32>) {
        self.note_end(code);
        // Win32-OpenSSH cannot tell why a command could not be started either.
        let _ = self.handle.exit_status_request(self.id, code.unwrap_or(255)).await;
        self.close().await;
    }

    async fn close(&self) {
        let _ = self.handle.eof(self.id).await;
        let _ = self.handle.close(self.id).await;
    }
}

/// What is to be written next. Wine's cmd takes one line of what it reads from a pipe and loses the rest, so it is
/// given no more than a line at once.
fn next_piece(held: &mut Vec<u8>, by_line: bool) -> Option<Vec<u8>> {
    if !by_line {
        return (!held.is_empty()).then(|| std::mem::take(held));
    }
    let end = held.iter().position(|byte| *byte == b'\n')?;
    let rest = held.split_off(end + 1);
    Some(std::mem::replace(held, rest))
}

/// Waits until all that was written into this pipe has been read; false when nobody reads it any more.
async fn is_empty(pipe: &tokio::process::ChildStdin) -> bool {
    loop {
        match rustix::io::ioctl_fionread(pipe) {
            Ok(0) => return true,
            Ok(_) => tokio::time::sleep(Duration::from_micros(300)).await,
            Err(_) => return false,
        }
    }
}

/// Lets what a lost connection had started go on, or ends it.
fn leave(mut child: Child, kill: bool) {
    if kill && let Some(pid) = child.id() {
        let group = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    tokio::spawn(async move { child.wait().await });
}

/// Measures input.
#[derive(Default)]
struct Lines {
    current: usize,
}

impl Lines {
    fn note(&mut self, shared: &Shared, number: usize, bytes: &[u8]) {
        let mut execs = shared.execs.lock().unwrap();
        let exec = &mut execs[number];
        exec.input += bytes.len();
        for byte in bytes {
            match byte {
                b'\n' => self.current = 0,
                b'\r' => {}
                _ => self.current += 1,
            }
            exec.longest_line = exec.longest_line.max(self.current);
        }
    }
}
