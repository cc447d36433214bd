//! Answers that keep to a form: a JSON Schema, calls of tools, or either. Before each token the grammar says which ones
//! may follow, so that an answer is well formed by construction and can only end where the form is complete.
//!
//! The work is llguidance's: an Earley parser that walks a trie of the vocabulary. What a form may cost is bounded in
//! bytes and in the library's own steps, not in time, so that the same form is always taken or always refused.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use llguidance::api::{GrammarWithLexer, ParserLimits, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::panic_utils::catch_unwind;
use llguidance::toktrie::{ApproximateTokEnv, InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Value, json};

use super::super::ModelError;
use super::tools::{CALL_ARGUMENTS, CALL_END, CALL_NAME, CALL_SEPARATOR, CALLS_END, CALLS_START, Tool};

/// Bytes of all schemas of one form.
const SCHEMA_BYTES_MAX: usize = 128 * 1024;
/// Calls in one answer.
const CALLS_MAX: usize = 16;
/// Bytes of the library's own words in an error.
const REASON_BYTES_MAX: usize = 300;
/// States of one answer's lexer, about 2 kB each. The library's default would take half a gigabyte.
const LEXER_STATES_MAX: usize = 20_000;

/// What an answer must look like.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerForm {
    /// JSON that keeps to this JSON Schema.
    Json(Value),
    /// Calls of tools, or what else is allowed.
    Calls {
        /// The tools that may be called; not none.
        tools: Vec<Tool>,
        /// More than one call in an answer.
        parallel: bool,
        /// What may be answered without a call.
        otherwise: Otherwise,
    },
}

/// What may be answered where tools could be called.
#[derive(Debug, Clone, PartialEq)]
pub enum Otherwise {
    /// Nothing: there must be a call.
    Nothing,
    /// Any text.
    Text,
    /// JSON that keeps to this JSON Schema.
    Json(Value),
}

/// Compiles forms for one vocabulary.
pub(super) struct Grammars(ParserFactory);

impl Grammars {
    /// Over the bytes of each token; those of control tokens begin with [`TokTrie::SPECIAL_TOKEN_MARKER`], so that no
    /// text holds them.
    pub(super) fn new(tokens: &[Vec<u8>], ends: &[u32]) -> Result<Self, ModelError> {
        let fault = |error| ModelError::Tokenizer(reason(&error));
        let build = || {
            let (size, first) = (u32::try_from(tokens.len())?, ends.first().copied().unwrap_or_default());
            let trie = TokTrie::from(&TokRxInfo::new(size, first), tokens).with_eos_tokens(ends);
            let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
            let slices = SlicedBiasComputer::general_slices();
            let mut factory = ParserFactory::new(&environment, InferenceCapabilities::default(), &slices)?;
            factory.set_stderr_log_level(0);
            let limits =
                ParserLimits { max_lexer_states: LEXER_STATES_MAX, verbose_errors: false, ..ParserLimits::default() };
            *factory.limits_mut() = limits;
            Ok(factory)
        };
        catch_unwind(AssertUnwindSafe(build)).map(Self).map_err(fault)
    }

    /// Makes a form ready for one answer.
    ///
    /// A tool that is not strict and whose schema cannot be enforced takes any object as arguments.
    pub(super) fn compile(&self, form: &AnswerForm) -> Result<Grammar, ModelError> {
        check_size(form)?;
        match form {
            AnswerForm::Json(schema) => {
                self.parser(&Grammar::json(schema)?).map_err(|reason| unsupported(ANSWER, reason))
            }
            AnswerForm::Calls { tools, parallel, otherwise } => self.calls(tools, *parallel, otherwise),
        }
    }

