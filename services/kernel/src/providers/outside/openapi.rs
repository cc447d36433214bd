//! `call: openapi` (DSL reference, "OpenAPI Call"): finds the operation in its document and makes the HTTP request that it
//! describes. OpenAPI 3.x and Swagger 2.0, JSON or YAML.

use reqwest::Url;
use reqwest::header::{COOKIE, HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use super::content;
use super::document::{Document, escape_path};
use super::exchange::Request;
use super::http::{headers_of, method_of, redirects};
use super::{Errand, OutwardCalls};
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// The parameter that is the whole content of a request, where the document names none.
const BODY: &str = "body";

impl OutwardCalls {
    pub(super) async fn openapi(&self, errand: &Errand<'_>) -> Result<Value, Failure> {
        let arguments = errand.arguments;
        let document = self.document(errand, arguments.get("document").unwrap_or(&Value::Null)).await?;
        let id = arguments.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let operation = Operation::find(&document, id)?;
        let nothing = Map::new();
        let parameters = match arguments.get("parameters") {
            None | Some(Value::Null) => &nothing,
            Some(Value::Object(parameters)) => parameters,
            Some(_) => return Err(Failure::invalid("`parameters` must be an object")),
        };
        let request = Request { redirect: redirects(arguments), ..operation.request(parameters)? };
        self.request(errand, request, arguments.get("authentication"), operation.method).await
    }
}

/// One operation of a document.
struct Operation<'a> {
    document: &'a Document,
    id: &'a str,
    method: &'static str,
    path: &'a str,
    /// What holds for all operations of its path.
    shared: &'a Value,
    own: &'a Value,
}

/// The parts of the request as parameters fill them.
#[derive(Default)]
struct Parts {
    path: String,
    query: Vec<(String, String)>,
    headers: Map<String, Value>,
    cookies: Vec<String>,
    form: Map<String, Value>,
    body: Option<Value>,
}

impl<'a> Operation<'a> {
    fn find(document: &'a Document, id: &'a str) -> Result<Self, Failure> {
        let paths = document.root.get("paths").and_then(Value::as_object);
        let paths = paths.ok_or_else(|| configuration("the document is no OpenAPI document: it has no `paths`"))?;
        let mut known = Vec::new();
        for (path, shared) in paths {
            let shared = document.resolve(shared)?;
            for method in METHODS {
                let Some(own) = shared.get(method) else { continue };
                match own.get("operationId").and_then(Value::as_str) {
                    Some(found) if found == id => return Ok(Self { document, id, method, path, shared, own }),
                    other => known.extend(other),
                }
            }
        }
        const SHOWN: usize = 20;
        let shown = known.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
        let more = if known.len() > SHOWN { ", …" } else { "" };
        Err(configuration(&format!("the document has no operation {id:?}: there are {shown}{more}")))
    }

