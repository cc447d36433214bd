//! OAuth 2.0 and OpenID Connect: tokens for calls. A token is got once for all calls with the same policy, and again when
//! it runs out or is refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use orrery_types::{Sha256Digest, UnixMillis};
use parking_lot::Mutex;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use tokio::time::Instant;

use super::exchange::{Exchange, Request, host};
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

const KEPT_MAX: usize = 1_024;
/// A token is not used in the last seconds of its life.
const MARGIN: Duration = Duration::from_secs(10);
/// Of a token that does not tell.
const LIFE: Duration = Duration::from_secs(60);
const LIFE_MAX: Duration = Duration::from_secs(24 * 3_600);
const DISCOVERY: &str = "/.well-known/openid-configuration";
const BEARER_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a policy says, in full.
#[derive(Debug)]
pub struct TokenPolicy {
    discover: bool,
    authority: String,
    properties: Value,
}

struct Token {
    value: String,
    until: Instant,
}

/// The tokens at hand. One call at a time asks for a policy's token; the others wait for it.
#[derive(Default)]
pub struct Tokens {
    kept: Mutex<HashMap<Sha256Digest, Arc<tokio::sync::Mutex<Option<Token>>>>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("kept", &self.kept.lock().len()).finish()
    }
}

impl TokenPolicy {
    /// From the properties of `oauth2`, or of `oidc`, which discovers its endpoint.
    pub fn new(discover: bool, properties: &Map<String, Value>) -> Result<Self, Failure> {
        let authority = properties.get("authority").and_then(Value::as_str);
        let authority = authority.ok_or_else(|| Failure::invalid("the authentication needs `authority`, as text"))?;
        Ok(Self { discover, authority: authority.to_owned(), properties: Value::Object(properties.clone()) })
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.properties.pointer(pointer).and_then(Value::as_str)
    }

    fn texts(&self, field: &str) -> Vec<&str> {
        let items = self.properties.get(field).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn required(&self, pointer: &str) -> Result<&str, Failure> {
        let missing = || {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            Failure::invalid(format!("the authentication needs `{field}`, as text"))
        };
        self.text(pointer).ok_or_else(missing)
    }

    /// Digest of everything that decides which token it is, the secrets in it included.
    fn key(&self, tenant: &str) -> Sha256Digest {
        Sha256Digest::of(json!([tenant, self.discover, self.properties]).to_string().as_bytes())
    }

    async fn endpoint(&self, exchange: &Exchange, deadline: Instant) -> Result<Url, Failure> {
        let wrong = |_| Failure::invalid("the authentication's `authority` is no URL");
        if !self.discover {
            let path = self.text("/endpoints/token").unwrap_or("/oauth2/token");
            // "The relative path to the endpoint": below the authority, whose own path stays.
            let text = match path.contains("://") {
                true => path.to_owned(),
                false => format!("{}/{}", self.authority.trim_end_matches('/'), path.trim_start_matches('/')),
            };
            return text.parse().map_err(wrong);
        }
        let authority = self.authority.trim_end_matches('/');
        let text = match authority.ends_with(DISCOVERY) {
            true => authority.to_owned(),
            false => format!("{authority}{DISCOVERY}"),
        };
        let url: Url = text.parse().map_err(wrong)?;
        let response = exchange.send(Request::get(url.clone()), deadline).await?;
        let found = serde_json::from_slice::<Value>(&response.body).ok().filter(|_| response.status.is_success());
        let endpoint = found.as_ref().and_then(|it| it.get("token_endpoint")).and_then(Value::as_str);
        endpoint
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| refused(format!("{} has no OpenID configuration with a token endpoint", host(&url))))
    }

    /// The parameters of the token request, for the grant that the policy names.
    fn parameters(&self) -> Result<Vec<(&'static str, String)>, Failure> {
        let grant = self.required("/grant")?;
        let mut parameters = vec![("grant_type", grant.to_owned())];
        match grant {
            "client_credentials" => {}
            "password" => {
                parameters.push(("username", self.required("/username")?.to_owned()));
                parameters.push(("password", self.required("/password")?.to_owned()));
            }
            "refresh_token" => parameters.push(("refresh_token", self.required("/subject/token")?.to_owned())),
            "urn:ietf:params:oauth:grant-type:token-exchange" => {
                parameters.push(("subject_token", self.required("/subject/token")?.to_owned()));
                parameters.push(("subject_token_type", self.required("/subject/type")?.to_owned()));
                if self.text("/actor/token").is_some() {
                    parameters.push(("actor_token", self.required("/actor/token")?.to_owned()));
                    parameters.push(("actor_token_type", self.required("/actor/type")?.to_owned()));
                }
            }
            other => return Err(Failure::invalid(format!("the grant {other:?} cannot be used without a person"))),
        }
        let scopes = self.texts("scopes");
        if !scopes.is_empty() {
            parameters.push(("scope", scopes.join(" ")));
        }
        parameters.extend(self.texts("audiences").into_iter().map(|audience| ("audience", audience.to_owned())));
        Ok(parameters)
    }

