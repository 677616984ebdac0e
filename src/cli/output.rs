//! Where results go, and how they look.

use super::args::{Format, OutputArguments};
use super::error::CliError;
use crate::journal;
use crate::model::output::shell_word;
use crate::report::{
    HtmlOptions, Report, TableOptions, csv, html, json, junit, markdown, ndjson, sarif, table,
};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// One form of a result, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// How it is written.
    pub format: Format,
    /// The file; none: standard output.
    pub file: Option<PathBuf>,
}

impl Destination {
    /// Whether it goes to a terminal.
    pub fn is_terminal(&self) -> bool {
        self.file.is_none() && std::io::stdout().is_terminal()
    }
}

/// Where each form of a result goes, by `--format` and `-o`: the n-th `--format` goes to the n-th `-o`, a
/// last one without a file to standard output. Files without any `--format` are written as their names end.
///
/// # Errors
/// When formats and files do not pair, or two would go to one place.
pub fn destinations(options: &OutputArguments) -> Result<Vec<Destination>, CliError> {
    let (formats, files) = (&options.format, &options.output);
    let found: Vec<Destination> = match (formats.as_slice(), files.as_slice()) {
        ([], []) => vec![Destination { format: Format::Table, file: None }],
        ([], files) => files
            .iter()
            .map(|file| Destination { format: by_extension(file).unwrap_or(Format::Table), file: at(file) })
            .collect(),
        (formats, files) if formats.len() < files.len() => {
            return Err(CliError::input(
                format!("{} files are given by `-o`, but {} `--format`", files.len(), formats.len()),
                "the n-th `--format` goes to the n-th `-o`: give one for each, or none at all, so that each file \
                 is written as its name ends",
            ));
        }
        (formats, files) if formats.len() > files.len() + 1 => {
            return Err(CliError::input(
                format!("{} `--format` are given, but {} `-o`", formats.len(), files.len()),
                "the n-th `--format` goes to the n-th `-o`, and only the last one may be without a file: it goes to \
                 standard output",
            ));
        }
        (formats, files) => {
            let files_then_stdout = files.iter().map(|file| at(file)).chain(std::iter::once(None));
            formats
                .iter()
                .zip(files_then_stdout)
                .map(|(&format, file)| Destination { format, file })
                .collect()
        }
    };
    refuse_crossed(&found, files)?;
    refuse_shared(&found)?;
    Ok(found)
}

/// A file of `-o`; none for `-`, which is standard output.
fn at(file: &Path) -> Option<PathBuf> {
    (file != Path::new("-")).then(|| file.to_owned())
}

/// The format that a file's name ends in; none where that does not tell.
fn by_extension(file: &Path) -> Option<Format> {
    let extension = file.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "json" => Some(Format::Json),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "csv" => Some(Format::Csv),
        "xml" => Some(Format::Junit),
        "sarif" => Some(Format::Sarif),
        "md" | "markdown" => Some(Format::Markdown),
        "html" | "htm" => Some(Format::Html),
        _ => None,
    }
}

/// `--format table --format junit -o report.xml` would write a table to the file: whoever wrote it
/// meant the other way round.
fn refuse_crossed(found: &[Destination], files: &[PathBuf]) -> Result<(), CliError> {
    let Some(left) = found.last().filter(|last| last.file.is_none() && found.len() > files.len()) else {
        return Ok(());
    };
    let crossed = |destination: &&Destination| {
        destination.format != left.format
            && destination.file.as_deref().and_then(by_extension) == Some(left.format)
    };
    match found.iter().find(crossed) {
        Some(Destination { format, file: Some(file) }) => Err(CliError::input(
            format!("`{}` would be written as {}", file.display(), word(*format)),
            format!(
                "the n-th `--format` goes to the n-th `-o`: put `--format {}` first, the one for standard output last",
                word(left.format)
            ),
        )),
        _ => Ok(()),
    }
}

fn refuse_shared(found: &[Destination]) -> Result<(), CliError> {
    for (index, later) in found.iter().enumerate() {
        let same = |earlier: &Destination| match (&earlier.file, &later.file) {
            (None, None) => true,
            (Some(earlier), Some(later)) => same_file(earlier, later),
            _ => false,
        };
        if found.iter().take(index).any(same) {
            let place = match &later.file {
                Some(file) => format!("`{}`", file.display()),
                None => "standard output".to_owned(),
            };
            return Err(CliError::input(
                format!("two results would go to {place}"),
                "give each `--format` an `-o FILE` of its own; only one may go to standard output",
            ));
        }
    }
    Ok(())
}

