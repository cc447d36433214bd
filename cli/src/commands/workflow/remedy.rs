//! What to do about a fault of a definition.

use orrery_kernel::domain::definition::Problem;

/// Words of the DSL that a field can be.
const FIELDS: &[&str] = &[
    "after",
    "all",
    "and",
    "any",
    "as",
    "at",
    "attempt",
    "authentication",
    "authentications",
    "await",
    "backoff",
    "body",
    "branches",
    "call",
    "catalogs",
    "catch",
    "compete",
    "constant",
    "context",
    "correlate",
    "count",
    "cron",
    "data",
    "delay",
    "detail",
    "do",
    "document",
    "dsl",
    "duration",
    "each",
    "emit",
    "endpoint",
    "error",
    "errors",
    "event",
    "every",
    "exceptWhen",
    "exponential",
    "export",
    "extensions",
    "for",
    "foreach",
    "fork",
    "format",
    "from",
    "functions",
    "headers",
    "if",
    "in",
    "input",
    "instance",
    "item",
    "jitter",
    "limit",
    "linear",
    "listen",
    "metadata",
    "method",
    "name",
    "namespace",
    "on",
    "one",
    "output",
    "query",
    "raise",
    "read",
    "retries",
    "retry",
    "run",
    "schedule",
    "schema",
    "script",
    "secrets",
    "set",
    "shell",
    "source",
    "status",
    "subject",
    "summary",
    "switch",
    "tags",
    "then",
    "timeout",
    "timeouts",
    "title",
    "to",
    "try",
    "type",
    "until",
    "uri",
    "use",
    "version",
    "wait",
    "when",
    "while",
    "with",
    "workflow",
];

/// How like two words must be for one to be a slip of the other.
const LIKENESS: f64 = 0.7;

/// A part of a reason, and what to do.
const REMEDIES: &[(&str, &str)] = &[
    ("of the DSL is not run", "write `dsl: 1.0.3`, and the workflow as that version has it"),
    ("needs a version", "write `name:version@catalog`"),
    ("without expressions", "write the URI itself"),
    ("starts no programs", "run the server behind HTTP and name it under `transport.http`"),
    ("gives an output and has no", "return `stdout` or `none`"),
    ("needs `agentCard`", "name the agent's card, or the address of its server"),
    ("cannot be brought in", "correct the URI, or write what lies there into the definition"),
    ("has not been brought in", "write it into the definition"),
    ("not a duration", "write ISO 8601 such as PT5M, or units such as {minutes: 5}"),
    ("too long for a duration", "give a shorter one"),
    ("not several", "keep one, and put the others into files of their own"),
    ("tags are not", "write the value without its `!` tag"),
    ("has no anchor", "write `&name` before the value that `*name` stands for, outside of it"),
    ("NUL character", "take it out"),
    ("no infinity", "write a number, or the word in quotes"),
    ("no such program", "install bubblewrap, or name its `bwrap` with --sandbox=PATH"),
    ("more digits", "put it in quotes"),
    ("cannot be read", "check the path and that you may read the file"),
    ("is not text", "save the definition as YAML or JSON in UTF-8"),
    ("is empty", "write at least `document` and `do`"),
    ("longer than", "split it into workflows that run each other, and keep data in files"),
    ("a task needs one of", "give the task exactly one of these fields"),
    ("is missing", "add it"),
    ("unknown field", "remove it, or correct its spelling"),
    ("unknown function", "name one of these functions, or a kind of call"),
    ("takes no", "remove the argument, or correct its spelling"),
    ("needs the argument", "add it under `with`"),
    ("no task is named", "name a task of the same list, or `continue`, `exit` or `end`"),
    ("names must differ", "rename one of the two"),
    ("stands twice", "keep one of the two"),
    ("invalid expression", "write jq, in `${ }` where a plain text may stand"),
    ("holds no", "define it there, or correct its name"),
    ("already a variable", "choose another name with `each`, `at` or `as`"),
    ("not a JSON Schema", "correct the schema"),
    ("levels deep", "move inner tasks into a workflow of their own and run it"),
    ("tasks", "move some of them into a workflow of their own and run it"),
    ("runs workflows only", "run a workflow, or do this work in a service that the workflow calls"),
    ("is not of type", "give a value of that type"),
    ("does not run", "leave it out, or run the workflow where it is supported"),
    ("while parsing", "check indentation (spaces, never tabs), quotes and brackets around this line"),
    ("found character", "check indentation (spaces, never tabs), quotes and brackets around this line"),
];

/// What to do about a fault.
pub fn remedy(problem: &Problem) -> String {
    let field = problem.pointer.rsplit('/').next().unwrap_or_default();
    if problem.reason.starts_with("unknown field")
        && let Some(meant) = nearest(field)
    {
        return format!("did you mean `{meant}`?");
    }
    if let Some((_, found)) = problem.reason.split_once(": it has ")
        && problem.reason.starts_with("a task needs")
        && let Some((found, meant)) = found.split(", ").find_map(|it| nearest(it).map(|meant| (it, meant)))
    {
        return format!("did you mean `{meant}` where `{found}` stands?");
    }
    let known = REMEDIES.iter().find(|(part, _)| problem.reason.contains(part));
    known.map_or("give a value of the kind that is expected here", |(_, remedy)| remedy).to_owned()
}

fn nearest(field: &str) -> Option<&'static str> {
    let likeness = |word: &str| strsim::jaro_winkler(&field.to_lowercase(), &word.to_lowercase());
    let best = FIELDS.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(best) >= LIKENESS && *best != field).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pointer: &str, reason: &str) -> String {
        remedy(&Problem { line: 1, column: 1, pointer: pointer.to_owned(), reason: reason.to_owned() })
    }

    #[test]
    fn slips_are_recognised() {
        assert_eq!(of("/do/0/a/exprt", "unknown field \"exprt\""), "did you mean `export`?");
        assert_eq!(of("/do/0/a/zzz", "unknown field \"zzz\""), "remove it, or correct its spelling");
        let none = "a task needs one of call, set: it has swich, then";
        assert_eq!(of("/do/0/a", none), "did you mean `switch` where `swich` stands?");
    }
}
