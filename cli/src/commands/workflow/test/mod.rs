//! `orrery workflow test`: a definition against scripted answers, on a clock that skips.

mod cases;
mod expect;
mod report;
mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use orrery_kernel::domain::command::{Attachment, Command};
use orrery_kernel::domain::definition::Definition;
use orrery_kernel::embedded::{Embedded, Feed, Start, Surroundings, VirtualClock};
use orrery_types::{Sha256Digest, UnixMillis};

use self::cases::{Case, Cases, Incoming};
use self::script::Scripted;
use super::library::Shelf;
use super::source::{self, Invalid};
use crate::FAILED;
use crate::error::{Exit, usage};
use crate::output::Output;

/// Options of `workflow test`.
#[derive(Debug, Args)]
#[command(
    after_help = "The cases lie beside the definition, in `workflow.test.yaml` for `workflow.yaml`, unless --cases \
names another file. Exit code 0: all passed; 1: at least one failed; 2: the definition or the cases cannot be used.

A file holds `cases`, and what they share: `with` (definitions of sub-workflows), `start` (the clock), `calls` and `reviews`. A \
case:

  name: what it shows
  input: {...}
  attachments: {form: image/png}
  calls:                         # by task pointer, workflow#pointer or function; one answer, or a list in turn
    orrery.classify: {output: {label: a}, after: PT2S}        # or error: {title, status, type, detail}
  reviews:                       # by task pointer; one, or a list in turn; `after` counts from the request
    /do/1/ask: {decision: approve, by: bob, reason: seen, edits: {...}, after: PT1H}   # or expire: true
    /do/2/both: {votes: [{by: bob, decision: approve}, {by: eve, decision: decline, after: PT2H}]}
  events: [{after: PT1H, event: {type: shop.paid, data: {...}}}]     # `after` counts from the start
  signals: [{after: PT1H, name: go, payload: {...}, by: bob, key: once}]
  updates: [{after: PT2H, name: amount, payload: 7}]
  cancel: {after: PT3H, reason: enough}
  expect:                        # what is not named may be anything
    status: completed            # faulted, cancelled, waiting
    output: {...}                # exactly; output_has: a part; error: a part
    tasks: [/do/0/a]             # exactly; tasks_include: in this order; tasks_exclude
    emitted: [{type: t}]         # parts, in order
    calls: [{task: /do/0/a, function: orrery.classify, with: {text: x}}]   # parts, in order; each attempt is one
    refusals: [at most 9]        # parts of why decisions, signals and updates were refused; without it none may be
    waiting: [/do/1/ask]
    elapsed: PT2S

