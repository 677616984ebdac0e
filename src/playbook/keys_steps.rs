//! The part of the table of keys that is of steps.

use super::keys::{
    CODES, Construct, GLOBS, Key, Kind, PATHS, REGISTRY_KEYS, SECRET_USES, TEXTS, UPLOADS, key, required,
    short,
};

/// The keys that every step has, inside its map or beside its word.
pub(super) static STEP_COMMON: &[Key] = &[
    key("when", Kind::Rule, "it is planned only where this is true"),
    key("effect", Kind::Rule, "what must be true after it"),
    key("timeout", Kind::Duration, "how long it may take; `10m` if left out"),
    key("opt_in", Kind::Id, "a word without which it is left out (`--allow WORD`)"),
];

/// The steps, those that this version does not obey last.
pub(super) static STEPS: &[Construct] = &[
    short("stop_service", "name", &[required("name", TEXTS, "unit or init script")], "stops a service"),
    short(
        "delete_service",
        "name",
        &[required("name", TEXTS, "unit or init script")],
        "stops, disables and deletes a service",
    ),
    short(
        "remove_package",
        "names",
        &[
            required("names", GLOBS, "names or globs, in the order of removal"),
            key("purge", Kind::Boolean, "whether configuration goes too"),
        ],
        "removes packages in one transaction of dpkg or rpm",
    ),
    Construct {
        exactly_one: &["exe", "name"],
        ..short(
            "kill_process",
            "exe",
            &[
                key("exe", PATHS, "the executable's path; not on Windows"),
                key("name", TEXTS, "the executable's file name, such as `avpui.exe`; on Windows"),
            ],
            "kills every process of an executable",
        )
    },
    short(
        "remove_path",
        "path",
        &[required("path", PATHS, "absolute path or glob")],
        "deletes a file or a tree",
    ),
    short("remove_user", "name", &[required("name", TEXTS, "login name")], "deletes a local user"),
    short("remove_group", "name", &[required("name", TEXTS, "its name")], "deletes a local group"),
    short(
        "remove_certificate",
        "subject",
        &[required("subject", Kind::Regex, "an expression over its subject")],
        "removes certificates from the trust store",
    ),
    short(
        "remove_scheduled_task",
        "name",
        &[required(
            "name",
            GLOBS,
            "the cron file's or the timer's name; a task's path without its first `\\`",
        )],
        "removes a cron file, a timer, or a task of Windows' scheduler",
    ),
    short(
        "run",
        "command",
        &[
            required("command", Kind::Text, "the command, run by `sh -c`"),
            key("accept", CODES, "exit codes that are accepted; `0` if left out"),
            key("reboot_codes", CODES, "exit codes that mean: done, and a reboot is needed"),
            key("retry_on", CODES, "exit codes on which it is tried again"),
            key("blocked_if", Kind::Regex, "output which says that the product refuses"),
            key("env", SECRET_USES, "environment variables from secrets: variable, secret"),
            key("stdin", Kind::Text, "the secret that the command reads"),
            key("upload", UPLOADS, "files laid down for it on the host, in the directory `UPROOT_FILES`"),
        ],
        "runs a command",
    ),
    short(
        "manual",
        "instructions",
        &[required("instructions", Kind::Text, "what a person must do")],
        "something only a person can do",
    ),
    short(
        "wait_for",
        "rule",
        &[required("rule", Kind::Rule, "a rule such as `not: { process: NAME }`")],
        "waits until a rule is true",
    ),
    short(
        "require",
        "rule",
        &[
            required("rule", Kind::Rule, "a rule such as `not: { process: NAME }`"),
            key("message", Kind::Text, "what to say when it is not true"),
            key("waived_by", Kind::Id, "a word with which it is not asked (`--allow WORD`)"),
        ],
        "goes on only if a rule is true",
    ),
    short(
        "reboot",
        "reason",
        &[key("reason", Kind::Text, "why")],
        "reboots the host and waits for a new boot; `timeout` is `20m` if left out",
    ),
    Construct {
        at_least_one: &["name", "publisher", "product_code"],
        ..short(
            "uninstall_program",
            "name",
            &[
                key("name", Kind::Glob, "display name"),
                key("publisher", Kind::Glob, "publisher"),
                key("product_code", Kind::Text, "MSI product code"),
                key("properties", Kind::Named(&Kind::Text), "MSI properties"),
                key("secrets", SECRET_USES, "MSI properties from secrets: property, secret"),
                key(
                    "arguments",
                    Kind::Text,
                    "what makes an uninstall command quiet that is none of MSI: `/S`",
                ),
                key("accept", CODES, "exit codes that are accepted; `[0, 1605]` if left out"),
                key(
                    "reboot_codes",
                    CODES,
                    "exit codes that mean: done, and a reboot is needed; `[3010, 1641]` if left out",
                ),
                key("blocked_if", Kind::Regex, "output or log which says that the product refuses"),
            ],
            "runs the own uninstaller of every Windows program that is all of this",
        )
    },
    short(
        "delete_registry",
        "key",
        &[
            required("key", REGISTRY_KEYS, "the key, or a glob over such"),
            key("value", Kind::Text, "the name of a value; the whole key if left out"),
        ],
        "deletes a Windows registry key with all below it, or a value",
    ),
    short(
        "forget_receipt",
        "id",
        &[required("id", GLOBS, "its id, or a glob over such")],
        "makes macOS forget an installer receipt",
    ),
];
