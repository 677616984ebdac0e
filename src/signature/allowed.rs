//! `allowed_signers`: whose signatures count, in the format of `ssh-keygen(1)`: principals, options, key, comment.

use super::armor::cannot_check;
use super::pattern::list_matches;
use super::{Purpose, SshSignature};
use crate::model::output::escape_line;
use crate::model::{Diagnostic, Diagnostics, Place, Sources};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;
use std::io::Read as _;
use std::path::Path;

/// A larger file is not read, in bytes.
const LARGEST: u64 = 4 << 20;

/// `ssh-keygen` matches no longer list of principals, and no longer pattern.
const LONGEST_PRINCIPALS: usize = 1024;

const FORM: &str = "a line is `PRINCIPALS [OPTIONS] KEY [COMMENT]`: `alice@example.com ssh-ed25519 AAAA…`; see ALLOWED \
                    SIGNERS in ssh-keygen(1)";

/// The signers of an `allowed_signers` file.
#[derive(Debug, Clone, Default)]
pub struct AllowedSigners {
    file: String,
    signers: Vec<Signer>,
}

/// One line.
#[derive(Debug, Clone)]
struct Signer {
    line: u32,
    principals: String,
    options: Options,
    key: KeyData,
}

#[derive(Debug, Clone, Default)]
struct Options {
    namespaces: Option<String>,
    valid_after: Option<Moment>,
    valid_before: Option<Moment>,
}

/// A moment with the words in which it was given.
#[derive(Debug, Clone)]
struct Moment {
    at: Timestamp,
    text: String,
}

/// Whether a signature's key may sign.
pub(super) enum Standing {
    /// It may, as this principal.
    Allowed(String),
    /// It may not, for this reason.
    Refused(String),
}

/// What is wrong with a line: the part of it from there on, what, and how to mend it.
struct Wrong<'a> {
    at: &'a str,
    length: usize,
    message: String,
    help: String,
}

impl<'a> Wrong<'a> {
    fn new(at: &'a str, length: usize, message: impl Into<String>) -> Self {
        Self { at, length, message: message.into(), help: FORM.to_owned() }
    }

    fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }
}

impl AllowedSigners {
    /// Reads a file. Times without `Z` are of this machine's time zone, as for `ssh-keygen`.
    ///
    /// # Errors
    /// When it cannot be read; all that is wrong with it, line by line.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let name = path.to_string_lossy();
        let whole = |message: String| {
            let mut diagnostic = Diagnostic::file_error(&name, message);
            diagnostic.place = None;
            let help = "give the file of those who may sign by `--allowed-signers FILE`";
            Diagnostics { list: vec![diagnostic.with_help(help)], sources: Sources::default() }
        };
        let failed =
            |error: std::io::Error| whole(format!("cannot read the allowed signers `{name}`: {error}"));
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > LARGEST {
            return Err(whole(format!(
                "`{name}` has more than {} MiB, too many for allowed signers",
                LARGEST >> 20
            )));
        }
        // Names that are no UTF-8 lose what tells them apart: then they count as one, never as more.
        Self::parse(&name, &String::from_utf8_lossy(&bytes), &TimeZone::system())
    }

    /// Reads the text of the file that is called `name`; times without `Z` are of `zone`.
    ///
    /// # Errors
    /// All that is wrong with it, line by line.
    pub fn parse(name: &str, text: &str, zone: &TimeZone) -> Result<Self, Diagnostics> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut signers = Vec::new();
        let mut wrong = Vec::new();
        for (number, line) in (1..).zip(text.split('\n')) {
            match signer(number, line.trim_end(), zone) {
                Ok(signer) => signers.extend(signer),
                Err(error) => wrong.push(diagnostic(name, number, line, error)),
            }
        }
        if !wrong.is_empty() {
            let mut sources = Sources::default();
            sources.add(name, text);
            return Err(Diagnostics { list: wrong, sources });
        }
        Ok(Self { file: name.to_owned(), signers })
    }

    /// Whether the key of this signature may sign for this purpose at this moment. It may if one line says so.
    pub(super) fn standing(&self, signature: &SshSignature, purpose: Purpose, at: Timestamp) -> Standing {
        let mut allowed: Vec<&str> = Vec::new();
        let mut refusals = Vec::new();
        for signer in self.signers_of(signature) {
            match signer.options.refusal(purpose, at) {
                None if !allowed.contains(&signer.principals.as_str()) => allowed.push(&signer.principals),
                None => {}
                Some(reason) => refusals.push(format!("{reason} ({}, line {})", self.file, signer.line)),
            }
        }
        let fingerprint = signature.fingerprint();
        if !allowed.is_empty() {
            return Standing::Allowed(allowed.join(","));
        }
        Standing::Refused(if refusals.is_empty() {
            format!("it is by key {fingerprint}, which is not in {}", self.file)
        } else {
            format!("it is by key {fingerprint}: {}", refusals.join("; "))
        })
    }

    /// Every principal that the key of this signature is listed for, whatever the options say.
    pub(super) fn principals_of(&self, signature: &SshSignature) -> Vec<String> {
        self.signers_of(signature)
            .flat_map(|signer| positive(&signer.principals))
            .map(str::to_owned)
            .collect()
    }

    fn signers_of(&self, signature: &SshSignature) -> impl Iterator<Item = &Signer> {
        self.signers.iter().filter(|signer| signer.key == *signature.key())
    }
}

