//! Who is asking, and the keys and tenants that administrators and operators make.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use orrery_errors::{Error, ErrorCode};
use orrery_types::{PrincipalId, TenantId, UnixMillis};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actors::{CreateKey, CreateTenant, ListKeys, ListTenants, RevokeKey};
use crate::domain::api_key::ApiKey;
use crate::domain::role::{self, Role};
use crate::http::answer::{Page, present, time};
use crate::http::{Answer, Call, Failure, Gateway, body, call};
use crate::store::{KeyRow, NewKey, TenantRow};

const TITLE_CHARS_MAX: usize = 200;
const TEAM_BYTES_MAX: usize = 64;

/// Who a key speaks for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    tenant: String,
    principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    roles: Vec<String>,
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// Whom it speaks for.
    principal: String,
    /// `admin`, `developer`, `reviewer`, `auditor`, `operator`, or names that workflows use.
    roles: Vec<String>,
    /// The team within the tenant, for its limits: 1 to 64 of `a-z A-Z 0-9 . _ -`.
    team: Option<String>,
    /// RFC 3339; without it the key does not end by itself.
    expires_at: Option<String>,
    /// Another tenant; operators only.
    tenant: Option<String>,
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    /// The public part, by which it is revoked.
    id: String,
    /// The key itself. Shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    tenant: String,
    principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    roles: Vec<String>,
    created_by: String,
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

/// A tenant to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantRequest {
    /// 1 to 64 of `a-z A-Z 0-9 _ -`.
    id: String,
    /// For people.
    #[serde(default)]
    title: String,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantView {
    id: String,
    title: String,
    created_at: Option<String>,
}

impl KeyView {
    fn of(row: KeyRow, key: Option<String>) -> Self {
        let at = |column: Option<i64>| column.and_then(|millis| time(u64::try_from(millis).unwrap_or(0)));
        Self {
            created_at: at(Some(row.created_ms)),
            expires_at: at(row.expires_ms),
            revoked_at: at(row.revoked_ms),
            id: row.id,
            key,
            tenant: row.tenant,
            principal: row.principal,
            team: present(row.team),
            roles: row.roles.split(',').map(str::to_owned).collect(),
            created_by: row.created_by,
        }
    }
}

impl From<TenantRow> for TenantView {
    fn from(row: TenantRow) -> Self {
        Self { created_at: time(u64::try_from(row.created_ms).unwrap_or(0)), id: row.id, title: row.title }
    }
}

/// Says whom the key speaks for.
#[utoipa::path(get, path = "/v1/me", tag = "identity", responses((status = 200, body = Me)))]
pub async fn me(call: Call) -> Answer {
    let identity = &call.identity;
    Ok(HttpResponse::Ok().json(Me {
        tenant: identity.tenant.to_string(),
        principal: identity.principal.to_string(),
        team: present(identity.team.clone()),
        roles: identity.roles.clone(),
        key_id: identity.key_id.clone(),
        expires_at: identity.expires_at.map(|at| at.to_string()),
    }))
}

/// Makes a key. The answer is the only place where it is ever seen.
#[utoipa::path(post, path = "/v1/admin/keys", tag = "identity", request_body = KeyRequest,
    responses((status = 201, body = KeyView)))]
pub async fn create_key(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: KeyRequest = body::json(&gateway, &request, payload).await?;
    let now = UnixMillis::now();
    let key = ApiKey::from_random(rand::random(), rand::random());
    let new = NewKey {
        id: key.id().to_owned(),
        digest: key.digest(),
        tenant: tenant_for(&call, &wanted)?,
        principal: PrincipalId::new(&wanted.principal)
            .map_err(|error| Failure::param("principal", error.to_string()))?,
        team: team(wanted.team.as_deref())?,
        roles: role::checked(&wanted.roles).map_err(|error| Failure::param("roles", error.to_string()))?,
        created_by: call.principal(),
        expires_at: wanted.expires_at.as_deref().map(|text| later(text, "expires_at", now)).transpose()?,
        now,
    };
    let row = gateway.keys.ask(CreateKey(new)).await??;
    Ok(HttpResponse::Created().json(KeyView::of(row, Some(key.expose().to_owned()))))
}

