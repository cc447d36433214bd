//! Credentials of a call (DSL reference, "Authentication"): what a policy, or the secret that it names, adds to a request.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use serde_json::{Map, Value, json};

use super::challenge::Challenge;
use super::exchange::{Request, Response};
use super::token::{TokenPolicy, Tokens};
use super::{Errand, OutwardCalls};
use crate::domain::definition::POLICIES;
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

/// What calls have got to authenticate with so far.
#[derive(Debug, Default)]
pub struct Credentials {
    pub(super) tokens: Tokens,
}

/// How one request authenticates.
enum Scheme {
    Basic(Person),
    Bearer(String),
    Digest(Person),
    Token(Box<TokenPolicy>),
}

struct Person {
    username: String,
    password: String,
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scheme(…)")
    }
}

impl OutwardCalls {
    /// Sends a request as its policy says. A token that the service refuses is got anew, once.
    pub(super) async fn authenticated(
        &self,
        errand: &Errand<'_>,
        mut request: Request,
        policy: Option<&Value>,
    ) -> Result<Response, Failure> {
        let Some(scheme) = scheme(errand, policy)? else { return self.exchange.send(request, errand.deadline).await };
        match scheme {
            Scheme::Basic(Person { username, password }) => {
                let pair = STANDARD.encode(format!("{username}:{password}"));
                authorize(&mut request, &format!("Basic {pair}"))?;
                self.exchange.send(request, errand.deadline).await
            }
            Scheme::Bearer(token) => {
                authorize(&mut request, &format!("Bearer {token}"))?;
                self.exchange.send(request, errand.deadline).await
            }
            Scheme::Digest(person) => {
                let first = self.exchange.send(request.clone(), errand.deadline).await?;
                let Some(challenge) = challenge_of(&first) else { return Ok(first) };
                let answer = challenge.answer(&person.username, &person.password, &request)?;
                authorize(&mut request, &answer)?;
                self.exchange.send(request, errand.deadline).await
            }
            Scheme::Token(policy) => {
                let (exchange, deadline) = (&self.exchange, errand.deadline);
                let token = self.credentials.tokens.get(exchange, errand.tenant, &policy, deadline).await?;
                let mut first = request.clone();
                authorize(&mut first, &format!("Bearer {token}"))?;
                let response = exchange.send(first, deadline).await?;
                if response.status != StatusCode::UNAUTHORIZED {
                    return Ok(response);
                }
                self.credentials.tokens.forget(errand.tenant, &policy, &token).await;
                let token = self.credentials.tokens.get(exchange, errand.tenant, &policy, deadline).await?;
                authorize(&mut request, &format!("Bearer {token}"))?;
                exchange.send(request, deadline).await
            }
        }
    }
}

impl OutwardCalls {
    /// What a call authenticates with where it is not HTTP: the policy's scheme and its properties.
    pub(super) fn login(&self, errand: &Errand<'_>) -> Result<Option<(String, Value)>, Failure> {
        named(errand, errand.arguments.get("authentication"))
    }
}

impl OutwardCalls {
    /// `$authorization` (DSL, "Authorization Descriptor"): the scheme that the call's policy resolves to, and its parameter. What
    /// a digest answers depends on a challenge that has not come yet.
    pub(super) async fn authorization(&self, errand: &Errand<'_>) -> Result<Value, Failure> {
        let policy = POLICIES.into_iter().find_map(|at| errand.arguments.pointer(at));
        let Some(scheme) = scheme(errand, policy)? else { return Ok(Value::Null) };
        let (scheme, parameter) = match scheme {
            Scheme::Basic(Person { username, password }) => {
                ("Basic", Some(STANDARD.encode(format!("{username}:{password}"))))
            }
            Scheme::Bearer(token) => ("Bearer", Some(token)),
            Scheme::Digest(_) => ("Digest", None),
            Scheme::Token(policy) => {
                let tokens = &self.credentials.tokens;
                ("Bearer", Some(tokens.get(&self.exchange, errand.tenant, &policy, errand.deadline).await?))
            }
        };
        Ok(json!({ "scheme": scheme, "parameter": parameter }))
    }
}

fn authorize(request: &mut Request, value: &str) -> Result<(), Failure> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Failure::invalid("the credentials hold characters that no header may hold"))?;
    value.set_sensitive(true);
    request.headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn challenge_of(response: &Response) -> Option<Challenge> {
    if response.status != StatusCode::UNAUTHORIZED {
        return None;
    }
    let challenges = response.headers.get_all(WWW_AUTHENTICATE).iter();
    challenges.filter_map(|value| value.to_str().ok()).find_map(Challenge::parse)
}

/// The scheme of a policy and its properties, which may be a secret's.
fn named(errand: &Errand<'_>, policy: Option<&Value>) -> Result<Option<(String, Value)>, Failure> {
    let Some((name, properties)) = policy.and_then(Value::as_object).and_then(|policy| policy.iter().next()) else {
        return Ok(None);
    };
    let Some(used) = properties.get("use").and_then(Value::as_str) else {
        return Ok(Some((name.clone(), properties.clone())));
    };
    // The definition's compiler made sure that the secret is declared; this makes sure that no input chose it.
    let secret = errand.secrets.get(used).cloned().ok_or_else(|| {
        Failure::last(Fault::new(Standard::Authorization, format!("the secret {used:?} is not declared")))
    })?;
    Ok(Some((name.clone(), secret)))
}

fn scheme(errand: &Errand<'_>, policy: Option<&Value>) -> Result<Option<Scheme>, Failure> {
    let Some((name, properties)) = named(errand, policy)? else { return Ok(None) };
    let properties = &properties;
    Ok(Some(match name.as_str() {
        "basic" => Scheme::Basic(person(properties)?),
        "digest" => Scheme::Digest(person(properties)?),
        // A secret that is a text is the token itself.
        "bearer" => Scheme::Bearer(match properties {
            Value::String(token) => token.clone(),
            properties => text(properties, "token")?,
        }),
        "oauth2" | "oidc" => {
            let empty = Map::new();
            let properties = properties.as_object().unwrap_or(&empty);
            Scheme::Token(Box::new(TokenPolicy::new(name == "oidc", properties)?))
        }
        other => {
            return Err(Failure::invalid(format!("{other:?} is no scheme of authentication that this kernel knows")));
        }
    }))
}

fn person(properties: &Value) -> Result<Person, Failure> {
    Ok(Person { username: text(properties, "username")?, password: text(properties, "password")? })
}

fn text(properties: &Value, field: &str) -> Result<String, Failure> {
    let text = properties.get(field).and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| Failure::invalid(format!("the authentication needs `{field}`, as text")))
}
