//! URI templates, of which the DSL has the simple expansion alone (RFC 6570, section 3.2.2; DSL reference, "URI Template"):
//! `{name}` stands for a property of the input, percent-encoded. A template becomes an expression when it is compiled.

use serde_json::Value;

use crate::domain::expression::{Piece, pieces, quoted};

/// The value that a template compiles from: an expression, or the text itself when it names no variable. Expressions may stand in
/// it as in any other text; what they give goes into the URI as it is.
pub fn template(text: &str) -> Result<Value, String> {
    let pieces = pieces(text);
    let (mut terms, mut variables) = (Vec::new(), 0);
    for piece in &pieces {
        match piece {
            Piece::Expression(_) if pieces.len() == 1 => return Ok(Value::String(text.to_owned())),
            Piece::Expression(source) => {
                terms.push(format!("({source}\n| tostring)"));
                variables += 1;
            }
            Piece::Text(text) => variables += expand(text, &mut terms)?,
        }
    }
    match variables {
        0 => Ok(Value::String(text.to_owned())),
        _ => Ok(Value::String(format!("${{ {} }}", terms.join(" + ")))),
    }
}

/// Adds the terms of a text without expressions; how many of them are variables.
fn expand(text: &str, terms: &mut Vec<String>) -> Result<usize, String> {
    let mut rest = text;
    let mut variables = 0;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            return Err(format!("the URI template {text:?} has a `{{` without its `}}`"));
        };
        if name.is_empty() || name.contains('{') {
            return Err(format!("the URI template {text:?} must name a property between `{{` and `}}`"));
        }
        if name.starts_with(['+', '#', '.', '/', ';', '?', '&', '=', ',', '!', '@', '|']) || name.ends_with('*') {
            return Err(format!("the URI template {text:?} uses an operator: only `{{name}}` is supported"));
        }
        if !before.is_empty() {
            terms.push(quoted(before));
        }
        terms.push(variable(name));
        variables += 1;
        rest = behind;
    }
    if rest.contains('}') {
        return Err(format!("the URI template {text:?} has a `}}` without its `{{`"));
    }
    if !rest.is_empty() {
        terms.push(quoted(rest));
    }
    Ok(variables)
}

/// "If no value is found for the identifier, an empty string will be used"; other than text, numbers and booleans is an
/// expression error.
fn variable(name: &str) -> String {
    let key = quoted(name);
    let wrong = quoted(&format!("the URI variable {{{name}}} must be text, a number or a boolean"));
    format!(
        "((if type == \"object\" then .[{key}] else null end) | if . == null then \"\" \
         elif type == \"object\" or type == \"array\" then error({wrong}) else @uri \"\\(tostring)\" end)"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::domain::expression::{Template, Variables};

    struct Nothing;
    impl Variables for Nothing {
        fn get(&self, _name: &str) -> Value {
            Value::Null
        }
        fn now_seconds(&self) -> f64 {
            0.0
        }
    }

    fn expand(text: &str, input: &Value) -> Result<Value, String> {
        let compiled = Template::compile(&template(text).unwrap(), &BTreeSet::new()).unwrap();
        compiled.evaluate(input, &Nothing).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_top_level_properties_encoded() {
        let input = json!({
            "petId": 69, "name": "a b/c?d", "flag": true, "none": null, "pet.id": "dotted", "pet": {"id": 1}, "ü": "ü",
        });
        for (text, expected) in [
            ("https://x/pet/{petId}", "https://x/pet/69"),
            ("https://x/{name}", "https://x/a%20b%2Fc%3Fd"),
            ("https://x/{flag}/{none}/{missing}/end", "https://x/true///end"),
            ("https://x/{pet.id}", "https://x/dotted"),
            ("https://x/{ü}", "https://x/%C3%BC"),
            ("https://x/plain", "https://x/plain"),
            ("https://x/\\(1)\"/{petId}", "https://x/\\(1)\"/69"),
            ("{petId}", "69"),
            ("https://x/${ .pet.id }/{flag}?q=${ .petId + 1 }", "https://x/1/true?q=70"),
            ("${ \"https://x/\" + .name }", "https://x/a b/c?d"),
        ] {
            assert_eq!(expand(text, &input).unwrap(), json!(expected), "{text}");
        }
        assert_eq!(expand("https://x/{petId}", &json!(7)).unwrap(), json!("https://x/"));
        let error = expand("https://x/{pet}", &input).unwrap_err();
        assert!(error.contains("must be text, a number or a boolean"), "{error}");
    }

    #[test]
    fn what_is_no_simple_template_is_refused() {
        for text in
            ["https://x/{", "https://x/}", "https://x/{}", "https://x/{+path}", "https://x/{?q}", "https://x/{a*}"]
        {
            assert!(template(text).is_err(), "{text}");
        }
    }
}