    fn calls(&self, tools: &[Tool], parallel: bool, otherwise: &Otherwise) -> Result<Grammar, ModelError> {
        let mut arguments = Vec::with_capacity(tools.len());
        for tool in tools {
            let schema = tool.arguments_schema()?;
            match self.parser(&Grammar::json(&schema)?) {
                Ok(_enforceable) => arguments.push(schema),
                Err(reason) if tool.strict => {
                    return Err(unsupported(&format!("the schema of tool {}", tool.name), reason));
                }
                Err(_) => arguments.push(json!({ "type": "object" })),
            }
        }
        let mut grammars = vec![GrammarWithLexer::from_lark(rules(tools, parallel, otherwise))];
        for (index, schema) in arguments.iter().enumerate() {
            grammars.push(named(&format!("tool{index}"), schema)?);
        }
        if let Otherwise::Json(schema) = otherwise {
            self.parser(&Grammar::json(schema)?).map_err(|reason| unsupported(ANSWER, reason))?;
            grammars.push(named("answer", schema)?);
        }
        let together = TopLevelGrammar { grammars, max_tokens: None };
        self.parser(&together).map_err(|reason| unsupported("the tools together", reason))
    }

    fn parser(&self, grammar: &TopLevelGrammar) -> Result<Grammar, String> {
        let compiled = catch_unwind(AssertUnwindSafe(|| self.0.create_parser(grammar.clone())));
        compiled.map(|parser| Grammar(Matcher::new(Ok(parser)))).map_err(|error| reason(&error))
    }
}

/// A form as far as one answer has come.
pub struct Grammar(Matcher);

impl std::fmt::Debug for Grammar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Grammar").field("stop", &self.0.stop_reason()).finish_non_exhaustive()
    }
}

impl Clone for Grammar {
    /// With caches of its own, so that their bound is for each answer.
    fn clone(&self) -> Self {
        Self(self.0.deep_clone())
    }
}

impl Grammar {
    fn json(schema: &Value) -> Result<TopLevelGrammar, ModelError> {
        Ok(TopLevelGrammar::from_grammar(GrammarWithLexer::from_json_schema(compact(schema)?)))
    }

    /// The tokens that may follow, those that end a turn where the form is complete.
    pub(super) fn allowed(&mut self) -> Result<SimpleVob, ModelError> {
        self.0.compute_mask_or_eos().map_err(|error| unsupported(ANSWER, reason(&error)))
    }

    /// Takes an allowed token that ends no turn; true when nothing can follow.
    pub(super) fn accept(&mut self, token: u32) -> Result<bool, ModelError> {
        self.0.consume_token(token).map_err(|error| unsupported(ANSWER, reason(&error)))?;
        Ok(self.0.is_stopped())
    }
}

const ANSWER: &str = "the schema of the answer";

fn unsupported(what: &str, reason: String) -> ModelError {
    ModelError::Schema { what: what.to_owned(), reason }
}

/// What the library says, on one line and without its own state, which begins with a tag.
fn reason(error: &impl std::fmt::Display) -> String {
    let text = format!("{error:#}");
    let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.starts_with('<')).collect();
    let line = lines.join(" ");
    let line = line.trim_end_matches("<non-verbose/>").trim();
    line.get(..line.floor_char_boundary(REASON_BYTES_MAX)).unwrap_or(line).to_owned()
}

fn check_size(form: &AnswerForm) -> Result<(), ModelError> {
    let size = |schema: &Value| schema.to_string().len();
    let bytes = match form {
        AnswerForm::Json(schema) => size(schema),
        AnswerForm::Calls { tools, otherwise, .. } => {
            let answer = if let Otherwise::Json(schema) = otherwise { size(schema) } else { 0 };
            answer + tools.iter().map(|tool| size(&tool.parameters)).sum::<usize>()
        }
    };
    if bytes > SCHEMA_BYTES_MAX {
        return Err(unsupported("the form", format!("its schemas have {bytes} bytes, more than {SCHEMA_BYTES_MAX}")));
    }
    Ok(())
}

