//! Media of a conversation as vendors want them: bytes, base64, or an address. Those of the object store are in place before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::Media;

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