/// The word of `--format`.
fn word(format: Format) -> String {
    clap::ValueEnum::to_possible_value(&format).map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Refuses, before anything is contacted, formats and files that do not pair, and files that could not be
/// written, or whose loss would be one: `inputs` are the files that the command reads.
pub fn check_output(options: &OutputArguments, inputs: &[&Path]) -> Result<(), CliError> {
    for destination in destinations(options)? {
        let Some(file) = &destination.file else { continue };
        refuse_input(file, "-o", inputs)?;
        refuse_unwritable(Some(file), "-o")?;
    }
    Ok(())
}

/// Refuses to write a result over a file that the same command reads, under whatever name, or that stands in a
/// directory that it reads.
pub fn refuse_input(file: &Path, option: &str, inputs: &[&Path]) -> Result<(), CliError> {
    let is_one = |input: &&Path| match std::fs::metadata(input) {
        Ok(known) if known.is_file() => same_file(input, file),
        Ok(known) if known.is_dir() => {
            let directory =
                std::fs::canonicalize(file).ok().and_then(|file| file.parent().map(Path::to_owned));
            directory.is_some() && directory == std::fs::canonicalize(input).ok()
        }
        _ => false,
    };
    if inputs.iter().any(is_one) {
        return Err(CliError::input(
            format!("`{}` is read by this command, and its result would replace it", file.display()),
            format!("give another file to `{option}`"),
        ));
    }
    Ok(())
}

/// Refuses a result that would go to the file of another option.
pub fn refuse_same(options: &OutputArguments, other: &Path, option: &str) -> Result<(), CliError> {
    match destinations(options)?
        .iter()
        .find_map(|to| to.file.as_deref().filter(|file| same_file(file, other)))
    {
        Some(file) => Err(CliError::input(
            format!("`{}` is given to `-o` and is the file of `{option}` too", file.display()),
            "give another file to one of them",
        )),
        None => Ok(()),
    }
}

/// Refuses to write a result over a file of a run: that is evidence, and nothing brings it back.
fn refuse_evidence(file: &Path, option: &str) -> Result<(), CliError> {
    // A link is followed, as it is when the result is written.
    let file = std::fs::canonicalize(file)
        .or_else(|_| {
            std::fs::canonicalize(directory_of(file))
                .map(|dir| dir.join(file.file_name().unwrap_or_default()))
        })
        .unwrap_or_else(|_| file.to_owned());
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let directory = directory_of(&file);
    if journal::is_evidence(directory, &name) {
        return Err(CliError::input(
            format!(
                "`{}` is a file of a run: it is evidence, and is never replaced by a result",
                file.display()
            ),
            format!("give another file to `{option}`"),
        ));
    }
    Ok(())
}

/// Whether two paths are one file: by what they lead to, or where one is not there, by their names.
fn same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => {
            let place = |path: &Path| {
                let directory = std::fs::canonicalize(directory_of(path)).ok()?;
                Some(directory.join(path.file_name()?))
            };
            let absolute = |path: &Path| place(path).or_else(|| std::path::absolute(path).ok());
            absolute(a) == absolute(b)
        }
    }
}

/// Refuses formats of reports for `verb`, which writes a list.
pub fn check_list_output(options: &OutputArguments, verb: &str) -> Result<(), CliError> {
    refuse_other_forms(options, &format!("`{verb}`"), &[Format::Table, Format::Json])
}

/// Refuses formats in which `what` cannot be written.
pub fn refuse_other_forms(options: &OutputArguments, what: &str, forms: &[Format]) -> Result<(), CliError> {
    match destinations(options)?.iter().find(|to| !forms.contains(&to.format)) {
        Some(other) => {
            let words: Vec<String> = forms.iter().map(|form| format!("`--format {}`", word(*form))).collect();
            let help = format!("give one of {}", words.join(", "));
            Err(CliError::input(format!("{what} cannot be written as {}", word(other.format)), help))
        }
        None => Ok(()),
    }
}

