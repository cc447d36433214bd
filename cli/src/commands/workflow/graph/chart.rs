//! Nodes and edges, task by task.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::label;

const STOP: &str = "stop";
const KINDS: [&str; 12] =
    ["for", "try", "call", "do", "emit", "fork", "listen", "raise", "run", "set", "switch", "wait"];

/// The flowchart of a definition that has been checked.
pub fn draw(definition: &Value) -> String {
    let mut chart = Chart { text: "flowchart TD\n".to_owned(), ids: HashMap::new(), depth: 1 };
    chart.line("start([start])");
    let tasks = Task::list("/do", definition.get("do"));
    let first = tasks.first().map_or_else(|| STOP.to_owned(), |task| chart.id(&task.pointer));
    chart.line(&format!("start --> {first}"));
    chart.list(&tasks, Some(STOP));
    chart.line("stop([end])");
    chart.text
}

/// A task as it stands in a definition.
struct Task<'a> {
    pointer: String,
    name: &'a str,
    kind: &'static str,
    body: &'a Map<String, Value>,
}

impl<'a> Task<'a> {
    fn list(pointer: &str, list: Option<&'a Value>) -> Vec<Self> {
        let items = list.and_then(Value::as_array).into_iter().flatten().enumerate();
        items.filter_map(|(index, item)| Self::read(&format!("{pointer}/{index}"), item)).collect()
    }

    fn read(pointer: &str, item: &'a Value) -> Option<Self> {
        let (name, body) = item.as_object()?.iter().next()?;
        let body = body.as_object()?;
        let kind = KINDS.iter().find(|kind| body.contains_key(**kind))?;
        Some(Self { pointer: pointer.to_owned(), name, kind, body })
    }

    fn field(&self, name: &str) -> Option<&'a Value> {
        self.body.get(name)
    }

    /// Whether it is drawn as a box around other tasks.
    fn is_box(&self) -> bool {
        match self.kind {
            "do" | "for" => self.field("do").is_some_and(|list| !is_empty(list)),
            "try" | "fork" => true,
            "listen" => self.field("foreach").and_then(|it| it.get("do")).is_some_and(|list| !is_empty(list)),
            _ => false,
        }
    }

    /// Whether it may leave its list.
    fn exits(&self) -> bool {
        let exits = |body: &Value| body.get("then").is_some_and(|then| then == "exit");
        let cases = self.field("switch").and_then(Value::as_array).into_iter().flatten();
        let cases = cases.filter_map(|item| item.as_object()?.values().next());
        self.field("then").is_some_and(|then| then == "exit") || cases.into_iter().any(exits)
    }

    fn label(&self) -> String {
        let mut lines = vec![self.name.to_owned(), label::describe(self.kind, self.body)];
        lines.extend(self.field("if").map(|condition| format!("if {}", label::value(condition))));
        label::lines(&lines)
    }
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

struct Chart {
    text: String,
    /// Names of nodes by pointer. A node may be named before it is drawn.
    ids: HashMap<String, String>,
    depth: usize,
}

