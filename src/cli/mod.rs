//! The command line: one file a verb. No logic here that a library user would miss.

/// Tells the person at the terminal something. A terminal that is gone is no reason to stop: what matters
/// is in the journal.
macro_rules! tell {
    ($($text:tt)*) => {
        tell_part!("{}\n", format_args!($($text)*))
    };
}

/// As `tell`, without a line break.
macro_rules! tell_part {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stderr().lock(), $($text)*);
    }};
}

mod apply;
mod approve;
pub mod args;
mod ask;
mod campaign;
mod check;
mod compare;
mod directive;
mod error;
mod evidence;
mod export;
mod fleet;
mod identify;
mod journal;
mod output;
mod pending;
mod person;
mod plan;
mod playbook;
mod report;
mod resume;
mod run_log;
mod saved_facts;
mod scope;
mod seal;
mod secrets;
mod signals;
mod uploads;

use crate::model::ExitCode;
use args::{Arguments, InventoryVerb, JournalVerb, PlanArguments, PlanVerb, RunsVerb, Verb};
use clap::{CommandFactory, Parser};
use compare::Against;
use error::CliError;
use std::ffi::OsString;

/// Runs uproot with these arguments (the first is the program's name), as `main` does: results go to
/// standard output, everything else to standard error.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come as errors too, and are none.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Success };
        }
    };
    match dispatch(arguments.verb) {
        Ok(code) => code,
        Err(error) => {
            error.print();
            error.exit_code()
        }
    }
}

fn dispatch(verb: Verb) -> Result<ExitCode, CliError> {
    if let Some(options) = verb.output() {
        let mut inputs = verb.inputs();
        if let Verb::Plan(PlanArguments { verb: None, out, .. }) = &verb {
            output::refuse_input(out, "--out", &inputs)?;
            output::refuse_same(options, out, "--out")?;
            inputs.push(out);
        }
        output::check_output(options, &inputs)?;
    }
    match verb {
        Verb::Identify(arguments) => identify::run("identify", &arguments, &Against::default()),
        Verb::Verify(arguments) => {
            let against = Against::read(&arguments)?;
            identify::run("verify", &arguments.look, &against)
        }
        Verb::Plan(arguments) => match &arguments.verb {
            None => plan::run(&arguments),
            Some(PlanVerb::Show { plan, format }) => plan::show(plan, *format),
            Some(PlanVerb::Diff { before, after }) => plan::diff(before, after),
        },
        Verb::Approve(arguments) => approve::run(&arguments),
        Verb::Apply(arguments) => apply::run(&arguments),
        Verb::Run(arguments) => apply::plan_and_apply(&arguments),
        Verb::Report(arguments) | Verb::Runs(RunsVerb::Show(arguments)) => report::run(&arguments),
        Verb::Journal(JournalVerb::Verify(arguments)) => journal::verify(&arguments),
        Verb::Journal(JournalVerb::Seal(arguments)) => seal::run(&arguments),
        Verb::Journal(JournalVerb::Export(arguments)) => export::run(&arguments),
        Verb::Directive(verb) => directive::run(&verb),
        Verb::Runs(RunsVerb::List { runs, format }) => journal::list(runs.as_deref(), format),
        Verb::Playbook(verb) => playbook::run(&verb),
        Verb::Scope(verb) => scope::run(&verb),
        Verb::Inventory(InventoryVerb::List(arguments)) => check::list(&arguments),
        Verb::Inventory(InventoryVerb::Check(arguments)) => check::check(&arguments),
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "uproot", &mut text);
            output::print_bytes(&text)?;
            Ok(ExitCode::Success)
        }
        Verb::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut text).map_err(CliError::Output)?;
            output::print_bytes(&text)?;
            Ok(ExitCode::Success)
        }
    }
}
