//! Trusted root certificates of the machine, from the registry: each is a `Blob` of properties, one of
//! which is the certificate itself. <https://learn.microsoft.com/en-us/windows/win32/api/wincrypt/nf-wincrypt-certgetcertificatecontextproperty>

use super::answers::Answers;
use super::ask::{Ask, ROOT_STORES};
use super::registry::Standing;
use crate::facts::certificates::of_der;
use crate::facts::listing::{Asker, Builder};
use crate::facts::{Certificate, Listing};

/// `CERT_CERT_PROP_ID`: the property that is the certificate.
const CERTIFICATE: u32 = 32;

/// Reads the answers about certificates.
pub(super) fn parse(answers: &Answers<'_>) -> Listing<Certificate> {
    let mut builder = Builder::empty(Asker { is_root: true });
    for (number, store) in ROOT_STORES.into_iter().enumerate() {
        match answers.standing(store) {
            Standing::Absent => {
                if number == 0 {
                    builder.gap(format!("`{store}` is not there"));
                }
                continue;
            }
            Standing::Unknown(reason) => {
                builder.gap(reason);
                continue;
            }
            Standing::There => {}
        }
        let listed = answers.registry(&Ask::here(store)).unwrap_or_default();
        let blobs = match answers.search(&Ask::deep(store, "Blob")) {
            Ok(blobs) => blobs,
            Err(reason) => {
                builder.gap(format!("`{store}`: {reason}"));
                continue;
            }
        };
        let before = builder.items().len();
        for key in listed.below(store) {
            let blob = blobs.key(&key.path).and_then(|key| key.value("Blob"));
            let read = blob.and_then(|value| of_der(&key.path, certificate(&bytes(&value.data)?)?));
            match read {
                Some(read) => builder.push(read),
                None => builder.gap(format!("a certificate in `{store}` is not understood")),
            }
        }
        // Every Windows trusts the roots of its own maker.
        if number == 0 && builder.items().len() == before {
            builder.gap(format!("`{store}` has no certificate at all"));
        }
    }
    builder.finish(|certificate| (certificate.file.clone(), certificate.sha256.clone()))
}

/// Hexadecimal digits as bytes.
pub(super) fn bytes(hex: &str) -> Option<Vec<u8>> {
    let hex = hex.trim().as_bytes();
    let pairs = hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    if hex.len().is_multiple_of(2) { pairs.collect() } else { None }
}

/// The certificate among the properties: number, a reserved word, length, value.
fn certificate(mut blob: &[u8]) -> Option<&[u8]> {
    loop {
        let word = |at: usize| Some(u32::from_le_bytes(blob.get(at..at + 4)?.try_into().ok()?));
        let (property, length) = (word(0)?, usize::try_from(word(8)?).ok()?);
        let value = blob.get(12..)?.get(..length)?;
        if property == CERTIFICATE {
            return Some(value);
        }
        blob = blob.get(12 + length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_certificate_among_the_properties() {
        let mut blob = Vec::new();
        for (property, value) in [(3_u32, &b"thumb"[..]), (32, b"DER"), (11, b"x")] {
            blob.extend(property.to_le_bytes());
            blob.extend(1_u32.to_le_bytes());
            blob.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
            blob.extend(value);
        }
        assert_eq!(certificate(&blob), Some(&b"DER"[..]));
        for cut in 0..blob.len() {
            let found = certificate(&blob[..cut]);
            assert!(found.is_none() || found == Some(b"DER"));
        }
        assert_eq!(certificate(&[0xff; 40]), None);
        assert_eq!(bytes("0aFF"), Some(vec![10, 255]));
        assert_eq!(bytes("0"), None);
        assert_eq!(bytes("0é"), None);
    }
}
