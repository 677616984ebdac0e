//! A Windows host that answers as its tools do, in four languages and their code pages. The forms are
//! those of the documentation and of outputs that people showed in public:
//! - `chcp`: `Active code page: 437`, `Aktive Codepage: 850.` with its dot, `現在のコード ページ: 932`,
//!   `Текущая кодовая страница: 866`, each as several public repositories quote it;
//! - `dir`: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/dir>; in
//!   German and Russian as shown in public notes (` Datenträger in Laufwerk C: ist SYSTEM`, `Fr, 04. 07. 2025`
//!   for a date; ` Том в устройстве C не имеет метки.`);
//! - `sc query`: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/sc-query>;
//!   `Имя_службы`, `Тип`, `Состояние` as in the README of the public pywin32service example;
//! - `reg query`: <https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/reg-query>;
//!   `Поиск завершен: найдено совпадений: 0.` as public tests quote it. A search without a match ends with 1;
//! - `tasklist /fo csv /nh`, `whoami /groups /fo csv /nh`: their pages there.
//!
//! The words of the German and Japanese last line of `reg query`, and of `whoami`, were not found in
//! public; what stands here has only their shape: nothing that is read of them is a word.

use crate::facts::Questions;
use crate::facts::windows::ask::{Ask, Asks, View, Want};
use std::collections::BTreeMap;

