//! `call: asyncapi` (DSL reference, "AsyncAPI Call"): publishes one message to the channel of an operation, over NATS or
//! HTTP. AsyncAPI 2.x and 3.x, JSON or YAML.

use std::time::Duration;

use async_nats::{ConnectOptions, Event, HeaderMap as NatsHeaders, HeaderName as NatsHeaderName};
use futures::StreamExt as _;
use orrery_types::Sha256Digest;
use reqwest::Url;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout_at;

use super::content;
use super::document::Document;
use super::exchange::Request;
use super::http::{headers_of, method_of};
use super::network::Refused;
use super::{Errand, OutwardCalls};
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

/// JetStream drops a message whose id it has seen.
const MESSAGE_ID: &str = "Nats-Msg-Id";
const CONNECT: Duration = Duration::from_secs(10);
const NATS_PORT: u16 = 4222;

/// Where a message goes.
struct Destination<'a> {
    server: Server,
    address: String,
    /// The HTTP method that the document binds the operation to, if it does.
    method: Option<&'a str>,
}

struct Server {
    protocol: String,
    /// With a scheme.
    url: String,
}

impl OutwardCalls {
    pub(super) async fn asyncapi(&self, errand: &Errand<'_>) -> Result<Value, Failure> {
        let document = self.document(errand, errand.arguments.get("document").unwrap_or(&Value::Null)).await?;
        let destination = destination(&document, errand.arguments)?;
        let message = errand.arguments.get("message").cloned().unwrap_or_else(|| json!({}));
        match destination.server.protocol.as_str() {
            "nats" => self.publish_nats(errand, &destination, &message).await?,
            _ => self.publish_http(errand, &destination, &message).await?,
        }
        Ok(message)
    }

    async fn publish_http(
        &self,
        errand: &Errand<'_>,
        destination: &Destination<'_>,
        message: &Value,
    ) -> Result<(), Failure> {
        let text =
            format!("{}/{}", destination.server.url.trim_end_matches('/'), destination.address.trim_start_matches('/'));
        let url: Url = text.parse().map_err(|error| configuration(format!("the channel is at no URL: {error}")))?;
        let mut headers = headers_of(message.get("headers"))?;
        let body = content::encode(message.get("payload").unwrap_or(&Value::Null), &mut headers)?;
        let method = destination.method.unwrap_or("post");
        let request = Request { method: method_of(method)?, url, headers, body, redirect: false };
        self.request(errand, request, errand.arguments.get("authentication"), method).await?;
        Ok(())
    }

    async fn publish_nats(
        &self,
        errand: &Errand<'_>,
        destination: &Destination<'_>,
        message: &Value,
    ) -> Result<(), Failure> {
        let subject = destination.address.as_str();
        let is_subject = |it: &str| {
            !it.is_empty()
                && it.split('.').all(|token| !token.is_empty() && !token.contains(['*', '>', ' ', '\r', '\n', '\t']))
        };
        if !is_subject(subject) {
            return Err(configuration(format!("the channel's address {subject:?} is no NATS subject to publish to")));
        }
        let mut headers = NatsHeaders::new();
        headers.insert(MESSAGE_ID, Sha256Digest::of(errand.call.key.as_bytes()).to_hex().as_str());
        for (name, value) in message.get("headers").and_then(Value::as_object).into_iter().flatten() {
            let wrong = || Failure::invalid(format!("the message's header {name:?} cannot be sent"));
            let key: NatsHeaderName = name.parse().map_err(|_| wrong())?;
            let value = content::plain(value);
            if value.contains(['\r', '\n']) {
                return Err(wrong());
            }
            headers.insert(key, value.as_str());
        }
        let payload = match message.get("payload") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let sending = async {
            let (refusals, mut refused) = unbounded_channel();
            let client = self.nats(errand, &destination.server.url, refusals).await?;
            let inbox = client.new_inbox();
            let mut echo = client.subscribe(inbox.clone()).await.map_err(|error| unreachable(&error))?;
            let sent = client.publish_with_headers(subject.to_owned(), headers, payload.into()).await;
            sent.map_err(|error| unreachable(&error))?;
            // A server takes messages in order: when this one is back, it has taken the one before.
            client.publish(inbox, Default::default()).await.map_err(|error| unreachable(&error))?;
            tokio::select! {
                back = echo.next() => drop(back),
                refusal = refused.recv() => return Err(refusal.map_or_else(lost, |text| denied(&text))),
            }
            // Refusals come on a way of their own, which ends with the connection.
            drop((echo, client));
            match refused.recv().await {
                Some(text) => Err(denied(&text)),
                None => Ok(()),
            }
        };
        match timeout_at(errand.deadline, sending).await {
            Ok(sent) => sent,
            Err(_) => {
                Err(Failure::last(Fault::new(Standard::Timeout, "the message was not taken within the step's time")))
            }
        }
    }

