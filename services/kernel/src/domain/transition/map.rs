//! `orrery.map`: a sub-workflow for each item of a list, a bounded number at a time. The output lists theirs in the order
//! of the items; each item that ends starts the next, so no transition holds more than a few.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_types::TaskId;
use serde_json::{Value, json};

use super::run::DEPTH_MAX;
use super::{Entered, Machine};
use crate::domain::command::{Reject, Run};
use crate::domain::effect::{Effect, StartChild};
use crate::domain::event::{Fact, json_bytes};
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, Frame, FrameId, MapProgress};

/// Items of one map.
const ITEMS_MAX: usize = 100_000;
/// Items at the same time.
const CONCURRENCY_MAX: u64 = 256;
const CONCURRENCY_DEFAULT: u64 = 16;
/// Bytes of all outputs together.
const OUTPUT_BYTES_MAX: u64 = 32 * 1024 * 1024;

impl Machine<'_> {
    pub(super) fn map(&mut self, entered: &Entered, arguments: Value) -> Result<(), Fault> {
        if self.state.run.depth >= DEPTH_MAX {
            let detail = format!("workflows run each other {DEPTH_MAX} levels deep: is there a cycle?");
            return Err(Fault::new(Standard::Runtime, detail));
        }
        let key = self.key(entered);
        let progress = progress(key, entered, arguments)?;
        let step = self.open(entered, Activity::Map { progress: Box::new(progress) })?;
        self.top_up(step).map_err(|reject| Fault::new(Standard::Runtime, reject.to_string()))
    }

    /// The map and the item of a key.
    pub(super) fn item(&self, key: &str) -> Option<(FrameId, u32)> {
        let (step, index) = key.rsplit_once('/')?;
        let index = index.parse().ok()?;
        let holds = |frame: &&Frame| {
            matches!(&frame.activity, Activity::Map { progress }
                if progress.key == step && progress.running.contains_key(&index))
        };
        self.state.frames.values().find(holds).map(|frame| (frame.id, index))
    }

    pub(super) fn item_finished(
        &mut self,
        step: FrameId,
        index: u32,
        outcome: Result<Value, Fault>,
    ) -> Result<(), Reject> {
        match outcome {
            Ok(output) => self.record(Fact::MapItemCompleted { step, index, output: Arc::new(output) }),
            Err(error) => self.record(Fact::MapItemFailed { step, index, error }),
        }
        self.top_up(step)
    }

    /// Starts items up to the bound, and ends the step when there is nothing left or too much has failed.
    fn top_up(&mut self, step: FrameId) -> Result<(), Reject> {
        // Not cloned: with many items that would be most of the work.
        let frame = self.frame(step)?;
        let Activity::Map { progress } = &frame.activity else { return Ok(()) };
        let outcome = if progress.failures.len() > progress.tolerated_failures as usize {
            Err(too_many(progress))
        } else if progress.outputs.len() + progress.failures.len() == progress.items.len() {
            joined(progress)
        } else {
            return self.start_items(step);
        };
        let (list, pointer) = (self.list_of(frame)?, frame.pointer.clone());
        match outcome {
            Ok(output) => self.complete_step(step, Arc::new(output)),
            Err(fault) => self.fail(list, &pointer, fault),
        }
    }

    fn start_items(&mut self, step: FrameId) -> Result<(), Reject> {
        if self.state.is_paused() {
            return Ok(());
        }
        let Activity::Map { progress } = &self.frame(step)?.activity else { return Ok(()) };
        let total = u32::try_from(progress.items.len()).unwrap_or(u32::MAX);
        let free = progress.concurrency.saturating_sub(u32::try_from(progress.running.len()).unwrap_or(u32::MAX));
        let mut starts = Vec::new();
        for index in progress.next..total.min(progress.next.saturating_add(free)) {
            let id = format!("task_{}", self.id_from(&format!("{}/{index}", progress.key)));
            let task = TaskId::new(&id).map_err(|error| Reject::Invalid(error.to_string()))?;
            starts.push((index, task.clone(), start(&self.state.run, progress, index, task)));
        }
        for (index, task, effect) in starts {
            self.effects.extend(effect);
            self.record(Fact::MapItemStarted { step, index, task });
        }
        Ok(())
    }

    /// After a pause, starts what was held back.
    pub(super) fn top_up_maps(&mut self) -> Result<(), Reject> {
        let maps = self.state.frames.values().filter(|frame| matches!(frame.activity, Activity::Map { .. }));
        let maps: Vec<FrameId> = maps.map(|frame| frame.id).collect();
        for step in maps {
            if self.state.frames.contains_key(&step) {
                self.top_up(step)?;
            }
        }
        Ok(())
    }
}

