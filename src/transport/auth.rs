//! Logging in: keys first, then the password, and a message that says what was tried.

use super::keys::{AgentKey, KeyFile, Offer};
use super::wire::{Halt, Wire, code};
use super::{Credentials, Target, TransportError, TransportErrorKind};
use crate::model::Cancel;
use crate::model::output::{escape_line, shell_word};
use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// A server counts each key it is offered; OpenSSH hangs up after six failures, and the password
/// may need two of them.
const MOST_KEYS: usize = 4;

/// Logs in, or says what was tried and what the server would take.
pub(super) fn log_in(
    wire: &Wire,
    target: &Target,
    credentials: &Credentials,
    deadline: Instant,
    cancel: &Cancel,
) -> Result<(), TransportError> {
    let mut login = Login { wire, target, credentials, deadline, cancel, tried: Vec::new() };
    let Some(mut methods) = login.methods()? else {
        return Ok(());
    };
    let keys = credentials
        .keys
        .offers(credentials.key_file.as_deref())
        .map_err(|why| target.error(TransportErrorKind::Authentication, why))?;
    if offers(&methods, "publickey") && login.keys(&keys)? {
        return Ok(());
    }
    if let Some(password) = credentials.password.as_ref().map(crate::model::Secret::expose) {
        if !takes_password(&methods) {
            // A key may have been the first of two factors: the server then takes something else.
            match login.methods()? {
                Some(now) => methods = now,
                None => return Ok(()),
            }
        }
        if offers(&methods, "password") && login.password(password)? {
            return Ok(());
        }
        if offers(&methods, "keyboard-interactive") && login.keyboard_interactive(password)? {
            return Ok(());
        }
    }
    Err(login.refused(&methods, &keys))
}

fn offers(methods: &str, method: &str) -> bool {
    methods.split(',').any(|offered| offered == method)
}

fn takes_password(methods: &str) -> bool {
    offers(methods, "password") || offers(methods, "keyboard-interactive")
}

struct Login<'a> {
    wire: &'a Wire,
    target: &'a Target,
    credentials: &'a Credentials,
    deadline: Instant,
    cancel: &'a Cancel,
    tried: Vec<String>,
}

