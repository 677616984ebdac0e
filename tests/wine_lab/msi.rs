//! Real MSI packages, built on the spot by wixl (msitools): named and laid out like the vendor's, of the kinds
//! that removal has to deal with. None of it is the vendor's; where the vendor checks a password in code of its own,
//! here a launch condition does.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The password that packages which demand one demand.
pub const MSI_PASSWORD: &str = "Removal&Secret^7";

/// What is special about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: for the machine, 64-bit, with a service.
    Plain,
    /// Gives 1603 without `KLLOGIN=KLAdmin KLPASSWD=...`, as KES does.
    Password,
    /// Gives 1603 without `KLUNINSTPASSWD=` and the password as hex of UTF-16LE, as the Network Agent does.
    HexPassword,
    /// Asks for a reboot when it is removed (3010).
    Reboot,
    /// Leaves a service (`avpsus.KES.21.19`), a driver's key (`klif`) and its file behind.
    LeavesBehind,
    /// For the user only: its entry is in the user's hive.
    PerUser,
    /// A 32-bit package: its entry is in the 32-bit view.
    ThirtyTwoBit,
    /// Has this display name, of this code page.
    Localized(String, u16),
    /// Its removal returns at once; its own uninstall entry (`InstallWIX_{CODE}`) and its data in
    /// `C:\ProgramData\Kaspersky Lab\AVP21.3` go so many seconds later.
    Detaches(u32),
    /// Its removal takes so many seconds, or until `C:\go-on` is there.
    Slow(u32),
    /// Its removal fails for a reason of its own: 1603 whatever is given.
    Broken,
}

/// A package.
#[derive(Debug, Clone)]
pub struct Msi {
    /// What is special about it.
    pub kind: Kind,
    /// Its display name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its product code, in braces; another for each value of this type, as it is for each build of the vendor's.
    pub product_code: String,
    /// The folder of `C:\Program Files\Kaspersky Lab` that it is installed in.
    pub folder: String,
    /// Its service.
    pub service: String,
    upgrade_code: String,
}