/// A language as the tools speak it.
pub(super) struct Spoken {
    pub name: &'static str,
    code_page: u16,
    chcp: &'static str,
    found: [&'static str; 2],
    volume: &'static str,
    date: &'static str,
    fields: [&'static str; 4],
    level: &'static str,
    memory: &'static str,
    version: &'static str,
}

pub(super) static ENGLISH: Spoken = Spoken {
    name: "English",
    code_page: 437,
    chcp: "Active code page: 437",
    found: ["End of search: ", " match(es) found."],
    volume: " Volume in drive C has no label.\n Volume Serial Number is 38E4-3A30\n",
    date: "05/03/2024  02:34 PM",
    fields: ["SERVICE_NAME", "DISPLAY_NAME", "TYPE", "STATE"],
    level: "Mandatory Label\\High Mandatory Level",
    memory: "8,312 K",
    version: "Microsoft Windows [Version 10.0.19045.4291]",
};

pub(super) static GERMAN: Spoken = Spoken {
    name: "German",
    code_page: 850,
    chcp: "Aktive Codepage: 850.",
    found: ["Ende der Suche: ", " Übereinstimmung(en) gefunden."],
    volume: " Datenträger in Laufwerk C: ist SYSTEM\n Volumeseriennummer: 38E4-3A30\n",
    date: "Fr, 03. 05. 2024  14:34",
    fields: ["SERVICE_NAME", "DISPLAY_NAME", "TYP", "STATUS"],
    level: "Verbindliche Beschriftung\\Hohe Verbindlichkeitsstufe",
    memory: "8.312 K",
    version: "Microsoft Windows [Version 10.0.19045.4291]",
};

pub(super) static JAPANESE: Spoken = Spoken {
    name: "Japanese",
    code_page: 932,
    chcp: "現在のコード ページ: 932",
    found: ["検索の完了: ", " 件の一致が見つかりました。"],
    volume: " ドライブ C のボリューム ラベルがありません。\n ボリューム シリアル番号は 38E4-3A30 です\n",
    date: "2024/05/03  14:34",
    fields: ["SERVICE_NAME", "DISPLAY_NAME", "TYPE", "STATE"],
    level: "Mandatory Label\\高い必須レベル",
    memory: "8,312 K",
    version: "Microsoft Windows [Version 10.0.19045.4291]",
};

pub(super) static RUSSIAN: Spoken = Spoken {
    name: "Russian",
    code_page: 866,
    chcp: "Текущая кодовая страница: 866",
    found: ["Поиск завершен: найдено совпадений: ", "."],
    volume: " Том в устройстве C не имеет метки.\n Серийный номер тома: 38E4-3A30\n",
    date: "03.05.2024  14:34",
    fields: ["Имя_службы", "Выводимое_имя", "Тип", "Состояние"],
    level: "Обязательная метка\\Высокий обязательный уровень",
    memory: "8 312 КБ",
    version: "Microsoft Windows [Version 10.0.19045.4291]",
};

/// Directories with what is in them; a `/` at the end of a name marks a directory.
type Directory = (&'static str, &'static [&'static str]);

pub(super) struct Host {
    spoken: &'static Spoken,
    /// Key → values (name, type and data).
    keys: BTreeMap<String, Vec<(&'static str, String)>>,
    pub directories: Vec<Directory>,
    /// Programs that say nothing and end with 0.
    pub stubs: Vec<&'static str>,
    /// Directories and keys that may not be read.
    pub refused: Vec<&'static str>,
    pub elevated: bool,
    /// Files with what is in them.
    pub files: Vec<(&'static str, String)>,
}

const KES: &str =
    r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\{9A017278-F7F4-4DF9-A482-0B97B70DD7ED}";
const ZIP: &str = r"HKLM32\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall\7-Zip";
const NOTES: &str = r"HKU\S-1-5-21-1-2-3-1001\Software\Microsoft\Windows\CurrentVersion\Uninstall\Notes";
const SERVICES: &str = r"HKLM\SYSTEM\CurrentControlSet\Services";
const ROOT: &str = r"HKLM\SOFTWARE\Microsoft\SystemCertificates\ROOT\Certificates";
const TASKS: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache";

impl Host {
    pub(super) fn speaking(spoken: &'static Spoken) -> Self {
        let mut host = Self {
            spoken,
            keys: BTreeMap::new(),
            directories: vec![
                (r"C:", &["Users/", "ProgramData/", "Program Files (x86)/", "pagefile.sys"]),
                (r"C:\ProgramData", &["Microsoft/", "Kaspersky Lab/", "KasperskyLab/"]),
                (r"C:\Program Files (x86)", &["Kaspersky Lab/", "Common Files/"]),
                (r"C:\Users", &["Public/", "o'hara & co/"]),
                (r"C:\Users\Public", &["Documents/"]),
                (r"C:\Users\o'hara & co", &["AppData/"]),
                (r"C:\Users\o'hara & co\AppData", &["Local/"]),
                (r"C:\Users\o'hara & co\AppData\Local", &["Temp/"]),
                (r"C:\WINDOWS", &["System32/"]),
                (r"C:\WINDOWS\System32", &["drivers/"]),
                (r"C:\WINDOWS\System32\drivers", &["acpi.sys"]),
            ],
            stubs: Vec::new(),
            refused: Vec::new(),
            elevated: true,
            files: Vec::new(),
        };
        for (key, name, data) in [
            (KES, "DisplayName", "REG_SZ    Kaspersky Endpoint Security for Windows"),
            (KES, "DisplayVersion", "REG_SZ    12.3.0.493"),
            (KES, "Publisher", "REG_SZ    AO Kaspersky Lab"),
            (KES, "UninstallString", "REG_EXPAND_SZ    MsiExec.exe /I{9A017278-F7F4-4DF9-A482-0B97B70DD7ED}"),
            (ZIP, "DisplayName", "REG_SZ    7-Zip"),
            (NOTES, "DisplayName", "REG_SZ    Notes"),
            (r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion", "ProductName", "REG_SZ    Windows 10 Pro"),
            (
                r"HKLM\SOFTWARE\Microsoft\Cryptography",
                "MachineGuid",
                "REG_SZ    BABC81A1-15a6-4084-847c-088dcab95ff7",
            ),
            (r"HKLM\SOFTWARE\KasperskyLab", "Installed", "REG_SZ    1"),
            (r"HKLM\SOFTWARE\KasperskyLab", "Serial", "REG_SZ    secret"),
            (
                r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager",
                "BootExecute",
                "REG_MULTI_SZ    autocheck autochk *",
            ),
        ] {
            host.value(key, name, data);
        }
        for (name, kind, path) in [
            ("RpcSs", "0x20", r"%SystemRoot%\system32\svchost.exe -k rpcss"),
            ("AVP.KES.21.15", "0x10", r#""C:\Program Files (x86)\Kaspersky Lab\KES\avp.exe" -r"#),
            ("klif", "0x2", r"\??\C:\WINDOWS\system32\drivers\K4W-21-15\klif.sys"),
            ("klim6", "0x1", ""),
        ] {
            let key = format!("{SERVICES}\\{name}");
            host.value(&key, "Type", &format!("REG_DWORD    {kind}"));
            if !path.is_empty() {
                host.value(&key, "ImagePath", &format!("REG_EXPAND_SZ    {path}"));
            }
        }
        for key in [
            r"HKLM\SYSTEM\CurrentControlSet\Services\.NET CLR Data",
            r"HKLM\SOFTWARE\KasperskyLab\AVP21.15",
            r"HKLM\SOFTWARE\Policies\Microsoft",
            r"HKLM\SOFTWARE\Microsoft\EnterpriseCertificates\Root\Certificates",
            r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages",
            r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\Results",
            r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001",
            r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1002",
            r"HKU\.DEFAULT\Software\Microsoft\Windows\CurrentVersion\Run",
            r"HKU\S-1-5-21-1-2-3-1001\Software\Microsoft\Windows\CurrentVersion\Run",
            r"HKU\S-1-5-21-1-2-3-1001_Classes\Local Settings",
        ] {
            host.add(key);
        }
        let certificate = include_bytes!("../../../../tests/facts/ca.pem");
        let body: String =
            String::from_utf8_lossy(certificate).lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
        let mut blob =
            [32_u32.to_le_bytes(), 1_u32.to_le_bytes(), u32::try_from(der.len()).unwrap().to_le_bytes()]
                .concat();
        blob.extend(der);
        let hex: String = blob.iter().map(|byte| format!("{byte:02X}")).collect();
        host.value(&format!("{ROOT}\\CDD4"), "Blob", &format!("REG_BINARY    {hex}"));
        host.add(r"HKLM\SOFTWARE\Microsoft\SystemCertificates\AuthRoot\Certificates");
        let id = "{A0B1C2D3-0000-0000-0000-000000000001}";
        host.value(
            &format!("{TASKS}\\Tree\\Microsoft\\Windows\\Defrag\\ScheduledDefrag"),
            "Id",
            &format!("REG_SZ    {id}"),
        );
        host.value(
            &format!("{TASKS}\\Tasks\\{id}"),
            "Actions",
            "REG_BINARY    0300000000006666000000000200000061000000000000000000",
        );
        host
    }

    fn value(&mut self, key: &str, name: &'static str, data: &str) {
        self.add(key);
        self.keys.get_mut(key).unwrap().push((name, data.to_owned()));
    }

    /// Adds a key with all above it, or `KEY=VALUE`.
    pub(super) fn add(&mut self, key: &str) {
        if let Some((key, name)) = key.split_once('=') {
            let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
            return self.value(key, name, r"REG_MULTI_SZ    \??\C:\x\0\0");
        }
        let parts: Vec<&str> = key.split('\\').collect();
        for count in 1..=parts.len() {
            self.keys.entry(parts[..count].join("\\")).or_default();
        }
    }

    /// The stream of the whole script.
    pub(super) fn answer(&self, questions: &Questions) -> Vec<u8> {
        let asks = Asks::of(&crate::facts::windows::of_windows(questions));
        let mut out = format!("{}\r\n(c) Microsoft Corporation\r\n\r\n", self.spoken.version);
        for ask in asks.each() {
            let label = asks.label(ask).unwrap();
            self.one(ask, label, &asks, &mut out);
        }
        self.encode(&out.replace("\r\n", "\n").replace('\n', "\r\n"))
    }

    fn encode(&self, text: &str) -> Vec<u8> {
        let table = oem_cp::code_table::ENCODING_TABLE_CP_MAP.get(&self.spoken.code_page);
        match table {
            Some(table) => oem_cp::encode_string_lossy(text, table),
            None => encoding_rs::SHIFT_JIS.encode(text).0.into_owned(),
        }
    }

    fn stub(&self, program: &str) -> bool {
        self.stubs.contains(&program)
    }

    fn one(&self, ask: &Ask, label: &str, asks: &Asks, out: &mut String) {
        let nonce = super::NONCE;
        let mut plain = |text: String, status: i32| {
            out.push_str(&format!("{nonce} ask {label}\n{text}{nonce} end {label} {status}\n"));
        };
        match ask {
            Ask::CodePage => plain(format!("{}\n", self.spoken.chcp), 0),
            Ask::Environment if self.stub("set") => plain(String::new(), 0),
            Ask::Environment => plain(
                "ALLUSERSPROFILE=C:\\ProgramData\nCOMPUTERNAME=PC-1\nOS=Windows_NT\nPROCESSOR_ARCHITECTURE=AMD64\n\
                 ProgramData=C:\\ProgramData\nProgramFiles(x86)=C:\\Program Files (x86)\nSystemDrive=C:\n\
                 SystemRoot=C:\\WINDOWS\nwindir=C:\\WINDOWS\n"
                    .to_owned(),
                0,
            ),
            Ask::Groups => {
                let level = if self.elevated { "12288" } else { "8192" };
                plain(format!("\"Everyone\",\"x\",\"S-1-1-0\",\"\"\n\"{}\",\"Label\",\"S-1-16-{level}\",\"\"\n", self.spoken.level), 0);
            }
            Ask::Version => plain(format!("\n{}\n", self.spoken.version), 0),
            Ask::Boot => plain("<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><EventData><Data Name='StopTime'>x</Data><Data Name='StartTime'>2024-05-03T06:12:34.500000000Z</Data></EventData></Event>\n".to_owned(), 0),
            Ask::ServiceManager if self.stub("sc") => plain(String::new(), 0),
            Ask::ServiceManager => {
                let [name, display, kind, state] = self.spoken.fields;
                let record = |of: &str, type_of: &str, running: u8| {
                    format!("\n{name}: {of}\n{display}: x: y\n        {kind:<18} : {type_of} \n        {state:<18} : {running}  X \n                                (STOPPABLE, NOT_PAUSABLE)\n        WIN32_EXIT_CODE    : 0  (0x0)\n")
                };
                let records = [
                    record("AVP.KES.21.15", "10  WIN32_OWN_PROCESS", 4),
                    record("RpcSs", "20  WIN32_SHARE_PROCESS", 4),
                    record("klif", "2  FILE_SYSTEM_DRIVER", 4),
                    record("klim6", "1  KERNEL_DRIVER", 1),
                ];
                plain(records.concat(), 0);
            }
            Ask::Processes if self.stub("tasklist") => plain(String::new(), 0),
            Ask::Processes => {
                let memory = self.spoken.memory;
                plain(format!("\"System Idle Process\",\"0\",\"Services\",\"0\",\"{memory}\"\n\"System\",\"4\",\"Services\",\"0\",\"{memory}\"\n\"avp.exe\",\"1234\",\"Services\",\"0\",\"{memory}\"\n"), 0);
            }
            Ask::Registry { key, view, want } => {
                let key = if *view == View::Narrow { key.replacen("HKLM", "HKLM32", 1) } else { key.clone() };
                let (text, status) = self.registry(&key, want);
                plain(text, status);
            }
            Ask::Hive { below, want } => {
                for hive in self.below("HKU") {
                    let (text, status) = self.registry(&format!("{hive}\\{below}"), want);
                    out.push_str(&format!("{nonce} ask {label} {}\n{text}{nonce} end {label} {status}\n", long(&hive)));
                }
            }
            Ask::Directory(number) => self.directory(*number, label, asks, out),
            Ask::File(number) => {
                let parts = &asks.files[*number];
                let path = self.paths_of(parts).remove(0);
                if let Some((_, text)) = self.files.iter().find(|(other, _)| *other == path) {
                    let shown = if text.len() > 65_536 { "" } else { text };
                    let size = text.len();
                    out.push_str(&format!(
                        "{nonce} ask {label} \"{path}\"\n{nonce} part {label} size {size}\n{shown}\n{nonce} end {label} 0\n"
                    ));
                }
            }
        }
    }

    fn below(&self, key: &str) -> Vec<String> {
        let above = format!("{key}\\");
        let is_below = |other: &&String| other.strip_prefix(&above).is_some_and(|rest| !rest.contains('\\'));
        self.keys.keys().filter(is_below).cloned().collect()
    }

    fn registry(&self, key: &str, want: &Want) -> (String, i32) {
        if self.stub("reg") {
            return (String::new(), 0);
        }
        let Some(values) = self.keys.get(key).filter(|_| !self.refused.contains(&key)) else {
            return (String::new(), 1);
        };
        let shown = |key: &str, values: &[(&str, String)]| {
            let lines: String = values.iter().map(|(name, data)| format!("    {name}    {data}\n")).collect();
            format!("\n{}\n{lines}", long(key))
        };
        let of = |wanted: &str, values: &[(&'static str, String)]| -> Vec<(&'static str, String)> {
            values.iter().filter(|(name, _)| *name == wanted).cloned().collect()
        };
        match want {
            Want::Here => {
                let own = if values.is_empty() { String::new() } else { shown(key, values) };
                let below: String = self.below(key).iter().map(|key| format!("{}\n", long(key))).collect();
                (format!("{own}\n{below}"), 0)
            }
            Want::Value(name) => match of(name, values) {
                found if found.is_empty() => (String::new(), 1),
                found => (shown(key, &found) + "\n", 0),
            },
            Want::Deep(name) => {
                let inside = format!("{key}\\");
                let found: Vec<String> = self
                    .keys
                    .iter()
                    .filter(|(other, _)| *other == key || other.starts_with(&inside))
                    .filter_map(|(key, values)| {
                        let found = of(name, values);
                        (!found.is_empty()).then(|| shown(key, &found))
                    })
                    .collect();
                let [before, behind] = self.spoken.found;
                (
                    format!("{}\n{before}{}{behind}\n", found.concat(), found.len()),
                    i32::from(found.is_empty()),
                )
            }
            Want::Whole => {
                let inside = format!("{key}\\");
                let all = self.keys.iter().filter(|(other, _)| *other == key || other.starts_with(&inside));
                (all.map(|(key, values)| shown(key, values)).collect(), 0)
            }
        }
    }

    fn directory(&self, number: usize, label: &str, asks: &Asks, out: &mut String) {
        let nonce = super::NONCE;
        for path in self.paths_of(&asks.directories.parts(number)) {
            out.push_str(&format!("{nonce} ask {label} \"{path}\"\n"));
            let is_same = |(other, _): &&Directory| other.eq_ignore_ascii_case(&path);
            let readable = !self.refused.contains(&path.as_str()) && !self.stub("dir");
            let names: Vec<&str> = self
                .directories
                .iter()
                .filter(is_same)
                .filter(|_| readable)
                .flat_map(|(_, names)| names.iter().copied())
                .collect();
            let exists = self.directories.iter().any(|one| is_same(&one)) && readable;
            if exists && path != "C:" {
                let date = self.spoken.date;
                out.push_str(&format!(
                    "{}\n{date}    <DIR>          .\n{date}    <DIR>          ..\n",
                    self.spoken.volume
                ));
            }
            let list = |dirs: bool| -> String {
                names
                    .iter()
                    .filter(|name| !dirs || name.ends_with('/'))
                    .map(|name| format!("{}\n", name.trim_end_matches('/')))
                    .collect()
            };
            out.push_str(&format!(
                "{nonce} part {label} names\n{}{nonce} part {label} directories\n{}{nonce} part {label} links\n{nonce} end {label} 0\n",
                list(false),
                list(true)
            ));
        }
    }

    /// The directories that a loop would visit.
    fn paths_of(&self, parts: &[String]) -> Vec<String> {
        let variable = |part: &str| match part {
            "%ProgramData%" => r"C:\ProgramData".to_owned(),
            "%ProgramFiles(x86)%" => r"C:\Program Files (x86)".to_owned(),
            "%SystemDrive%" => "C:".to_owned(),
            "%windir%" => r"C:\WINDOWS".to_owned(),
            other => other.to_owned(),
        };
        let mut paths = vec![variable(&parts[0])];
        for part in &parts[1..] {
            paths = paths
                .iter()
                .flat_map(|path| match part.as_str() {
                    "*" => {
                        let of = self.directories.iter().filter(|(other, _)| other == path);
                        let names =
                            of.flat_map(|(_, names)| names.iter()).filter_map(|name| name.strip_suffix('/'));
                        names.map(|name| format!("{path}\\{name}")).collect::<Vec<_>>()
                    }
                    part => vec![format!("{path}\\{part}")],
                })
                .collect();
        }
        paths
    }
}

fn long(key: &str) -> String {
    let key = key.replacen("HKLM32", "HKLM", 1);
    key.replacen("HKLM", "HKEY_LOCAL_MACHINE", 1).replacen("HKU", "HKEY_USERS", 1)
}