impl Options {
    fn refusal(&self, purpose: Purpose, at: Timestamp) -> Option<String> {
        let Purpose { namespace, .. } = purpose;
        if let Some(list) = self.namespaces.as_deref().filter(|list| !list_matches(namespace, list)) {
            return Some(format!("it may sign for `{list}`, and `{namespace}` is not among them"));
        }
        if let Some(after) = self.valid_after.as_ref().filter(|after| at < after.at) {
            return Some(format!("it is valid only from {}", after.text));
        }
        let before = self.valid_before.as_ref().filter(|before| at > before.at)?;
        Some(format!("it was valid until {}", before.text))
    }
}

/// The patterns of a list that are not negated.
fn positive(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|pattern| !pattern.is_empty() && !pattern.starts_with('!'))
}

fn diagnostic(file: &str, line: u32, text: &str, wrong: Wrong<'_>) -> Diagnostic {
    // What is wrong is a part of the line itself, so that its address says where it stands.
    let before = wrong.at.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let column = text.char_indices().take_while(|(at, _)| *at < before).count() + 1;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let place = Place { file: file.into(), line, column: number(column), length: number(wrong.length) };
    Diagnostic::error(&place, wrong.message).with_help(wrong.help)
}

/// The signer of a line; none: it is empty or a comment.
fn signer<'a>(number: u32, line: &'a str, zone: &TimeZone) -> Result<Option<Signer>, Wrong<'a>> {
    let line = line.trim_start_matches(BLANK);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (principals, rest) = take_principals(line)?;
    if rest.is_empty() {
        return Err(Wrong::new(rest, 1, "the key is missing"));
    }
    let (options, rest) = if names_a_kind(word(rest)) {
        (Options::default(), rest)
    } else {
        let (text, rest) = take_options(rest)?;
        (read_options(text, zone)?, rest)
    };
    let key = read_key(rest)?;
    Ok(Some(Signer { line: number, principals: principals.to_owned(), options, key }))
}

const BLANK: [char; 2] = [' ', '\t'];

fn word(text: &str) -> &str {
    text.split(BLANK).next().unwrap_or_default()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Takes the principals off the front; a list with blanks in it stands in quotes.
fn take_principals(line: &str) -> Result<(&str, &str), Wrong<'_>> {
    let (principals, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or_else(|| Wrong::new(line, 1, "this quote has no end"))?,
        None => line.split_at(word(line).len()),
    };
    let shown = length(word(line));
    if principals.contains('"') || !(rest.is_empty() || rest.starts_with(BLANK)) {
        return Err(Wrong::new(line, shown, "a quote stands within the principals"));
    }
    if positive(principals).next().is_none() {
        return Err(Wrong::new(line, shown, "the principals name nobody"));
    }
    if principals.len() >= LONGEST_PRINCIPALS {
        let message = format!(
            "the principals have {} bytes, at most {} are read",
            principals.len(),
            LONGEST_PRINCIPALS - 1
        );
        return Err(Wrong::new(line, shown, message).with_help("write several lines with the same key"));
    }
    if positive(principals).any(names_a_kind) {
        return Err(Wrong::new(line, shown, "the line begins with a key, and does not say whose it is"));
    }
    Ok((principals, rest.trim_start_matches(BLANK)))
}

/// Whether a word is the kind of a key, known or not.
fn names_a_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-"].iter().any(|start| word.starts_with(start))
}

