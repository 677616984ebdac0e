//! The one table of the language: every construct with its keys. The walkers take from it which
//! keys exist and which are required, the messages their "expected one of", and the JSON Schema all
//! of its content.

use crate::model::SecretEncoding;

/// What a key's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One value, not empty.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number, bounds included.
    Integer(i64, i64),
    /// A length of time.
    Duration,
    /// A product's or wave's id.
    Id,
    /// A glob over names.
    Glob,
    /// An absolute path or a glob over such.
    Path,
    /// A registry key of Windows, or a glob over such.
    RegistryKey,
    /// A regular expression.
    Regex,
    /// A version range.
    Range,
    /// A number of hosts or a percentage.
    Budget,
    /// The same, but not nobody.
    Share,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these, of at least so many.
    List(&'static Kind, usize),
    /// One of these, or a list of at least one.
    Many(&'static Kind),
    /// Names of one's own, each with one of these.
    Named(&'static Kind),
    /// A rule.
    Rule,
    /// A step.
    Step,
    /// A map with the keys of a construct.
    Construct(&'static Construct),
    /// The same, or the value of its main key alone.
    Short(&'static Construct),
}

/// A key of a construct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// What it is for: a hint in the editor, and the help where it is missing.
    pub doc: &'static str,
}

/// A map with known keys. Checks and steps are constructs too: `main` is the key that the short form
/// sets (`package: kesl` is `package: { name: kesl }`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Construct {
    /// Its word (`package`), or what it is (`product`).
    pub name: &'static str,
    pub keys: &'static [Key],
    pub main: Option<&'static str>,
    /// One of these keys, or more, must be there.
    pub at_least_one: &'static [&'static str],
    /// One of these keys, and no more, must be there.
    pub exactly_one: &'static [&'static str],
    pub doc: &'static str,
}

impl Construct {
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

pub(super) const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, required: false, doc }
}

pub(super) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, required: true, doc }
}

/// A construct without a short form.
pub(super) const fn plain(name: &'static str, keys: &'static [Key], doc: &'static str) -> Construct {
    Construct { name, keys, main: None, at_least_one: &[], exactly_one: &[], doc }
}

/// A construct whose short form sets `main`.
pub(super) const fn short(
    name: &'static str,
    main: &'static str,
    keys: &'static [Key],
    doc: &'static str,
) -> Construct {
    Construct { name, keys, main: Some(main), at_least_one: &[], exactly_one: &[], doc }
}

pub(super) const TEXTS: Kind = Kind::Many(&Kind::Text);
pub(super) const GLOBS: Kind = Kind::Many(&Kind::Glob);
pub(super) const PATHS: Kind = Kind::Many(&Kind::Path);
pub(super) const REGISTRY_KEYS: Kind = Kind::Many(&Kind::RegistryKey);
pub(super) const CODE: Kind = Kind::Integer(i32::MIN as i64, i32::MAX as i64);
pub(super) const CODES: Kind = Kind::Many(&CODE);

/// The words of `platforms`, as in `model::Platform`.
pub(super) const PLATFORMS: &[&str] = &["linux", "macos", "windows"];
/// The words of `state` of a package.
pub(super) const PACKAGE_STATES: &[&str] = &["installed", "config-files", "broken"];
/// The words of `kind` of a path.
pub(super) const PATH_KINDS: &[&str] = &["file", "directory", "link", "other"];
/// The words of `class`, as in `model::ProductClass`.
pub(super) const CLASSES: &[&str] = &["product", "embedded", "threat-intelligence", "training", "successor"];
/// The words of `policy.reboot`.
pub(super) const REBOOT_POLICIES: &[&str] = &["never", "if-needed", "pending-is-ok"];

