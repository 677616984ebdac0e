//! What every Windows has in its registry and Wine has not: without it a host cannot be `clean`, since nothing
//! proves that it was really read.

use super::host::WineHost;
use base64::Engine as _;

/// A certificate of nobody's, in the place of those of Windows' own maker.
const MAKERS_ROOT: &str = "MIIBdTCCASegAwIBAgIUG2Xrl4pBPTaMeKSub2Hlad0HshwwBQYDK2VwMC8xFjAUBgNVBAoMDUV4YW1wbGUgTWFrZXIxFTATBgNVBAMMDEV4YW1wbGUgUm9vdDAgFw0yNjExMjcwMjM1MjNaGA8yMTI2MTEwMzAyMzUyM1owLzEWMBQGA1UECgwNRXhhbXBsZSBNYWtlcjEVMBMGA1UEAwwMRXhhbXBsZSBSb290MCowBQYDK2VwAyEAU3iyoGzqjMRSohkDQgjWCbSmwZI+qOcnilQSzs4nVQ+jUzBRMB0GA1UdDgQWBBRb4p+R906a88YeIGpYHxDOyZC0pjAfBgNVHSMEGDAWgBRb4p+R906a88YeIGpYHxDOyZC0pjAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBAFC6UlUFqpeTJq+dR9orz1PbkdXa28og3hIh7yt1pQDGCoYdn4txrOctXA2LF3vU0Rtc0Vk3fL81Dpt5zsx+Awo=";

/// A certificate with the subject of the one that the vendor's products add to intercept TLS.
const VENDORS_ROOT: &str = "MIIBvzCCAXGgAwIBAgIUa+ZvXCwe01n9btKcFIgdwwIIHx0wBQYDK2VwMFQxGTAXBgNVBAoMEEFPIEthc3BlcnNreSBMYWIxNzA1BgNVBAMMLkthc3BlcnNreSBBbnRpLVZpcnVzIFBlcnNvbmFsIFJvb3QgQ2VydGlmaWNhdGUwIBcNMjYxMTI3MDIzNTIzWhgPMjEyNjExMDMwMjM1MjNaMFQxGTAXBgNVBAoMEEFPIEthc3BlcnNreSBMYWIxNzA1BgNVBAMMLkthc3BlcnNreSBBbnRpLVZpcnVzIFBlcnNvbmFsIFJvb3QgQ2VydGlmaWNhdGUwKjAFBgMrZXADIQCKG2V2g8a8NXkyLmb0NKod+C9q8vbEdUaLbbu5Xq9J76NTMFEwHQYDVR0OBBYEFMRiQR2h6DlvbfwmPmY7w2lEgbQpMB8GA1UdIwQYMBaAFMRiQR2h6DlvbfwmPmY7w2lEgbQpMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EAgNZjpevq6w7kt5p81vmfMQTzPSKAZHgHVhnKjK9jDJOvaInNmTMRysacbN0plkfY44Z2HYqTFLKp261tUXiUCQ==";

const SOFTWARE: &str = "HKEY_LOCAL_MACHINE\\SOFTWARE";
const KEYBOARDS: &str =
    "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Class\\{4d36e96b-e325-11ce-bfc1-08002be10318}";
const ROOTS: &str = "Microsoft\\SystemCertificates\\ROOT\\Certificates";
const TASKS: &str = "Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache";

impl WineHost {
    /// Adds it: keys of servicing and of Windows Update, an uninstall entry in each view, a task in the
    /// scheduler's cache, a certificate in the machine's root store, the
    /// filter of the keyboards' class.
    #[track_caller]
    pub fn furnish(&self) {
        let mut text = String::new();
        for key in [
            "Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\Packages",
            "Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Auto Update\\Results",
            "Microsoft\\Windows\\CurrentVersion\\Uninstall\\AddressBook",
            "WOW6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\AddressBook",
        ] {
            text.push_str(&format!("[{SOFTWARE}\\{key}]\r\n\r\n"));
        }
        let filters: Vec<u8> = "kbdclass\0\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        text.push_str(&format!(
            "[{KEYBOARDS}]\r\n\"UpperFilters\"={}\r\n\r\n",
            hex_of_kind("hex(7)", &filters)
        ));
        text.push_str(&certificate(MAKERS_ROOT));
        text.push_str(&task(
            "\\Microsoft\\Windows\\Defrag\\ScheduledDefrag",
            "%windir%\\system32\\defrag.exe",
            "-c -h",
        ));
        self.import(&text);
    }

    /// Puts the vendor's certificate into the machine's root store.
    #[track_caller]
    pub fn trust_vendor(&self) {
        self.import(&certificate(VENDORS_ROOT));
    }

    /// Adds a task to the scheduler's cache; nothing ever runs it.
    #[track_caller]
    pub fn cache_task(&self, name: &str, command: &str, arguments: &str) {
        self.import(&task(name, command, arguments));
    }

    /// Imports the keys of a registry file, which come without its first line.
    #[track_caller]
    pub fn import(&self, keys: &str) {
        let text = format!("\u{feff}Windows Registry Editor Version 5.00\r\n\r\n{keys}");
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(self.path("lab\\import.reg"), wide).unwrap();
        self.run("reg import C:\\lab\\import.reg").expect(0);
    }
}

/// A root certificate as crypt32 keeps it: properties, each of a number, a reserved word, a length, a value; number
/// 32 is the certificate itself.
fn certificate(base64: &str) -> String {
    use sha1::Digest as _;
    let der = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
    let thumbprint = sha1::Sha1::digest(&der);
    let mut blob = Vec::new();
    for (property, value) in [(3_u32, thumbprint.as_slice()), (32, &der)] {
        blob.extend(property.to_le_bytes());
        blob.extend(1_u32.to_le_bytes());
        blob.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        blob.extend(value);
    }
    let name: String = thumbprint.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("[{SOFTWARE}\\{ROOTS}\\{name}]\r\n\"Blob\"={}\r\n\r\n", hex(&blob))
}

/// A task as the scheduler caches it (src/facts/windows/tasks.rs says where that is known from).
fn task(name: &str, command: &str, arguments: &str) -> String {
    let id = format!("{{{}}}", uuid::Uuid::new_v4()).to_uppercase();
    let mut actions = vec![3, 0];
    let text = |actions: &mut Vec<u8>, text: &str| {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        actions.extend(u32::try_from(wide.len()).unwrap().to_le_bytes());
        actions.extend(wide);
    };
    text(&mut actions, "LocalSystem");
    actions.extend([0x66, 0x66]);
    for part in ["", command, arguments, ""] {
        text(&mut actions, part);
    }
    actions.extend([0, 0]);
    format!(
        "[{SOFTWARE}\\{TASKS}\\Tree{name}]\r\n\"Id\"=\"{id}\"\r\n\r\n\
         [{SOFTWARE}\\{TASKS}\\Tasks\\{id}]\r\n\"Actions\"={}\r\n\r\n",
        hex(&actions)
    )
}

fn hex(bytes: &[u8]) -> String {
    hex_of_kind("hex", bytes)
}

fn hex_of_kind(kind: &str, bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind}:{}", digits.join(","))
}
