//! Files that clients keep here, and those that batches make.

use actix_web::body::SizedStream;
use actix_web::http::header::{CONTENT_DISPOSITION, ContentDisposition, DispositionParam, DispositionType};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_types::UnixMillis;
use serde::{Deserialize, Serialize};
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{ListObject, seconds};
use crate::files::About;
use crate::http::{Answer, Call, Failure, Gateway, call, multipart};
use crate::store::{FileRow, Slice};

/// What clients may send files for.
const PURPOSES: [&str; 6] = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"];
/// What batches make.
const MADE: &str = "batch_output";
const ANCHOR: &str = "expires_after[anchor]";
const SECONDS: &str = "expires_after[seconds]";
const TEXT_PARTS: [&str; 3] = ["purpose", ANCHOR, SECONDS];
/// As OpenAI has it: an hour to 30 days.
const KEPT_S: std::ops::RangeInclusive<u64> = 3_600..=2_592_000;
/// Files of one page, by default and at most.
const PAGE_MAX: u32 = 10_000;

/// A file.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileObject {
    id: String,
    /// Always `file`.
    object: &'static str,
    bytes: u64,
    created_at: u64,
    expires_at: Option<u64>,
    filename: String,
    purpose: String,
    /// Always `processed`.
    status: &'static str,
}

impl From<FileRow> for FileObject {
    fn from(row: FileRow) -> Self {
        Self {
            id: row.id,
            object: "file",
            bytes: u64::try_from(row.size_bytes).unwrap_or(0),
            created_at: seconds(row.created_ms).unwrap_or(0),
            expires_at: seconds(row.expires_ms),
            filename: row.file_name,
            purpose: row.purpose,
            status: "processed",
        }
    }
}

/// A file that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileDeleted {
    id: String,
    /// Always `file`.
    object: &'static str,
    deleted: bool,
}

/// What a form with a file holds.
#[derive(Debug, ToSchema)]
#[allow(dead_code)] // it only describes the form
pub struct FileForm {
    /// The bytes.
    #[schema(value_type = String, format = Binary)]
    file: String,
    /// `assistants`, `batch`, `fine-tune`, `vision`, `user_data` or `evals`.
    purpose: String,
    /// `created_at`.
    #[schema(rename = "expires_after[anchor]")]
    anchor: Option<String>,
    /// 3600 to 2592000.
    #[schema(rename = "expires_after[seconds]")]
    seconds: Option<u64>,
}

/// Which files.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FilesFilter {
    /// Only those for it.
    purpose: Option<String>,
    /// 1 to 10,000, which is the default.
    limit: Option<u32>,
    /// `asc` or `desc` (default), by the time of creation.
    order: Option<String>,
    /// The last file of the page before.
    after: Option<String>,
}

/// How long a file is kept: so many seconds after its creation.
pub fn kept_s(anchor: Option<&str>, seconds: Option<u64>, param: &str) -> Result<Option<u64>, Failure> {
    match (anchor, seconds) {
        (None, None) => Ok(None),
        (Some("created_at"), Some(seconds)) if KEPT_S.contains(&seconds) => Ok(Some(seconds)),
        (Some("created_at"), _) => {
            let rule = format!("{param}.seconds is a number from {} to {}", KEPT_S.start(), KEPT_S.end());
            Err(Failure::param(format!("{param}.seconds"), rule))
        }
        _ => Err(Failure::param(format!("{param}.anchor"), format!("{param}.anchor is created_at and nothing else"))),
    }
}

/// Keeps a file.
///
/// Its bytes are stored as they are; what they are for is looked at when they are used. At most `upload_bytes_max` bytes.
#[utoipa::path(post, path = "/v1/files", tag = "openai",
    request_body(content = FileForm, content_type = "multipart/form-data"), responses((status = 200, body = FileObject)))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let _place = gateway.uploads.enter()?;
    let mut form = multipart::receive(&gateway, &request, payload, |part| TEXT_PARTS.contains(&part)).await?;
    let known = format!("use one of {}", PURPOSES.join(", "));
    let purpose =
        form.take("purpose")?.ok_or_else(|| Failure::param("purpose", format!("purpose is missing; {known}")))?;
    if !PURPOSES.contains(&purpose.as_str()) {
        return Err(Failure::param("purpose", format!("purpose is {purpose:?}; {known}")));
    }
    let seconds = form.take(SECONDS)?.map(|text| text.trim().parse::<u64>().unwrap_or(0));
    let kept_s = kept_s(form.take(ANCHOR)?.as_deref(), seconds, "expires_after")?;
    let mut files = form.files.into_iter();
    let (Some(upload), None) = (files.next().filter(|upload| upload.field == "file"), files.next()) else {
        return Err(Failure::param("file", "send one file, in a part with the name `file`"));
    };
    if upload.size_bytes() == 0 {
        return Err(Failure::param("file", "the file is empty"));
    }
    let id = format!("file-{}", Uuid::now_v7().simple());
    let tenant = call.identity.tenant.clone();
    let about = About { tenant, created_by: call.principal(), purpose, kept_s, now: UnixMillis::now() };
    let row = gateway.files.create(id, about, upload).await?;
    Ok(HttpResponse::Ok().json(FileObject::from(row)))
}

/// Files of the tenant, newest first unless `order` says otherwise.
#[utoipa::path(get, path = "/v1/files", tag = "openai", params(FilesFilter),
    responses((status = 200, body = ListObject<FileObject>)))]
pub async fn list(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let filter: FilesFilter = call::query(&request)?;
    if let Some(purpose) = filter.purpose.as_deref().filter(|it| *it != MADE && !PURPOSES.contains(it)) {
        let known = PURPOSES.join(", ");
        return Err(Failure::param("purpose", format!("purpose is {purpose:?}; use one of {known}, {MADE}")));
    }
    let ascending = match filter.order.as_deref() {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(other) => return Err(Failure::param("order", format!("order is {other:?}; use asc or desc"))),
    };
    let limit = super::page(filter.limit, PAGE_MAX, PAGE_MAX)?;
    let slice = Slice { after: filter.after, limit, ascending };
    let rows = gateway.files.list(&call.identity.tenant, filter.purpose, slice).await?;
    let files: Vec<FileObject> = rows.into_iter().map(FileObject::from).collect();
    Ok(HttpResponse::Ok().json(ListObject::of(files, limit, |file| file.id.clone())))
}

fn file_id(request: &HttpRequest) -> Result<String, Failure> {
    call::name(request, "id")
}

/// One file.
#[utoipa::path(get, path = "/v1/files/{id}", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = FileObject)))]
pub async fn get(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let row = gateway.files.get(&call.identity.tenant, &file_id(&request)?).await?;
    Ok(HttpResponse::Ok().json(FileObject::from(row)))
}

/// Deletes a file. A batch that has begun with it goes on.
#[utoipa::path(delete, path = "/v1/files/{id}", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = FileDeleted)))]
pub async fn delete(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let id = file_id(&request)?;
    gateway.files.delete(&call.identity.tenant, &id, &call.principal()).await?;
    Ok(HttpResponse::Ok().json(FileDeleted { id, object: "file", deleted: true }))
}

/// The bytes of a file, as they were sent.
#[utoipa::path(get, path = "/v1/files/{id}/content", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>)))]
pub async fn content(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let row = gateway.files.get(&call.identity.tenant, &file_id(&request)?).await?;
    let reader = gateway.files.open(&row).await?;
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(row.file_name)],
    };
    // No browser is to take what a client sent for a page of this address.
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CONTENT_DISPOSITION, disposition))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .body(SizedStream::new(reader.size_bytes, ReaderStream::new(reader))))
}
