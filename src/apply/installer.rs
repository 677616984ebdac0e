//! What the exit codes of Windows Installer say, in words.
//!
//! Source: <https://learn.microsoft.com/windows/win32/msi/error-codes>; that 1603 is what a product gives that
//! wants a password or defends itself is known from public scripts.

/// What a code says; none: it says nothing that is known.
pub(super) fn meaning(code: i32) -> Option<&'static str> {
    Some(match code {
        1601 => "Windows Installer cannot be reached: its service is broken or off",
        1602 => "the installer was cancelled, by a person or by the product itself",
        1603 => {
            "the installer failed, and its log says more; products that want a password, or defend themselves, \
             end so too"
        }
        1604 => "the installation is suspended and not complete",
        1605 => "no such product is installed",
        1612 => "the installer has no source of the product any more: put its package where it was",
        1618 => "another installation is running",
        1619 => "the installer cannot open the product's package: its copy on the host is missing or damaged",
        1620 => "the product's package on the host is damaged",
        1625 => "a policy of the host forbids it",
        1638 => "another version of the product is installed",
        1639 => "the installer did not understand its command line",
        1641 => "it is done, and the installer has begun a reboot",
        3010 => "it is done, and a reboot completes it",
        _ => return None,
    })
}

/// The line of an installer's output or log that tells most: an error of a product, else the last that is
/// neither empty nor a frame of the log.
pub(super) fn telling_line(text: &str) -> Option<&str> {
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let of_product = lines().find(|line| line.contains("Product: ") && line.contains(" -- "));
    of_product.or_else(|| lines().find(|line| !line.starts_with("===") && !line.starts_with("uproot: ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_product_tells_most() {
        let log = "=== Logging started ===\nAction start 1:00:00: INSTALL.\n\
                   MSI (s) (4C:D0): Product: Suite -- Password required\nAction ended\n=== Logging stopped ===\n";
        assert_eq!(telling_line(log), Some("MSI (s) (4C:D0): Product: Suite -- Password required"));
        assert_eq!(telling_line("uproot: uninstalls it\nno\n=== x\n"), Some("no"));
        assert_eq!(telling_line("uproot: uninstalls it\n"), None);
    }
}
