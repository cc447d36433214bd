//! Who asks: a bearer token, or a signature over each request (AWS Signature Version 4).

use std::fmt;
use std::time::SystemTime;

use aws_credential_types::Credentials as Keys;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use orrery_config::Secret;
use orrery_errors::{Error, ErrorCode};
use orrery_routing::catalogue::Provider as Entry;
use reqwest::{RequestBuilder, Url};

use crate::{Setup, SetupError};

const SERVICE: &str = "bedrock";

/// How requests are authorized.
pub(super) enum Credentials {
    Bearer(Secret),
    Signature { keys: Keys, region: String },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer",
            Self::Signature { .. } => "Signature",
        })
    }
}

impl Credentials {
    pub fn new(entry: &Entry, setup: &Setup, region: &str) -> Result<Self, SetupError> {
        if let Some(key) = setup.api_key(entry)? {
            return Ok(Self::Bearer(key));
        }
        let secret = |name: &str| entry.secrets.get(name).map(|reference| setup.secret(entry, reference)).transpose();
        let (Some(id), Some(key)) = (secret("access_key_id")?, secret("secret_access_key")?) else {
            let reason = "it has neither an api_key nor the secrets access_key_id and secret_access_key";
            return Err(SetupError::entry(entry, reason));
        };
        let session = secret("session_token")?.map(|token| token.expose().to_owned());
        let keys = Keys::new(id.expose(), key.expose(), session, None, "catalogue");
        Ok(Self::Signature { keys, region: region.to_owned() })
    }

    /// The request with its body and what authorizes it. `url` is where it goes.
    pub fn sign(&self, request: RequestBuilder, url: &str, body: String) -> Result<RequestBuilder, Error> {
        let (keys, region) = match self {
            Self::Bearer(token) => return Ok(request.bearer_auth(token.expose()).body(body)),
            Self::Signature { keys, region } => (keys, region),
        };
        let failed = |error: &dyn fmt::Display| {
            Error::new(ErrorCode::FailedPrecondition, format!("a request to Bedrock cannot be signed: {error}"))
        };
        // As it will be sent: parsing may escape more.
        let url = Url::parse(url).map_err(|error| failed(&error))?;
        let identity = keys.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let headers = [("content-type", "application/json")];
        let signable =
            SignableRequest::new("POST", url.as_str(), headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let signed = signable.and_then(|request| sign(request, &params)).map_err(|error| failed(&error))?;
        let (instructions, _) = signed.into_parts();
        let request = instructions.headers().fold(request, |request, (name, value)| request.header(name, value));
        Ok(request.body(body))
    }
}