    /// Parameters of the path, then the operation's own, which win.
    fn declared(&self) -> Result<Vec<&'a Value>, Failure> {
        let mut declared: Vec<&Value> = Vec::new();
        for holder in [self.shared, self.own] {
            for parameter in holder.get("parameters").and_then(Value::as_array).into_iter().flatten() {
                let parameter = self.document.resolve(parameter)?;
                let same = |it: &&Value| it.get("name") == parameter.get("name") && it.get("in") == parameter.get("in");
                declared.retain(|it| !same(it));
                declared.push(parameter);
            }
        }
        Ok(declared)
    }

    fn request(&self, given: &Map<String, Value>) -> Result<Request, Failure> {
        let declared = self.declared()?;
        let mut parts = Parts { path: self.path.to_owned(), ..Parts::default() };
        let mut left = given.clone();
        for parameter in &declared {
            let text = |field: &str| parameter.get(field).and_then(Value::as_str).unwrap_or_default();
            let (name, place) = (text("name"), text("in"));
            let required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
            match left.shift_remove(name).filter(|value| !value.is_null()) {
                Some(value) => parts.fill(name, place, parameter, &value)?,
                None if required => {
                    return Err(Failure::invalid(format!("the operation {:?} needs the parameter {name:?}", self.id)));
                }
                None => {}
            }
        }
        let media_type = self.content_of(&mut parts, left, &declared)?;
        let mut url = self.server()?;
        let path = format!("{}{}", url.path().trim_end_matches('/'), parts.path);
        url.set_path("");
        let mut url: Url = format!("{}{path}", url.as_str().trim_end_matches('/'))
            .parse()
            .map_err(|error| configuration(&format!("the path {path:?} is no part of a URL: {error}")))?;
        if !parts.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&parts.query);
        }
        let mut headers: HeaderMap = headers_of(Some(&Value::Object(parts.headers)))?;
        if !parts.cookies.is_empty() {
            let value = HeaderValue::from_str(&parts.cookies.join("; "));
            headers.insert(COOKIE, value.map_err(|_| Failure::invalid("a cookie holds characters that it may not"))?);
        }
        let body = match (parts.body, media_type) {
            (None, _) => None,
            (Some(body), media_type) => {
                if let Some(value) = media_type.and_then(|it| HeaderValue::from_str(&it).ok()) {
                    headers.entry(reqwest::header::CONTENT_TYPE).or_insert(value);
                }
                content::encode(&body, &mut headers)?
            }
        };
        Ok(Request { method: method_of(self.method)?, url, headers, body, redirect: false })
    }

    /// The content of the request and its type. What no declared parameter took is its content: the parameter `body` in
    /// whole, or else the fields of an object.
    fn content_of(
        &self,
        parts: &mut Parts,
        mut left: Map<String, Value>,
        declared: &[&Value],
    ) -> Result<Option<String>, Failure> {
        let described = match self.own.get("requestBody") {
            Some(body) => Some(self.document.resolve(body)?),
            None => None,
        };
        if let Some(described) = described {
            let types = described.get("content").and_then(Value::as_object);
            let media_type = types.and_then(|types| preferred(types.keys().map(String::as_str)));
            if !left.is_empty() {
                let whole = left.len() == 1 && left.contains_key(BODY);
                parts.body = if whole { left.shift_remove(BODY) } else { Some(Value::Object(left)) };
            } else if described.get("required").and_then(Value::as_bool).unwrap_or(false) {
                return Err(Failure::invalid(format!("the operation {:?} needs the parameter {BODY:?}", self.id)));
            }
            return Ok(media_type);
        }
        if let Some(unknown) = left.keys().next() {
            let known: Vec<&str> = declared.iter().filter_map(|it| it.get("name")?.as_str()).collect();
            let detail = format!("the operation {:?} takes no {unknown:?}: it takes {}", self.id, known.join(", "));
            return Err(Failure::invalid(detail));
        }
        let consumes = self.own.get("consumes").or_else(|| self.document.root.get("consumes"));
        let consumes = consumes.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        if !parts.form.is_empty() {
            parts.body = Some(Value::Object(std::mem::take(&mut parts.form)));
            return Ok(Some("application/x-www-form-urlencoded".to_owned()));
        }
        Ok(preferred(consumes))
    }

    /// The operation's server: its own, its path's or the document's first, its variables at their defaults, relative to
    /// where the document lies.
    fn server(&self) -> Result<Url, Failure> {
        let root = &self.document.root;
        let servers =
            [self.own, self.shared, root].into_iter().find_map(|holder| holder.get("servers")?.as_array()?.first());
        let text = match (servers, root.get("swagger")) {
            (Some(server), _) => {
                let mut text = server.get("url").and_then(Value::as_str).unwrap_or("/").to_owned();
                for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
                    let default = variable.get("default").map(content::plain).unwrap_or_default();
                    text = text.replace(&format!("{{{name}}}"), &default);
                }
                text
            }
            (None, Some(_)) => self.swagger_server(),
            (None, None) => "/".to_owned(),
        };
        self.document.url.join(&text).map_err(|error| configuration(&format!("the server {text:?} is no URL: {error}")))
    }

    /// Swagger 2.0: `schemes`, `host` and `basePath`, each the document's own where it is missing.
    fn swagger_server(&self) -> String {
        let (root, url) = (&self.document.root, &self.document.url);
        let schemes = self.own.get("schemes").or_else(|| root.get("schemes")).and_then(Value::as_array);
        let schemes: Vec<&str> = schemes.into_iter().flatten().filter_map(Value::as_str).collect();
        let scheme = match schemes.iter().find(|scheme| **scheme == "https").or_else(|| schemes.first()) {
            Some(scheme) => scheme,
            None => url.scheme(),
        };
        let own = || match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        let host = root.get("host").and_then(Value::as_str).map_or_else(own, str::to_owned);
        format!("{scheme}://{host}{}", root.get("basePath").and_then(Value::as_str).unwrap_or("/"))
    }
}