impl Msi {
    /// A package of this kind.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let (name, folder, service) = match &kind {
            Kind::HexPassword => ("Kaspersky Security Center Network Agent", "NetworkAgent", "klnagent"),
            Kind::PerUser => ("Kaspersky Password Manager", "KPM", ""),
            Kind::Detaches(_) => ("Kaspersky Standard", "Kaspersky 21.3", "AVP21.3"),
            Kind::ThirtyTwoBit => ("Kaspersky Endpoint Agent", "Endpoint Agent", "soyuz"),
            _ => ("Kaspersky Endpoint Security for Windows", "KES.21.19", "AVP.KES.21.19"),
        };
        let name = if let Kind::Localized(name, _) = &kind { name.as_str() } else { name };
        let guid = || format!("{{{}}}", uuid::Uuid::new_v4()).to_uppercase();
        Self {
            name: name.to_owned(),
            version: "12.3.0.493".to_owned(),
            product_code: guid(),
            folder: folder.to_owned(),
            service: service.to_owned(),
            upgrade_code: guid(),
            kind,
        }
    }

    /// As `new`, with another display name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Where Windows keeps its uninstall entry, as `reg` wants it.
    #[must_use]
    pub fn uninstall_key(&self) -> String {
        let hive = match self.kind {
            Kind::PerUser => "HKCU\\Software",
            Kind::ThirtyTwoBit => "HKLM\\SOFTWARE\\WOW6432Node",
            _ => "HKLM\\SOFTWARE",
        };
        format!("{hive}\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{}", self.product_code)
    }

    /// Its folder, on drive C:.
    #[must_use]
    pub fn install_folder(&self) -> String {
        match self.kind {
            Kind::PerUser => format!("users\\Administrator\\AppData\\Local\\Kaspersky Lab\\{}", self.folder),
            Kind::ThirtyTwoBit => format!("Program Files (x86)\\Kaspersky Lab\\{}", self.folder),
            _ => format!("Program Files\\Kaspersky Lab\\{}", self.folder),
        }
    }

    /// The properties with which its password is given, as msiexec wants them.
    #[must_use]
    pub fn password_properties(&self) -> String {
        match self.kind {
            Kind::Password => format!("KLLOGIN=KLAdmin \"KLPASSWD={MSI_PASSWORD}\""),
            Kind::HexPassword => format!("KLUNINSTPASSWD={}", hex(MSI_PASSWORD)),
            _ => String::new(),
        }
    }

    pub(super) fn label(&self) -> String {
        format!("msi-{}", self.product_code.trim_matches(['{', '}']).to_lowercase())
    }

    /// Builds it in `dir` and tells where it is; `tools` has the programs that it carries.
    pub(super) fn build(&self, tools: &Path, dir: &Path) -> PathBuf {
        std::fs::create_dir_all(dir).unwrap();
        for (program, name) in [("service", "avp.exe"), ("uninst", "uninst.exe")] {
            std::fs::copy(tools.join(format!("drive_c/lab/{program}.exe")), dir.join(name)).unwrap();
        }
        std::fs::write(dir.join("klif.sys"), "a driver, to look at").unwrap();
        std::fs::write(dir.join("product.wxs"), self.source()).unwrap();
        let arch = if self.kind == Kind::ThirtyTwoBit { "x86" } else { "x64" };
        let done = Command::new("wixl")
            .args(["-a", arch, "-o", "product.msi", "product.wxs"])
            .current_dir(dir)
            .output()
            .expect("wixl is missing: install wixl, or let tests/run do it");
        let file = dir.join("product.msi");
        assert!(done.status.success() && file.is_file(), "wixl: {}", String::from_utf8_lossy(&done.stderr));
        // wixl passes over `Permanent`.
        let permanent = match self.kind {
            Kind::LeavesBehind => &["Left", "LeftToo"][..],
            Kind::Detaches(_) => &["Own"],
            _ => &[],
        };
        for component in permanent {
            let query = format!("UPDATE Component SET Attributes=272 WHERE Component='{component}'");
            msibuild(&file, &["-q", &query]);
        }
        if let Kind::Localized(name, code_page) = &self.kind {
            let table = dir.join("_ForceCodepage.idt");
            std::fs::write(&table, format!("\r\n\r\n{code_page}\t_ForceCodepage\r\n")).unwrap();
            msibuild(&file, &["-i", table.to_str().unwrap()]);
            put_name(&file, &in_code_page(name, *code_page));
        }
        file
    }

    fn source(&self) -> String {
        let Self { name, version, product_code, upgrade_code, .. } = self;
        let code_page = if let Kind::Localized(_, code_page) = self.kind { code_page } else { 1252 };
        let win64 = if self.kind == Kind::ThirtyTwoBit { "no" } else { "yes" };
        let users = if self.kind == Kind::PerUser { "" } else { "<Property Id='ALLUSERS' Value='1'/>" };
        let place = match self.kind {
            Kind::PerUser => "LocalAppDataFolder",
            Kind::ThirtyTwoBit => "ProgramFilesFolder",
            _ => "ProgramFiles64Folder",
        };
        let (more, components, sequence) = (self.more(), self.components(win64), self.sequence());
        let references: String = components
            .match_indices("<Component Id='")
            .map(|(at, start)| {
                let id = components[at + start.len()..].split('\'').next().unwrap();
                format!("<ComponentRef Id='{id}'/>")
            })
            .collect();
        let folder = &self.folder;
        let name = match self.kind {
            Kind::Localized(_, code_page) => "@".repeat(in_code_page(name, code_page).len()),
            _ => name.replace('&', "&amp;"),
        };
        format!(
            "<?xml version='1.0' encoding='utf-8'?>
<Wix xmlns='http://schemas.microsoft.com/wix/2006/wi'>
 <Product Id='{product_code}' Name='{name}' UpgradeCode='{upgrade_code}' Language='1033' Codepage='{code_page}'
   Version='{version}' Manufacturer='AO Kaspersky Lab'>
  <Package Id='*' Description='stand-in' Manufacturer='AO Kaspersky Lab' InstallerVersion='200' Languages='1033'
    Compressed='yes' SummaryCodepage='{code_page}'/>
  <Media Id='1' Cabinet='a.cab' EmbedCab='yes'/>
  {users}{more}
  <Directory Id='TARGETDIR' Name='SourceDir'>
   <Directory Id='{place}' Name='Place'><Directory Id='KL' Name='Kaspersky Lab'>
    <Directory Id='INSTALLDIR' Name='{folder}'>{components}</Directory>
   </Directory></Directory>
  </Directory>
  <Feature Id='Complete' Level='1'>{references}</Feature>
  {sequence}
 </Product>
</Wix>
"
        )
    }

    /// Properties and conditions.
    fn more(&self) -> String {
        let password = xml(MSI_PASSWORD);
        let (properties, condition) = match &self.kind {
            Kind::Password => (
                "<Property Id='KLLOGIN'/><Property Id='KLPASSWD'/>",
                format!("KLLOGIN = \"KLAdmin\" AND KLPASSWD = \"{password}\""),
            ),
            Kind::HexPassword => {
                ("<Property Id='KLUNINSTPASSWD'/>", format!("KLUNINSTPASSWD = \"{}\"", hex(MSI_PASSWORD)))
            }
            Kind::Broken => ("", "1 = 0".to_owned()),
            Kind::Detaches(_) => return "<Property Id='ARPSYSTEMCOMPONENT' Value='1'/>".to_owned(),
            _ => return String::new(),
        };
        format!(
            "{properties}<Condition Message='Not allowed'>NOT Installed OR NOT REMOVE OR ({condition})</Condition>"
        )
    }

    fn components(&self, win64: &str) -> String {
        let guid = || uuid::Uuid::new_v4().to_string().to_uppercase();
        let service = &self.service;
        let mut text = format!("<Component Id='Main' Guid='{{{}}}' Win64='{win64}'>", guid());
        text.push_str("<File Id='avp' Name='avp.exe' Source='avp.exe' KeyPath='yes'/>");
        if self.kind == Kind::PerUser {
            text.push_str("<RegistryKey Root='HKCU' Key='Software\\KasperskyLab\\KPM'><RegistryValue Name='Installed' Type='string' Value='1'/></RegistryKey>");
        } else {
            text.push_str(&format!(
                "<ServiceInstall Id='S1' Name='{service}' DisplayName='Kaspersky Service ({service})' Type='ownProcess' \
                 Start='auto' ErrorControl='normal' Account='LocalSystem'/>\
                 <ServiceControl Id='SC1' Name='{service}' Start='install' Stop='both' Remove='uninstall' Wait='yes'/>\
                 <RegistryKey Root='HKLM' Key='SOFTWARE\\KasperskyLab\\protected\\KES'><RegistryValue Name='Installed' Type='string' Value='1'/></RegistryKey>"
            ));
        }
        text.push_str("</Component>");
        match self.kind {
            Kind::LeavesBehind => text.push_str(&format!(
                "<Component Id='Left' Guid='{{{}}}' Win64='{win64}' Permanent='yes'>\
                 <File Id='klif' Name='klif.sys' Source='klif.sys' KeyPath='yes'/>\
                 <RegistryKey Root='HKLM' Key='SYSTEM\\CurrentControlSet\\Services\\klif'>\
                 <RegistryValue Name='ImagePath' Type='string' Value='system32\\DRIVERS\\klif.sys'/>\
                 <RegistryValue Name='DisplayName' Type='string' Value='Kaspersky Lab Driver'/>\
                 <RegistryValue Name='Type' Type='integer' Value='2'/>\
                 <RegistryValue Name='Start' Type='integer' Value='3'/>\
                 <RegistryValue Name='ErrorControl' Type='integer' Value='1'/></RegistryKey></Component>\
                 <Component Id='LeftToo' Guid='{{{}}}' Win64='{win64}' Permanent='yes'>\
                 <File Id='avpsus' Name='avpsus.exe' Source='avp.exe' KeyPath='yes'/>\
                 <ServiceInstall Id='S2' Name='avpsus.KES.21.19' DisplayName='Kaspersky Seamless Update Service' \
                 Type='ownProcess' Start='auto' ErrorControl='normal' Account='LocalSystem'/>\
                 <ServiceControl Id='SC2' Name='avpsus.KES.21.19' Start='install' Wait='yes'/></Component>",
                guid(),
                guid()
            )),
            Kind::Detaches(_) => text.push_str(&format!(
                "<Component Id='Own' Guid='{{{}}}' Win64='{win64}' Permanent='yes'>\
                 <File Id='uninst' Name='uninst.exe' Source='uninst.exe' KeyPath='yes'/>\
                 <RegistryKey Root='HKLM' Key='{}'>\
                 <RegistryValue Name='DisplayName' Type='string' Value='{}'/>\
                 <RegistryValue Name='DisplayVersion' Type='string' Value='{}'/>\
                 <RegistryValue Name='Publisher' Type='string' Value='AO Kaspersky Lab'/>\
                 <RegistryValue Name='UninstallString' Type='string' Value='MsiExec.exe /I{} REMOVE=ALL'/>\
                 </RegistryKey></Component>",
                guid(),
                self.own_key(),
                self.name,
                self.version,
                self.product_code
            )),
            Kind::Slow(_) => text.push_str(&format!(
                "<Component Id='Own' Guid='{{{}}}' Win64='{win64}'>\
                 <File Id='uninst' Name='uninst.exe' Source='uninst.exe' KeyPath='yes'/></Component>",
                guid()
            )),
            _ => {}
        }
        text
    }

    /// The uninstall entry that a consumer product makes itself, under HKLM.
    fn own_key(&self) -> String {
        format!("SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\InstallWIX_{}", self.product_code)
    }

    fn sequence(&self) -> String {
        let action = |command: String| {
            format!(
                "<CustomAction Id='Own' FileKey='uninst' ExeCommand='{command}' Return='check'/>\
                 <InstallExecuteSequence><Custom Action='Own' Sequence='1501'>REMOVE</Custom></InstallExecuteSequence>"
            )
        };
        match &self.kind {
            Kind::Reboot => "<InstallExecuteSequence><ScheduleReboot After='InstallFinalize'>REMOVE</ScheduleReboot></InstallExecuteSequence>".to_owned(),
            Kind::Slow(seconds) => action(format!("/S /takes={seconds} /until=C:\\go-on")),
            Kind::Detaches(seconds) => action(format!(
                "/S /detach={seconds} \"/key=HKLM\\{}\" \"/dir=C:\\{}\"",
                self.own_key(),
                self.install_folder()
            )),
            _ => String::new(),
        }
    }
}

