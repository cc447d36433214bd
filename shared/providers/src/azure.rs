//! OpenAI's models as Azure offers them: the deployment stands in the path and the key in a header of its own.
//!
//! The `base_url` is the resource's, `https://<resource>.openai.azure.com`, a model's `upstream` is its deployment. With
//! `https://<resource>.openai.azure.com/openai/v1` the newer interface is spoken, where the deployment stands in the
//! request.
//!
//! Options of its entry:
//!
//! - `api_version`: needed, for example `2024-10-21`; not needed at `/openai/v1`, where it is sent when it is given.
//! - `max_tokens`: `max_completion_tokens` (the default) or `max_tokens`, for deployments of older models.
//! - `stream_usage`: `no` for versions before `2024-09-01-preview`; usage of streams is estimated then.
//! - `transcripts`, `images`, `query_prefix`, `document_prefix`: as of kind `openai`. A deployment's name need not tell its
//!   model, so name `transcripts` and `images` where they differ from `segments` and `gpt-image`.
//!
//! What Azure's filter stops is `PolicyDenied`, with the names of what it found as the error's detail: another provider
//! may judge otherwise. Refused by name: moderation and reranking (Azure has other services for them), and what kind
//! `openai` refuses at OpenAI itself.

use std::sync::Arc;

use orrery_config::Secret;
use orrery_routing::catalogue::Provider as Entry;
use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;

use crate::openai::{Dialect, Offer, Server, Words, images, limit, prefixes, transcripts};
use crate::options::{only, text, yes};
use crate::payloads::Payloads;
use crate::upstream::Upstream;
use crate::{Provider, Quota, Setup, SetupError};

const KEY_HEADER: &str = "api-key";
/// Azure's name for a caller's own name of a call.
const CALL_HEADER: &str = "x-ms-client-request-id";
const OPTIONS: &[&str] =
    &["api_version", "max_tokens", "stream_usage", "transcripts", "images", "query_prefix", "document_prefix"];

/// Where a deployment is named.
#[derive(Debug)]
enum Azure {
    /// In the path, below this.
    Path { below: &'static str, api_version: String },
    /// In the request, as the model.
    Request { api_version: Option<String> },
}

impl Azure {
    fn new(entry: &Entry, base_url: &str) -> Result<Self, SetupError> {
        let api_version = text(entry, "api_version");
        let plain = |version: &String| version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if let Some(version) = api_version.as_ref().filter(|version| !plain(version)) {
            let reason = format!("option api_version is {version:?}; use one like 2024-10-21");
            return Err(SetupError::entry(entry, reason));
        }
        if base_url.ends_with("/openai/v1") {
            return Ok(Self::Request { api_version });
        }
        let missing = "option api_version is missing, for example 2024-10-21; or end base_url with /openai/v1";
        let api_version = api_version.ok_or_else(|| SetupError::entry(entry, missing))?;
        let below = if base_url.ends_with("/openai") { "deployments" } else { "openai/deployments" };
        Ok(Self::Path { below, api_version })
    }
}

impl Dialect for Azure {
    fn path(&self, what: &str, model: &str) -> String {
        match self {
            Self::Path { below, api_version } => format!("{below}/{model}/{what}?api-version={api_version}"),
            Self::Request { api_version: Some(version) } => format!("{what}?api-version={version}"),
            Self::Request { api_version: None } => what.to_owned(),
        }
    }

    fn authorize(&self, request: RequestBuilder, key: &Secret) -> RequestBuilder {
        // Set apart as sensitive, so that no log of a library shows it. That it can be a header was seen when it was read.
        let Ok(mut value) = HeaderValue::from_str(key.expose()) else { return request };
        value.set_sensitive(true);
        request.header(KEY_HEADER, value)
    }
}

/// Makes a provider of kind `azure`.
pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
    only(entry, OPTIONS)?;
    let upstream = Upstream::new(entry, None, Quota::openai)?;
    let dialect = Azure::new(entry, &upstream.base_url)?;
    let words = Words {
        offers: vec![Offer::Chat, Offer::Raw, Offer::Embed, Offer::Transcribe, Offer::Translate, Offer::Image],
        limit: limit(entry, true)?,
        call_header: Some(CALL_HEADER),
        stream_usage: yes(entry, "stream_usage")?.unwrap_or(true),
        token_choice: true,
        speakers: true,
        base64: true,
        dimensions: "dimensions",
        prefixes: prefixes(entry),
        transcripts: transcripts(entry)?,
        images: images(entry)?,
        ..Words::default()
    };
    let payloads = Payloads::new(setup.bus.clone());
    let key = setup.api_key(entry)?;
    Ok(Arc::new(Server { upstream, payloads, key, words, dialect: Box::new(dialect) }))
}