impl Login<'_> {
    /// What the server accepts; none when it let us in without anything.
    fn methods(&self) -> Result<Option<String>, TransportError> {
        let session = &self.wire.session;
        let asked = self.wire.until(self.deadline, self.cancel, || {
            // The crate panics on a list that is not UTF-8, and the list is the server's.
            catch_unwind(AssertUnwindSafe(|| session.auth_methods(&self.target.user).map(str::to_owned)))
                .unwrap_or_else(|_| Ok(String::new()))
        });
        match asked {
            Ok(_) if session.authenticated() => Ok(None),
            Ok(methods) => Ok(Some(methods)),
            Err(_) if session.authenticated() => Ok(None),
            Err(halt) => Err(self.halted(halt)),
        }
    }

    fn halted(&self, halt: Halt) -> TransportError {
        let what = format!("login as `{}`{}", self.target.user, self.tried_so_far());
        halt.into_error(self.target, TransportErrorKind::Authentication, &what)
    }

    fn tried_so_far(&self) -> String {
        if self.tried.is_empty() { String::new() } else { format!(" (tried {})", self.tried.join("; ")) }
    }

    /// Makes one try; whether it let us in. A refusal is noted; a lost connection is an error.
    fn attempt(
        &mut self,
        what: &str,
        call: impl FnMut() -> Result<(), ssh2::Error>,
    ) -> Result<bool, TransportError> {
        let halt = match self.wire.until(self.deadline, self.cancel, call) {
            Ok(()) => return Ok(self.wire.session.authenticated()),
            Err(halt) => halt,
        };
        let hung_up = halt.is_lost() || matches!(&halt, Halt::Ssh(error) if error.message() == NO_ANSWER);
        let why = match &halt {
            _ if hung_up => "the server hung up".to_owned(),
            Halt::Ssh(error) => match error.code() {
                ErrorCode::Session(REFUSED | UNVERIFIED) => "refused".to_owned(),
                ErrorCode::Session(code::PASSWORD_EXPIRED) => "the password has expired".to_owned(),
                _ => escape_line(error.message()),
            },
            Halt::Cancelled | Halt::TimedOut | Halt::Poll(_) => return Err(self.halted(halt)),
        };
        self.tried.push(format!("{what}: {why}"));
        if hung_up { Err(self.halted(halt)) } else { Ok(false) }
    }

    fn keys(&mut self, offers: &[Offer]) -> Result<bool, TransportError> {
        for offer in offers.iter().take(MOST_KEYS) {
            let accepted = match offer {
                Offer::Agent(key) => self.agent_key(key, &offer.words())?,
                Offer::File(key) => self.key_file(key, &offer.words())?,
            };
            if accepted {
                self.credentials.keys.accepted(offer);
                return Ok(true);
            }
        }
        if offers.len() > MOST_KEYS {
            self.tried.push(format!("{} further keys were not tried", offers.len() - MOST_KEYS));
        }
        Ok(false)
    }

    fn key_file(&mut self, key: &KeyFile, what: &str) -> Result<bool, TransportError> {
        let session = &self.wire.session;
        let user = &self.target.user;
        if let Some(certificate) = &key.certificate {
            let what = format!("{what} with its certificate");
            let call =
                || session.userauth_pubkey_memory(user, Some(certificate), key.text(), key.passphrase());
            if self.attempt(&what, call)? {
                return Ok(true);
            }
        }
        let public = key.public.as_deref();
        self.attempt(what, || session.userauth_pubkey_memory(user, public, key.text(), key.passphrase()))
    }

    fn agent_key(&mut self, key: &AgentKey, what: &str) -> Result<bool, TransportError> {
        let session = &self.wire.session;
        let agent = session.agent().and_then(|mut agent| {
            agent.connect()?;
            agent.list_identities()?;
            Ok(agent)
        });
        let found = agent.and_then(|agent| {
            let identities = agent.identities()?;
            Ok((agent, identities.into_iter().find(|identity| identity.blob() == key.blob)))
        });
        match found {
            Ok((agent, Some(identity))) => {
                self.attempt(what, || agent.userauth(&self.target.user, &identity))
            }
            Ok((_, None)) => {
                self.tried.push(format!("{what}: the agent no longer has it"));
                Ok(false)
            }
            Err(error) => {
                self.tried.push(format!("{what}: the agent: {}", error.message()));
                Ok(false)
            }
        }
    }

    fn password(&mut self, password: &str) -> Result<bool, TransportError> {
        let session = &self.wire.session;
        self.attempt("password", || session.userauth_password(&self.target.user, password))
    }

    fn keyboard_interactive(&mut self, password: &str) -> Result<bool, TransportError> {
        let session = &self.wire.session;
        let mut answers = OnePassword { password, asked: 0 };
        self.attempt("keyboard-interactive", || {
            session.userauth_keyboard_interactive(&self.target.user, &mut answers)
        })
    }

    fn refused(self, methods: &str, keys: &[Offer]) -> TransportError {
        let mut message = format!("login as `{}` failed", self.target.user);
        let tried = if self.tried.is_empty() { "nothing".to_owned() } else { self.tried.join("; ") };
        message.push_str(&format!("; tried {tried}; the server takes {}", escape_line(methods)));
        for skipped in self.credentials.keys.skipped() {
            message.push_str(&format!("; not used: {skipped}"));
        }
        let (user, address, port) = (&self.target.user, &self.target.address, self.target.port);
        let wrong_password = self.credentials.password.is_some() && methods.contains("password");
        let remedy = if keys.is_empty() && self.credentials.password.is_none() {
            message.push_str(
                "; there is no key here: `ssh-add` one, name one with `--key`, or give the password",
            );
            "--ask-pass".to_owned()
        } else if methods.contains("publickey") && !wrong_password {
            format!("ssh-copy-id -p {port} {}", shell_word(&format!("{user}@{address}")))
        } else {
            "--ask-pass".to_owned()
        };
        self.target.error(TransportErrorKind::Authentication, message).with_remedy(remedy)
    }
}

/// Codes of a refusal.
const REFUSED: i32 = -18;
const UNVERIFIED: i32 = -19;
/// What libssh2 says, with the code of a refusal, when the connection ended instead of an answer.
const NO_ANSWER: &str = "Waiting for USERAUTH response";

/// Gives the password to the first question that hides what is typed, and to no other.
struct OnePassword<'a> {
    password: &'a str,
    asked: u32,
}

impl KeyboardInteractivePrompt for OnePassword<'_> {
    fn prompt<'a>(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'a>]) -> Vec<String> {
        let single = matches!(prompts, [prompt] if !prompt.echo);
        if single {
            self.asked += 1;
        }
        let answer = if single && self.asked == 1 { self.password } else { "" };
        prompts.iter().map(|_| answer.to_owned()).collect()
    }
}
