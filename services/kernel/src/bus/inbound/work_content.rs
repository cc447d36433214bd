//! Inputs and results of workers that are too long for a message: JSON text in parts, each in the tenant's object store under
//! its digest. The tenant is that of the caller's subject, so nobody can name another's part, and only who holds a lease reads
//! or stores one.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    CompleteWorkRequest, FetchWorkReply, FetchWorkRequest, StoreWorkReply, StoreWorkRequest, Work as Lease, WorkContent,
};
use orrery_types::{Sha256Digest, TaskId, TenantId};
use serde_json::Value;

use super::Api;
use super::work::{INLINE_BYTES_MAX, closed, refusal};
use crate::bus::convert;
use crate::domain::command::Command;
use crate::domain::fault::Fault;
use crate::domain::work::CONTENT_BYTES_MAX;
use crate::store::{WorkRow, work_status};

/// Largest part. In JSON, text takes up to twice its length, and a message has to hold it.
pub(super) const PART_BYTES_MAX: usize = 1024 * 1024;
/// Parts of one content: enough for the largest in parts of half the size.
const PARTS_MAX: usize = 2 * CONTENT_BYTES_MAX / PART_BYTES_MAX;

fn too_large(message: String) -> Error {
    refusal(ErrorCode::PayloadTooLarge, "too_large", message)
}

fn missing(sha256: &str) -> Error {
    let message = format!("this tenant has stored no part with the digest {sha256:?}: store it first");
    refusal(ErrorCode::NotFound, "missing", message)
}

fn mismatch(message: String) -> Error {
    refusal(ErrorCode::InvalidRequest, "digest", message)
}

/// A text in parts that end between characters.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let mut end = rest.len().min(PART_BYTES_MAX);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (part, left) = rest.split_at(end);
        parts.push(part);
        rest = left;
    }
    parts
}

impl Api {
    /// The step as a message takes it: an input that is too long goes into the object store.
    pub(super) async fn fit(&self, tenant: &TenantId, run: &TaskId, mut work: Lease) -> Result<Lease, Error> {
        if work.input_json.len() <= INLINE_BYTES_MAX {
            return Ok(work);
        }
        let text = std::mem::take(&mut work.input_json);
        let mut content = WorkContent {
            parts: Vec::new(),
            size_bytes: text.len() as u64,
            sha256: Sha256Digest::of(text.as_bytes()).to_hex(),
        };
        for part in parts(&text) {
            match self.kernel.payloads.put_part(tenant, part).await {
                Ok(sha256) => content.parts.push(sha256),
                Err(error) => {
                    // The worker does not learn of the attempt, so it must not wait for its time to run out.
                    let (key, token, fault) = (work.key.clone(), work.token.clone(), Fault::from(&error));
                    let fail = Command::FailWork { key, token, error: fault, retryable: true };
                    if let Err(failed) = self.kernel.act(tenant, run, fail).await {
                        tracing::warn!(task.id = %run, error = %failed, "an attempt without its input runs into its time");
                    }
                    return Err(error);
                }
            }
        }
        work.input_content = Some(content);
        Ok(work)
    }

    /// The step of an attempt that is under way.
    async fn holds_lease(&self, tenant: &TenantId, key: &str, token: &str) -> Result<(), Error> {
        let (row, _) = self.work_row(tenant, key).await?;
        match row.token == token && row.status == work_status::STARTED {
            true => Ok(()),
            false => Err(closed(&row, token)),
        }
    }

    pub(super) async fn fetch_work(self, tenant: TenantId, request: FetchWorkRequest) -> Result<FetchWorkReply, Error> {
        self.holds_lease(&tenant, &request.key, &request.token).await?;
        let part = self.kernel.payloads.part(&tenant, &request.sha256, PART_BYTES_MAX).await?;
        Ok(FetchWorkReply { text: part.ok_or_else(|| missing(&request.sha256))? })
    }

    pub(super) async fn store_work(self, tenant: TenantId, request: StoreWorkRequest) -> Result<StoreWorkReply, Error> {
        if request.text.len() > PART_BYTES_MAX {
            let message = format!("the part has {} bytes, {PART_BYTES_MAX} at most", request.text.len());
            return Err(too_large(message));
        }
        self.holds_lease(&tenant, &request.key, &request.token).await?;
        Ok(StoreWorkReply { sha256: self.kernel.payloads.put_part(&tenant, &request.text).await? })
    }

    /// The result that a message brings, or that it names.
    pub(super) async fn output(
        &self,
        tenant: &TenantId,
        row: &WorkRow,
        request: &CompleteWorkRequest,
    ) -> Result<Value, Error> {
        let text = match &request.output_content {
            Some(_) if !request.output_json.is_empty() => {
                return Err(convert::invalid("the result is in the message or in parts, not both"));
            }
            Some(content) => {
                if row.token != request.token || row.status != work_status::STARTED {
                    return Err(closed(row, &request.token));
                }
                self.gather(tenant, content).await?
            }
            None if request.output_json.len() > INLINE_BYTES_MAX => {
                let size = request.output_json.len();
                return Err(too_large(format!(
                    "the result has {size} bytes, {INLINE_BYTES_MAX} at most in a message: store it in parts"
                )));
            }
            None => request.output_json.clone(),
        };
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| convert::invalid(format!("the result is not JSON: {error}")))
    }

    async fn gather(&self, tenant: &TenantId, content: &WorkContent) -> Result<String, Error> {
        let most = CONTENT_BYTES_MAX as u64;
        if content.size_bytes > most || content.parts.len() > PARTS_MAX {
            let (size, parts) = (content.size_bytes, content.parts.len());
            let message = format!("the result has {size} bytes in {parts} parts, {most} bytes in {PARTS_MAX} at most");
            return Err(too_large(message));
        }
        let mut text = String::new();
        for sha256 in &content.parts {
            let part = self.kernel.payloads.part(tenant, sha256, PART_BYTES_MAX).await?;
            text.push_str(&part.ok_or_else(|| missing(sha256))?);
            if text.len() as u64 > content.size_bytes {
                let message = format!("the parts have more than the {} bytes of the content", content.size_bytes);
                return Err(mismatch(message));
            }
        }
        if text.len() as u64 != content.size_bytes || Sha256Digest::of(text.as_bytes()).to_hex() != content.sha256 {
            let message = "the parts do not make the content: its size or digest is another; check their order";
            return Err(mismatch(message.to_owned()));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_between_characters_and_make_the_whole_again() {
        for text in ["".to_owned(), "x".repeat(PART_BYTES_MAX), format!("x{}", "\u{20ac}".repeat(PART_BYTES_MAX))] {
            let parts = parts(&text);
            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| part.len() <= PART_BYTES_MAX));
        }
        assert!(parts(&"x".repeat(CONTENT_BYTES_MAX)).len() <= PARTS_MAX);
    }
}
