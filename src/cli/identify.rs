//! `identify` and `verify`: one look at every host.

use super::args::{IdentifyArguments, ScopeArguments};
use super::compare::Against;
use super::error::CliError;
use super::fleet::{Fleet, again, print_warnings};
use super::output::write_report;
use super::pending;
use super::run_log::{ExitJudge, RunLog, Start, entry};
use super::saved_facts;
use super::scope;
use super::signals::Watch;
use crate::apply::{Access, Stop, Survey, SurveyOutcome, Surveyed, survey};
use crate::detect::ProductRules;
use crate::facts::{Facts, Questions, document};
use crate::model::output::shell_word;
use crate::model::{Cancel, ExitCode, Redactor, Scope};
use crate::playbook::{self, Loaded, Playbook};
use crate::report::{OF_FACTS, Report};
use crate::scope::Judge;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;

/// Runs `identify` or `verify`.
pub fn run(verb: &str, arguments: &IdentifyArguments, against: &Against) -> Result<ExitCode, CliError> {
    let playbook = read_playbook(arguments.playbook.as_deref())?.playbook;
    let scope = scope::read(&arguments.scope)?;
    let documents = match &arguments.facts {
        None => Vec::new(),
        Some(directory) if arguments.connect.inventory.is_empty() => {
            return saved_facts::report(verb, &playbook, scope, directory, arguments, against);
        }
        Some(directory) => saved_facts::read(directory, against)?,
    };
    let fleet = Fleet::read(&arguments.connect)?;
    let access = fleet.access(&arguments.connect)?;
    let look = Look {
        verb,
        playbook: &playbook,
        playbook_file: arguments.playbook.as_deref(),
        scope: &scope,
        scope_arguments: &arguments.scope,
        fleet: &fleet,
        access: &access,
        against: Some(against),
        documents: &documents,
        documents_of: arguments.facts.as_deref(),
    };
    let saves = arguments.save_facts.is_some();
    let (log, outcomes, gate) = look.at_all(&arguments.connect, saves)?;
    if let Some(directory) = &arguments.save_facts {
        for outcome in &outcomes {
            if let SurveyOutcome::Read { facts: Some(facts), .. } = outcome {
                document::write(directory, facts)?;
            }
        }
    }
    let judge = |report: &Report| against.exit_code(report);
    let judge: Option<&ExitJudge<'_>> = if against.decides() { Some(&judge) } else { None };
    let (mut report, exit) = log.finish_by(gate, NOT_DONE, judge)?;
    against.compare(&mut report)?;
    scope::warn(&report);
    write_report(&report, &arguments.connect.run.output)?;
    Ok(exit)
}

/// Why a host of an interrupted look has no answer.
pub const NOT_DONE: &str = "the run was interrupted before this host was done";

/// Reads a playbook, or the built-in catalogue, and tells its warnings.
pub fn read_playbook(file: Option<&Path>) -> Result<Loaded, CliError> {
    let loaded = match file {
        Some(file) => playbook::read(file)?,
        None => playbook::read_catalogue()?,
    };
    print_warnings(&loaded.diagnostics);
    Ok(loaded)
}

/// A look at every host of a fleet.
pub struct Look<'a> {
    /// The verb that looks.
    pub verb: &'a str,
    /// The products looked for.
    pub playbook: &'a Playbook,
    /// The file they were read from; none: the built-in catalogue.
    pub playbook_file: Option<&'a Path>,
    /// What counts.
    pub scope: &'a Scope,
    /// The options that it was given by.
    pub scope_arguments: &'a ScopeArguments,
    /// The hosts.
    pub fleet: &'a Fleet,
    /// How they are reached.
    pub access: &'a Access,
    /// What the look is compared with.
    pub against: Option<&'a Against>,
    /// Hosts that are not asked: their facts were saved.
    pub documents: &'a [Facts],
    /// The directory of these.
    pub documents_of: Option<&'a Path>,
}

