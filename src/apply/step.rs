//! One step on one host: durable intent, run, outcome, effect.

use super::Access;
use super::look::activity;
use crate::detect::evaluate;
use crate::facts::Questions;
use crate::model::event::{OutputRef, StepResult};
use crate::model::output::{escape_line, single_quoted};
use crate::model::{BoundedOutput, Cancel, Event, EventSink, Redactor, SinkError, Truth};
use crate::plan::{PlannedConnection, PlannedStep};
use crate::playbook::Rule;
use crate::transport::{Answer, BecomeResult, Changing, Limits, StreamEnd, TransportError};
use std::time::{Duration, Instant};

/// Kept of each stream of a step, in bytes.
const KEEP: usize = 1024 * 1024;
/// Received of a step before its connection is cut as a flood, in bytes.
const RECEIVE: u64 = 256 * 1024 * 1024;
/// How much of a stream stands in the journal's record itself, in bytes.
const TAIL: usize = 2 * 1024;

/// What a step needs of the run.
pub(super) struct StepContext<'a> {
    pub host: &'a str,
    pub access: &'a Access,
    pub connection: &'a PlannedConnection,
    pub sink: &'a dyn EventSink,
    pub cancel: &'a Cancel,
    pub redactor: &'a Redactor,
    /// How long to wait for the effect of a step whose status was accepted.
    pub settle: Duration,
}

/// How a step ended.
#[derive(Debug, Clone)]
pub(super) struct StepEnd {
    pub result: StepResult,
    pub status: Option<i32>,
    pub effect: Option<Truth>,
    pub reason: Option<String>,
    pub reboot_needed: bool,
    /// Whether the session can be used on: false after a lost, flooded or timed-out stream.
    pub session_usable: bool,
    stdout: BoundedOutput,
    stderr: BoundedOutput,
}

impl StepEnd {
    fn of(result: StepResult, reason: Option<String>) -> Self {
        Self {
            result,
            status: None,
            effect: None,
            reason,
            reboot_needed: false,
            session_usable: true,
            stdout: BoundedOutput::default(),
            stderr: BoundedOutput::default(),
        }
    }
}

/// Runs a step and records its intent and outcome.
pub(super) fn run_step(
    context: &StepContext<'_>,
    session: &mut Changing,
    step: &PlannedStep,
) -> Result<StepEnd, SinkError> {
    activity(context.sink, context.host, &format!("step {}: {}", step.id, step.summary));
    let started = Instant::now();
    // The instructions of a step with a condition are what to say where that is not true.
    let end = if let Some(condition) = &step.condition {
        await_condition(context, session, step, condition)
    } else if let Some(instructions) = &step.instructions {
        StepEnd::of(StepResult::Blocked, Some(format!("a person must act: {instructions}")))
    } else {
        let intent = Event::StepIntent {
            step: step.id.clone(),
            product: step.product.clone(),
            summary: step.summary.clone(),
            attempt: 1,
            boot: crate::model::BootIdentity::default(),
        };
        context.sink.record(Some(context.host), intent)?;
        change(context, session, step)
    };
    // A reason quotes the host, and goes into the host's own reason and onto the terminal.
    let reason = end.reason.as_deref().map(|reason| context.redactor.redact_text(reason));
    let end = StepEnd { reason, ..end };
    record_outcome(context, step, &end, started.elapsed())?;
    Ok(end)
}

/// Records a step that is not run.
pub(super) fn record_not_run(
    context: &StepContext<'_>,
    step: &PlannedStep,
    result: StepResult,
    reason: Option<String>,
) -> Result<(), SinkError> {
    record_outcome(context, step, &StepEnd::of(result, reason), Duration::ZERO)
}

fn change(context: &StepContext<'_>, session: &mut Changing, step: &PlannedStep) -> StepEnd {
    let deadline = Instant::now() + Duration::from_secs(step.timeout);
    let script = script_with_secrets(context, step);
    let become_root =
        if step.run_as == "root" { context.access.become_root(context.connection) } else { None };
    loop {
        let limits = Limits {
            deadline: deadline.saturating_duration_since(Instant::now()),
            idle: None,
            keep: KEEP,
            receive: RECEIVE,
        };
        let answer = match session.run(&script, become_root.as_ref(), limits, context.cancel) {
            Ok(answer) => answer,
            Err(error) => return not_begun(&error),
        };
        let status = if let StreamEnd::Complete { status } = answer.end { Some(status) } else { None };
        let again = status.is_some_and(|status| step.retry_on.contains(&status));
        if again && deadline.saturating_duration_since(Instant::now()) > RETRY_PAUSE {
            activity(context.sink, context.host, &format!("step {}: waiting to try again", step.id));
            if pause(RETRY_PAUSE, context.cancel) {
                continue;
            }
        }
        return judge(context, session, step, answer);
    }
}