    async fn nats(
        &self,
        errand: &Errand<'_>,
        server: &str,
        refusals: UnboundedSender<String>,
    ) -> Result<async_nats::Client, Failure> {
        let url: Url = server.parse().map_err(|error| configuration(format!("the server is at no URL: {error}")))?;
        let host = url.host_str().ok_or_else(|| configuration("the server's URL names no host".to_owned()))?;
        let addresses = self.exchange.network().resolve(host.trim_start_matches('[').trim_end_matches(']')).await;
        let addresses = addresses.map_err(|error| match error.downcast_ref::<Refused>() {
            Some(refused) => Failure::last(Fault::from(refused)),
            None => unreachable(error.as_ref()),
        })?;
        let port = url.port().unwrap_or(NATS_PORT);
        // The addresses that were checked, and no others: not what the server says of its cluster.
        let checked: Vec<String> =
            addresses.iter().map(|it| format!("nats://{}", std::net::SocketAddr::new(it.ip(), port))).collect();
        let mut options = ConnectOptions::new()
            .connection_timeout(CONNECT)
            .ignore_discovered_servers()
            .max_reconnects(1)
            .event_callback(move |event| {
                let refusals = refusals.clone();
                async move {
                    if let Event::ServerError(error) = event {
                        // Nobody listens any more: the call is over.
                        let _heard = refusals.send(error.to_string());
                    }
                }
            })
            .require_tls(url.scheme() == "tls");
        if let Some((scheme, properties)) = self.login(errand)? {
            let text = |field: &str| properties.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            options = match (scheme.as_str(), &properties) {
                ("basic", _) => options.user_and_password(text("username"), text("password")),
                ("bearer", Value::String(token)) => options.token(token.clone()),
                ("bearer", _) => options.token(text("token")),
                _ => return Err(configuration(format!("{scheme} cannot authenticate to NATS: use basic or bearer"))),
            };
        }
        async_nats::connect_with_options(checked, options).await.map_err(|error| match error.kind() {
            async_nats::ConnectErrorKind::Authentication | async_nats::ConnectErrorKind::AuthorizationViolation => {
                Failure::last(Fault::new(Standard::Authentication, format!("{host} refuses the credentials")))
            }
            _ => unreachable(&error),
        })
    }
}

/// Nothing was published: the message carries an id, so that publishing it again does no harm where ids are kept.
fn unreachable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::communication(format!("the message cannot be published: {error}")).briefly_if(true)
}

fn lost() -> Failure {
    Failure::communication("the connection ended before the message was taken").briefly_if(true)
}

fn denied(text: &str) -> Failure {
    Failure::last(Fault::new(Standard::Authorization, format!("the message was refused: {text}")))
}

fn configuration(detail: String) -> Failure {
    Failure::last(Fault::new(Standard::Configuration, detail))
}

