//! What a definition takes from elsewhere: schemas by `resource`, functions by URL or out of a catalog (specification,
//! "Catalogs", "External Resource"). A run must not change with what lies elsewhere (K-2), so they are got once, before the
//! definition is compiled, and become a part of it. Pure: this says what is wanted and puts it in; others get it.

use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::source::{Source, escape};
use crate::domain::expression::written;

/// Something that lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// Where it is named.
    pub pointer: String,
    /// Where it lies.
    pub uri: String,
    place: Place,
}

/// Where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The schema at this pointer.
    Schema(String),
    /// The function of this name.
    Function(String),
}

/// All that a source takes from elsewhere and does not hold yet.
pub fn wanted(source: &Source) -> Result<Vec<External>, Vec<Problem>> {
    let mut search = Search { source, found: Vec::new(), problems: Vec::new() };
    let root = &source.value;
    search.data_flow("", root);
    search.list("/do", root.get("do"));
    for (name, task) in root.pointer("/use/functions").and_then(Value::as_object).into_iter().flatten() {
        search.task(&format!("/use/functions/{}", escape(name)), task);
    }
    let extensions = root.pointer("/use/extensions").and_then(Value::as_array);
    for (index, item) in extensions.into_iter().flatten().enumerate() {
        for (name, extension) in item.as_object().into_iter().flatten() {
            for list in ["before", "after"] {
                search.list(&format!("/use/extensions/{index}/{}/{list}", escape(name)), extension.get(list));
            }
        }
    }
    if search.problems.is_empty() { Ok(search.found) } else { Err(search.problems) }
}

/// Puts something that was got into its place.
pub fn put(root: &mut Value, external: &External, content: Value) {
    match &external.place {
        Place::Schema(pointer) => {
            if let Some(Value::Object(schema)) = root.pointer_mut(pointer) {
                schema.remove("resource");
                schema.insert("document".to_owned(), content);
            }
        }
        Place::Function(name) => {
            let Value::Object(fields) = root else { return };
            let used = fields.entry("use").or_insert_with(|| json!({}));
            let functions = used.as_object_mut().map(|used| used.entry("functions").or_insert_with(|| json!({})));
            if let Some(Value::Object(functions)) = functions {
                functions.insert(name.clone(), content);
            }
        }
    }
}

struct Search<'a> {
    source: &'a Source,
    found: Vec<External>,
    problems: Vec<Problem>,
}

impl Search<'_> {
    fn list(&mut self, pointer: &str, list: Option<&Value>) {
        for (index, item) in list.and_then(Value::as_array).into_iter().flatten().enumerate() {
            for (name, task) in item.as_object().into_iter().flatten() {
                self.task(&format!("{pointer}/{index}/{}", escape(name)), task);
            }
        }
    }

    fn task(&mut self, at: &str, task: &Value) {
        self.data_flow(at, task);
        for list in ["do", "try"] {
            self.list(&format!("{at}/{list}"), task.get(list));
        }
        for list in ["catch/do", "fork/branches", "foreach/do", "metadata/orrery.compensate/do"] {
            self.list(&format!("{at}/{list}"), task.pointer(&format!("/{list}")));
        }
        if let Some(each) = task.get("foreach") {
            self.data_flow(&format!("{at}/foreach"), each);
        }
        if let Some(name) = task.get("call").and_then(Value::as_str) {
            self.function(&format!("{at}/call"), name);
        }
    }

    fn data_flow(&mut self, at: &str, holder: &Value) {
        for section in ["input", "output", "export"] {
            let schema = holder.get(section).and_then(|it| it.get("schema"));
            if let Some(endpoint) = schema.and_then(|it| it.get("resource")).and_then(|it| it.get("endpoint")) {
                let place = Place::Schema(format!("{at}/{section}/schema"));
                self.endpoint(&format!("{at}/{section}/schema/resource/endpoint"), endpoint, place, str::to_owned);
            }
        }
    }

    /// "{functionName}:{functionVersion}@{catalogName}", or the URL of a function.
    fn function(&mut self, at: &str, called: &str) {
        let known = self.source.value.pointer("/use/functions").and_then(|it| it.get(called)).is_some();
        let searched = self.found.iter().any(|it| it.place == Place::Function(called.to_owned()));
        if known || searched {
            return;
        }
        let place = Place::Function(called.to_owned());
        if called.contains("://") {
            return self.endpoint(at, &Value::from(called), place, str::to_owned);
        }
        let Some((function, catalog)) = called.split_once('@') else { return };
        let Some((name, version)) = function.split_once(':') else {
            return self.problem(at, format!("{called:?} needs a version: write `name:version@catalog`"));
        };
        let catalogs = self.source.value.pointer("/use/catalogs");
        let Some(endpoint) = catalogs.and_then(|it| it.get(catalog)).and_then(|it| it.get("endpoint")).cloned() else {
            return self.problem(at, format!("`use.catalogs` holds no {catalog:?}"));
        };
        let path = format!("functions/{name}/{version}/function.yaml");
        let at_catalog = format!("/use/catalogs/{}/endpoint", escape(catalog));
        let found = self.found.len();
        self.endpoint(&at_catalog, &endpoint, place, |root| format!("{}/{path}", raw(root)));
        if let Some(found) = self.found.get_mut(found) {
            found.pointer = at.to_owned();
        }
    }

    fn endpoint(&mut self, at: &str, endpoint: &Value, place: Place, locate: impl Fn(&str) -> String) {
        let nothing = Map::new();
        let uri = match endpoint {
            Value::String(uri) => Some(uri.as_str()),
            endpoint => endpoint.get("uri").and_then(Value::as_str),
        };
        if endpoint.as_object().unwrap_or(&nothing).contains_key("authentication") {
            return self.problem(
                at,
                "what a definition takes from elsewhere is got without authentication: put it where it can be read",
            );
        }
        match uri {
            Some(uri) if written(uri).is_none() && !uri.contains(['{', '}']) => {
                self.found.push(External { pointer: at.to_owned(), uri: locate(uri), place });
            }
            _ => self.problem(
                at,
                "what a definition takes from elsewhere is got before it runs: write a URI without expressions",
            ),
        }
    }

    fn problem(&mut self, at: &str, reason: impl Into<String>) {
        self.problems.push(self.source.problem(at, reason));
    }
}