impl Parts {
    fn fill(&mut self, name: &str, place: &str, parameter: &Value, value: &Value) -> Result<(), Failure> {
        match place {
            "path" => {
                let value = escape_path(&joined(value, ","))?;
                self.path = self.path.replace(&format!("{{{name}}}"), &value);
            }
            "query" => self.query.extend(query_pairs(name, parameter, value)),
            "header" => {
                self.headers.insert(name.to_owned(), Value::String(joined(value, ",")));
            }
            "cookie" => self.cookies.push(format!("{name}={}", joined(value, ","))),
            // Swagger 2.0.
            "body" => self.body = Some(value.clone()),
            "formData" => {
                self.form.insert(name.to_owned(), value.clone());
            }
            other => {
                return Err(configuration(&format!("the parameter {name:?} stands in {other:?}, which is no place")));
            }
        }
        Ok(())
    }
}

/// A query parameter by its style: `form`, exploded unless the document says otherwise; Swagger's `collectionFormat`.
fn query_pairs(name: &str, parameter: &Value, value: &Value) -> Vec<(String, String)> {
    let text = |field: &str| parameter.get(field).and_then(Value::as_str);
    let swagger = parameter.get("schema").is_none() && parameter.get("type").is_some();
    let explode = parameter.get("explode").and_then(Value::as_bool);
    let separator = match (text("collectionFormat"), text("style")) {
        (Some("multi"), _) => None,
        (Some("ssv"), _) | (_, Some("spaceDelimited")) => Some(" "),
        (Some("tsv"), _) => Some("\t"),
        (Some("pipes"), _) | (_, Some("pipeDelimited")) => Some("|"),
        _ if swagger || explode == Some(false) => Some(","),
        _ => None,
    };
    match (value, separator) {
        (Value::Array(items), None) => items.iter().map(|item| (name.to_owned(), content::plain(item))).collect(),
        (Value::Object(fields), _) if text("style") == Some("deepObject") => {
            fields.iter().map(|(field, value)| (format!("{name}[{field}]"), content::plain(value))).collect()
        }
        (Value::Object(fields), None) => {
            fields.iter().map(|(field, value)| (field.clone(), content::plain(value))).collect()
        }
        (value, separator) => vec![(name.to_owned(), joined(value, separator.unwrap_or(",")))],
    }
}

/// A value in one text (OpenAPI 3, style `simple`).
fn joined(value: &Value, separator: &str) -> String {
    match value {
        Value::Array(items) => items.iter().map(content::plain).collect::<Vec<_>>().join(separator),
        Value::Object(fields) => {
            let parts = fields.iter().flat_map(|(name, value)| [name.clone(), content::plain(value)]);
            parts.collect::<Vec<_>>().join(separator)
        }
        value => content::plain(value),
    }
}

/// The type in which content is sent: JSON if it may be.
fn preferred<'a>(types: impl Iterator<Item = &'a str>) -> Option<String> {
    let types: Vec<&str> = types.filter(|it| !it.contains('*')).collect();
    types.iter().find(|it| it.contains("json")).or_else(|| types.first()).map(|it| (*it).to_owned())
}

fn configuration(detail: &str) -> Failure {
    Failure::last(Fault::new(Standard::Configuration, detail))
}