/// The team that a new key belongs to, or none.
fn team(wanted: Option<&str>) -> Result<String, Failure> {
    let Some(team) = wanted else { return Ok(String::new()) };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if team.is_empty() || team.len() > TEAM_BYTES_MAX || !team.bytes().all(allowed) {
        let message = format!("team is no name: use 1 to {TEAM_BYTES_MAX} of A-Z, a-z, 0-9, '.', '_' and '-'");
        return Err(Failure::param("team", message));
    }
    Ok(team.to_owned())
}

/// The tenant that a new key belongs to. Nobody hands out more than their own office allows.
fn tenant_for(call: &Call, wanted: &KeyRequest) -> Result<TenantId, Failure> {
    let own = &call.identity;
    let operator = Role::Operator.is_in(&own.roles);
    if !operator && Role::Operator.is_in(&wanted.roles) {
        return Err(Error::new(ErrorCode::Forbidden, "only an operator makes keys with the role operator").into());
    }
    match &wanted.tenant {
        Some(tenant) if *tenant != own.tenant.as_str() => {
            if !operator {
                return Err(Error::new(ErrorCode::Forbidden, "only an operator makes keys of another tenant").into());
            }
            TenantId::new(tenant).map_err(|error| Failure::param("tenant", error.to_string()))
        }
        _ => Ok(own.tenant.clone()),
    }
}

/// A point in time.
pub fn moment(text: &str, field: &'static str) -> Result<UnixMillis, Failure> {
    let read = text.parse::<Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok()).map(UnixMillis);
    read.ok_or_else(|| {
        Failure::param(field, format!("{field} is {text:?}; write RFC 3339, for example 2027-01-31T12:00:00Z"))
    })
}

/// A point in time that must lie ahead.
pub fn later(text: &str, field: &'static str, now: UnixMillis) -> Result<UnixMillis, Failure> {
    let at = moment(text, field)?;
    if at <= now {
        return Err(Failure::param(field, format!("{field} is {at}, which has passed")));
    }
    Ok(at)
}

/// Lists the keys of the tenant, revoked ones included.
#[utoipa::path(get, path = "/v1/admin/keys", tag = "identity", responses((status = 200, body = Page<KeyView>)))]
pub async fn list_keys(gateway: Data<Gateway>, call: Call) -> Answer {
    let rows = gateway.keys.ask(ListKeys(call.identity.tenant.clone())).await??;
    let views = rows.into_iter().map(|row| KeyView::of(row, None)).collect();
    Ok(HttpResponse::Ok().json(Page::all(views)))
}

/// Ends a key at once.
#[utoipa::path(delete, path = "/v1/admin/keys/{id}", tag = "identity", params(("id" = String, Path)),
    responses((status = 200, body = KeyView)))]
pub async fn revoke_key(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let id = call::name(&request, "id")?;
    let revoke = RevokeKey { tenant: call.identity.tenant.clone(), id, by: call.principal() };
    let row = gateway.keys.ask(revoke).await??;
    Ok(HttpResponse::Ok().json(KeyView::of(row, None)))
}

/// Makes a tenant.
#[utoipa::path(post, path = "/v1/admin/tenants", tag = "identity", request_body = TenantRequest,
    responses((status = 201, body = TenantView)))]
pub async fn create_tenant(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: TenantRequest = body::json(&gateway, &request, payload).await?;
    let id = TenantId::new(&wanted.id).map_err(|error| Failure::param("id", error.to_string()))?;
    if wanted.title.chars().count() > TITLE_CHARS_MAX {
        return Err(Failure::param("title", format!("the title has more than {TITLE_CHARS_MAX} characters")));
    }
    let create = CreateTenant { id, title: wanted.title, by: call.principal() };
    let row = gateway.keys.ask(create).await??;
    Ok(HttpResponse::Created().json(TenantView::from(row)))
}

/// Lists all tenants.
#[utoipa::path(get, path = "/v1/admin/tenants", tag = "identity", responses((status = 200, body = Page<TenantView>)))]
pub async fn list_tenants(gateway: Data<Gateway>) -> Answer {
    let rows = gateway.keys.ask(ListTenants).await??;
    Ok(HttpResponse::Ok().json(Page::all(rows.into_iter().map(TenantView::from).collect())))
}