pub(super) static PLAYBOOK: Construct = plain(
    "playbook",
    &[
        required("uproot", Kind::Integer(1, 1), "the version of the language: `uproot: 1`"),
        key("name", Kind::Text, "its name; the file's name if left out"),
        key("include", Kind::List(&Kind::Text, 0), "files to read before this one, relative to it"),
        key(
            "vars",
            Kind::Named(&Kind::Text),
            "texts that `${name}` stands for; those of an including file win",
        ),
        key("secrets", Kind::Named(&Kind::Construct(&SECRET)), "where the values of secrets come from"),
        key(
            "products",
            Kind::List(&Kind::Construct(&PRODUCT), 0),
            "the products, in the order of their removal",
        ),
        key("policy", Kind::Construct(&POLICY), "what holds for the whole run; not in an included file"),
        key(
            "waves",
            Kind::List(&Kind::Construct(&WAVE), 1),
            "hosts done together, in this order; not in an included file",
        ),
    ],
    "a playbook: products, how to recognise and remove them, and in which waves",
);

pub(super) static SECRET: Construct = Construct {
    exactly_one: &["env", "file", "command", "prompt"],
    ..plain(
        "secret",
        &[
            key("env", Kind::Text, "an environment variable of the controller"),
            key("file", Kind::Text, "a file of the controller"),
            key("command", Kind::Text, "a command of the controller whose output it is"),
            key("prompt", Kind::Text, "a question to ask on the terminal"),
            key("optional", Kind::Boolean, "whether a run may do without it"),
        ],
        "where a secret's value comes from",
    )
};

/// The words of `encoding` of a secret.
pub(super) const ENCODINGS: &[&str] = &SecretEncoding::WORDS;

pub(super) static SECRET_USE: Construct = short(
    "secret of a step",
    "secret",
    &[
        required("secret", Kind::Text, "the name of a secret"),
        key("encoding", Kind::Word(ENCODINGS), "in which form it is passed on; `plain` if left out"),
    ],
    "a secret, and in which form it is passed on",
);

pub(super) static UPLOAD: Construct = plain(
    "upload",
    &[
        required("source", Kind::Text, "a file of the controller, relative to the playbook's"),
        required("sha256", Kind::Text, "the SHA-256 of the file, 64 hexadecimal digits in quotes"),
    ],
    "a file that is laid down on the host for one step",
);

pub(super) const UPLOADS: Kind = Kind::Many(&Kind::Construct(&UPLOAD));

pub(super) const SECRET_USES: Kind = Kind::Named(&Kind::Short(&SECRET_USE));

pub(super) static PRODUCT: Construct = plain(
    "product",
    &[
        required("id", Kind::Id, "its id: lower-case letters, digits, `-`"),
        required("name", Kind::Text, "its name for people"),
        key("vendor", Kind::Text, "its vendor"),
        key(
            "class",
            Kind::Word(CLASSES),
            "what kind of thing it is, for scope profiles; `product` if left out",
        ),
        required("platforms", Kind::List(&Kind::Word(PLATFORMS), 1), "the platforms it exists on"),
        key("confirmed", Kind::Boolean, "`false`: no source was found for what is said of it"),
        key("sources", Kind::List(&Kind::Text, 0), "where its commands are documented"),
        key("version", Kind::Construct(&VERSION), "how its version is read"),
        required("detect", Kind::Rule, "a rule that is true where it is present"),
        key("residue", Kind::Rule, "a rule that is true where something of it was left behind"),
        key("remove", Kind::List(&Kind::Step, 0), "the steps that remove it, in this order"),
        key("after", Kind::Many(&Kind::Text), "products that are done before it on the same host"),
        key("settle", Kind::Duration, "how long to keep asking until it is gone; `1m` if left out"),
        key("opt_in", Kind::Id, "a word without which it is not removed (`--allow WORD`)"),
        key("managed_by", Kind::Construct(&MANAGED_BY), "where the server stands that may install it again"),
        key("report_only", Kind::Text, "why it is reported and never removed"),
    ],
    "one thing that a vendor ships under one name with one way of removal",
);