    /// Adds what identifies the client (RFC 6749, section 2.3; RFC 7523, section 2.2).
    fn identify(
        &self,
        endpoint: &Url,
        headers: &mut HeaderMap,
        parameters: &mut Vec<(&'static str, String)>,
    ) -> Result<(), Failure> {
        let method = self.text("/client/authentication").unwrap_or("client_secret_post");
        let assertion = match method {
            "none" => {
                parameters.extend(self.text("/client/id").map(|id| ("client_id", id.to_owned())));
                return Ok(());
            }
            "client_secret_basic" => {
                let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let (id, secret) = (encoded(self.required("/client/id")?), encoded(self.required("/client/secret")?));
                let value = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
                headers.extend(HeaderValue::from_str(&value).ok().map(|value| (AUTHORIZATION, value)));
                return Ok(());
            }
            "client_secret_post" => {
                parameters.push(("client_id", self.required("/client/id")?.to_owned()));
                parameters.push(("client_secret", self.required("/client/secret")?.to_owned()));
                return Ok(());
            }
            "client_secret_jwt" => {
                signed_claims(self.required("/client/id")?, self.required("/client/secret")?, endpoint)?
            }
            "private_key_jwt" => self.required("/client/assertion")?.to_owned(),
            other => return Err(Failure::invalid(format!("{other:?} is no way for a client to authenticate"))),
        };
        parameters.push(("client_id", self.required("/client/id")?.to_owned()));
        parameters.push(("client_assertion_type", BEARER_ASSERTION.to_owned()));
        parameters.push(("client_assertion", assertion));
        Ok(())
    }

    async fn fetch(&self, exchange: &Exchange, deadline: Instant) -> Result<Token, Failure> {
        let endpoint = self.endpoint(exchange, deadline).await?;
        let (mut headers, mut parameters) = (HeaderMap::new(), self.parameters()?);
        self.identify(&endpoint, &mut headers, &mut parameters)?;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let (content_type, body) = match self.text("/request/encoding") {
            Some("application/json") => {
                let mut fields = Map::new();
                for (name, value) in parameters {
                    // Several audiences become a list.
                    match fields.get_mut(name) {
                        Some(Value::Array(items)) => items.push(json!(value)),
                        Some(one) => *one = json!([one.clone(), value]),
                        None => {
                            fields.insert(name.to_owned(), json!(value));
                        }
                    }
                }
                ("application/json", Value::Object(fields).to_string())
            }
            _ => {
                let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
                ("application/x-www-form-urlencoded", form)
            }
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let request =
            Request { method: Method::POST, url: endpoint.clone(), headers, body: Some(body.into()), redirect: false };
        // Asking twice for a token does no harm.
        let response = exchange.send(request, deadline).await?;
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        if !response.status.is_success() {
            let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default();
            let why = [text("error"), text("error_description")].join(" ");
            return Err(refused(format!("{} gave no token: {} {}", host(&endpoint), response.status, why.trim())));
        }
        self.accept(&endpoint, &answer)
    }

    fn accept(&self, endpoint: &Url, answer: &Value) -> Result<Token, Failure> {
        let value = answer.get("access_token").and_then(Value::as_str);
        let value = value.ok_or_else(|| refused(format!("{} answered without an access token", host(endpoint))))?;
        let issuers = self.texts("issuers");
        if !issuers.is_empty() && !issuer_of(value).is_some_and(|issuer| issuers.contains(&issuer.as_str())) {
            return Err(refused(format!("{} gave a token of an issuer that is not among `issuers`", host(endpoint))));
        }
        let life = match answer.get("expires_in") {
            Some(Value::String(text)) => text.parse().ok(),
            other => other.and_then(Value::as_u64),
        };
        let life = life.map_or(LIFE, Duration::from_secs).min(LIFE_MAX);
        Ok(Token { value: value.to_owned(), until: Instant::now() + life.saturating_sub(MARGIN) })
    }
}

impl Tokens {
    /// The token of a policy.
    pub async fn get(
        &self,
        exchange: &Exchange,
        tenant: &str,
        policy: &TokenPolicy,
        deadline: Instant,
    ) -> Result<String, Failure> {
        let slot = self.slot(policy.key(tenant));
        let mut kept = slot.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.value.clone());
        }
        let token = policy.fetch(exchange, deadline).await?;
        let value = token.value.clone();
        *kept = Some(token);
        Ok(value)
    }

    /// Drops a token that a service refused, unless there is a newer one.
    pub async fn forget(&self, tenant: &str, policy: &TokenPolicy, refused: &str) {
        let slot = self.slot(policy.key(tenant));
        let mut kept = slot.lock().await;
        if kept.as_ref().is_some_and(|token| token.value == refused) {
            *kept = None;
        }
    }

    fn slot(&self, key: Sha256Digest) -> Arc<tokio::sync::Mutex<Option<Token>>> {
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX && !kept.contains_key(&key) {
            kept.clear();
        }
        kept.entry(key).or_default().clone()
    }
}

/// No token: the workflow is not known to the service.
fn refused(detail: String) -> Failure {
    Failure::last(Fault::new(Standard::Authentication, detail))
}

/// The issuer that a JSON Web Token names. Its signature is the service's business.
fn issuer_of(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned)
}

/// The assertion of `client_secret_jwt` (OpenID Connect Core, section 9).
fn signed_claims(client: &str, secret: &str, endpoint: &Url) -> Result<String, Failure> {
    let now = UnixMillis::now().0 / 1_000;
    let claims = json!({
        "iss": client, "sub": client, "aud": endpoint.as_str(), "jti": uuid::Uuid::new_v4().to_string(),
        "iat": now, "exp": now + 60,
    });
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(&json!({ "alg": "HS256", "typ": "JWT" })), encoded(&claims));
    let mut signing = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|_| Failure::invalid("the client's secret cannot sign"))?;
    signing.update(text.as_bytes());
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signing.finalize().into_bytes())))
}