/// Takes the options off the front: up to a blank that stands in no quotes.
fn take_options(text: &str) -> Result<(&str, &str), Wrong<'_>> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                let (options, rest) = text.split_at(at);
                return Ok((options, rest.trim_start_matches(BLANK)));
            }
            _ => {}
        }
        escaped = c == '\\';
    }
    if quoted {
        return Err(Wrong::new(text, length(word(text)), "a quote of the options has no end"));
    }
    Ok(text.split_at(text.len()))
}

/// Reads `namespaces="…",valid-after="…"`.
fn read_options<'a>(text: &'a str, zone: &TimeZone) -> Result<Options, Wrong<'a>> {
    let mut options = Options::default();
    for option in split_options(text) {
        let wrong = |message: String| Wrong::new(option, length(option), message);
        let (name, value) =
            option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let value =
            || value.and_then(dequote).ok_or_else(|| wrong(format!("`{name}` has no value in quotes")));
        let twice = || wrong(format!("`{name}` is given twice"));
        match name.to_ascii_lowercase().as_str() {
            "cert-authority" => {
                return Err(wrong(
                    "`cert-authority` is not obeyed: signatures by certificates are not read".to_owned(),
                )
                .with_help("list each signer's own key, in a file of its own for uproot if need be"));
            }
            "namespaces" if options.namespaces.is_some() => return Err(twice()),
            "valid-after" if options.valid_after.is_some() => return Err(twice()),
            "valid-before" if options.valid_before.is_some() => return Err(twice()),
            "namespaces" => options.namespaces = Some(value()?),
            "valid-after" => options.valid_after = Some(moment(value()?, zone).map_err(wrong)?),
            "valid-before" => options.valid_before = Some(moment(value()?, zone).map_err(wrong)?),
            _ => {
                let known = "`namespaces=\"…\"`, `valid-after=\"…\"`, `valid-before=\"…\"`";
                return Err(wrong(format!("`{name}` is neither a key nor an option"))
                    .with_help(format!("the options are {known}; {FORM}")));
            }
        }
    }
    if let (Some(after), Some(before)) = (&options.valid_after, &options.valid_before)
        && before.at <= after.at
    {
        return Err(Wrong::new(text, length(text), "the time in which it is valid ends before it begins"));
    }
    Ok(options)
}

/// The options between commas that stand in no quotes.
fn split_options(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let splits = c == ',' && !quoted;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\';
        splits
    })
    .collect()
}

/// What stands in quotes; `\"` is a quote in it.
fn dequote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?.replace("\\\"", "\u{0}");
    (!inner.contains('"')).then(|| inner.replace('\u{0}', "\""))
}

/// `YYYYMMDD[Z]`, `YYYYMMDDHHMM[Z]` or `YYYYMMDDHHMMSS[Z]`.
fn moment(text: String, zone: &TimeZone) -> Result<Moment, String> {
    let wrong = || {
        format!(
            "`{}` is not a time such as `20261231`, `202612312200` or `20261231220000Z`",
            escape_line(&text)
        )
    };
    let upper = text.to_ascii_uppercase();
    let in_utc = upper.strip_suffix('Z').or_else(|| upper.strip_suffix("UTC"));
    let digits = in_utc.unwrap_or(&upper);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let padded = format!("{digits:0<14}");
    let time = DateTime::strptime("%Y%m%d%H%M%S", &padded).map_err(|_| wrong())?;
    let zone = if in_utc.is_some() { &TimeZone::UTC } else { zone };
    let at = zone.to_timestamp(time).map_err(|_| wrong())?;
    Ok(Moment { at, text })
}

/// Reads the key, which a comment may follow.
fn read_key(text: &str) -> Result<KeyData, Wrong<'_>> {
    if text.is_empty() {
        return Err(Wrong::new(text, 1, "the key is missing"));
    }
    let kind = word(text);
    let encoded = word(text.strip_prefix(kind).unwrap_or_default().trim_start_matches(BLANK));
    let wrong = |message: String| Wrong::new(text, length(kind), message);
    if kind.contains("-cert-v01@") {
        return Err(wrong("certificates are not read".to_owned()).with_help("list the signer's own key"));
    }
    let key = PublicKey::from_openssh(&format!("{kind} {encoded}"))
        .map_err(|error| wrong(format!("the key is damaged, or of a kind that is not known: {error}")))?;
    match cannot_check(key.key_data()) {
        Some(why) => Err(wrong(why).with_help("list another key of the same person")),
        None => Ok(key.key_data().clone()),
    }
}