impl Look<'_> {
    /// Looks, and returns the run (not yet ended), what each host gave, and what the run as a whole
    /// adds to the exit code.
    pub fn at_all(
        &self,
        arguments: &super::args::ConnectArguments,
        keep_facts: bool,
    ) -> Result<(RunLog, Vec<SurveyOutcome>, ExitCode), CliError> {
        saved_facts::refuse_twins(
            self.documents,
            self.fleet.hosts.iter().map(|(host, _)| host.name.as_str()),
        )?;
        let cancel = Cancel::new().map_err(CliError::System)?;
        let watch = Watch::start(Stop::default(), cancel.clone(), None)?;
        let log = RunLog::start(self.start(arguments), &arguments.run)?;
        let products: Vec<ProductRules<'_>> = self.playbook.products.iter().map(ProductRules::from).collect();
        let groups: Vec<Vec<String>> =
            self.fleet.hosts.iter().map(|(host, _)| host.groups.iter().cloned().collect()).collect();
        let hosts: Vec<Surveyed<'_>> = self
            .fleet
            .hosts
            .iter()
            .zip(&groups)
            .map(|((host, connection), groups)| Surveyed { name: &host.name, groups, connection })
            .collect();
        // Looking needs no plan's file name, so the remedy of a plan is to identify.
        let verb = if self.verb == "plan" { "identify" } else { self.verb };
        let again = |host: &str, option: &str| again(verb, arguments, host, option) + &self.options();
        let pending = match self.verb {
            "verify" => pending::hosts(arguments.run.runs.as_deref()),
            _ => BTreeMap::new(),
        };
        let judge = Judge::new(self.scope, Timestamp::now());
        let closer =
            || saved_facts::closer(self.verb, self.documents_of.unwrap_or(Path::new("")), &self.options());
        saved_facts::record(&log, self.playbook, &judge, self.documents, &closer)?;
        let outcomes = survey(
            &Survey {
                access: self.access,
                judge: &judge,
                questions: &Questions::of_playbook(self.playbook),
                products: &products,
                parallel: usize::from(arguments.run.parallel),
                sink: &log,
                cancel: &cancel,
                keep_facts,
                pending: &pending,
                again: &again,
            },
            &hosts,
        )?;
        let gate = if watch.interrupted() { ExitCode::Interrupted } else { ExitCode::Success };
        Ok((log, outcomes, gate))
    }

    /// The options that say what is looked for and what counts, as a shell reads them.
    fn options(&self) -> String {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let options = [
            ("playbook", self.playbook_file.map(path)),
            ("scope", self.scope_arguments.scope.clone()),
            ("waivers", self.scope_arguments.waivers.as_deref().map(path)),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.map(|(name, value)| format!(" --{name} {}", shell_word(&value))).collect()
    }

    fn start(&self, arguments: &super::args::ConnectArguments) -> Start<'_> {
        let mut options = BTreeMap::new();
        options.insert("parallel".to_owned(), arguments.run.parallel.to_string());
        if !arguments.inventory.is_empty() {
            options.insert("inventory".to_owned(), arguments.inventory.join(" "));
        }
        if let Some(limit) = &arguments.limit {
            options.insert("limit".to_owned(), limit.clone());
        }
        if let Some(against) = self.against {
            against.record(&mut options);
        }
        if let Some(directory) = self.documents_of {
            options.insert(OF_FACTS.to_owned(), directory.display().to_string());
        }
        let hosts =
            self.fleet.hosts.iter().map(|(host, connection)| {
                entry(&host.name, connection, host.groups.iter().cloned().collect())
            });
        Start {
            verb: self.verb,
            playbook: self.playbook.digest.clone(),
            plan: None,
            options,
            scope: self.scope.clone(),
            hosts: hosts.chain(self.documents.iter().map(saved_facts::entry)).collect(),
            redactor: Redactor::new(self.access.secrets.values()),
        }
    }
}
