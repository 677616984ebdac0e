//! Approval of a plan: signatures over the exact bytes of its file ([`crate::signature`]), and their records in
//! a run's journal.

use crate::model::Event;
use crate::signature::{self, AllowedSigners, Purpose, SignatureError, Signatures, ValidSignature};
use jiff::Timestamp;
use std::path::Path;

/// What these signatures are for (`ssh-keygen -Y sign -n uproot-plan`).
pub const PURPOSE: Purpose = Purpose { namespace: "uproot-plan", thing: "plan" };

const APPROVED: &str = "approved plan ";
const WITH_KEY: &str = " with key ";

/// Who approved the plan (`PLAN.sig` and `PLAN.*.sig`). `bytes`: the plan file's exact bytes; `at`: the moment at
/// which a signer's time of validity is judged.
///
/// # Errors
/// When the directory cannot be read, or holds too many signatures.
pub fn check(
    plan: &Path,
    bytes: &[u8],
    signers: &AllowedSigners,
    at: Timestamp,
) -> Result<Signatures, SignatureError> {
    signature::check(plan, bytes, PURPOSE, Some(signers), at)
}

/// The record of an approval in a run's journal. `digest`: the plan's.
#[must_use]
pub fn decision(approval: &ValidSignature, digest: &str) -> Event {
    let ValidSignature { principal, fingerprint, .. } = approval;
    Event::Decision {
        operator: principal.clone(),
        what: format!("{APPROVED}{digest}{WITH_KEY}{fingerprint}"),
    }
}

/// The plan's digest and the key's fingerprint, where the event is the record of an approval.
#[must_use]
pub fn decided(event: &Event) -> Option<(&str, &str)> {
    let Event::Decision { what, .. } = event else { return None };
    what.strip_prefix(APPROVED)?.split_once(WITH_KEY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ssh_key::private::{Ed25519Keypair, KeypairData};
    use ssh_key::{HashAlg, LineEnding, PrivateKey};

    #[test]
    fn the_record_of_an_approval_says_which_key_approved_which_plan() {
        let plan = b"{}\n";
        let key = PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&[1; 32])), "").unwrap();
        let signers = format!("alice {}", key.public_key().to_openssh().unwrap());
        let signers = AllowedSigners::parse("signers", &signers, &jiff::tz::TimeZone::UTC).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("plan.json");
        let signature = key.sign(PURPOSE.namespace, HashAlg::Sha512, plan).unwrap();
        std::fs::write(directory.path().join("plan.json.sig"), signature.to_pem(LineEnding::LF).unwrap())
            .unwrap();
        let found = check(&file, plan, &signers, Timestamp::UNIX_EPOCH).unwrap();
        let event = decision(&found.valid[0], "ab12");
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        assert_eq!(decided(&event), Some(("ab12", fingerprint.as_str())));
        let Event::Decision { operator, what } = event else { panic!("{event:?}") };
        assert_eq!(
            (operator.as_str(), what),
            ("alice", format!("approved plan ab12 with key {fingerprint}"))
        );
        let other = Event::Decision { operator: "alice".to_owned(), what: "broke a lock".to_owned() };
        assert_eq!(decided(&other), None);
    }
}