pub(super) static MANAGED_BY: Construct = plain(
    "server of a product",
    &[
        required("registry", Kind::RegistryKey, "a registry key of Windows"),
        required("value", Kind::Text, "its value that holds the server's address"),
    ],
    "where a host tells the address of the server that manages the product",
);

pub(super) static VERSION: Construct = Construct {
    exactly_one: &["package", "file", "program", "receipt", "app"],
    ..plain(
        "version",
        &[
            key("package", Kind::Glob, "the version of this package"),
            key("program", Kind::Glob, "the version of the Windows program with this display name"),
            key("receipt", Kind::Glob, "the version of this macOS installer receipt"),
            key("app", Kind::Glob, "the version of the macOS application with this bundle id"),
            key("file", Kind::Path, "a file that holds the version; needs `pattern`"),
            key("pattern", Kind::Regex, "an expression whose first group is the version"),
        ],
        "how the version of a product is read",
    )
};

pub(super) static POLICY: Construct = plain(
    "policy",
    &[
        key("require_protection", Kind::Rule, "what must be true before a host is changed and after"),
        key("reboot", Kind::Word(REBOOT_POLICIES), "when a host may be rebooted; `never` if left out"),
    ],
    "what holds for the whole run",
);

pub(super) static WAVE: Construct = Construct {
    exactly_one: &["hosts", "first"],
    ..plain(
        "wave",
        &[
            required("name", Kind::Id, "its name: lower-case letters, digits, `-`"),
            key("hosts", Kind::Text, "an inventory pattern such as `all:!canary`"),
            key(
                "first",
                Kind::Share,
                "the first so many hosts that no earlier wave has; a percentage is of all hosts",
            ),
            key("parallel", Kind::Integer(1, 10_000), "how many hosts at once"),
            key(
                "max_failures",
                Kind::Budget,
                "how many hosts may fail before the wave stops; `5%` if left out",
            ),
            key("max_unreachable", Kind::Budget, "how many hosts may be unreachable before the wave stops"),
            key("soak", Kind::Duration, "how long after its end the next wave may begin"),
            key("approve", Kind::Boolean, "whether a person must agree before it begins"),
            key("window", Kind::Text, "when its hosts may be begun: `Mon..Thu 22:00-05:00 Europe/Berlin`"),
        ],
        "hosts that are done together",
    )
};

