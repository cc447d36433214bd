//! Media of a conversation as bytes: those in the object store are read before a request is written, and addresses are
//! refused where a vendor wants bytes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orrery_bus::{Blobs, Bus};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, Media, content_part};
use orrery_types::{TenantId, UnixMillis};
use tokio::sync::OnceCell;

use crate::Setup;

/// All stored media of one conversation together; no vendor takes larger requests.
const STORED_BYTES_MAX: u64 = 32 << 20;

/// Reads media that a conversation names in the object store.
pub(crate) struct Stored {
    bus: Bus,
    blobs: OnceCell<Blobs>,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").finish_non_exhaustive()
    }
}

impl Stored {
    pub fn new(setup: &Setup) -> Self {
        Self { bus: setup.bus.clone(), blobs: OnceCell::new() }
    }

    /// Puts the bytes of stored media where bytes in place would be.
    pub async fn fetch(&self, input: &mut ChatInput, deadline: UnixMillis) -> Result<(), Error> {
        let within = deadline.since(UnixMillis::now());
        let late = |_| Error::new(ErrorCode::Unavailable, "the object store did not answer in time");
        tokio::time::timeout(within, self.fetch_all(input)).await.map_err(late)?
    }

    async fn fetch_all(&self, input: &mut ChatInput) -> Result<(), Error> {
        let mut left = STORED_BYTES_MAX;
        for part in input.messages.iter_mut().flat_map(|message| &mut message.parts) {
            let Some(media) = part.kind.as_mut().and_then(media_of) else { continue };
            let Some(blob) = media.blob.take().filter(|_| media.data.is_empty()) else { continue };
            let (tenant, _) = blob.key.split_once('/').unwrap_or_default();
            let tenant: TenantId =
                tenant.parse().map_err(|error| Error::new(ErrorCode::InvalidRequest, format!("{error}")))?;
            let blobs = self.blobs.get_or_try_init(|| self.bus.blobs()).await?;
            media.data = blobs.get(&tenant, &blob, left).await?;
            left = left.saturating_sub(u64::try_from(media.data.len()).unwrap_or(u64::MAX));
            if media.media_type.is_empty() {
                media.media_type = blob.media_type;
            }
            if media.name.is_empty() {
                media.name = blob.name;
            }
        }
        Ok(())
    }
}

fn media_of(kind: &mut content_part::Kind) -> Option<&mut Media> {
    match kind {
        content_part::Kind::Text(_) => None,
        content_part::Kind::Image(media) | content_part::Kind::Audio(media) | content_part::Kind::Document(media) => {
            Some(media)
        }
    }
}

/// The bytes of media, for a vendor that fetches nothing itself. `what` names them in errors, for example `an image`.
pub(crate) fn bytes<'a>(provider: &str, what: &str, media: &'a Media) -> Result<&'a [u8], Error> {
    if !media.data.is_empty() {
        return Ok(&media.data);
    }
    let message = if media.url.is_empty() {
        format!("{what} has neither bytes nor an address; send its bytes in a data URL")
    } else {
        format!("provider {provider} does not fetch {what} from an address; send its bytes in a data URL")
    };
    Err(Error::new(ErrorCode::UnsupportedMedia, message))
}

/// The same, as base64.
pub(crate) fn base64(provider: &str, what: &str, media: &Media) -> Result<String, Error> {
    Ok(STANDARD.encode(bytes(provider, what, media)?))
}

/// The same, as a data URL; an address stays as it is, for a vendor that fetches.
pub(crate) fn url(provider: &str, what: &str, media: &Media) -> Result<String, Error> {
    if media.data.is_empty() && !media.url.is_empty() {
        return Ok(media.url.clone());
    }
    Ok(format!("data:{};base64,{}", media_type(what, media)?, base64(provider, what, media)?))
}

/// What media are, which a vendor must be told.
pub(crate) fn media_type<'a>(what: &str, media: &'a Media) -> Result<&'a str, Error> {
    if media.media_type.is_empty() {
        let message = format!("{what} has no media type; name it, for example in the data URL");
        return Err(Error::new(ErrorCode::UnsupportedMedia, message));
    }
    Ok(&media.media_type)
}