/// Whether standard output is left to people: nothing there has to be parsed.
pub fn stdout_is_for_people(options: &OutputArguments) -> Result<bool, CliError> {
    Ok(destinations(options)?.iter().all(|to| to.file.is_some() || to.format == Format::Table))
}

/// Writes a report as the options ask. The commands in it name the run by its id.
pub fn write_report(report: &Report, options: &OutputArguments) -> Result<(), CliError> {
    write_results(options, |to| render(report, None, options, to))
}

/// As `write_report`, for a run whose directory is known: where its id alone would not find it, the
/// commands in the report name the directory.
pub fn write_report_of(report: &Report, dir: &Path, options: &OutputArguments) -> Result<(), CliError> {
    let run = name_of_run(&report.run, dir);
    write_results(options, |to| render(report, run.as_deref(), options, to))
}

/// A report in the form of one destination.
pub fn render(report: &Report, run: Option<&str>, options: &OutputArguments, to: &Destination) -> String {
    match to.format {
        Format::Html => html(report, &HtmlOptions { run }),
        Format::Table => {
            let color = to.is_terminal() && wants_color();
            let verbose = options.verbose > 0;
            table(report, &TableOptions { width: width(to.is_terminal()), color, verbose, run })
        }
        Format::Json => json(report),
        Format::Ndjson => ndjson(report),
        Format::Csv => csv(report),
        Format::Junit => junit(report),
        Format::Sarif => sarif(report),
        Format::Markdown => markdown(report),
    }
}

/// Renders a result for each destination, and writes it there; all are rendered before the first is
/// written.
pub fn write_results(
    options: &OutputArguments,
    render: impl Fn(&Destination) -> String,
) -> Result<(), CliError> {
    let destinations = destinations(options)?;
    let texts: Vec<String> = destinations.iter().map(render).collect();
    for (to, text) in destinations.iter().zip(&texts) {
        write_result(text, to.file.as_deref())?;
    }
    Ok(())
}

/// How a command line names a run, where its id is not enough: its directory, as a word of a shell.
fn name_of_run(id: &str, dir: &Path) -> Option<String> {
    let usual = std::env::var_os("UPROOT_RUNS").map_or_else(journal::default_runs_dir, PathBuf::from);
    name_outside(&usual, id, dir)
}

fn name_outside(usual: &Path, id: &str, dir: &Path) -> Option<String> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let dir = absolute(dir);
    (absolute(&usual.join(id)) != dir).then(|| shell_word(&dir.to_string_lossy()))
}

/// Writes a result to a file (whole or not at all) or to standard output. What is no regular file
/// (`/dev/null`, a pipe) is written to, not replaced.
pub fn write_result(text: &str, file: Option<&Path>) -> Result<(), CliError> {
    let Some(file) = file else { return print_bytes(text.as_bytes()) };
    if std::fs::metadata(file).is_ok_and(|known| !known.is_file()) {
        let written = std::fs::OpenOptions::new().write(true).open(file);
        return written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(CliError::Output);
    }
    // A link stays; what it leads to is replaced.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut temporary = tempfile::NamedTempFile::new_in(directory_of(&file)).map_err(CliError::Output)?;
    temporary.write_all(text.as_bytes()).map_err(CliError::Output)?;
    temporary.persist(&file).map_err(|error| CliError::Output(error.error))?;
    Ok(())
}

/// Writes bytes to standard output. A reader that has seen enough (`| head`) changes neither what was
/// done nor the exit code.
pub fn print_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(CliError::Output),
    }
}

