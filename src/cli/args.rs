//! The command line as clap reads it.

mod evidence;

pub use evidence::*;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

/// Finds every Kaspersky product on a fleet, removes it the way its vendor documents, and proves that
/// it is gone.
///
/// Start with `uproot inventory check`, then `identify`, then `plan`: none of them changes a host.
#[derive(Debug, Parser)]
#[command(name = "uproot", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes: 0 every host clean, removed or exempt; 1 a product or residue is there; 2 wrong input, nothing was \
contacted; 3 cannot vouch for every host; 4 stopped by a gate; 5 a defect of uproot; 130 interrupted.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Collect facts and list the products of each host; changes nothing
    Identify(IdentifyArguments),
    /// Write a plan: exactly what `apply` would do; changes nothing
    Plan(PlanArguments),
    /// Sign a plan with an SSH key, for `apply --require-approval`; changes nothing
    Approve(ApproveArguments),
    /// Run a plan in waves and verify each host at its end
    Apply(ApplyArguments),
    /// Plan, show, ask, apply and report in one go
    Run(RunArguments),
    /// Check that nothing is there (for CI); changes nothing
    Verify(VerifyArguments),
    /// Render the report of a run from its journal; of several runs, or by a directive's clock, the campaign
    Report(ReportArguments),
    /// List and show directives with their deadlines
    #[command(subcommand)]
    Directive(DirectiveVerb),
    /// Check a run's journal
    #[command(subcommand)]
    Journal(JournalVerb),
    /// List and show runs
    #[command(subcommand)]
    Runs(RunsVerb),
    /// Check, explain and test playbooks
    #[command(subcommand)]
    Playbook(PlaybookVerb),
    /// List, show and check scope profiles and waivers
    #[command(subcommand)]
    Scope(ScopeVerb),
    /// Show and check the inventory
    #[command(subcommand)]
    Inventory(InventoryVerb),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

impl Verb {
    /// How its result is told, where it takes the options for that.
    #[must_use]
    pub fn output(&self) -> Option<&OutputArguments> {
        match self {
            Self::Identify(arguments) => Some(&arguments.connect.run.output),
            Self::Verify(arguments) => Some(&arguments.look.connect.run.output),
            Self::Plan(arguments) => Some(&arguments.make.connect.run.output),
            Self::Apply(arguments) => Some(&arguments.run.output),
            Self::Run(arguments) => Some(&arguments.make.connect.run.output),
            Self::Report(arguments) | Self::Runs(RunsVerb::Show(arguments)) => Some(&arguments.output),
            Self::Inventory(InventoryVerb::List(arguments) | InventoryVerb::Check(arguments)) => {
                Some(&arguments.run.output)
            }
            Self::Approve(_)
            | Self::Directive(_)
            | Self::Journal(_)
            | Self::Scope(_)
            | Self::Runs(RunsVerb::List { .. })
            | Self::Playbook(_)
            | Self::Completions { .. }
            | Self::Man => None,
        }
    }

    /// The files and directories that it reads, as they were given; what names nothing on the disk may be among
    /// them.
    #[must_use]
    pub fn inputs(&self) -> Vec<&Path> {
        match self {
            Self::Identify(arguments) => arguments.inputs().collect(),
            Self::Verify(arguments) => arguments.look.inputs().collect(),
            Self::Plan(PlanArguments { make, .. }) | Self::Run(RunArguments { make, .. }) => {
                let own = make.playbook.iter().map(PathBuf::as_path);
                make.connect.inputs().chain(own).chain(make.scope.inputs()).collect()
            }
            Self::Apply(arguments) => arguments
                .plan
                .iter()
                .chain(&arguments.approval.allowed_signers)
                .map(PathBuf::as_path)
                .collect(),
            Self::Report(arguments) | Self::Runs(RunsVerb::Show(arguments)) => arguments.inputs().collect(),
            Self::Inventory(InventoryVerb::List(arguments) | InventoryVerb::Check(arguments)) => {
                arguments.inputs().collect()
            }
            _ => Vec::new(),
        }
    }
}

impl ConnectArguments {
    fn inputs(&self) -> impl Iterator<Item = &Path> {
        let listed = self.limit.as_deref().and_then(|limit| limit.strip_prefix('@'));
        let words = self.inventory.iter().map(String::as_str).chain(listed).map(Path::new);
        words.chain(self.key.iter().chain(&self.known_hosts).map(PathBuf::as_path))
    }
}

