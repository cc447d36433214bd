//! `orrery status`: every service's actor tree, and the servers. Asks the gateway, and where that is down each service
//! over the bus as the operator.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use clap::Args;
use orrery_bus::subjects::SERVICES;
use orrery_bus::{Bus, BusOptions, CallContext, access, verbs};
use orrery_proto::v1::HealthRequest;
use serde_json::{Value, json};
use std::time::Duration;

use crate::cli::Globals;
use crate::client::{self, Gateway};
use crate::output::{Output, Table, text};
use crate::system::{SystemFile, data_folder};

/// Time for each service to answer over the bus.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const ERROR_WIDTH: usize = 60;

/// Options of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// Runs it.
pub async fn run(globals: &Globals, _args: &StatusArgs, output: Output) -> Result<()> {
    let file = SystemFile::read(&data_folder(globals))?;
    let services = match (gateway_answer(globals).await, &file) {
        (Ok(answer), _) => answer,
        (Err(error), Some(file)) => {
            output.note(&format!("{error:#}; asking the services over the bus"));
            bus_answer(file).await?
        }
        (Err(error), None) => return Err(error),
    };
    let processes = file.map(|file| file.processes).unwrap_or_default();
    let mut status = json!({ "processes": processes });
    if let (Some(status), Some(services)) = (status.as_object_mut(), services.get("services")) {
        status.insert("services".to_owned(), services.clone());
    }
    output.show(&status, human);
    Ok(())
}

async fn gateway_answer(globals: &Globals) -> Result<Value> {
    let gateway: Gateway = client::connect(globals)?;
    gateway.get(&["system", "status"], &[]).await
}

async fn bus_answer(file: &SystemFile) -> Result<Value> {
    let operator = BusOptions {
        url: file.nats_url.clone(),
        user: access::OPERATOR.to_owned(),
        password: file.nats_operator_password.clone(),
    };
    let bus = Bus::connect(operator).await.context("the bus does not answer either")?;
    let answers = futures::future::join_all(SERVICES.map(|service| ask(&bus, service))).await;
    Ok(json!({ "services": answers }))
}

async fn ask(bus: &Bus, service: &str) -> Value {
    let Some(verb) = verbs::health(service) else { return Value::Null };
    match bus.call(verb, &CallContext::within(ANSWER_WITHIN), &HealthRequest::default()).await {
        Ok(report) => json!({
            "service": report.service,
            "reachable": true,
            "instance": report.instance,
            "live": report.live,
            "ready": report.ready,
            "reasons": report.reasons,
            "tree": serde_json::from_str::<Value>(&report.tree_json).unwrap_or_default(),
        }),
        Err(error) => json!({ "service": service, "reachable": false, "error": error.message }),
    }
}

fn human(status: &Value) -> String {
    let mut trees =
        Table::new(&["actor", "state", "restarts", "mailbox", "in flight", "up", "last error"]).right(&[2, 3, 4, 5]);
    for service in status.get("services").and_then(Value::as_array).into_iter().flatten() {
        match service.get("tree").filter(|tree| tree.is_object()) {
            Some(tree) => branch(&mut trees, tree, 0),
            None => {
                let error = text::short(&text::field(service, "error"), ERROR_WIDTH);
                let name = text::field(service, "service");
                trees.row([name.as_str(), "not reachable", "", "", "", "", error.as_str()]);
            }
        }
    }
    let mut processes = Table::new(&["process", "state", "pid", "restarts", "listens on", "last fault"]).right(&[2, 3]);
    for process in status.get("processes").and_then(Value::as_array).into_iter().flatten() {
        let mut cells: Vec<String> =
            ["name", "state", "pid", "restarts", "listen"].iter().map(|name| text::field(process, name)).collect();
        cells.push(text::short(&text::field(process, "last_fault"), ERROR_WIDTH));
        processes.row(cells);
    }
    let mut shown = trees.or("no service answered");
    // Writing to a String cannot fail.
    let _infallible = write!(shown, "\n\n{}", processes.or("no processes of this machine are known"));
    shown
}

fn branch(table: &mut Table, node: &Value, depth: usize) {
    let seconds = text::number(node, "uptime_ms") / 1000;
    table.row([
        format!("{}{}", "  ".repeat(depth), text::field(node, "name")),
        text::field(node, "state"),
        text::field(node, "restarts"),
        text::field(node, "mailbox_depth"),
        text::field(node, "in_flight"),
        format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        text::short(&text::field(node, "last_error"), ERROR_WIDTH),
    ]);
    for child in node.get("children").and_then(Value::as_array).into_iter().flatten() {
        branch(table, child, depth + 1);
    }
}
