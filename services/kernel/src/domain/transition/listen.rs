//! `listen`: waits for events and gathers them, or does something with each, one after the other. Waiting holds nothing but
//! the frame.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::block::{ListOptions, holds};
use super::sight::Sight;
use super::{BYTES_MAX, Entered, Machine, check_schema};
use crate::domain::command::Reject;
use crate::domain::consumption::{self, Place, Progress};
use crate::domain::definition::{Each, Kind, Listen, Task, Until};
use crate::domain::event::Fact;
use crate::domain::fault::{Fault, SIZE_LIMIT, Standard};
use crate::domain::state::{Activity, Frame, FrameId};

impl Machine<'_> {
    pub(super) fn listen(&mut self, entered: &Entered, listen: &Listen) -> Result<(), Fault> {
        let activity = Activity::Listen {
            types: listen.to.types(),
            progress: Progress::default(),
            queue: Vec::new(),
            heard: Vec::new(),
            outputs: Vec::new(),
            items: 0,
            open: true,
        };
        let step = self.open(entered, activity)?;
        // The frame stands; what may fail is the step's own output, which fails the step as it should.
        self.hear_signals(step).map_err(|reject| Fault::new(Standard::Runtime, reject.to_string()))
    }

    /// Gives a listener the signals that wait in the run and that it hears, the oldest first. The others stay.
    pub(super) fn hear_signals(&mut self, step: FrameId) -> Result<(), Reject> {
        let mut index = 0;
        while let Some(frame) = self.state.frames.get(&step).cloned() {
            let Some(signal) = self.state.signals.get(index).cloned() else { return Ok(()) };
            if !matches!(frame.activity, Activity::Listen { open: true, .. }) {
                return Ok(());
            }
            // Each is taken once, so the number of the event at which that happens names it.
            let event = consumption::of_signal(&signal, &format!("signal/{}", self.state.seq), self.now);
            let place = u32::try_from(index).unwrap_or(u32::MAX);
            if !self.offer(&frame, &consumption::key(&event), &event, Some(place))? {
                index += 1;
            }
        }
        Ok(())
    }

    /// An event for whoever listens. One that the run has taken before changes nothing.
    pub(super) fn hear(&mut self, event: &Value) -> Result<(), Reject> {
        consumption::check(event).map_err(Reject::Invalid)?;
        if consumption::is_signal(event) {
            return Ok(());
        }
        let key = consumption::key(event);
        if self.state.events_taken.contains(&key) {
            return Ok(());
        }
        let listens = |frame: &&Frame| matches!(frame.activity, Activity::Listen { open: true, .. });
        let listeners: Vec<FrameId> = self.state.frames.values().filter(listens).map(|frame| frame.id).collect();
        for listener in listeners {
            // The one before may have ended the run or given this one up.
            if !self.state.is_over()
                && let Some(frame) = self.state.frames.get(&listener).cloned()
            {
                self.offer(&frame, &key, event, None)?;
            }
        }
        Ok(())
    }

    /// Whether the listener took it; `signal`: the place of the signal that it is, among those that wait.
    fn offer(&mut self, frame: &Frame, key: &str, event: &Value, signal: Option<u32>) -> Result<bool, Reject> {
        let Activity::Listen { progress, .. } = &frame.activity else { return Ok(false) };
        let task = self.task(&frame.pointer)?;
        let listen = of(&task)?;
        let sight = self.listener_sight(frame, &task, &[]);
        let place = Place { input: &frame.input, variables: &sight };
        let Some(taken) = progress.offer(&listen.to, event, &place) else { return Ok(false) };
        let wanted = !taken.by_until && (listen.each.is_some() || !listen.to.is_endless());
        let item = wanted.then(|| Arc::new(consumption::read(event, listen.read)));
        let (step, queued) = (frame.id, listen.each.is_some());
        if let Some(index) = signal {
            self.record(Fact::SignalTaken { index, pointer: frame.pointer.clone() });
        }
        self.record(Fact::EventConsumed { step, key: key.to_owned(), taken, item, queued });
        if self.state.bytes >= BYTES_MAX {
            let detail = format!("the events that the task consumed take more than {} MiB", BYTES_MAX >> 20);
            self.fault(Fault::new(Standard::Runtime, detail).titled(SIZE_LIMIT).at(&task.pointer));
            return Ok(true);
        }
        self.heard(step, listen).map(|()| true)
    }

    /// Goes on after an event: stops listening if enough has come, takes up the next item, ends the task.
    fn heard(&mut self, step: FrameId, listen: &Listen) -> Result<(), Reject> {
        let Activity::Listen { progress, .. } = &self.frame(step)?.activity else { return Ok(()) };
        if progress.is_met(&listen.to) {
            self.stop_listening(step)?;
        }
        if listen.each.is_none() && self.until_holds(step, listen)? {
            self.stop_listening(step)?;
        }
        self.next_item(step, listen)
    }

    fn stop_listening(&mut self, step: FrameId) -> Result<(), Reject> {
        let frame = self.frame(step)?;
        let pointer = frame.pointer.clone();
        if matches!(frame.activity, Activity::Listen { open: true, .. }) {
            self.record(Fact::ListeningEnded { step, pointer });
        }
        Ok(())
    }

    /// Whether the condition in `until` holds of what has been heard. One that fails ends the task with its error, after
    /// which there is nothing left to hold.
    fn until_holds(&mut self, step: FrameId, listen: &Listen) -> Result<bool, Reject> {
        let Some(Until::Condition(condition)) = &listen.to.until else { return Ok(false) };
        let frame = self.frame(step)?.clone();
        let Activity::Listen { heard, .. } = &frame.activity else { return Ok(false) };
        let heard = Value::Array(heard.iter().map(|item| (**item).clone()).collect());
        let task = self.task(&frame.pointer)?;
        let asked = condition.evaluate(&heard, &self.listener_sight(&frame, &task, &[]));
        match asked {
            Ok(value) => Ok(holds(&value)),
            Err(error) => {
                let list = self.list_of(&frame)?;
                self.fail(list, &frame.pointer, error.into())?;
                Ok(false)
            }
        }
    }

    /// Begins with the next item, unless one is under way; ends the task when all is heard and done.
    fn next_item(&mut self, step: FrameId, listen: &Listen) -> Result<(), Reject> {
        // An `until` that failed has ended the task.
        let Some(frame) = self.state.frames.get(&step).cloned() else { return Ok(()) };
        let Activity::Listen { queue, heard, outputs, items, open, .. } = &frame.activity else { return Ok(()) };
        if self.state.children(step).next().is_some() {
            return Ok(());
        }
        match (queue.first(), &listen.each) {
            (Some(item), Some(each)) => {
                let variables = [(each.item.as_str(), (**item).clone()), (each.at.as_str(), json!(items))];
                match &each.body {
                    None => self.item_done(step, item.clone()),
                    Some(body) => {
                        let variables: BTreeMap<_, _> =
                            variables.into_iter().map(|(name, value)| (name.to_owned(), Arc::new(value))).collect();
                        let options = ListOptions { variables, ..ListOptions::default() };
                        self.open_list(step, false, body, frame.input.clone(), frame.attempt, options);
                        Ok(())
                    }
                }
            }
            _ if *open => Ok(()),
            _ => {
                let gathered = if listen.each.is_some() { outputs } else { heard };
                let output = Value::Array(gathered.iter().map(|item| (**item).clone()).collect());
                self.complete_step(step, Arc::new(output))
            }
        }
    }

    /// An item is dealt with, with this output.
    pub(super) fn item_done(&mut self, step: FrameId, raw: Arc<Value>) -> Result<(), Reject> {
        let frame = self.frame(step)?.clone();
        let task = self.task(&frame.pointer)?;
        let listen = of(&task)?;
        let Some(each) = &listen.each else { return Ok(()) };
        match self.settle_item(&frame, &task, each, raw) {
            Err(fault) => {
                let list = self.list_of(&frame)?;
                self.fail(list, &frame.pointer, fault)
            }
            Ok((output, context)) => {
                let output = (!listen.to.is_endless()).then_some(output);
                self.record(Fact::ItemCompleted { step, output, context });
                if self.until_holds(step, listen)? {
                    self.stop_listening(step)?;
                    self.record(Fact::QueueDropped { step });
                }
                self.next_item(step, listen)
            }
        }
    }

    fn settle_item(
        &self,
        frame: &Frame,
        task: &Task,
        each: &Each,
        raw: Arc<Value>,
    ) -> Result<(Arc<Value>, Option<Arc<Value>>), Fault> {
        let Activity::Listen { queue, items, .. } = &frame.activity else { return Ok((raw, None)) };
        let item = queue.first().map_or(Value::Null, |item| (**item).clone());
        let own = [(each.item.as_str(), item), (each.at.as_str(), json!(items))];
        let sight = self.listener_sight(frame, task, &own);
        let output = match &each.output.transform {
            Some(transform) => Arc::new(transform.evaluate(&raw, &sight)?),
            None => raw,
        };
        check_schema(each.output.schema.as_ref(), &output, "the item's output")?;
        let Some(export) = &each.export else { return Ok((output, None)) };
        let context = self.exported(export, &output, &Sight { output: Some(&output), ..sight })?;
        Ok((output, context))
    }

    fn listener_sight<'a>(&'a self, frame: &'a Frame, task: &'a Task, own: &'a [(&'a str, Value)]) -> Sight<'a> {
        Sight {
            frame: Some(frame.id),
            task: Some(task),
            raw_input: &frame.raw_input,
            own,
            ..Sight::of(self, &frame.input)
        }
    }
}

fn of(task: &Task) -> Result<&Listen, Reject> {
    match &task.kind {
        Kind::Listen(listen) => Ok(listen),
        _ => Err(Reject::Corrupted(format!("listen {}", task.pointer))),
    }
}