impl IdentifyArguments {
    fn inputs(&self) -> impl Iterator<Item = &Path> {
        let own = self.playbook.iter().chain(&self.facts).map(PathBuf::as_path);
        self.connect.inputs().chain(own).chain(self.scope.inputs())
    }
}

impl ScopeArguments {
    /// The files that it names; that a built-in profile is named is possible too.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Path> {
        self.scope.iter().map(Path::new).chain(self.waivers.as_deref())
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people
    Table,
    /// JSON, versioned (docs/report-schema.json)
    Json,
    /// One HTML page, complete in itself
    Html,
    /// One JSON object a line: the run, each host, the summary
    Ndjson,
    /// CSV for spreadsheets: one row for each host and product
    Csv,
    /// JUnit XML for CI servers
    Junit,
    /// SARIF 2.1.0 for code-scanning pages
    Sarif,
    /// Markdown for a job summary or a ticket
    Markdown,
}

/// How a list or a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A table for people
    Table,
    /// JSON, versioned
    Json,
}

/// How to become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BecomeWord {
    /// By sudo
    Sudo,
    /// By doas, without a password
    Doas,
}

/// Which hosts, and how to reach them.
#[derive(Debug, Clone, Args)]
pub struct ConnectArguments {
    /// Inventory: a file (YAML, Ansible INI or YAML, CSV), an executable, a directory, or `host1,host2`; may be given several times
    #[arg(short = 'i', long = "inventory", value_name = "INVENTORY", help_heading = "Hosts")]
    pub inventory: Vec<String>,
    /// Only these hosts: a pattern such as `web:!canary`, or @FILE
    #[arg(long, value_name = "PATTERN", help_heading = "Hosts")]
    pub limit: Option<String>,
    /// Login user
    #[arg(short = 'u', long, help_heading = "Connection")]
    pub user: Option<String>,
    /// SSH port
    #[arg(short = 'p', long, help_heading = "Connection")]
    pub port: Option<u16>,
    /// Private key file
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub key: Option<PathBuf>,
    /// Ask for the login password (or take it from UPROOT_PASSWORD)
    #[arg(long, help_heading = "Connection")]
    pub ask_pass: bool,
    /// Become root on the hosts
    #[arg(long = "become", value_enum, value_name = "METHOD", num_args = 0..=1, require_equals = true, default_missing_value = "sudo", help_heading = "Connection")]
    pub become_method: Option<BecomeWord>,
    /// Ask for the password for becoming root (or take it from UPROOT_BECOME_PASSWORD)
    #[arg(long, help_heading = "Connection")]
    pub ask_become_pass: bool,
    /// known_hosts file; may be given several times (default: the user's and the system's)
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub known_hosts: Vec<PathBuf>,
    /// Trust and remember the key of a host that is not known yet; a changed key is refused all the same
    #[arg(long, help_heading = "Connection")]
    pub accept_new: bool,
    #[command(flatten)]
    /// How the run goes.
    pub run: RunningArguments,
}

/// How a run goes.
#[derive(Debug, Clone, Args)]
pub struct RunningArguments {
    /// How many hosts at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Running")]
    pub parallel: u16,
    /// Seconds to wait for a TCP connection
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "Running")]
    pub connect_timeout: u64,
    /// Seconds to wait for key exchange and login
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "Running")]
    pub handshake_timeout: u64,
    /// Seconds a host may be silent while it collects facts
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "Running")]
    pub idle_timeout: u64,
    /// Seconds a host may take to collect facts
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86400), help_heading = "Running")]
    pub facts_timeout: u64,
    /// Where runs are kept (default: $XDG_STATE_HOME/uproot/runs)
    #[arg(long, value_name = "DIR", env = "UPROOT_RUNS", help_heading = "Running")]
    pub runs: Option<PathBuf>,
    #[command(flatten)]
    /// How it is told.
    pub output: OutputArguments,
}

/// How a result is told.
#[derive(Debug, Clone, Args)]
pub struct OutputArguments {
    /// How the result is written (default: as the file's name ends, else a table); may be given several times: the n-th is for the n-th -o, a last one without -o for standard output
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub format: Vec<Format>,
    /// Write the result to this file instead of standard output (`-`); may be given several times
    #[arg(short = 'o', long = "output", value_name = "FILE", help_heading = "Output")]
    pub output: Vec<PathBuf>,
    /// No progress
    #[arg(short = 'q', long, help_heading = "Output")]
    pub quiet: bool,
    /// Tell more; -vv tells most
    #[arg(short = 'v', long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
}

