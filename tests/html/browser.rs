//! A headless Chromium, driven over the DevTools protocol by a pipe: no port, no second program. Every call
//! has its time limit, the profile is the browser's own, and the browser is gone when its value is.

use base64::Engine;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    next: u64,
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one. It reads commands from descriptor 3 and answers on 4; a shell makes these of the pipes.
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", "chromium"]);
        // The sandbox refuses to be started by root, as which tests may run; only pages of these tests are shown.
        command.args(["--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu"]);
        command.args(["--no-first-run", "--disable-extensions", "--disable-background-networking"]);
        command.args(["--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg("about:blank").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("chromium can be started; tests/run installs it");
        let (to, out) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut bytes = Vec::new();
            while out.read_until(0, &mut bytes).is_ok_and(|count| count > 0) {
                bytes.pop_if(|last| *last == 0);
                let Ok(message) = serde_json::from_slice(&bytes) else { return };
                if sender.send(message).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
        Self { process, to, from, next: 0, events: Vec::new(), _profile: profile }
    }

    /// Sends a command and waits for its answer.
    fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(b"\0").unwrap();
        self.to.flush().unwrap();
        let mut answer = self.wait_for(&format!("the answer to {method}"), |message| message["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    /// Waits for a message; all others are kept.
    fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begin.elapsed());
            let message = self.from.recv_timeout(left).unwrap_or_else(|_| panic!("waited for {what}"));
            if is_it(&message) {
                return message;
            }
            self.events.push(message);
        }
    }

    /// A new tab.
    pub(crate) fn page(&mut self) -> Page<'_> {
        let target =
            self.call(None, "Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = self.call(None, "Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        self.events.clear();
        let mut page = Page { browser: self, session };
        for domain in ["Page", "Runtime", "Log", "Accessibility", "Network", "Audits", "DOM"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its own children end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A tab.
pub(crate) struct Page<'a> {
    browser: &'a mut Browser,
    session: String,
}

impl Page<'_> {
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        let session = self.session.clone();
        self.browser.call(Some(&session), method, params)
    }

    /// Runs a script before any of the page's own.
    pub(crate) fn before_all(&mut self, script: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": script}));
    }

    pub(crate) fn open(&mut self, file: &Path) {
        self.browser.events.clear();
        self.call("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        let is_loaded = |message: &Value| message["method"] == "Page.loadEventFired";
        if !self.browser.events.iter().any(is_loaded) {
            let loaded = self.browser.wait_for("the page", is_loaded);
            self.browser.events.push(loaded);
        }
    }

    /// What an expression is in the page.
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    pub(crate) fn number(&mut self, expression: &str) -> f64 {
        self.ask(expression).as_f64().unwrap_or_else(|| panic!("{expression} is no number"))
    }

    pub(crate) fn text(&mut self, expression: &str) -> String {
        self.ask(expression).as_str().unwrap_or_else(|| panic!("{expression} is no text")).to_owned()
    }

    /// The window's width, the colour scheme and the medium.
    pub(crate) fn look(&mut self, width: u32, scheme: &str, medium: &str) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"media": medium, "features": features}));
    }

    /// Presses a key, as a keyboard does.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            other => panic!("{other} is not on this keyboard"),
        };
        let mut down = json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code});
        if let Some(text) = text {
            down["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", down);
        let up = json!({"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", up);
    }

    /// Types a text into what has the focus.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// How long the page's thread has been busy so far, in seconds; `Performance` must be enabled.
    pub(crate) fn busy(&mut self) -> f64 {
        let metrics = self.call("Performance.getMetrics", json!({}));
        let is_it = |metric: &&Value| metric["name"] == "TaskDuration";
        metrics["metrics"].as_array().unwrap().iter().find(is_it).unwrap()["value"].as_f64().unwrap()
    }

    /// Writes a picture of the whole page, at most 6,000 pixels of it.
    pub(crate) fn picture(&mut self, file: &Path) {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let height = size["height"].as_f64().unwrap().min(6000.0);
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1});
        let shot = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip}));
        write_base64(file, &shot["data"]);
    }

    /// Prints the page.
    pub(crate) fn print(&mut self, file: &Path) {
        let pdf = self.call(
            "Page.printToPDF",
            json!({"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": false}),
        );
        write_base64(file, &pdf["data"]);
    }

    pub(crate) fn without_scripts(&mut self, off: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": off}));
    }

    /// The nodes of the accessibility tree that are not ignored, as role and name.
    pub(crate) fn tree(&mut self) -> Vec<(String, String, Value)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let word = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true);
        nodes.map(|node| (word(&node["role"]), word(&node["name"]), node["properties"].clone())).collect()
    }

    /// Everything that the browser complained of, and everything that the page asked a network for.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // What is on its way comes before this answer.
        std::thread::sleep(Duration::from_millis(100));
        self.ask("0");
        let is_one = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Page.javascriptDialogOpening" => true,
            // Of a jump that no hand made, which is how tests click.
            "Audits.issueAdded" => !event.to_string().contains("NavigationEntryMarkedSkippable"),
            "Log.entryAdded" => event["params"]["entry"]["level"] != "verbose",
            "Runtime.consoleAPICalled" => true,
            "Network.requestWillBeSent" => {
                !event["params"]["request"]["url"].as_str().unwrap_or_default().starts_with("file:///")
                    || event["params"]["type"] != "Document"
            }
            _ => false,
        };
        self.browser.events.iter().filter(is_one).map(Value::to_string).collect()
    }
}

fn write_base64(file: &Path, data: &Value) {
    let bytes = base64::engine::general_purpose::STANDARD.decode(data.as_str().unwrap()).unwrap();
    std::fs::write(file, bytes).unwrap();
}