fn destination<'a>(document: &'a Document, arguments: &Value) -> Result<Destination<'a>, Failure> {
    let root = &document.root;
    let text = |field: &str| arguments.get(field).and_then(Value::as_str);
    let third = root.get("asyncapi").and_then(Value::as_str).is_some_and(|version| version.starts_with('3'));
    let section = |name: &str| root.get(name).and_then(Value::as_object);
    let (channel, address, operation) = if third {
        let name = text("operation").ok_or_else(|| configuration("an AsyncAPI 3 call needs `operation`".to_owned()))?;
        let operation = section("operations").and_then(|it| it.get(name));
        let operation = operation.ok_or_else(|| configuration(format!("the document has no operation {name:?}")))?;
        let operation = document.resolve(operation)?;
        let channel = document.resolve(operation.get("channel").unwrap_or(&Value::Null))?;
        (channel, channel.get("address").and_then(Value::as_str).unwrap_or_default(), Some(operation))
    } else {
        let name = text("channel").or_else(|| text("operation")).unwrap_or_default();
        let by_operation = |(_, channel): &(&String, &Value)| {
            ["publish", "subscribe"]
                .iter()
                .any(|it| channel.get(it).and_then(|it| it.get("operationId")).is_some_and(|it| it == name))
        };
        let channels = section("channels");
        let found = channels.and_then(|it| it.get_key_value(name).or_else(|| it.iter().find(by_operation)));
        let (address, channel) = found.ok_or_else(|| configuration(format!("the document has no channel {name:?}")))?;
        (document.resolve(channel)?, address.as_str(), channel.get("publish"))
    };
    if address.is_empty() {
        return Err(configuration("the document gives the channel no address".to_owned()));
    }
    let method = operation.and_then(|it| it.pointer("/bindings/http/method")).and_then(Value::as_str);
    let address = with_defaults(address, channel.get("parameters"), None)?;
    Ok(Destination { server: server(document, channel, arguments, third)?, address, method })
}

/// The server that the call names, or the first one that serves the channel in a protocol that is spoken here.
fn server(document: &Document, channel: &Value, arguments: &Value, third: bool) -> Result<Server, Failure> {
    let servers = document.root.get("servers").and_then(Value::as_object);
    let servers = servers.ok_or_else(|| configuration("the document names no servers".to_owned()))?;
    let wanted = arguments.pointer("/server/name").and_then(Value::as_str);
    let protocol = arguments.get("protocol").and_then(Value::as_str).filter(|_| wanted.is_none());
    let of_channel: Vec<String> = channel
        .get("servers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|it| {
            let reference = it.get("$ref").and_then(Value::as_str).or_else(|| it.as_str())?;
            Some(reference.rsplit('/').next()?.to_owned())
        })
        .collect();
    let speaks = |protocol: &str| matches!(protocol, "nats" | "http" | "https");
    for (name, server) in servers {
        let server = document.resolve(server)?;
        let spoken = server.get("protocol").and_then(Value::as_str).unwrap_or_default();
        let fits = match (wanted, protocol) {
            (Some(wanted), _) => wanted == name,
            (None, Some(protocol)) => spoken.trim_end_matches('s') == protocol.trim_end_matches('s'),
            (None, None) => speaks(spoken),
        };
        if !fits || !(wanted.is_some() || of_channel.is_empty() || of_channel.contains(name)) {
            continue;
        }
        if !speaks(spoken) {
            return Err(configuration(format!("the server {name:?} speaks {spoken:?}: nats and http are spoken here")));
        }
        let url = match third {
            true => {
                let text = |field: &str| server.get(field).and_then(Value::as_str).unwrap_or_default();
                format!("{spoken}://{}{}", text("host"), text("pathname"))
            }
            false => server.get("url").and_then(Value::as_str).unwrap_or_default().to_owned(),
        };
        let url = with_defaults(&url, server.get("variables"), arguments.pointer("/server/variables"))?;
        let url = if url.contains("://") { url } else { format!("{spoken}://{url}") };
        return Ok(Server { protocol: spoken.to_owned(), url });
    }
    let known = servers.keys().cloned().collect::<Vec<_>>().join(", ");
    Err(configuration(format!("no server of the document fits the call: there are {known}")))
}

/// Fills `{name}` by what is given, else by the default that the document declares.
fn with_defaults(text: &str, declared: Option<&Value>, given: Option<&Value>) -> Result<String, Failure> {
    let nothing = Map::new();
    let declared = declared.and_then(Value::as_object).unwrap_or(&nothing);
    let mut filled = text.to_owned();
    for (name, variable) in declared {
        let value = given.and_then(|given| given.get(name)).or_else(|| variable.get("default"));
        if let Some(value) = value {
            filled = filled.replace(&format!("{{{name}}}"), &content::plain(value));
        }
    }
    match filled.contains('{') {
        true => Err(configuration(format!("{text:?} has a variable without a value"))),
        false => Ok(filled),
    }
}
