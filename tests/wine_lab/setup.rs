//! Products without Windows Installer: a folder, an uninstall entry with a quiet uninstall string, and an
//! uninstaller of their own (programs/uninst.c).

use super::host::WineHost;

/// Such a product.
#[derive(Debug, Clone)]
pub struct SetupProduct {
    /// The name of its key and of its folder in `C:\Program Files (x86)`.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// Further options of its uninstaller: `/takes=5`, `/detach=5`, `/code=3010`.
    pub options: String,
    /// Whether it has a quiet uninstall string.
    pub quiet: bool,
}

impl SetupProduct {
    /// A product whose uninstaller is done at once.
    #[must_use]
    pub fn new(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), options: String::new(), quiet: true }
    }

    /// With these further options of its uninstaller.
    #[must_use]
    pub fn options(mut self, options: &str) -> Self {
        self.options = options.to_owned();
        self
    }

    /// Without a quiet uninstall string: what it has waits for a click.
    #[must_use]
    pub fn not_quiet(mut self) -> Self {
        self.quiet = false;
        self
    }

    /// Where its uninstall entry is, as `reg` wants it: in the 32-bit view, as with most of its kind.
    #[must_use]
    pub fn uninstall_key(&self) -> String {
        format!("HKLM\\SOFTWARE\\WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{}", self.id)
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("C:\\Program Files (x86)\\{}", self.id)
    }

    /// The line that removes it, with `/S` or without.
    #[must_use]
    pub fn command(&self, silent: bool) -> String {
        let Self { id, options, .. } = self;
        let silent = if silent { "/S " } else { "" };
        let key = format!("HKLM32\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\{id}");
        format!("\"{0}\\uninst.exe\" {silent}{options} \"/key={key}\" \"/dir={0}\"", self.folder())
            .replace("  ", " ")
    }
}

impl WineHost {
    /// Installs such a product.
    #[track_caller]
    pub fn install_setup(&self, product: &SetupProduct) {
        let folder = self.path(&product.folder());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(self.path("lab\\uninst.exe"), folder.join("uninst.exe")).unwrap();
        let mut values = vec![
            ("DisplayName", product.name.clone()),
            ("DisplayVersion", "21.3.10.391".to_owned()),
            ("Publisher", "AO Kaspersky Lab".to_owned()),
            ("UninstallString", product.command(false)),
        ];
        if product.quiet {
            values.push(("QuietUninstallString", product.command(true)));
        }
        let mut text = format!("[{}]\r\n", product.uninstall_key().replace("HKLM", "HKEY_LOCAL_MACHINE"));
        for (name, value) in values {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            text.push_str(&format!("\"{name}\"=\"{value}\"\r\n"));
        }
        self.import(&text);
    }

    /// What uninstallers of this kind ran so far: (whether it came to its end, command line).
    #[must_use]
    pub fn setup_runs(&self) -> Vec<(bool, String)> {
        let text = self.outside("setups");
        text.lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(what, line)| (what == "end", line.to_owned()))
            .collect()
    }
}
