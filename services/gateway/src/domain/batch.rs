//! Batches of calls to models: what a line of the input may be, what comes of a line, and how a batch stands, in the words
//! of OpenAI's interface.

use std::collections::HashSet;

use orrery_types::Sha256Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Lines that an input may have, as OpenAI has it.
pub const LINES_MAX: u64 = 50_000;
/// Faults of an input that are told.
const FAULTS_MAX: usize = 100;
const CUSTOM_ID_BYTES_MAX: usize = 512;
const WINDOW_S_MAX: u64 = 7 * 24 * 3_600;

/// Where the lines of a batch are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Conversations.
    Chat,
    /// Prompts to be continued.
    Completions,
    /// Texts to embed.
    Embeddings,
    /// Conversations, by the newer call.
    Responses,
    /// Texts to be judged.
    Moderations,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Chat, Self::Completions, Self::Embeddings, Self::Responses, Self::Moderations];

    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Responses => "/v1/responses",
            Self::Moderations => "/v1/moderations",
        }
    }

    /// The endpoint of a path.
    pub fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }
}

/// How a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its input is being read.
    Validating,
    /// Its input is not as it should be, or nothing runs it any more.
    Failed,
    /// Its lines are being called.
    InProgress,
    /// Its files are being put together.
    Finalizing,
    /// Every line was called.
    Completed,
    /// Its time passed before every line was called.
    Expired,
    /// What is under way ends, nothing more begins.
    Cancelling,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    const ALL: [Self; 8] = [
        Self::Validating,
        Self::Failed,
        Self::InProgress,
        Self::Finalizing,
        Self::Completed,
        Self::Expired,
        Self::Cancelling,
        Self::Cancelled,
    ];

    /// As clients see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Failed => "failed",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads one.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// The seconds of a completion window: a number of hours, minutes or seconds, up to 168 hours.
pub fn window_s(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    let digits = text.get(..text.len() - 1).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let seconds = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=WINDOW_S_MAX).contains(&seconds).then_some(seconds)
}

/// What is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// For programs.
    pub code: &'static str,
    /// What was wrong, and what to do.
    pub message: String,
    /// The field at fault.
    pub param: Option<&'static str>,
    /// The line, from 1.
    pub line: Option<u64>,
}

impl Fault {
    /// Of the input as a whole.
    pub fn whole(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), param: None, line: None }
    }
}

/// One request of a batch, as it is kept until it is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its number in the input, from 1.
    pub n: u64,
    /// The caller's name for it.
    pub custom_id: String,
    /// The body of the request.
    pub body: Map<String, Value>,
}

/// Reads an input line by line.
#[derive(Debug)]
pub struct Checker {
    endpoint: Endpoint,
    seen: HashSet<Sha256Digest>,
    lines: u64,
    /// What is wrong so far, the first hundred.
    pub faults: Vec<Fault>,
}

impl Checker {
    /// For lines that are to be sent to `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, seen: HashSet::new(), lines: 0, faults: Vec::new() }
    }

    /// Reads line `n`. Nothing comes of an empty one, and of one that is at fault.
    pub fn read(&mut self, n: u64, text: &[u8]) -> Option<Line> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        self.lines += 1;
        match self.line(n, text) {
            Ok(line) => Some(line),
            Err((code, param, message)) => {
                self.fault(Fault { code, message, param, line: Some(n) });
                None
            }
        }
    }

    /// Notes a fault.
    pub fn fault(&mut self, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// Whether the input has more lines than it may.
    pub fn is_too_long(&self) -> bool {
        self.lines > LINES_MAX
    }

    /// The end of the input: what is wrong with it as a whole comes first.
    pub fn finish(&mut self) {
        if self.is_too_long() {
            let message = format!("the input has more than {LINES_MAX} requests, the most there may be; send several");
            self.faults.insert(0, Fault::whole("too_many_requests", message));
        } else if self.lines == 0 {
            self.faults.insert(0, Fault::whole("empty_file", "the input has no requests; write one on each line"));
        }
    }

    fn line(&mut self, n: u64, text: &[u8]) -> Result<Line, (&'static str, Option<&'static str>, String)> {
        let read: Value = serde_json::from_slice(text)
            .map_err(|error| ("invalid_json_line", None, format!("the line is not JSON: {error}")))?;
        let Value::Object(mut fields) = read else {
            return Err(("invalid_json_line", None, "the line is JSON, but no object".to_owned()));
        };
        let custom_id = match fields.remove("custom_id") {
            Some(Value::String(id)) if (1..=CUSTOM_ID_BYTES_MAX).contains(&id.len()) => id,
            _ => {
                let message = format!("custom_id is missing; name the request with 1 to {CUSTOM_ID_BYTES_MAX} bytes");
                return Err(("missing_custom_id", Some("custom_id"), message));
            }
        };
        if fields.get("method").and_then(Value::as_str) != Some("POST") {
            return Err(("invalid_method", Some("method"), "method is not POST".to_owned()));
        }
        let url = fields.get("url").and_then(Value::as_str).unwrap_or_default();
        if url != self.endpoint.path() {
            let message = format!("url is {url:?}, and the batch is for {}", self.endpoint.path());
            return Err(("mismatched_url", Some("url"), message));
        }
        let Some(Value::Object(body)) = fields.remove("body") else {
            return Err(("invalid_body", Some("body"), "body is no object".to_owned()));
        };
        if body.get("stream") == Some(&Value::Bool(true)) {
            return Err(("invalid_body", Some("body.stream"), "answers in a batch are not streamed".to_owned()));
        }
        if !self.seen.insert(Sha256Digest::of(custom_id.as_bytes())) {
            let message = format!("custom_id {custom_id:?} came before; give each request its own");
            return Err(("duplicate_custom_id", Some("custom_id"), message));
        }
        Ok(Line { n, custom_id, body })
    }
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was called: an HTTP status, the id of the call's record, and the body in JSON.
    Called {
        /// As a direct call would have answered.
        status: u16,
        /// Leads to the record of the call; empty: there is none.
        request_id: String,
        /// JSON.
        body: String,
    },
    /// It was never called.
    NotCalled {
        /// For programs.
        code: &'static str,
        /// For people.
        message: &'static str,
    },
}

