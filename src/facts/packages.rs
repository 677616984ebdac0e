//! Packages of every manager that the host has.
//!
//! A manager is here when its database is. Its answer counts when its program ran without a word of
//! complaint and listed something; an empty list counts only for a database that is a guest: dpkg's
//! with an empty status file, or rpm's and apk's and pacman's, where another manager listed packages.

use super::frames::{Run, Section, number, split_once, text};
use super::listing::{Asker, Builder, check_needs};
use super::{Listing, Package};

/// The managers and the program that each is asked by.
const MANAGERS: [(&str, &str); 4] =
    [("dpkg", "dpkg-query"), ("rpm", "rpm"), ("apk", "sed"), ("pacman", "pacman")];

/// Reads the section `packages`.
pub(super) fn parse(section: &Section<'_>, asker: Asker) -> Listing<Package> {
    let mut builder = Builder::new(section, asker);
    check_needs(&mut builder, section);
    let mut silent = Vec::new();
    let mut is_any = false;
    for (manager, program) in MANAGERS {
        let is_here = section
            .marks("database")
            .any(|mark| split_once(mark.rest, b" ").is_some_and(|(name, _)| name == manager.as_bytes()));
        if !is_here {
            continue;
        }
        is_any = true;
        let Some(run) = section.runs(manager).next() else {
            builder.gap(format!("{manager} was not asked, though its database is there"));
            continue;
        };
        let before = builder.items().len();
        read(&mut builder, manager, &run);
        match failure(manager, program, &run) {
            Some(failure) => builder.gap(format!("{manager}: {failure}")),
            None if manager == "dpkg" && lacks_entries(section, builder.items().len() - before) => {
                builder.gap("dpkg lists fewer packages than it has lists of files of: entries are missing");
            }
            None if builder.items().len() == before => silent.push(manager),
            None => {}
        }
    }
    for manager in silent {
        let may_be_empty = manager != "dpkg" || section.marks("empty").any(|mark| mark.rest == b"dpkg");
        if builder.items().is_empty() || !may_be_empty {
            builder.gap(format!("{manager} lists no package at all"));
        }
    }
    if !is_any && section.defect.is_none() {
        builder.gap("no package manager was recognised (dpkg, rpm, apk, pacman)");
    }
    builder.finish(|package| (package.manager.clone(), package.name.clone(), package.arch.clone()))
}

/// Whether dpkg told of fewer packages than it keeps lists of files for, as when its status file lost
/// its end: nothing else would show that.
fn lacks_entries(section: &Section<'_>, listed: usize) -> bool {
    section.marks("lists").filter_map(|mark| number::<usize>(mark.rest)).any(|lists| lists > listed)
}

/// rpm warns of its backend and of keys without having missed anything; every other word on standard
/// error is taken for a failure.
fn failure(manager: &str, program: &str, run: &Run<'_>) -> Option<String> {
    let mut run = run.clone();
    if manager == "rpm" {
        run.errors.retain(|line| !line.starts_with(b"warning: "));
    }
    run.failure(program)
}

fn read(builder: &mut Builder<Package>, manager: &str, run: &Run<'_>) {
    match manager {
        "apk" => read_apk(builder, run),
        "pacman" => {
            for line in run.output.lines().filter(|line| !line.is_empty()) {
                match split_once(line, b" ") {
                    Some((name, version)) => {
                        builder.push(package(manager, [name, version, b"", b"installed"]))
                    }
                    None => builder.gap("a line of `pacman -Q` is not understood"),
                }
            }
        }
        _ => {
            for line in run.output.lines().filter(|line| !line.is_empty()) {
                let fields = line.strip_prefix(b"+").and_then(tab_fields);
                match fields {
                    // rpm keeps the keys it trusts as packages.
                    Some([b"gpg-pubkey", ..]) if manager == "rpm" => {}
                    Some(fields) => builder.push(package(manager, fields)),
                    None => builder.gap(format!("a line of {manager}'s list is not understood")),
                }
            }
        }
    }
}

fn tab_fields(line: &[u8]) -> Option<[&[u8]; 4]> {
    let mut fields = line.split(|byte| *byte == b'\t');
    let mut next = || fields.next();
    let four = [next()?, next()?, next()?, next()?];
    (next().is_none() && four.first().is_some_and(|name| !name.is_empty())).then_some(four)
}

fn package(manager: &str, [name, version, arch, status]: [&[u8]; 4]) -> Package {
    Package {
        manager: manager.to_owned(),
        name: text(name),
        version: text(version),
        arch: text(arch),
        status: text(status),
    }
}

/// apk's database: `P:` begins a package, `V:` and `A:` belong to it.
fn read_apk(builder: &mut Builder<Package>, run: &Run<'_>) {
    let mut current: Option<[&[u8]; 4]> = None;
    for line in run.output.lines().filter(|line| !line.is_empty()) {
        match (line.get(..2), line.get(2..).unwrap_or_default(), current.as_mut()) {
            (Some(b"P:"), name, _) => {
                let done = current.replace([name, b"", b"", b"installed"]);
                done.into_iter().for_each(|fields| builder.push(package("apk", fields)));
            }
            (Some(b"V:"), version, Some([_, slot, ..])) => *slot = version,
            (Some(b"A:"), arch, Some([_, _, slot, _])) => *slot = arch,
            _ => builder.gap("a line of apk's database is not understood"),
        }
    }
    current.into_iter().for_each(|fields| builder.push(package("apk", fields)));
}