fn progress(key: String, entered: &Entered, mut arguments: Value) -> Result<MapProgress, Fault> {
    let wrong = |what: &str| Fault::new(Standard::Validation, format!("orrery.map: {what}"));
    let items = match arguments.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if items.len() <= ITEMS_MAX => items,
        Some(Value::Array(items)) => {
            return Err(wrong(&format!("{} items are more than {ITEMS_MAX}: map over parts of the list", items.len())));
        }
        _ => return Err(wrong("`items` must be a list")),
    };
    let workflow = arguments.get("workflow");
    let text = |field: &str| workflow.and_then(|it| it.get(field)).and_then(Value::as_str).map(str::to_owned);
    let (namespace, name) = text("namespace")
        .zip(text("name"))
        .ok_or_else(|| wrong("`workflow` must hold `namespace`, `name` and, unless it is the latest, `version`"))?;
    let version = text("version").unwrap_or_else(|| "latest".to_owned());
    let whole = |field: &str, default: u64| match arguments.get(field) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_u64().ok_or_else(|| wrong(&format!("`{field}` must be a whole number from 0"))),
    };
    let concurrency = whole("concurrency", CONCURRENCY_DEFAULT)?;
    if !(1..=CONCURRENCY_MAX).contains(&concurrency) {
        return Err(wrong(&format!("`concurrency` is 1 to {CONCURRENCY_MAX}")));
    }
    Ok(MapProgress {
        key,
        items: Arc::new(items),
        workflow: (namespace, name, version),
        concurrency: u32::try_from(concurrency).unwrap_or(1),
        tolerated_failures: u32::try_from(whole("tolerated_failures", 0)?).unwrap_or(u32::MAX),
        parent_close: entered.task.parent_close,
        next: 0,
        running: BTreeMap::new(),
        outputs: BTreeMap::new(),
        failures: BTreeMap::new(),
    })
}

fn too_many(progress: &MapProgress) -> Fault {
    let failed = progress.failures.len();
    let first = progress.failures.iter().next();
    let first = first.map_or_else(String::new, |(index, error)| {
        let what = error.detail.as_deref().or(error.title.as_deref()).unwrap_or(&error.kind);
        format!("; item {index}: {what}")
    });
    let tolerated = progress.tolerated_failures;
    Fault::new(Standard::Runtime, format!("{failed} items failed, {tolerated} are tolerated{first}"))
}

/// Outputs in the order of the items; where one failed, its error.
fn joined(progress: &MapProgress) -> Result<Value, Fault> {
    let bytes: u64 = progress.outputs.values().map(|output| json_bytes(output)).sum();
    if bytes > OUTPUT_BYTES_MAX {
        let detail =
            format!("orrery.map: the outputs are longer than {OUTPUT_BYTES_MAX} bytes: let each item keep its own");
        return Err(Fault::new(Standard::Runtime, detail));
    }
    let total = u32::try_from(progress.items.len()).unwrap_or(u32::MAX);
    let of = |index: u32| match (progress.outputs.get(&index), progress.failures.get(&index)) {
        (Some(output), _) => (**output).clone(),
        (None, Some(error)) => json!({ "error": error.to_value() }),
        (None, None) => Value::Null,
    };
    Ok(Value::Array((0..total).map(of).collect()))
}

fn start(run: &Run, progress: &MapProgress, index: u32, task: TaskId) -> Option<Effect> {
    let input = progress.items.get(index as usize)?.clone();
    Some(Effect::StartChild(Box::new(StartChild {
        key: format!("{}/{index}", progress.key),
        task,
        workflow: progress.workflow.clone(),
        input,
        wait: true,
        starter: run.clone(),
    })))
}
