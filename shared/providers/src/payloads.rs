//! Payloads that an order names in the object store, read into memory within bounds.

use std::fmt;

use orrery_bus::{Blobs, Bus};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{BlobRef, ChatInput, content_part};
use orrery_types::UnixMillis;
use tokio::sync::OnceCell;

/// All media of one conversation together. Vendors take 20 to 50 MiB in a request.
const MEDIA_BYTES_MAX: u64 = 64 << 20;

/// The object store, opened when it is first needed.
pub(crate) struct Payloads {
    bus: Bus,
    store: OnceCell<Blobs>,
}

impl fmt::Debug for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payloads").finish_non_exhaustive()
    }
}

impl Payloads {
    /// Over this connection.
    pub fn new(bus: Bus) -> Self {
        Self { bus, store: OnceCell::new() }
    }

    /// Reads one payload of at most `bytes_max` bytes until `deadline`. Its key names its owner, whose right to it whoever
    /// took the call in has checked.
    pub async fn read(&self, blob: &BlobRef, bytes_max: u64, deadline: UnixMillis) -> Result<Vec<u8>, Error> {
        let (tenant, _) = blob.key.split_once('/').unwrap_or_default();
        let tenant = tenant.parse().map_err(|error| Error::new(ErrorCode::InvalidRequest, format!("{error}")))?;
        let read = async { self.store.get_or_try_init(|| self.bus.blobs()).await?.get(&tenant, blob, bytes_max).await };
        let late = |_| {
            let message = format!("{:?} was not read from the object store in time; allow more time", blob.name);
            Error::new(ErrorCode::DeadlineExceeded, message)
        };
        tokio::time::timeout(deadline.since(UnixMillis::now()), read).await.map_err(late)?
    }

    /// Puts the bytes of media that are named in the object store into the conversation itself.
    pub async fn fill(&self, chat: &mut ChatInput, deadline: UnixMillis) -> Result<(), Error> {
        let mut left = MEDIA_BYTES_MAX;
        for part in chat.messages.iter_mut().flat_map(|message| &mut message.parts) {
            let Some(
                content_part::Kind::Image(media)
                | content_part::Kind::Audio(media)
                | content_part::Kind::Document(media),
            ) = &mut part.kind
            else {
                continue;
            };
            let Some(blob) = media.blob.take() else { continue };
            media.data = self.read(&blob, left, deadline).await?;
            left = left.saturating_sub(media.data.len() as u64);
            for (told, stored) in [(&mut media.media_type, blob.media_type), (&mut media.name, blob.name)] {
                if told.is_empty() {
                    *told = stored;
                }
            }
        }
        Ok(())
    }
}
