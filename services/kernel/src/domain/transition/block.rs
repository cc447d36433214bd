//! Lists of tasks: taking the next step, completing it, failing it, and what follows (specification, "Task flow").

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::sight::Sight;
use super::{BYTES_MAX, Entered, Machine, Next, STEPS_MAX, check_schema};
use crate::domain::command::Reject;
use crate::domain::definition::{Directive, Function, Kind, Pointer, Target, Task, Transform};
use crate::domain::event::{Fact, Receipt};
use crate::domain::fault::{Fault, SIZE_LIMIT, STEP_LIMIT, Standard};
use crate::domain::state::{Activity, Frame, FrameId};

impl Machine<'_> {
    /// Runs the next task of a list.
    pub(super) fn step(&mut self, list: FrameId) -> Result<(), Reject> {
        // An error beside it may have taken the list away since it was queued.
        let Some(frame) = self.state.frames.get(&list) else { return Ok(()) };
        let Activity::List { next, value, done, .. } = &frame.activity else { return Ok(()) };
        let task = self.definition.list(&frame.pointer).get(*next as usize).cloned();
        let (raw_input, attempt) = (value.clone(), frame.attempt);
        let Some(task) = task.filter(|_| !done) else { return self.list_done(list) };
        if self.state.steps_unbroken >= STEPS_MAX {
            let detail = format!(
                "the task took {STEPS_MAX} steps without waiting for anything: is there an endless loop in its workflow?"
            );
            self.fault(Fault::new(Standard::Runtime, detail).titled(STEP_LIMIT).at(&task.pointer));
            return Ok(());
        }
        if self.state.bytes_unbroken >= BYTES_MAX {
            let detail = format!(
                "the task's steps put out {} MiB: is there an endless loop in its workflow, or data that belongs in files?",
                BYTES_MAX >> 20
            );
            self.fault(Fault::new(Standard::Runtime, detail).titled(SIZE_LIMIT).at(&task.pointer));
            return Ok(());
        }
        match self.prepare(list, &task, &raw_input) {
            Err(fault) => self.fail(list, &task.pointer, fault),
            Ok(None) => {
                let next = task.index + 1;
                self.record(Fact::StepSkipped { list, pointer: task.pointer.clone(), next });
                self.agenda.push_back(Next::Step(list));
                Ok(())
            }
            Ok(Some(input)) => {
                let iteration = self.state.visits.get(&task.pointer).copied().unwrap_or(0);
                let entered = Entered { list, task, raw_input, input, iteration, attempt };
                match self.perform(&entered)? {
                    Ok(()) => Ok(()),
                    Err(fault) => self.fail(list, entered.pointer(), fault),
                }
            }
        }
    }

    /// Asks the condition, then validates and transforms the input (specification, "Data Flow"); none: the condition does
    /// not hold.
    fn prepare(&self, list: FrameId, task: &Task, raw: &Arc<Value>) -> Result<Option<Arc<Value>>, Fault> {
        let sight = Sight { frame: Some(list), task: Some(task), ..Sight::of(self, raw) };
        if let Some(condition) = &task.condition
            && !holds(&condition.evaluate(raw, &sight)?)
        {
            return Ok(None);
        }
        check_schema(task.input.schema.as_ref(), raw, "the task's input")?;
        match &task.input.from {
            Some(from) => Ok(Some(Arc::new(from.evaluate(raw, &sight)?))),
            None => Ok(Some(raw.clone())),
        }
    }

    fn perform(&mut self, entered: &Entered) -> Result<Result<(), Fault>, Reject> {
        let task = entered.task.clone();
        Ok(match &task.kind {
            Kind::Set(template) => return self.set(entered, template),
            Kind::Switch(cases) => return self.switch(entered, cases),
            Kind::Raise(error) => Err(self.raise(entered, error)),
            Kind::Emit(attributes) => return self.emit(entered, attributes),
            Kind::Do(body) => self.do_list(entered, body),
            Kind::For(each) => return self.iterate(entered, each),
            Kind::Fork { branches, .. } => self.fork(entered, branches),
            Kind::Try { body, catch } => self.attempt(entered, body, catch),
            Kind::Wait(duration) => self.wait(entered, duration),
            Kind::Listen(listen) => self.listen(entered, listen),
            Kind::Extended(extended) => return self.extended(entered, extended),
            Kind::Run(workflow) => self.run_workflow(entered, workflow),
            Kind::Call(call) if call.function == Target::Platform(Function::Attributes) => {
                return match call.arguments.evaluate(&entered.input, &self.sight(entered)) {
                    Ok(arguments) => self.set_attributes(entered, &arguments),
                    Err(error) => Ok(Err(error.into())),
                };
            }
            Kind::Call(call) => self.call(entered, call),
            Kind::Function(call) => self.call_function(entered, call),
        })
    }

    /// What an expression of a task sees.
    pub(super) fn sight<'a>(&'a self, entered: &'a Entered) -> Sight<'a> {
        Sight {
            frame: Some(entered.list),
            task: Some(&entered.task),
            raw_input: &entered.raw_input,
            ..Sight::of(self, &entered.input)
        }
    }

    fn do_list(&mut self, entered: &Entered, body: &Pointer) -> Result<(), Fault> {
        let step = self.open(entered, Activity::Do)?;
        self.open_list(step, false, body, entered.input.clone(), entered.attempt, ListOptions::default());
        Ok(())
    }

    /// Opens the frame of a step.
    pub(super) fn open(&mut self, entered: &Entered, activity: Activity) -> Result<FrameId, Fault> {
        let timeout = match &entered.task.timeout {
            Some(timeout) => Some(timeout.evaluate(&entered.input, &self.sight(entered))?),
            None => None,
        };
        let id = self.state.next_frame;
        let frame = Frame {
            id,
            parent: Some(entered.list),
            pointer: entered.pointer().clone(),
            iteration: entered.iteration,
            attempt: entered.attempt,
            raw_input: entered.raw_input.clone(),
            input: entered.input.clone(),
            variables: BTreeMap::new(),
            started_at: self.now,
            timeout_at: timeout.map(|after| self.now.saturating_add(after)),
            activity,
        };
        self.record(Fact::StepStarted { list: entered.list, frame: Box::new(frame) });
        Ok(id)
    }

    /// Opens a list inside a step and queues its first task.
    pub(super) fn open_list(
        &mut self,
        step: FrameId,
        replaces: bool,
        pointer: &Pointer,
        value: Arc<Value>,
        attempt: u32,
        options: ListOptions,
    ) {
        let id = self.state.next_frame;
        let frame = Frame {
            id,
            parent: Some(step),
            pointer: pointer.clone(),
            iteration: 0,
            attempt,
            raw_input: value.clone(),
            input: value.clone(),
            variables: options.variables,
            started_at: self.now,
            timeout_at: options.timeout_at,
            activity: Activity::List { next: 0, value, branch: options.branch, done: false },
        };
        self.record(Fact::ListStarted { step, replaces, frame: Box::new(frame) });
        self.agenda.push_back(Next::Step(id));
    }

    /// Completes a step that has no frame.
    pub(super) fn complete_entered(
        &mut self,
        entered: &Entered,
        output: Arc<Value>,
        then: Option<Directive>,
    ) -> Result<Result<(), Fault>, Reject> {
        let done = self.settle(entered.list, &entered.task, &entered.raw_input, &entered.input, output);
        Ok(match done {
            Err(fault) => Err(fault),
            Ok((output, context)) => {
                self.register_compensation(entered.list, &entered.task, entered.iteration, &entered.input, &output);
                let ending = Ending { iteration: entered.iteration, output, context, then, call: None };
                self.follow(entered.list, &entered.task, ending);
                Ok(())
            }
        })
    }

    /// Completes a step that has one; whatever is still inside is given up.
    pub(super) fn complete_step(&mut self, step: FrameId, output: Arc<Value>) -> Result<(), Reject> {
        self.complete_call(step, output, None)
    }

    /// As [`Self::complete_step`], with what is to be recorded of the call that it made.
    pub(super) fn complete_call(
        &mut self,
        step: FrameId,
        output: Arc<Value>,
        call: Option<Box<Receipt>>,
    ) -> Result<(), Reject> {
        self.complete_with(step, output, call, None)
    }

    /// As [`Self::complete_step`], with where the flow goes, if not where the task's own `then` says.
    pub(super) fn complete_redirected(
        &mut self,
        step: FrameId,
        output: Arc<Value>,
        then: Option<Directive>,
    ) -> Result<(), Reject> {
        self.complete_with(step, output, None, then)
    }

    fn complete_with(
        &mut self,
        step: FrameId,
        output: Arc<Value>,
        call: Option<Box<Receipt>>,
        then: Option<Directive>,
    ) -> Result<(), Reject> {
        let frame = self.frame(step)?.clone();
        let (task, list) = (self.task(&frame.pointer)?, self.list_of(&frame)?);
        match self.settle(step, &task, &frame.raw_input, &frame.input, output) {
            Err(fault) => self.fail(list, &task.pointer, fault),
            Ok((output, context)) => {
                self.abandon(step, true);
                self.register_compensation(list, &task, frame.iteration, &frame.input, &output);
                self.follow(list, &task, Ending { iteration: frame.iteration, output, context, then, call });
                Ok(())
            }
        }
    }

    /// Transforms and validates an output and what it exports.
    fn settle(
        &self,
        frame: FrameId,
        task: &Task,
        raw_input: &Value,
        input: &Value,
        raw: Arc<Value>,
    ) -> Result<(Arc<Value>, Option<Arc<Value>>), Fault> {
        let sight = |output| Sight {
            frame: Some(frame),
            task: Some(task),
            raw_input,
            raw_output: Some(&raw),
            output,
            ..Sight::of(self, input)
        };
        let output = match &task.output.transform {
            Some(transform) => Arc::new(transform.evaluate(&raw, &sight(None))?),
            None => raw.clone(),
        };
        check_schema(task.output.schema.as_ref(), &output, "the task's output")?;
        let Some(export) = &task.export else { return Ok((output, None)) };
        let context = self.exported(export, &output, &sight(Some(&output)))?;
        Ok((output, context))
    }

    /// The new context, if there is one. "It defaults to the expression that returns the existing context", which is then
    /// validated as well.
    pub(super) fn exported(
        &self,
        export: &Transform,
        output: &Value,
        sight: &Sight<'_>,
    ) -> Result<Option<Arc<Value>>, Fault> {
        let exported = export.template.as_ref().map(|template| template.evaluate(output, sight)).transpose()?;
        // "context: `map`": where nothing is exported it is an empty one, which the journal can tell from none.
        let context = exported.map(|context| if context.is_null() { Value::Object(Map::new()) } else { context });
        let current = context.as_ref().unwrap_or(&self.state.context);
        check_schema(export.schema.as_ref(), current, "the exported context")?;
        Ok(context.map(Arc::new))
    }

    fn follow(&mut self, list: FrameId, task: &Task, ending: Ending) {
        let Ending { iteration, output, context, then, call } = ending;
        let length = self.state.frames.get(&list).map_or(0, |frame| self.definition.list(&frame.pointer).len());
        let then = then.unwrap_or(task.then);
        let next = match then {
            Directive::Continue => Some(task.index + 1).filter(|next| (*next as usize) < length),
            Directive::Goto(index) => Some(index),
            Directive::Exit | Directive::End => None,
        };
        let pointer = task.pointer.clone();
        let around = self.redirects(list, then);
        let next = next.filter(|_| around.is_none());
        self.record(Fact::StepCompleted { list, pointer, iteration, output: output.clone(), context, next, call });
        if let Some(step) = around {
            self.record(Fact::FlowRedirected { step, then });
        }
        match next {
            _ if then == Directive::End => self.complete(&output),
            Some(_) => self.agenda.push_back(Next::Step(list)),
            None => self.agenda.push_back(Next::ListDone(list)),
        }
    }

    /// A list is over: the step around it goes on.
    pub(super) fn list_done(&mut self, list: FrameId) -> Result<(), Reject> {
        let Some(frame) = self.state.frames.get(&list) else { return Ok(()) };
        let Activity::List { value, branch, .. } = &frame.activity else { return Ok(()) };
        let (value, branch) = (value.clone(), *branch);
        let Some(step) = frame.parent else {
            self.complete(&value);
            return Ok(());
        };
        match &self.frame(step)?.activity {
            Activity::For { .. } => self.round_done(step, value),
            Activity::Extended { .. } => self.stage_done(step, value),
            Activity::Listen { .. } => self.item_done(step, value),
            Activity::Fork { .. } => self.branch_done(step, branch.unwrap_or(0), value),
            Activity::Compensation { .. } => self.compensated(step),
            _ => self.complete_step(step, value),
        }
    }

    /// A step failed: the error goes up until a `try` catches it, or ends the run.
    pub(super) fn fail(&mut self, list: FrameId, pointer: &Pointer, fault: Fault) -> Result<(), Reject> {
        let mut fault = fault.at(pointer);
        let (mut list, mut pointer) = (list, pointer.clone());
        loop {
            self.abandon(list, false);
            self.record(Fact::StepFailed { list, pointer, error: fault.clone() });
            let Some(step) = self.frame(list)?.parent else {
                self.fault(fault);
                return Ok(());
            };
            match self.caught(step, fault)? {
                None => return Ok(()),
                Some(uncaught) => fault = uncaught,
            }
            let frame = self.frame(step)?;
            pointer = frame.pointer.clone();
            list = self.list_of(frame)?;
        }
    }
}

/// How a step ended.
struct Ending {
    iteration: u32,
    output: Arc<Value>,
    context: Option<Arc<Value>>,
    then: Option<Directive>,
    call: Option<Box<Receipt>>,
}

/// What distinguishes one list of a step from another.
#[derive(Debug, Default)]
pub(super) struct ListOptions {
    pub variables: BTreeMap<String, Arc<Value>>,
    pub timeout_at: Option<orrery_types::UnixMillis>,
    pub branch: Option<u32>,
}

/// Truth as jq has it.
pub(super) fn holds(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}
