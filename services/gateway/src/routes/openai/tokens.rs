//! Texts that may come as tokens, which some clients send because they count before they ask.

use serde_json::Value;

use crate::http::Failure;
use crate::models;

/// Texts: one, a list, or either of them in tokens of the vocabulary cl100k. At most `max`, and none of them empty.
pub async fn texts(input: &Value, param: &'static str, max: usize) -> Result<Vec<String>, Failure> {
    let texts = match read(input, param)? {
        Read::Texts(texts) => texts,
        Read::Tokens(lists) if lists.len() <= max => models::decode(lists, param).await?,
        Read::Tokens(lists) => lists.iter().map(|_| String::new()).collect(),
    };
    if texts.is_empty() || texts.len() > max || texts.iter().any(String::is_empty) {
        let rule = if max == 1 { "exactly one text".to_owned() } else { format!("1 to {max} texts") };
        return Err(Failure::param(param, format!("{param} holds {rule}, none of them empty; it has {}", texts.len())));
    }
    Ok(texts)
}

#[derive(Debug, PartialEq)]
enum Read {
    Texts(Vec<String>),
    Tokens(Vec<Vec<u32>>),
}

fn read(input: &Value, param: &str) -> Result<Read, Failure> {
    let wrong = || Failure::param(param, format!("{param} is neither a text, nor a list of texts, nor tokens"));
    match input {
        Value::String(text) => Ok(Read::Texts(vec![text.clone()])),
        Value::Array(items) => match items.first() {
            None => Ok(Read::Texts(Vec::new())),
            Some(Value::String(_)) => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>();
                texts.map(Read::Texts).ok_or_else(wrong)
            }
            Some(Value::Number(_)) => tokens(items).map(|list| Read::Tokens(vec![list])).ok_or_else(wrong),
            Some(Value::Array(_)) => {
                let lists =
                    items.iter().map(|item| item.as_array().and_then(|list| tokens(list))).collect::<Option<_>>();
                lists.map(Read::Tokens).ok_or_else(wrong)
            }
            Some(_) => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn tokens(items: &[Value]) -> Option<Vec<u32>> {
    items.iter().map(|item| item.as_u64().and_then(|token| u32::try_from(token).ok())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_of_one_kind() {
        assert_eq!(read(&json!("a"), "p").ok(), Some(Read::Texts(vec!["a".to_owned()])));
        assert_eq!(read(&json!([1, 2]), "p").ok(), Some(Read::Tokens(vec![vec![1, 2]])));
        assert_eq!(read(&json!([[1], [2]]), "p").ok(), Some(Read::Tokens(vec![vec![1], vec![2]])));
        for wrong in
            [json!(["a", 1]), json!([1, "a"]), json!([[1], "a"]), json!([-1]), json!([1.5]), json!({}), json!(null)]
        {
            assert!(read(&wrong, "p").is_err(), "{wrong}");
        }
    }

    #[actix_web::test]
    async fn too_many_and_empty_ones_are_refused() {
        assert!(texts(&json!([]), "p", 2).await.is_err());
        assert!(texts(&json!([""]), "p", 2).await.is_err());
        assert!(texts(&json!([[]]), "p", 2).await.is_err());
        assert!(texts(&json!(["a", "b", "c"]), "p", 2).await.is_err());
        assert!(texts(&json!([[1], [1], [1]]), "p", 2).await.is_err());
        assert!(texts(&json!(["a", "b"]), "p", 2).await.is_ok());
    }
}
