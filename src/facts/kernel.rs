//! Loaded kernel modules and listening ports.

use super::frames::{Section, split_once, text};
use super::listing::{Asker, Builder};
use super::{KernelModule, ListeningPort, Listing};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Reads the section `kernel_modules`.
pub(super) fn modules(section: &Section<'_>, asker: Asker) -> Listing<KernelModule> {
    let mut builder = Builder::new(section, asker);
    if section.value("not_modular").is_some() {
        return builder.finish(|module: &KernelModule| module.name.clone());
    }
    match section.runs("modules").next() {
        Some(run) => {
            run.failure("sed").into_iter().for_each(|failure| builder.gap(failure));
            for line in run.output.lines().filter(|line| !line.is_empty()) {
                builder.push(KernelModule { name: text(line) });
            }
        }
        None => builder.gap("`/proc/modules` was not read"),
    }
    builder.finish(|module| module.name.clone())
}

/// Reads the section `ports`.
pub(super) fn ports(section: &Section<'_>, asker: Asker) -> Listing<ListeningPort> {
    let mut builder = Builder::new(section, asker);
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let Some(run) = section.runs(table).next() else {
            // Without IPv6 there are no tables of it.
            if !table.ends_with('6') {
                builder.gap(format!("`/proc/net/{table}` was not read"));
            }
            continue;
        };
        run.failure("sed").into_iter().for_each(|failure| builder.gap(failure));
        let protocol = table.trim_end_matches('6');
        // Of UDP, 07 is a socket without a peer; of TCP, 0A is one that listens.
        let state: &[u8] = if protocol == "tcp" { b"0A" } else { b"07" };
        let mut has_head = false;
        for line in run.output.lines().filter(|line| !line.is_empty()) {
            if line == b"head" {
                has_head = true;
                continue;
            }
            match split_once(line, b" ").map(|(found, local)| (found == state, socket(local))) {
                Some((true, Some((address, port)))) => {
                    builder.push(ListeningPort { protocol: protocol.to_owned(), address, port });
                }
                Some((false, Some(_))) => {}
                _ => builder.gap(format!("a line of `/proc/net/{table}` is not understood")),
            }
        }
        if !has_head {
            builder.gap(format!("`/proc/net/{table}` could not be read"));
        }
    }
    builder.finish(|port| (port.protocol.clone(), port.port, port.address.clone()))
}

/// `0100007F:1F90`: the address in 32-bit words of the host's byte order, the port in hexadecimal.
/// Every processor that Linux products of the catalogue run on is little-endian; an address of
/// another is told wrongly, its port is not.
fn socket(local: &[u8]) -> Option<(String, u16)> {
    let local = std::str::from_utf8(local).ok()?;
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<[u8; 4]> = (0..address.len())
        .step_by(8)
        .map(|at| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_le_bytes()))
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [v4] => Some((Ipv4Addr::from(*v4).to_string(), port)),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some((Ipv6Addr::from(bytes).to_string(), port))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sockets() {
        assert_eq!(socket(b"0100007F:1F90"), Some(("127.0.0.1".to_owned(), 8080)));
        assert_eq!(socket(b"00000000000000000000000001000000:0016"), Some(("::1".to_owned(), 22)));
        assert_eq!(socket(b"0100007F:11F90"), None);
        assert_eq!(socket(b"01007F:1F90"), None);
        assert_eq!(socket(b""), None);
    }
}