`examples/approval` is a whole one."
)]
pub struct TestArgs {
    /// The definition, YAML or JSON.
    file: PathBuf,
    /// The cases.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Run only the cases whose names contain this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Runs them.
pub async fn run(args: &TestArgs, output: Output) -> Result<()> {
    let prepared = match prepare(args) {
        Ok(prepared) => prepared,
        Err(invalid) => return Err(invalid.report(output)),
    };
    let Prepared { definition, given, start, cases } = prepared;
    let mut results = Vec::new();
    for case in cases {
        let shelf = Shelf::new(given.clone(), source::folder(&args.file), output);
        results.push(run_case(case, definition.clone(), shelf, start).await?);
    }
    output.show(&report::json_of(&results), |_| report::text_of(&results));
    if results.iter().all(report::Result::passed) { Ok(()) } else { Err(Exit(FAILED).into()) }
}

struct Prepared {
    definition: Arc<Definition>,
    given: Vec<Arc<Definition>>,
    start: UnixMillis,
    cases: Vec<Case>,
}

fn prepare(args: &TestArgs) -> Result<Prepared, Invalid> {
    let definition = source::read_definition(&args.file)?;
    let path = args.cases.clone().unwrap_or_else(|| beside(&args.file));
    let cases = Cases::read(&path)?;
    let folder = source::folder(&path).unwrap_or_default();
    let mut given = vec![definition.clone()];
    for file in &cases.with {
        given.push(source::read_definition(&folder.join(file))?);
    }
    let faults = unknown_pointers(&cases.cases, &given);
    if !faults.is_empty() {
        return Err(cases.invalid(&path, faults));
    }
    let start = UnixMillis(u64::try_from(cases.start.as_millisecond()).unwrap_or(0));
    let wanted = |case: &Case| args.only.as_ref().is_none_or(|part| case.name.contains(part.as_str()));
    let cases: Vec<Case> = cases.cases.into_iter().filter(wanted).collect();
    if cases.is_empty() {
        return Err(Invalid::whole(&path, "no case has such a name"));
    }
    Ok(Prepared { definition, given, start, cases })
}

/// `workflow.test.yaml` for `workflow.yaml`.
fn beside(file: &Path) -> PathBuf {
    file.with_extension("test.yaml")
}

/// A script for a task that does not exist is a slip.
fn unknown_pointers(cases: &[Case], given: &[Arc<Definition>]) -> Vec<(String, String)> {
    let exists = |key: &str| {
        let (name, pointer) = key.split_once('#').map_or((None, key), |(name, pointer)| (Some(name), pointer));
        let fits = |it: &&Arc<Definition>| name.is_none_or(|name| it.document.name == name);
        given.iter().filter(fits).any(|it| it.task(pointer).is_some())
    };
    let mut faults = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let calls = case.calls.keys().map(|key| ("calls", key));
        for (part, key) in calls.chain(case.reviews.keys().map(|key| ("reviews", key))) {
            if key.contains('/') && !exists(key) {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                faults.push((format!("/cases/{index}/{part}/{escaped}"), format!("no task stands at {key}")));
            }
        }
    }
    faults
}

async fn run_case(case: Case, definition: Arc<Definition>, shelf: Shelf, start: UnixMillis) -> Result<report::Result> {
    let Case { name, input, attachments, calls, reviews, events, signals, updates, cancel, expect } = case;
    let scripted = Arc::new(Scripted::new(calls, reviews));
    let cancel = cancel.map(|it| (it.after, Command::Cancel { by: "the test".to_owned(), reason: it.reason }));
    let mut feed = Feed(cancel.into_iter().collect());
    for (index, Incoming { after, event }) in events.into_iter().enumerate() {
        let event = source::complete_event(event, index).map_err(|reason| usage(format!("case {name:?}: {reason}")))?;
        feed.0.push((after, Command::Event { event: Arc::new(event) }));
    }
    let signals = signals.into_iter().map(|it| (it.after, Command::Signal(Box::new(it.into()))));
    feed.0.extend(signals);
    let updates = updates.into_iter().map(|it| (it.after, Command::Update(Box::new(it.into()))));
    feed.0.extend(updates);
    let around = Surroundings {
        clock: Arc::new(VirtualClock::at(start)),
        outside: scripted.clone(),
        library: Arc::new(shelf),
        feed,
        idle_max: None,
    };
    let attachments: BTreeMap<String, Attachment> =
        attachments.into_iter().map(|(name, media_type)| (name.clone(), attachment(name, media_type))).collect();
    let begin = Start { attachments, seed: Some(1), ..Start::new(definition, input) };
    let mut embedded = Embedded::new(begin, around)?;
    embedded.run().await?;
    let outcome = embedded.outcome();
    let differences = expect::compare(&expect, &outcome);
    let unexpected = outcome.refusals.iter().filter(|_| expect.refusals.is_none()).cloned();
    let complaints = scripted.missing().into_iter().chain(unexpected).collect();
    Ok(report::Result { name, outcome, differences, complaints })
}

fn attachment(name: String, media_type: String) -> Attachment {
    let sha256 = Sha256Digest::of(name.as_bytes()).to_hex();
    Attachment { key: format!("test/{name}"), sha256, size_bytes: 0, media_type, name }
}