/// How long to wait before a step with `retry_on` is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The script was not sent: nothing can have been run.
fn not_begun(error: &TransportError) -> StepEnd {
    StepEnd {
        session_usable: false,
        ..StepEnd::of(StepResult::NotRun, Some(format!("the step was not begun: {}", error.message)))
    }
}

fn script_with_secrets(context: &StepContext<'_>, step: &PlannedStep) -> String {
    let assigned = |variable: &str, name: &str| {
        let value = context.access.secrets.get(name).map_or("", |secret| secret.expose());
        format!("{variable}={}\n", single_quoted(value))
    };
    let mut script = String::new();
    for (variable, name) in &step.env {
        script.push_str(&format!("export {}", assigned(variable, name)));
    }
    // Not exported: it is piped to the command, and no child needs it in its environment.
    if let Some(name) = &step.stdin {
        script.push_str(&assigned(PlannedStep::STDIN_VARIABLE, name));
    }
    script.push_str(&step.script);
    script
}

/// Turns what the host answered into an outcome. A status counts only with its end marker, and even
/// then the effect decides.
fn judge(context: &StepContext<'_>, session: &mut Changing, step: &PlannedStep, answer: Answer) -> StepEnd {
    let mut end = StepEnd::of(StepResult::Interrupted, None);
    end.session_usable = matches!(answer.end, StreamEnd::Complete { .. });
    if let BecomeResult::Failed { reason } = &answer.become_result {
        end.result = StepResult::Failed;
        end.session_usable = true;
        end.reason = Some(format!("nothing was run: {reason}"));
    } else {
        match &answer.end {
            StreamEnd::Complete { status } => {
                judge_status(context, session, step, &answer, *status, &mut end)
            }
            StreamEnd::NoMarker { reason } => {
                end.reason = Some(format!("the step was cut off, and how it ended is not known: {reason}"));
            }
            StreamEnd::TimedOut { reason } => {
                end.reason = Some(format!("it did not end in time and may still be running: {reason}"));
            }
            StreamEnd::Flooded => end.reason = Some("it sent too much output, and was cut off".to_owned()),
            StreamEnd::Lost { reason } => {
                end.reason =
                    Some(format!("the connection was lost, and how it ended is not known: {reason}"));
            }
            StreamEnd::Cancelled => end.reason = Some("the run was cancelled while it ran".to_owned()),
        }
    }
    end.stdout = answer.stdout;
    end.stderr = answer.stderr;
    end
}

fn judge_status(
    context: &StepContext<'_>,
    session: &mut Changing,
    step: &PlannedStep,
    answer: &Answer,
    status: i32,
    end: &mut StepEnd,
) {
    end.status = Some(status);
    end.reboot_needed = step.reboot_codes.contains(&status);
    if refuses(step, answer) {
        end.result = StepResult::Blocked;
        end.reason = Some(format!("the product refuses: {}", last_line(answer)));
    } else if !step.accept.contains(&status) && !end.reboot_needed {
        end.result = StepResult::Failed;
        end.reason = Some(format!("exit status {status}: {}", last_line(answer)));
    } else if let Some(effect) = &step.effect {
        let Seen { truth, reason, lost } = await_truth(context, session, effect, context.settle);
        end.effect = Some(truth);
        if lost {
            end.result = StepResult::Interrupted;
            end.session_usable = false;
            end.reason =
                Some(format!("exit status {status}, but the host could not be asked after it: {reason}"));
            return;
        }
        end.result = if truth.is_true() || end.reboot_needed { StepResult::Done } else { StepResult::Failed };
        if end.result == StepResult::Failed {
            let why = if truth.is_unknown() {
                "whether it did what it should is not known"
            } else {
                "it did not do what it should"
            };
            end.reason = Some(format!("exit status {status}, but {why}: {reason}"));
        }
    } else {
        end.result = StepResult::Done;
    }
}

fn refuses(step: &PlannedStep, answer: &Answer) -> bool {
    let Some(pattern) = &step.blocked_if else { return false };
    // A pattern was checked when the playbook was read; one that does not compile matches nothing.
    pattern
        .compile()
        .is_ok_and(|regex| regex.is_match(&answer.stdout.text()) || regex.is_match(&answer.stderr.text()))
}