/// Refuses a result's file that could not be written, before any host is contacted for it.
pub fn refuse_unwritable(file: Option<&Path>, option: &str) -> Result<(), CliError> {
    let Some(file) = file else { return Ok(()) };
    let help = || format!("give `{option}` a file in a directory that is there and that you may write to");
    if file.is_dir() {
        return Err(CliError::input(format!("`{}` is a directory", file.display()), help()));
    }
    if file.file_name().is_none() {
        return Err(CliError::input(format!("`{}` is no name of a file", file.display()), help()));
    }
    if std::fs::metadata(file).is_ok_and(|known| !known.is_file()) {
        return Ok(());
    }
    refuse_evidence(file, option)?;
    let directory = directory_of(file);
    tempfile::tempfile_in(directory).map(drop).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => format!("there is no directory `{}`", directory.display()),
            kind => std::io::Error::from(kind).to_string(),
        };
        CliError::input(format!("`{}` cannot be written: {why}", file.display()), help())
    })
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether colours are wanted (`NO_COLOR` set and not empty says no; so does `TERM=dumb`).
pub fn wants_color() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How wide a table may be: the terminal's width; 80 columns where there is none.
pub fn width(to_terminal: bool) -> usize {
    if !to_terminal {
        return 80;
    }
    rustix::termios::tcgetwinsize(std::io::stdout())
        .map_or(80, |size| usize::from(if size.ws_col == 0 { 80 } else { size.ws_col }))
        .clamp(40, 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        output: OutputArguments,
    }

    /// `FORMAT>FILE` for each destination, or the message.
    fn paired(line: &str) -> Result<Vec<String>, String> {
        let line = Line::parse_from(std::iter::once("uproot").chain(line.split_whitespace()));
        let told = |to: Destination| {
            format!("{}>{}", word(to.format), to.file.map_or("-".into(), |file| file.display().to_string()))
        };
        match destinations(&line.output) {
            Ok(found) => Ok(found.into_iter().map(told).collect()),
            Err(CliError::Input { message, .. }) => Err(message),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn formats_and_files_pair_in_order() {
        let ok = |line: &str, expected: &[&str]| {
            assert_eq!(paired(line), Ok(expected.iter().map(|s| (*s).to_owned()).collect()), "{line}");
        };
        ok("", &["table>-"]);
        ok("--format json", &["json>-"]);
        ok("-o -", &["table>-"]);
        ok("-o a.json", &["json>a.json"]);
        ok("-o a.txt", &["table>a.txt"]);
        ok("-o a", &["table>a"]);
        ok("-o a.SARIF -o b.xml -o c.jsonl", &["sarif>a.SARIF", "junit>b.xml", "ndjson>c.jsonl"]);
        ok(
            "-o a.ndjson -o b.md -o c.csv -o -",
            &["ndjson>a.ndjson", "markdown>b.md", "csv>c.csv", "table>-"],
        );
        ok("--format json -o a.txt", &["json>a.txt"]);
        ok("-o a -o b --format csv --format json", &["csv>a", "json>b"]);
        ok("--format junit -o a.xml --format table", &["junit>a.xml", "table>-"]);
        ok("--format table -o - --format junit -o a.xml", &["table>-", "junit>a.xml"]);
    }

    #[test]
    fn what_does_not_pair_is_refused() {
        let bad = |line: &str, expected: &str| {
            let message = paired(line).unwrap_err();
            assert!(message.contains(expected), "{line}: {message}");
        };
        bad("--format json --format csv", "2 `--format` are given, but 0 `-o`");
        bad("--format json -o a -o b", "2 files are given by `-o`, but 1 `--format`");
        bad("--format json -o - --format csv", "two results would go to standard output");
        bad("-o a.csv -o ./a.csv", "two results would go to `./a.csv`");
        bad("--format table --format junit -o a.xml", "`a.xml` would be written as table");
    }

    #[test]
    fn what_is_no_regular_file_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        std::fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_result("after", Some(&link)).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "after");
        let null = Path::new("/dev/null");
        assert!(refuse_unwritable(Some(null), "-o").is_ok());
        write_result("nothing", Some(null)).unwrap();
        assert!(!std::fs::metadata(null).unwrap().is_file());
    }

    #[test]
    fn a_run_outside_of_the_usual_place_is_named_by_its_directory() {
        let name = |dir: &str| name_outside(Path::new("/state/runs"), "0199", Path::new(dir));
        assert_eq!(name("/state/runs/0199"), None);
        assert_eq!(name("/state/runs/./0199"), None);
        assert_eq!(name("/state/runs/copy").as_deref(), Some("/state/runs/copy"));
        assert_eq!(name("/my runs/0199").as_deref(), Some("'/my runs/0199'"));
        let here = std::env::current_dir().unwrap().join("runs/0199");
        assert_eq!(name("runs/0199").as_deref(), Some(shell_word(&here.to_string_lossy()).as_str()));
    }
}