impl Chart {
    fn id(&mut self, pointer: &str) -> String {
        let next = self.ids.len() + 1;
        self.ids.entry(pointer.to_owned()).or_insert_with(|| format!("n{next}")).clone()
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn open(&mut self, id: &str, label: &str) {
        self.line(&format!("subgraph {id} [\"{label}\"]"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("end");
    }

    fn edge(&mut self, from: &str, to: Option<&str>, label: Option<&str>) {
        let Some(to) = to else { return };
        match label {
            Some(label) => self.line(&format!("{from} -->|\"{}\"| {to}", label::escape(label))),
            None => self.line(&format!("{from} --> {to}")),
        }
    }

    /// Tasks one after the other; `after`: where the flow goes when the list is over, none: back to what holds it.
    fn list(&mut self, tasks: &[Task<'_>], after: Option<&str>) {
        let ids: Vec<String> = tasks.iter().map(|task| self.id(&task.pointer)).collect();
        for (index, (task, id)) in tasks.iter().zip(&ids).enumerate() {
            // Leaving an inner list leads to its end, which has no node of its own elsewhere.
            let exit = format!("{id}x");
            let next = ids.get(index + 1).map(String::as_str).or(after);
            let target = |directive: Option<&Value>| match directive.and_then(Value::as_str) {
                None | Some("continue") => next,
                Some("exit") => after.or(Some(&exit)),
                Some("end") => Some(STOP),
                Some(name) => {
                    let position = tasks.iter().position(|task| task.name == name);
                    position.and_then(|at| ids.get(at)).map(String::as_str)
                }
            };
            let then = target(task.field("then"));
            self.task(task, id);
            if after.is_none() && task.exits() {
                self.line(&format!("{exit}((exit))"));
            }
            match task.kind {
                "switch" => self.cases(task, id, &target),
                "raise" => {}
                _ => self.edge(id, then, None),
            }
        }
    }

    fn cases<'t>(&mut self, task: &Task<'_>, id: &str, target: &impl Fn(Option<&Value>) -> Option<&'t str>) {
        let mut has_default = false;
        for item in task.field("switch").and_then(Value::as_array).into_iter().flatten() {
            let Some((name, case)) = item.as_object().and_then(|item| item.iter().next()) else { continue };
            let label = match case.get("when") {
                Some(when) => format!("{name}: {}", label::value(when)),
                None => name.clone(),
            };
            has_default |= case.get("when").is_none();
            self.edge(id, target(case.get("then")), Some(&label));
        }
        if !has_default {
            self.edge(id, target(task.field("then")), Some("otherwise"));
        }
    }

    fn task(&mut self, task: &Task<'_>, id: &str) {
        let label = task.label();
        if !task.is_box() {
            let (open, close) = shape(task.kind);
            self.line(&format!("{id}{open}\"{label}\"{close}"));
            return;
        }
        self.open(id, &label);
        match task.kind {
            "try" => self.attempt(task),
            "fork" => self.branches(task),
            "for" => self.body(task, "do", task.field("do")),
            "listen" => self.body(task, "foreach/do", task.field("foreach").and_then(|it| it.get("do"))),
            _ => {
                let tasks = Task::list(&format!("{}/do", task.pointer), task.field("do"));
                self.list(&tasks, None);
            }
        }
        self.close();
    }

    /// A list that runs again and again.
    fn body(&mut self, task: &Task<'_>, under: &str, list: Option<&Value>) {
        let tasks = Task::list(&format!("{}/{under}", task.pointer), list);
        self.list(&tasks, None);
        let (Some(first), Some(last)) = (tasks.first(), tasks.last()) else { return };
        // Mermaid draws no edge from a box to itself.
        if tasks.len() > 1 || !first.is_box() {
            let (from, to) = (self.id(&last.pointer), self.id(&first.pointer));
            self.line(&format!("{from} -.->|\"next\"| {to}"));
        }
    }

    fn branches(&mut self, task: &Task<'_>) {
        let branches = task.field("fork").and_then(|it| it.get("branches"));
        for branch in Task::list(&format!("{}/fork/branches", task.pointer), branches) {
            // Each is a list of one.
            self.list(&[branch], None);
        }
    }

    fn attempt(&mut self, task: &Task<'_>) {
        let body = format!("{}/try", task.pointer);
        let tried = self.part(&body, "try", task.field("try"));
        let nothing = Value::Null;
        let catch = task.field("catch").unwrap_or(&nothing);
        let handler = format!("{}/catch/do", task.pointer);
        let handled = self.part(&handler, "catch", catch.get("do"));
        self.line(&format!("{tried} -.->|\"{}\"| {handled}", label::escape(&label::caught(catch))));
        if catch.get("retry").is_some() {
            self.line(&format!("{handled} -.->|\"retry\"| {tried}"));
        }
    }

    /// A box for a list inside a task, or a node where the list is empty.
    fn part(&mut self, pointer: &str, name: &str, list: Option<&Value>) -> String {
        let id = self.id(pointer);
        let tasks = Task::list(pointer, list);
        if tasks.is_empty() {
            self.line(&format!("{id}[\"{name}\"]"));
        } else {
            self.open(&id, name);
            self.list(&tasks, None);
            self.close();
        }
        id
    }
}

/// The marks around a label that give a node its shape.
fn shape(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "switch" => ("{", "}"),
        "call" | "run" => ("[[", "]]"),
        "emit" => (">", "]"),
        "listen" => ("[/", "/]"),
        "raise" => ("{{", "}}"),
        "wait" => ("(", ")"),
        _ => ("[", "]"),
    }
}

#[cfg(test)]
#[path = "chart_tests.rs"]
mod tests;
