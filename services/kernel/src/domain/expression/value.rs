//! Between JSON and the values of `jaq`.

use jaq_json::{Map, Num, Val};
use serde_json::{Number, Value};

/// JSON as a jq value.
pub fn from_json(json: &Value) -> Val {
    match json {
        Value::Null => Val::Null,
        Value::Bool(flag) => Val::Bool(*flag),
        Value::Number(number) => Val::Num(from_number(number)),
        Value::String(text) => Val::utf8_str(text.clone().into_bytes()),
        Value::Array(items) => items.iter().map(from_json).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (Val::utf8_str(key.clone().into_bytes()), from_json(value)));
            Val::obj(fields.collect::<Map>())
        }
    }
}

fn from_number(number: &Number) -> Num {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(integer), _, _) => Num::from_integral(integer),
        (_, Some(integer), _) => Num::from_integral(integer),
        (_, _, Some(float)) => Num::Float(float),
        // As it is only with a feature of serde_json that is not used here.
        (None, None, None) => Num::from_dec_str(&number.to_string()),
    }
}

/// A jq value as JSON. Numbers that JSON cannot hold become null, as jq prints them; keys must be text.
pub fn to_json(value: &Val) -> Result<Value, String> {
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(flag) => Value::Bool(*flag),
        Val::Num(number) => to_number(number),
        Val::TStr(bytes) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
        Val::BStr(_) => return Err("yields bytes, which JSON cannot hold".to_owned()),
        Val::Arr(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Val::Obj(fields) => {
            let field = |(key, value): (&Val, &Val)| match key {
                Val::TStr(key) => Ok((String::from_utf8_lossy(key).into_owned(), to_json(value)?)),
                other => Err(format!("yields an object whose key {other} is not text")),
            };
            Value::Object(fields.iter().map(field).collect::<Result<_, String>>()?)
        }
    })
}

fn to_number(number: &Num) -> Value {
    let from_text = |text: &str| serde_json::from_str::<Number>(text).map_or(Value::Null, Value::Number);
    match number {
        Num::Int(integer) => Value::from(*integer as i64),
        Num::Float(float) if float.is_nan() => Value::Null,
        // jq shows infinity as the largest number.
        Num::Float(float) => Number::from_f64(float.clamp(f64::MIN, f64::MAX)).map_or(Value::Null, Value::Number),
        Num::BigInt(big) => from_text(&big.to_string()),
        Num::Dec(text) => from_text(text),
    }
}