/// `identify` and `verify`.
#[derive(Debug, Args)]
pub struct IdentifyArguments {
    #[command(flatten)]
    /// Which hosts.
    pub connect: ConnectArguments,
    /// Playbook (default: the built-in catalogue)
    #[arg(long, value_name = "FILE")]
    pub playbook: Option<PathBuf>,
    #[command(flatten)]
    /// What counts.
    pub scope: ScopeArguments,
    /// Evaluate saved facts documents of this directory: instead of asking hosts, or beside those of `-i`
    #[arg(long, value_name = "DIR")]
    pub facts: Option<PathBuf>,
    /// Save the facts of each host as a document in this directory
    #[arg(long, value_name = "DIR")]
    pub save_facts: Option<PathBuf>,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    #[command(flatten)]
    /// The look.
    pub look: IdentifyArguments,
    /// Say what is new, came back, is still there, was lost sight of or is gone since this earlier run; may be given several times
    #[arg(long, value_name = "RUN", help_heading = "Comparison")]
    pub against: Vec<String>,
    /// Of what is there, only this makes the run fail (exit 1): `new` is what is new or came back; what could not be told is still exit 3
    #[arg(long, value_enum, value_name = "WHAT", requires = "against", help_heading = "Comparison")]
    pub fail_on: Option<FailOnWord>,
}

/// Which differences fail a `verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOnWord {
    /// What is new or came back
    New,
    /// What came back
    CameBack,
}

/// `plan`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct PlanArguments {
    /// Reading a plan back.
    #[command(subcommand)]
    pub verb: Option<PlanVerb>,
    #[command(flatten)]
    /// Making a plan.
    pub make: MakePlanArguments,
    /// The plan file to write
    #[arg(long = "out", value_name = "FILE", default_value = "uproot-plan.json")]
    pub out: PathBuf,
    /// Overwrite the plan file if it is there
    #[arg(long)]
    pub force: bool,
    /// Exit as `identify` does instead of 0
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// What a plan is made from.
#[derive(Debug, Clone, Args)]
pub struct MakePlanArguments {
    #[command(flatten)]
    /// Which hosts.
    pub connect: ConnectArguments,
    /// Playbook (default: the built-in catalogue)
    #[arg(long, value_name = "FILE")]
    pub playbook: Option<PathBuf>,
    #[command(flatten)]
    /// What counts; `apply` judges by it again.
    pub scope: ScopeArguments,
    /// Allow the removal of products that ask for this word (`opt_in`); may be given several times
    #[arg(long, value_name = "WORD")]
    pub allow: Vec<String>,
}

/// Reading a plan back.
#[derive(Debug, Subcommand)]
pub enum PlanVerb {
    /// Show a plan to a person
    Show {
        /// The plan file
        plan: PathBuf,
        /// How it is written
        #[arg(long, value_enum, default_value_t = ListFormat::Table)]
        format: ListFormat,
    },
    /// Show what differs between two plans; exit 1 if something does
    Diff {
        /// The older plan
        before: PathBuf,
        /// The newer plan
        after: PathBuf,
    },
}

/// What counts.
#[derive(Debug, Clone, Args)]
pub struct ScopeArguments {
    /// Scope profile: a built-in one (`uproot scope list`) or a file; what it leaves out is listed and does not count
    #[arg(long, value_name = "NAME|FILE", help_heading = "Scope")]
    pub scope: Option<String>,
    /// Waivers: a file of reviewed exceptions, each with its ticket and its last day; what they allow is listed and does not count
    #[arg(long, value_name = "FILE", help_heading = "Scope")]
    pub waivers: Option<PathBuf>,
}

/// How hosts that are changed are treated.
#[derive(Debug, Clone, Args)]
pub struct ChangingArguments {
    /// Take over a host's lock that another run holds; the journal says so
    #[arg(long, help_heading = "Changing")]
    pub break_lock: bool,
    /// Seconds to try to reach a host again that was lost in its work
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86400), help_heading = "Changing")]
    pub reconnect_timeout: u64,
    /// Seconds to wait for a rebooted host to come back
    #[arg(long, value_name = "SECONDS", default_value_t = 1200, value_parser = clap::value_parser!(u64).range(1..=86400), help_heading = "Changing")]
    pub reboot_timeout: u64,
}