/// The checks, those of other platforms last.
pub(super) static CHECKS: &[Construct] = &[
    short(
        "package",
        "name",
        &[
            required("name", GLOBS, "its name, without architecture"),
            key("version", Kind::Range, "a version range such as `>=11.0, <13`"),
            key("state", Kind::Word(PACKAGE_STATES), "its status; if left out: there in any way"),
        ],
        "a package of dpkg, rpm, apk or pacman",
    ),
    short(
        "service",
        "name",
        &[
            required(
                "name",
                GLOBS,
                "unit name without `.service`, init script, service of Windows, or label of a launchd job",
            ),
            key("running", Kind::Boolean, "whether it must be running or must not"),
        ],
        "a service that the host knows",
    ),
    Construct {
        at_least_one: &["name", "exe"],
        ..short(
            "process",
            "name",
            &[
                key("name", GLOBS, "its command name, at most 15 characters on Linux; `NAME.exe` on Windows"),
                key("exe", Kind::Path, "its executable's path, also when deleted"),
            ],
            "a running process",
        )
    },
    short(
        "path",
        "path",
        &[
            required("path", PATHS, "absolute path or glob"),
            key("kind", Kind::Word(PATH_KINDS), "what it must be"),
            key("owner", Kind::Text, "the user who must own it"),
        ],
        "something that exists at a path",
    ),
    plain(
        "file_contains",
        &[
            required("path", Kind::Path, "absolute path or glob"),
            required("pattern", Kind::Regex, "an expression that a line must match"),
        ],
        "a file with a line that matches",
    ),
    short(
        "kernel_module",
        "name",
        &[required("name", GLOBS, "its name; on macOS its bundle id")],
        "a loaded kernel module or extension",
    ),
    short(
        "certificate",
        "subject",
        &[required("subject", Kind::Regex, "an expression over its subject")],
        "a certificate in the system's trust store",
    ),
    short("user", "name", &[required("name", GLOBS, "login name")], "a local user"),
    short("group", "name", &[required("name", GLOBS, "its name")], "a local group"),
    short(
        "port",
        "port",
        &[
            required("port", Kind::Integer(1, 65_535), "its number"),
            key("protocol", Kind::Word(&["tcp", "udp"]), "`tcp` if left out"),
        ],
        "a listening port",
    ),
    Construct {
        at_least_one: &["name", "command"],
        ..short(
            "scheduled_task",
            "name",
            &[
                key("name", GLOBS, "the cron file's, the timer's or the task's name"),
                key("command", Kind::Regex, "an expression over the cron line or the task's command"),
            ],
            "a cron line, a systemd timer or a task of Windows",
        )
    },
    Construct {
        at_least_one: &["id", "version"],
        ..short(
            "os",
            "id",
            &[
                key("id", GLOBS, "`ID` or a word of `ID_LIKE` of os-release"),
                key("version", Kind::Range, "a version range over `VERSION_ID`"),
            ],
            "the operating system",
        )
    },
    Construct {
        at_least_one: &["name", "publisher", "product_code"],
        ..short(
            "program",
            "name",
            &[
                key("name", GLOBS, "display name"),
                key("publisher", Kind::Glob, "publisher"),
                key("product_code", Kind::Text, "MSI product code"),
                key("version", Kind::Range, "a version range"),
                key(
                    "per_user",
                    Kind::Boolean,
                    "whether it can be installed for one user alone: then a profile that is not loaded \
                     makes the answer unknown",
                ),
            ],
            "a Windows program with an uninstall entry",
        )
    },
    short(
        "registry",
        "key",
        &[
            required("key", REGISTRY_KEYS, "the key, such as `HKLM\\SOFTWARE\\KasperskyLab`"),
            key("value", Kind::Text, "the name of a value"),
            key("data", Kind::Regex, "an expression over the value's data"),
        ],
        "a Windows registry key or value",
    ),
    Construct {
        at_least_one: &["name", "file"],
        ..short(
            "driver",
            "name",
            &[
                key("name", GLOBS, "its name"),
                key("file", Kind::Glob, "a glob over its image path, such as `**\\K4W-*\\*`"),
            ],
            "a Windows driver, loaded or not",
        )
    },
    short(
        "receipt",
        "id",
        &[
            required("id", GLOBS, "the package's id, such as `com.vendor.product`"),
            key("version", Kind::Range, "a version range"),
        ],
        "a macOS installer receipt",
    ),
    short(
        "system_extension",
        "id",
        &[required("id", GLOBS, "its bundle id"), key("team", Kind::Text, "its developer's team id")],
        "a macOS system extension, running or not",
    ),
    short(
        "app",
        "id",
        &[required("id", GLOBS, "its bundle id"), key("version", Kind::Range, "a version range")],
        "a macOS application, by its bundle id",
    ),
];

/// The checks that only one platform other than Linux can answer, with that platform's word.
pub(super) const FOREIGN_CHECKS: [(&str, &str); 6] = [
    ("program", "windows"),
    ("registry", "windows"),
    ("driver", "windows"),
    ("receipt", "macos"),
    ("system_extension", "macos"),
    ("app", "macos"),
];

/// The words that join rules.
pub(super) const JOINS: [(&str, &str); 3] =
    [("any", "true if one of them is"), ("all", "true if all of them are"), ("not", "the opposite")];

/// The check or step with this word.
pub(super) fn find(words: &'static [Construct], word: &str) -> Option<&'static Construct> {
    words.iter().find(|construct| construct.name == word)
}