/// Without white space that a weak model would never stop writing: at most one space after a colon or a comma.
fn compact(schema: &Value) -> Result<Value, ModelError> {
    let mut schema = match schema {
        Value::Bool(true) => json!({}),
        Value::Object(_) => schema.clone(),
        other => return Err(unsupported(ANSWER, format!("a schema is an object, not {other}"))),
    };
    let options = JsonCompileOptions {
        item_separator: ", ?".to_owned(),
        key_separator: ": ?".to_owned(),
        whitespace_flexible: false,
        ..JsonCompileOptions::default()
    };
    options.apply_to(&mut schema);
    Ok(schema)
}

fn named(name: &str, schema: &Value) -> Result<GrammarWithLexer, ModelError> {
    Ok(GrammarWithLexer { name: Some(name.to_owned()), ..GrammarWithLexer::from_json_schema(compact(schema)?) })
}

/// The rules around the schemas, in the library's dialect of Lark. Names of tools need no escapes.
fn rules(tools: &[Tool], parallel: bool, otherwise: &Otherwise) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut rules = match otherwise {
        Otherwise::Nothing => "start: calls\n".to_owned(),
        Otherwise::Json(_) => "start: calls | @answer\n".to_owned(),
        Otherwise::Text => format!("start: calls | TEXT\nTEXT: /{}/\n", not_beginning_with(CALLS_START)),
    };
    let more =
        if parallel { format!(" ({} call){{0,{}}}", quoted(CALL_SEPARATOR), CALLS_MAX - 1) } else { String::new() };
    rules.push_str(&format!("calls: {} call{more} {}\n", quoted(CALLS_START), quoted(CALLS_END)));
    let each: Vec<String> = (0..tools.len()).map(|index| format!("call{index}")).collect();
    rules.push_str(&format!("call: {}\n", each.join(" | ")));
    for (index, tool) in tools.iter().enumerate() {
        let before = quoted(&format!("{CALL_NAME}{}{CALL_ARGUMENTS}", tool.name));
        rules.push_str(&format!("call{index}: {before} @tool{index} {}\n", quoted(CALL_END)));
    }
    rules
}

/// A regular expression for all texts that part from `marker` somewhere.
fn not_beginning_with(marker: &str) -> String {
    let literal = |text: &str| text.chars().map(|character| format!("[{}]", escaped(character))).collect::<String>();
    let partings = marker
        .char_indices()
        .map(|(at, character)| format!("{}[^{}]", literal(marker.get(..at).unwrap_or_default()), escaped(character)));
    format!("(?s:({}).*)", partings.collect::<Vec<_>>().join("|"))
}