/// "If a catalog is hosted in a GitHub or GitLab repository, runtimes are expected to resolve the **raw** machine-readable
/// documents": the root under which its files are served.
fn raw(root: &str) -> String {
    let root = root.trim_end_matches('/');
    if let Some(path) = root.strip_prefix("https://github.com/") {
        let parts: Vec<&str> = path.split('/').collect();
        return match parts.as_slice() {
            [owner, name] => format!("https://raw.githubusercontent.com/{owner}/{name}/refs/heads/main"),
            [owner, name, "tree", branch @ ..] => {
                format!("https://raw.githubusercontent.com/{owner}/{name}/refs/heads/{}", branch.join("/"))
            }
            _ => root.to_owned(),
        };
    }
    match root.strip_prefix("https://gitlab.com/") {
        Some(path) if path.contains("/-/tree/") => root.replacen("/-/tree/", "/-/raw/", 1),
        Some(_) => format!("{root}/-/raw/main"),
        None => root.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::definition::{compile, read};

    fn source(body: &str) -> Source {
        read(&format!("document: {{dsl: 1.0.0, namespace: test, name: sample, version: 1.0.0}}\n{body}")).unwrap()
    }

    /// "Example of a JsonSchema based on an external resource", and "Using Cataloged Functions".
    #[test]
    fn what_lies_elsewhere_is_found_wherever_it_may_stand_and_becomes_part_of_the_definition() {
        let mut source = source(
            "input: {schema: {resource: {endpoint: 'https://e.com/in.json'}}}\nuse: {catalogs: {global: {endpoint: {uri: 'https://e.com/cat/'}}}}\ndo:\n  - d:\n      do:\n        - a: {call: 'log:1.0.0@global', with: {message: m}, output: {schema: {resource: {endpoint: {uri: 'https://e.com/out.json'}}}}}\n        - b: {call: 'https://e.com/f.yaml'}\n        - c: {call: 'log:1.0.0@global', with: {message: n}}\n        - s: {set: {schema: {resource: {endpoint: 'https://e.com/data.json'}}}}\n",
        );
        let wanted = wanted(&source).unwrap();
        let uris: Vec<&str> = wanted.iter().map(|it| it.uri.as_str()).collect();
        let expected = [
            "https://e.com/in.json",
            "https://e.com/out.json",
            "https://e.com/cat/functions/log/1.0.0/function.yaml",
            "https://e.com/f.yaml",
        ];
        assert_eq!(uris, expected);
        for external in &wanted {
            let content =
                if external.uri.ends_with("yaml") { json!({"set": {"x": 1}}) } else { json!({"type": "object"}) };
            put(&mut source.value, external, content);
        }
        assert_eq!(super::wanted(&source).unwrap(), []);
        compile(&source).unwrap();
    }

    #[test]
    fn what_cannot_be_got_before_the_run_is_refused() {
        for (body, reason) in [
            ("do: [{a: {call: 'log:1.0.0@nowhere'}}]\n", "holds no \"nowhere\""),
            ("do: [{a: {call: 'log@c'}}]\n", "needs a version"),
            ("input: {schema: {resource: {endpoint: '${ .uri }'}}}\ndo: []\n", "without expressions"),
            ("input: {schema: {resource: {endpoint: 'https://e.com/{name}'}}}\ndo: []\n", "without expressions"),
            (
                "input: {schema: {resource: {endpoint: {uri: 'https://e.com/s', authentication: {bearer: {token: t}}}}}}\ndo: []\n",
                "without authentication",
            ),
        ] {
            let problems = wanted(&source(body)).unwrap_err();
            assert!(problems.iter().any(|it| it.reason.contains(reason)), "{body}: {problems:?}");
        }
    }

    /// The example of "File Structure".
    #[test]
    fn catalogs_in_repositories_are_read_raw() {
        for (root, expected) in [
            (
                "https://github.com/serverlessworkflow/catalog/tree/main",
                "https://raw.githubusercontent.com/serverlessworkflow/catalog/refs/heads/main",
            ),
            (
                "https://github.com/serverlessworkflow/catalog",
                "https://raw.githubusercontent.com/serverlessworkflow/catalog/refs/heads/main",
            ),
            ("https://gitlab.com/g/p/-/tree/main/x", "https://gitlab.com/g/p/-/raw/main/x"),
            ("https://e.com/catalog/", "https://e.com/catalog"),
        ] {
            assert_eq!(raw(root), expected);
        }
    }
}
