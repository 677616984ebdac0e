//! How a host, or a tool on it, misbehaves.

/// What a host does with a command instead of running it, or with what the command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Takes the command and its input, and never says anything.
    Hangs,
    /// Runs it, sends so many bytes of its output, and cuts the connection.
    CutsAfter(usize),
    /// Takes its input, prints this instead of running it, and gives this exit code.
    Lies(Vec<u8>, u32),
    /// Takes its input, and sends so many bytes of lines before an exit code of 0.
    Floods(u64),
    /// Runs it and sends its standard output as UTF-16, as PowerShell does where it is the login shell.
    Utf16,
    /// Runs it, and never passes its exit code on.
    KeepsExitCode,
}

/// What a tool does instead of its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolFault {
    /// Prints this and never ends.
    Hangs(Vec<u8>),
    /// Prints this and exits with this code.
    Says(Vec<u8>, u32),
    /// Prints a gigabyte.
    Floods,
    /// Does its work, but for the call after so many: that one says nothing and exits with this code.
    Once(u32, u32),
}

impl ToolFault {
    /// As programs/fault.c reads it.
    pub(super) fn text(&self) -> Vec<u8> {
        let (first, rest) = match self {
            Self::Hangs(rest) => ("hang".to_owned(), rest.as_slice()),
            Self::Says(rest, code) => (format!("exit {code}"), rest.as_slice()),
            Self::Floods => ("flood".to_owned(), &[][..]),
            Self::Once(after, code) => (format!("once {after} {code}"), &[][..]),
        };
        [first.as_bytes(), b"\n", rest].concat()
    }
}
