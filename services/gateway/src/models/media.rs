//! Files within a message: as `data:` URL, as base64, or by an address that the operator allows.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use orrery_egress::{HostRule, media_url};
use orrery_proto::v1::Media;

use crate::http::Failure;

/// Where an operator allows hosts.
const SETTING: &str = "gateway.media_hosts";
const MEDIA_TYPE_BYTES_MAX: usize = 127;
const NAME_CHARS_MAX: usize = 255;

/// Standard base64, whether or not it is padded.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// From where files are taken.
#[derive(Debug, Clone, Copy)]
pub struct MediaRules<'a> {
    /// Hosts that may be named.
    pub hosts: &'a [HostRule],
}

impl MediaRules<'_> {
    /// A file by its URL: with its bytes within, or an address that is allowed. `param` is the caller's name for it.
    pub fn by_url(self, url: &str, param: &str) -> Result<Media, Failure> {
        if let Some(data) = url.strip_prefix("data:") {
            return data_url(data, param);
        }
        let url = media_url(url, self.hosts, SETTING).map_err(|refused| Failure::param(param, refused.to_string()))?;
        Ok(Media { url: url.into(), ..Media::default() })
    }
}

/// A file as base64.
pub fn from_base64(media_type: &str, data: &str, param: &str) -> Result<Media, Failure> {
    let media_type = media_type.to_ascii_lowercase();
    if !is_media_type(&media_type) {
        return Err(Failure::param(param, format!("{media_type:?} is no media type; write for example image/png")));
    }
    let data = BASE64.decode(data).map_err(|error| Failure::param(param, format!("the file is no base64: {error}")))?;
    if data.is_empty() {
        return Err(Failure::param(param, "the file is empty"));
    }
    Ok(Media { media_type, data, ..Media::default() })
}

/// A file's name, without a path or control characters.
pub fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

fn data_url(data: &str, param: &str) -> Result<Media, Failure> {
    let wrong = || Failure::param(param, "the data: URL cannot be read; write data:<media type>;base64,<data>");
    let (head, data) = data.split_once(',').ok_or_else(wrong)?;
    let head = head.strip_suffix(";base64").ok_or_else(wrong)?;
    let media_type = head.split(';').next().unwrap_or_default();
    from_base64(media_type, data, param)
}

/// `type/subtype` of RFC 6838, without parameters.
fn is_media_type(text: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    text.len() <= MEDIA_TYPE_BYTES_MAX && text.split_once('/').is_some_and(|(kind, sub)| is_name(kind) && is_name(sub))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const NONE: MediaRules<'static> = MediaRules { hosts: &[] };

    #[test]
    fn bytes_come_out_of_data_urls() {
        let media = NONE.by_url("data:image/PNG;base64,aGk=", "p").unwrap();
        assert_eq!((media.media_type.as_str(), media.data.as_slice()), ("image/png", b"hi".as_slice()));
        assert_eq!(NONE.by_url("data:image/png;charset=x;base64,aGk", "p").unwrap().data, b"hi");
        for wrong in [
            "data:image/png,hi",
            "data:;base64,aGk=",
            "data:image/png;base64,",
            "data:image/png;base64,a~",
            "data:a\r\nb: c/d;base64,aGk=",
            "data:",
        ] {
            assert_eq!(NONE.by_url(wrong, "p").unwrap_err().param.as_deref(), Some("p"), "{wrong}");
        }
    }

    #[test]
    fn addresses_need_the_operators_leave() {
        let refused = NONE.by_url("https://images.example/a.png", "p").unwrap_err();
        assert!(refused.error.message.contains("gateway.media_hosts"), "{refused}");
        let hosts = ["images.example".parse().unwrap()];
        let media = MediaRules { hosts: &hosts }.by_url("https://images.example/a.png", "p").unwrap();
        assert_eq!((media.url.as_str(), media.data.len()), ("https://images.example/a.png", 0));
        assert!(MediaRules { hosts: &hosts }.by_url("http://images.example/a.png", "p").is_err());
        assert!(MediaRules { hosts: &hosts }.by_url("file:///etc/passwd", "p").is_err());
    }

    proptest! {
        #[test]
        fn no_url_breaks_the_reader(url in "(data:)?\\PC{0,80}") {
            let _read = NONE.by_url(&url, "p");
        }
    }
}