fn last_line(answer: &Answer) -> String {
    let text = [answer.stderr.text(), answer.stdout.text()]
        .into_iter()
        .find_map(|text| text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned));
    let line: String = text.unwrap_or_else(|| "no output".to_owned()).chars().take(300).collect();
    escape_line(line.trim())
}

fn await_condition(
    context: &StepContext<'_>,
    session: &mut Changing,
    step: &PlannedStep,
    condition: &Rule,
) -> StepEnd {
    let waits = step.kind == "wait_for";
    let limit = if waits { Duration::from_secs(step.timeout) } else { Duration::ZERO };
    let Seen { truth, reason, lost } = await_truth(context, session, condition, limit);
    if lost {
        let reason = format!("{}: the host could not be asked: {reason}", step.summary);
        return StepEnd { session_usable: false, ..StepEnd::of(StepResult::Interrupted, Some(reason)) };
    }
    if truth.is_true() {
        return StepEnd { effect: Some(truth), ..StepEnd::of(StepResult::Done, None) };
    }
    let result = if waits { StepResult::Failed } else { StepResult::Blocked };
    let reason = match &step.instructions {
        Some(message) => format!("{message} ({}: {truth}; {reason})", step.summary),
        None => format!("{}: {truth} ({reason})", step.summary),
    };
    StepEnd { effect: Some(truth), ..StepEnd::of(result, Some(reason)) }
}

/// What came of asking for a rule.
struct Seen {
    truth: Truth,
    reason: String,
    /// Whether the host could not be asked at all: the connection is of no more use.
    lost: bool,
}

/// Asks until a rule is true or the time is over. Asks at least once.
fn await_truth(context: &StepContext<'_>, session: &mut Changing, rule: &Rule, limit: Duration) -> Seen {
    let questions = Questions::of_rules([rule]);
    let deadline = Instant::now() + limit;
    let mut delay = Duration::from_millis(500);
    loop {
        let looked = context.access.collect(
            session.probing(),
            context.host,
            context.connection,
            &questions,
            context.cancel,
        );
        let (truth, reason, root_lost) = match looked {
            Ok(facts) => {
                let evaluation = evaluate(rule, &facts);
                let leaves: Vec<String> = evaluation
                    .leaves
                    .iter()
                    .map(|leaf| match &leaf.reason {
                        Some(reason) => format!("{} is {}: {reason}", leaf.check, leaf.truth),
                        None => format!("{} is {}", leaf.check, leaf.truth),
                    })
                    .collect();
                (evaluation.truth, leaves.join("; "), facts.privilege.become_failed.is_some())
            }
            Err(error) => return Seen { truth: Truth::Unknown, reason: error.message, lost: true },
        };
        let left = deadline.saturating_duration_since(Instant::now());
        // Every look is an attempt with the password: one that is refused is not tried again.
        if truth.is_true() || root_lost || left.is_zero() || !pause(delay.min(left), context.cancel) {
            return Seen { truth, reason, lost: false };
        }
        delay = (delay * 2).min(Duration::from_secs(5));
    }
}

/// Waits; false if the run was cancelled meanwhile.
pub(super) fn pause(time: Duration, cancel: &Cancel) -> bool {
    let deadline = Instant::now() + time;
    while !cancel.is_cancelled() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
    false
}

fn record_outcome(
    context: &StepContext<'_>,
    step: &PlannedStep,
    end: &StepEnd,
    took: Duration,
) -> Result<(), SinkError> {
    let stdout = store(context, &end.stdout)?;
    let stderr = store(context, &end.stderr)?;
    let outcome = Event::StepOutcome {
        step: step.id.clone(),
        product: step.product.clone(),
        summary: step.summary.clone(),
        result: end.result,
        status: end.status,
        effect: end.effect,
        reboot_needed: end.reboot_needed,
        reason: end.reason.clone(),
        millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        stdout,
        stderr,
    };
    context.sink.record(Some(context.host), outcome)
}

fn store(context: &StepContext<'_>, output: &BoundedOutput) -> Result<OutputRef, SinkError> {
    if output.total() == 0 {
        return Ok(OutputRef::default());
    }
    let bytes = context.redactor.redact(&output.bytes());
    let blob = context.sink.store(&bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut start = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let tail = text.get(start..).unwrap_or_default().to_owned();
    Ok(OutputRef { blob: Some(blob), total: output.total(), tail })
}