fn escaped(character: char) -> String {
    if character.is_alphanumeric() || "<>_".contains(character) {
        character.to_string()
    } else {
        format!("\\{character}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::super::super::random::SplitMix64;
    use super::super::tools::{AnswerPart, AnswerReader};
    use super::*;

    const END: u32 = 260;

    /// Every byte, a few longer tokens, and one that ends a turn.
    fn vocabulary() -> Vec<Vec<u8>> {
        let longer = [b"\": ".to_vec(), b"{\"".to_vec(), b"\", \"".to_vec(), b"<tool_".to_vec()];
        (0..=u8::MAX).map(|byte| vec![byte]).chain(longer).chain([b"\xFF<|end|>".to_vec()]).collect()
    }

    fn grammars() -> Grammars {
        Grammars::new(&vocabulary(), &[END]).unwrap()
    }

    /// What a model that draws any allowed token writes; none when it has not come to an end.
    fn write(mut grammar: Grammar, seed: u64) -> Option<String> {
        let (mut random, mut bytes, vocabulary) = (SplitMix64::new(seed), Vec::new(), vocabulary());
        for _ in 0..3_000 {
            let allowed = grammar.allowed().unwrap();
            // Ends are preferred, so that texts stay short.
            let weight = |token: u32| if token == END || b"\"}]".contains(&(token as u8)) { 20.0 } else { 1.0 };
            let weighted: Vec<(u32, f32)> =
                (0..=END).filter(|token| allowed.is_allowed(*token)).map(|token| (token, weight(token))).collect();
            let token = random.choose(&weighted).unwrap();
            if token == END {
                return Some(String::from_utf8(bytes).unwrap());
            }
            bytes.extend_from_slice(&vocabulary[token as usize]);
            if grammar.accept(token).unwrap() {
                return Some(String::from_utf8(bytes).unwrap());
            }
        }
        None
    }

    fn tool(name: &str, parameters: Value) -> Tool {
        Tool::new(name.to_owned(), String::new(), parameters, false).unwrap()
    }

    fn calls(tools: Vec<Tool>, parallel: bool, otherwise: Otherwise) -> AnswerForm {
        AnswerForm::Calls { tools, parallel, otherwise }
    }

    #[test]
    fn whatever_is_drawn_keeps_to_the_schema() {
        let schemas = [
            json!({"type": "object"}),
            json!(true),
            json!({"type": "object", "properties": {
                "name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
                "kind": {"enum": ["a", "b\"c", 3, null]}, "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "maxItems": 3},
                "at": {"type": "string", "format": "date"}},
                "required": ["name", "age", "kind"], "additionalProperties": false,
                "$defs": {"tag": {"type": "string", "pattern": "^[a-z]{1,4}$"}}}),
            json!({"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}),
        ];
        for schema in schemas {
            let grammar = grammars().compile(&AnswerForm::Json(schema.clone())).unwrap();
            let texts: Vec<String> = (0..40).filter_map(|seed| write(grammar.clone(), seed)).collect();
            assert!(texts.len() > 20, "only {} came to an end for {schema}", texts.len());
            for text in texts {
                let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                assert!(jsonschema::is_valid(&schema, &value), "{text} for {schema}");
            }
        }
    }

    #[test]
    fn an_end_is_allowed_only_where_the_form_is_complete() {
        let schema = json!({"type": "array", "items": {"type": "integer"}});
        let mut grammar = grammars().compile(&AnswerForm::Json(schema)).unwrap();
        for byte in b"[12, 3" {
            assert!(!grammar.allowed().unwrap().is_allowed(END));
            assert_eq!(grammar.accept(u32::from(*byte)).ok(), Some(false));
        }
        assert!(grammar.accept(u32::from(b']')).unwrap());
        assert!(grammar.allowed().unwrap().is_allowed(END));
    }

    #[test]
    fn whatever_is_drawn_for_tools_is_read_as_calls_with_arguments_of_their_schemas() {
        let (weather, search) = (
            json!({"type": "object", "properties": {"place": {"$ref": "#/$defs/place"}}, "required": ["place"],
                "additionalProperties": false, "$defs": {"place": {"type": "string", "maxLength": 8}}}),
            json!({"properties": {"depth": {"type": "integer", "maximum": 3, "minimum": 0}}, "required": ["depth"],
                "additionalProperties": false}),
        );
        let tools =
            vec![tool("get_weather", weather.clone()), tool("search-all", search.clone()), tool("now", Value::Null)];
        let schema_of = |name: &str| match name {
            "get_weather" => weather.clone(),
            "search-all" => search.clone(),
            "now" => json!({"type": "object"}),
            other => panic!("no tool is called {other}"),
        };
        let mut most = 0;
        for parallel in [false, true] {
            let grammar = grammars().compile(&calls(tools.clone(), parallel, Otherwise::Nothing)).unwrap();
            for text in (0..40).filter_map(|seed| write(grammar.clone(), seed)) {
                let mut reader = AnswerReader::default();
                let mut found: Vec<(String, String)> = Vec::new();
                for part in text.chars().flat_map(|character| reader.push(&character.to_string())).collect::<Vec<_>>() {
                    match part {
                        AnswerPart::Call { name, .. } => found.push((name, String::new())),
                        AnswerPart::Arguments { index, text } => found[index as usize].1.push_str(&text),
                        AnswerPart::Text(text) => panic!("{text:?} is no call"),
                    }
                }
                assert!(reader.finish().is_empty() && !found.is_empty(), "{text}");
                assert!(parallel || found.len() == 1, "{text}");
                most = most.max(found.len());
                for (name, arguments) in found {
                    let arguments: Value = serde_json::from_str(&arguments).unwrap();
                    assert!(jsonschema::is_valid(&schema_of(&name), &arguments), "{name} {arguments}");
                }
            }
        }
        assert!(most > 1, "no answer had several calls");
    }

    #[test]
    fn text_is_free_beside_tools_but_what_begins_like_a_call_is_one() {
        let grammars = grammars();
        let takes = |otherwise: Otherwise, text: &str| {
            let mut grammar = grammars.compile(&calls(vec![tool("f", Value::Null)], false, otherwise)).unwrap();
            let taken = text.bytes().all(|byte| {
                grammar.allowed().is_ok_and(|allowed| allowed.is_allowed(u32::from(byte)))
                    && grammar.accept(u32::from(byte)).is_ok()
            });
            taken && grammar.allowed().unwrap().is_allowed(END)
        };
        let call = r#"<tool_call>[{"name": "f", "arguments": {"a": [1, "}"]}}]</tool_call>"#;
        let answer = json!({"type": "boolean"});
        assert!(takes(Otherwise::Text, "<b>five</b> is <tool_call>\nnot"));
        assert!(takes(Otherwise::Text, "Grüße {}") && takes(Otherwise::Text, call));
        assert!(!takes(Otherwise::Text, "<tool_call>[five"));
        assert!(takes(Otherwise::Json(answer.clone()), "true") && takes(Otherwise::Json(answer.clone()), call));
        assert!(!takes(Otherwise::Json(answer), "five") && !takes(Otherwise::Nothing, "five"));
    }

    #[test]
    fn what_cannot_be_enforced_or_costs_too_much_is_refused_by_name() {
        let grammars = grammars();
        let many: Vec<Value> = (0..20_000).map(|number| json!(format!("value {number}"))).collect();
        let deep =
            (0..100).fold(json!({"type": "object"}), |inner, _| json!({"properties": {"a": inner}, "type": "object"}));
        assert!(grammars.compile(&AnswerForm::Json(deep)).is_ok());
        for (schema, part) in [
            (json!({"type": "object", "not": {"required": ["a"]}}), "not"),
            (json!({"$ref": "https://example.com/schema.json"}), "example.com"),
            (json!({"$ref": "#/$defs/absent"}), "absent"),
            (json!({"type": "string", "pattern": "(a"}), "unclosed group"),
            (json!({"oneOf": [{"type": "number"}, {"minimum": 3}]}), "oneOf"),
            (json!({"type": "nothing"}), "nothing"),
            (json!({"type": "integer", "minimum": 3, "maximum": 2}), "minimum"),
            (json!(7), "7"),
            (json!({"enum": many}), "bytes"),
        ] {
            let error = grammars.compile(&AnswerForm::Json(schema.clone())).unwrap_err().to_string();
            assert!(error.starts_with("the schema of the answer cannot be enforced: ") || part == "bytes", "{error}");
            assert!(error.contains(part) && !error.contains("non-verbose"), "{error} for {schema}");
        }
    }

    #[test]
    fn a_tool_without_enforceable_schema_takes_any_object_unless_it_is_strict() {
        let grammars = grammars();
        let odd = tool("odd", json!({"type": "object", "not": {"required": ["a"]}}));
        assert!(grammars.compile(&calls(vec![odd.clone()], true, Otherwise::Text)).is_ok());
        let strict = Tool { strict: true, ..odd };
        let error = grammars.compile(&calls(vec![strict], true, Otherwise::Text)).unwrap_err().to_string();
        assert!(error.contains("tool odd"), "{error}");
        let text = tool("text", json!({"type": "string"}));
        assert!(grammars.compile(&calls(vec![text], true, Otherwise::Text)).is_err());
    }
}
