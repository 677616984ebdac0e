//! Trusted certificates: the host sends PEM, the controller reads it.

use super::frames::{Section, text};
use super::listing::{Asker, Builder, check_needs};
use super::{Certificate, Listing};
use crate::model::sha256_hex;
use base64::Engine;
use std::collections::HashSet;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// Reads the section `certificates`, whose PEM `program` printed.
pub(super) fn parse(section: &Section<'_>, asker: Asker, program: &str) -> Listing<Certificate> {
    let mut builder = Builder::new(section, asker);
    check_needs(&mut builder, section);
    let anchors: HashSet<&[u8]> = section.marks("anchor").map(|anchor| anchor.rest).collect();
    let mut seen = HashSet::new();
    for (at, block) in section.blocks.iter().enumerate().filter(|(_, block)| block.word == b"file") {
        let file = block.rest_text();
        let Some(run) = section.run_at(at + 1) else {
            builder.gap(format!("`{file}` was not read"));
            continue;
        };
        run.failure(program).into_iter().for_each(|failure| builder.gap(failure));
        let read = read_pem(&mut builder, &file, run.output.lines(), &mut seen);
        // A bundle always has certificates; another form than PEM is not read.
        if read == 0 {
            let what =
                if anchors.contains(block.rest) { "a certificate in PEM form" } else { "certificates" };
            builder.gap(format!("`{file}` does not have {what}"));
        }
    }
    builder.finish(|certificate| (certificate.file.clone(), certificate.sha256.clone()))
}

/// Reads the certificates of one file and says how many there were.
fn read_pem<'a>(
    builder: &mut Builder<Certificate>,
    file: &str,
    lines: impl Iterator<Item = &'a [u8]>,
    seen: &mut HashSet<(String, String)>,
) -> usize {
    let mut body: Option<Vec<u8>> = None;
    let mut count = 0;
    for line in lines.map(<[u8]>::trim_ascii) {
        if line.starts_with(b"-----BEGIN ") {
            body = Some(Vec::new());
        } else if line.starts_with(b"-----END ") {
            count += 1;
            match body.take().and_then(|body| certificate(file, &body)) {
                // A bundle repeats what the directories have.
                Some(read) => {
                    if seen.insert((read.file.clone(), read.sha256.clone())) {
                        builder.push(read);
                    }
                }
                None => builder.gap(format!("a certificate in `{file}` is not understood")),
            }
        } else if let Some(body) = body.as_mut() {
            body.extend_from_slice(line);
        }
    }
    if body.is_some() {
        builder.gap(format!("a certificate in `{file}` has no end"));
    }
    count
}

fn certificate(file: &str, body: &[u8]) -> Option<Certificate> {
    of_der(file, &base64::engine::general_purpose::STANDARD.decode(body).ok()?)
}

/// A certificate of its DER form.
pub(super) fn of_der(file: &str, der: &[u8]) -> Option<Certificate> {
    // `TRUSTED CERTIFICATE` has what it is trusted for behind the certificate itself.
    let (rest, parsed) = X509Certificate::from_der(der).ok()?;
    let own = der.get(..der.len() - rest.len())?;
    let sha256 = sha256_hex(own);
    Some(Certificate { file: file.to_owned(), subject: subject(parsed.subject()), sha256 })
}

/// `CN=…, O=…`: common name first, then as the certificate has them.
fn subject(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_attributes()
        .map(|attribute| {
            let kind =
                x509_parser::objects::oid2abbrev(attribute.attr_type(), x509_parser::objects::oid_registry())
                    .map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
            let value = attribute.as_str().map_or_else(|_| text(attribute.attr_value().data), str::to_owned);
            format!("{kind}={value}")
        })
        .collect();
    parts.sort_by_key(|part| !part.starts_with("CN="));
    parts.join(", ")
}