/// The time of the batch was over.
pub const EXPIRED: Outcome = Outcome::NotCalled {
    code: "batch_expired",
    message: "This request could not be executed before the completion window expired.",
};
/// The batch was cancelled.
pub const CANCELLED: Outcome = Outcome::NotCalled {
    code: "batch_cancelled",
    message: "The batch was cancelled before this request was executed.",
};
/// The task that ran the batch ended in an error.
pub const ABANDONED: Outcome = Outcome::NotCalled {
    code: "batch_failed",
    message: "The batch ended in an error before this request was executed.",
};

impl Outcome {
    /// As a line of an output or error file, without its end.
    pub fn written(&self, batch: &str, n: u64, custom_id: &str) -> String {
        let id = format!("batch_req_{}_{n}", batch.trim_start_matches("batch_"));
        let head = format!("{{\"id\":{},\"custom_id\":{}", Value::from(id.clone()), Value::from(custom_id));
        match self {
            Self::Called { status, request_id, body } => {
                let request_id = if request_id.is_empty() { &id } else { request_id };
                let response = format!("\"status_code\":{status},\"request_id\":{}", Value::from(request_id.as_str()));
                format!("{head},\"response\":{{{response},\"body\":{body}}},\"error\":null}}")
            }
            Self::NotCalled { code, message } => {
                let error = serde_json::json!({ "code": code, "message": message });
                format!("{head},\"response\":null,\"error\":{error}}}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn line(id: &str) -> Value {
        json!({"custom_id": id, "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}})
    }

    #[test]
    fn good_lines_are_read_and_bad_ones_are_named_by_number() {
        let mut checker = Checker::new(Endpoint::Embeddings);
        let read = checker.read(1, line("a").to_string().as_bytes()).unwrap();
        assert_eq!((read.n, read.custom_id.as_str(), &read.body["model"]), (1, "a", &json!("m")));
        assert_eq!(checker.read(2, b"  \r"), None);
        let with = |field: &str, value: Value| {
            let mut line = line("b");
            line[field] = value;
            line.to_string()
        };
        let wrong = [
            ("{".to_owned(), "invalid_json_line", None),
            ("[1]".to_owned(), "invalid_json_line", None),
            (with("custom_id", json!(7)), "missing_custom_id", Some("custom_id")),
            (with("method", json!("GET")), "invalid_method", Some("method")),
            (with("url", json!("/v1/chat/completions")), "mismatched_url", Some("url")),
            (with("body", json!("x")), "invalid_body", Some("body")),
            (with("body", json!({"stream": true})), "invalid_body", Some("body.stream")),
            (line("a").to_string(), "duplicate_custom_id", Some("custom_id")),
        ];
        for (n, (text, _, _)) in (3..).zip(&wrong) {
            assert_eq!(checker.read(n, text.as_bytes()), None, "{text}");
        }
        checker.finish();
        let told: Vec<_> = checker.faults.iter().map(|fault| (fault.code, fault.param, fault.line.unwrap())).collect();
        let expected: Vec<_> = (3..).zip(wrong).map(|(n, (_, code, param))| (code, param, n)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn an_input_without_requests_or_with_too_many_is_refused_as_a_whole() {
        let mut empty = Checker::new(Endpoint::Chat);
        empty.read(1, b"\n");
        empty.finish();
        assert_eq!(empty.faults[0].code, "empty_file");
        let mut long = Checker { lines: LINES_MAX, ..Checker::new(Endpoint::Embeddings) };
        assert!(!long.is_too_long());
        long.read(1, line("a").to_string().as_bytes());
        long.finish();
        assert_eq!((long.is_too_long(), long.faults[0].code), (true, "too_many_requests"));
    }

    #[test]
    fn windows_are_hours_minutes_or_seconds_within_bounds() {
        assert_eq!((window_s("24h"), window_s("90m"), window_s("5s")), (Some(86_400), Some(5_400), Some(5)));
        for wrong in ["", "h", "24", "0h", "169h", "1d", "-1h", "1.5h", "24 h", "ä", "99999999999999999999h"] {
            assert_eq!(window_s(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_became_of_a_line_is_written_as_openai_writes_it() {
        let called = Outcome::Called { status: 200, request_id: "dec_1".to_owned(), body: "{\"a\":1}".to_owned() };
        let written: Value = serde_json::from_str(&called.written("batch_7", 3, "q\"1")).unwrap();
        let response = json!({"status_code": 200, "request_id": "dec_1", "body": {"a": 1}});
        assert_eq!(written, json!({"id": "batch_req_7_3", "custom_id": "q\"1", "response": response, "error": null}));
        let written: Value = serde_json::from_str(&EXPIRED.written("batch_7", 4, "b")).unwrap();
        assert_eq!((&written["response"], &written["error"]["code"]), (&json!(null), &json!("batch_expired")));
    }

    #[test]
    fn names_read_back() {
        for status in Status::ALL {
            assert_eq!(Status::of(status.as_str()), Some(status));
        }
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::of(endpoint.path()), Some(endpoint));
        }
        assert_eq!((Status::of("late"), Endpoint::of("/v1/files")), (None, None));
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_reader(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            Checker::new(Endpoint::Chat).read(1, &text);
        }
    }
}