/// `approve`.
#[derive(Debug, Args)]
pub struct ApproveArguments {
    /// The plan file
    pub plan: PathBuf,
    /// Key to sign with: a private key file, or the public half of a key that the SSH agent holds (default: the agent's only key)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Sign without asking
    #[arg(long)]
    pub yes: bool,
}

/// Whether a plan must be approved, and by whom.
#[derive(Debug, Args)]
pub struct ApprovalArguments {
    /// Go on only if N different persons of `--allowed-signers` signed exactly this plan
    #[arg(long, value_name = "N", requires = "allowed_signers", value_parser = clap::value_parser!(u16).range(1..=100), help_heading = "Approval")]
    pub require_approval: Option<u16>,
    /// Who may approve: a file in the format of ssh-keygen(1), ALLOWED SIGNERS
    #[arg(long, value_name = "FILE", requires = "require_approval", help_heading = "Approval")]
    pub allowed_signers: Option<PathBuf>,
}

/// `apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// The plan file
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub plan: Option<PathBuf>,
    /// Go on with a run that was stopped or died: its id, the beginning of it, its directory, or `last`
    #[arg(long, value_name = "RUN", help_heading = "Resuming")]
    pub resume: Option<String>,
    /// Approve this wave, which asks for it; may be given several times
    #[arg(long, value_name = "NAME", requires = "resume", help_heading = "Resuming")]
    pub approve_wave: Vec<String>,
    /// Go on although a failure budget is spent; it counts anew from here
    #[arg(long, requires = "resume", help_heading = "Resuming")]
    pub continue_after_failures: bool,
    /// Work again on hosts that did not end well
    #[arg(long, requires = "resume", help_heading = "Resuming")]
    pub retry_failed: bool,
    #[command(flatten)]
    /// How hosts are treated.
    pub changing: ChangingArguments,
    #[command(flatten)]
    /// Whether it must be approved.
    pub approval: ApprovalArguments,
    #[command(flatten)]
    /// How the run goes.
    pub run: RunningArguments,
    /// Answer yes to the question asked before this machine itself is changed
    #[arg(long)]
    pub yes: bool,
}

/// `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    #[command(flatten)]
    /// What the plan is made from.
    pub make: MakePlanArguments,
    /// Do not ask before hosts are changed
    #[arg(long)]
    pub yes: bool,
    /// Change this machine itself when no inventory is given
    #[arg(long)]
    pub local: bool,
    #[command(flatten)]
    /// How hosts are treated.
    pub changing: ChangingArguments,
}

/// `playbook`.
#[derive(Debug, Subcommand)]
pub enum PlaybookVerb {
    /// Check a playbook: every error and every warning, with its place
    Check {
        /// The playbook (default: the built-in catalogue)
        file: Option<PathBuf>,
        /// Warnings fail the check too
        #[arg(long)]
        strict: bool,
    },
    /// Explain a product in words
    Explain {
        /// The product's id; none: list them
        product: Option<String>,
        /// Playbook (default: the built-in catalogue)
        #[arg(long, value_name = "FILE")]
        playbook: Option<PathBuf>,
    },
    /// Evaluate the rules on recorded facts and compare with what is expected
    Test {
        /// A directory of facts documents, each with its expectation
        directory: PathBuf,
        /// Playbook (default: the built-in catalogue)
        #[arg(long, value_name = "FILE")]
        playbook: Option<PathBuf>,
    },
    /// Print the JSON Schema for editors
    Schema,
}

/// `scope`.
#[derive(Debug, Subcommand)]
pub enum ScopeVerb {
    /// List the built-in scope profiles
    List,
    /// Show what a profile leaves out and why, with its sources
    Show {
        /// A built-in profile, or a file
        profile: String,
    },
    /// Check files of profiles and waivers: every mistake, waivers that are over, products that nothing is called
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Playbook that has the products (default: the built-in catalogue)
        #[arg(long, value_name = "FILE")]
        playbook: Option<PathBuf>,
        /// Warnings fail the check too
        #[arg(long)]
        strict: bool,
    },
}

/// `inventory`.
#[derive(Debug, Subcommand)]
pub enum InventoryVerb {
    /// Show what the inventory resolves to, and where each value came from
    List(ConnectArguments),
    /// Connect to every host and tell whether uproot can work there; changes nothing
    Check(ConnectArguments),
}