/// Changes a package.
fn msibuild(file: &Path, words: &[&str]) {
    let done = Command::new("msibuild").arg(file).args(words).output();
    let done = done.expect("msibuild is missing: install msitools, or let tests/run do it");
    assert!(done.status.success(), "msibuild: {}", String::from_utf8_lossy(&done.stderr));
}

/// A text in a Windows code page, by iconv.
fn in_code_page(text: &str, code_page: u16) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("iconv")
        .args(["-f", "UTF-8", "-t", &format!("CP{code_page}")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "`{text}` is not in code page {code_page}");
    output.stdout
}

/// Puts a name of this many bytes in the place of as many `@`: wixl writes no letters but ASCII ones.
fn put_name(file: &Path, name: &[u8]) {
    let mut bytes = std::fs::read(file).unwrap();
    let place = vec![b'@'; name.len()];
    let mut at = 0;
    let mut found = 0;
    while let Some(next) = bytes[at..].windows(place.len()).position(|window| window == place) {
        bytes[at + next..][..name.len()].copy_from_slice(name);
        at += next + name.len();
        found += 1;
    }
    assert!(found > 0, "the package does not have its name in one piece");
    std::fs::write(file, bytes).unwrap();
}

fn hex(text: &str) -> String {
    text.encode_utf16().flat_map(u16::to_le_bytes).map(|byte| format!("{byte:02X}")).collect()
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
