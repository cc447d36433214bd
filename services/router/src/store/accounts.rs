//! What was used of each limit in each window, and who holds how much of what is left. The only place that grants.
//!
//! - a grant leaves `spent + held` at or below the limit, in the transaction that makes it.
//! - an account begins with what the ledger has of its window, and moves in the transaction that writes the call.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{Account, LeaseGrant, LeaseLine, LeaseReply, LeaseRequest, Limit, LimitStanding};
use orrery_routing::period::Period;
use orrery_store::{AnyConnection, StoreError};
use orrery_types::UnixMillis;

use super::schema::{accounts, holders, leases};
use super::{Ledger, column, count, limits};

/// Of what is left of a limit, at most this part is granted ahead of need, so that other processes find something.
const AHEAD_PART: u64 = 8;

/// Totals of one account.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub spent: u64,
    pub held: u64,
}

/// A lease that was not given for another reason than the limit.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The holder has asked again since.
    #[error("request {number} of {holder} came after a later one")]
    Late {
        /// Who asked.
        holder: String,
        /// Of the request.
        number: u64,
    },
}

impl From<diesel::result::Error> for LeaseError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<LeaseError> for Error {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Store(error) => error.into(),
            LeaseError::Late { .. } => Self::new(ErrorCode::Conflict, error.to_string()),
        }
    }
}

impl Ledger {
    /// Grants what the limits leave. Returns the accounts that were refused although others hold what would do, too.
    pub async fn lease(
        &self,
        request: LeaseRequest,
        now: UnixMillis,
    ) -> Result<(LeaseReply, Vec<Account>), LeaseError> {
        self.store.write(move |connection| lease(connection, &request, now)).await
    }

    /// Frees what earlier lives of an instance held.
    pub async fn retire(&self, instance: &str, present: &str) -> Result<(), StoreError> {
        let (lives, present) = (format!("{instance}/%"), format!("{instance}/{present}"));
        let retire = move |connection: &mut AnyConnection| {
            let earlier = leases::table.filter(leases::holder.like(&lives).and(leases::holder.ne(&present)));
            let account = (leases::tenant, leases::limit_id, leases::subject, leases::model, leases::window_start_ms);
            let rows: Vec<(String, AccountColumns, i64)> =
                earlier.select((leases::holder, account, leases::amount)).load(connection)?;
            for (holder, account, amount) in rows {
                let account = Account::from(account);
                totals(connection, &account)?;
                add(connection, &account, 0, -amount)?;
                diesel::delete(leases::table.find(lease_key(&holder, &account))).execute(connection)?;
            }
            let earlier = holders::table.filter(holders::holder.like(&lives).and(holders::holder.ne(&present)));
            diesel::delete(earlier).execute(connection).map(drop)
        };
        self.store.write(move |connection| retire(connection).map_err(StoreError::from)).await
    }

    /// The limits of a tenant with what was used of each in the present window, one line for each subject.
    pub async fn standings(&self, tenant: &str, now: UnixMillis) -> Result<Vec<LimitStanding>, StoreError> {
        let tenant = tenant.to_owned();
        let read = move |connection: &mut AnyConnection| {
            let mut standings = Vec::new();
            for limit in limits::of_tenant(connection, &tenant)? {
                let (start, end) = Period::parse(&limit.window).unwrap_or(Period::Total).window(now);
                let account = (
                    accounts::tenant,
                    accounts::limit_id,
                    accounts::subject,
                    accounts::model,
                    accounts::window_start_ms,
                );
                let rows: Vec<(AccountColumns, i64, i64)> = accounts::table
                    .filter(accounts::tenant.eq(&tenant).and(accounts::limit_id.eq(&limit.id)))
                    .filter(accounts::window_start_ms.eq(column(start.0)))
                    .order((accounts::subject, accounts::model))
                    .select((account, accounts::spent, accounts::held))
                    .load(connection)?;
                let line = |account: Option<Account>, spent, held| LimitStanding {
                    limit: Some(limit.clone()),
                    account,
                    spent: count(spent),
                    held: count(held),
                    resets_at_ms: end.map_or(0, |end| end.0),
                };
                if rows.is_empty() {
                    standings.push(line(None, 0, 0));
                }
                standings
                    .extend(rows.into_iter().map(|(account, spent, held)| line(Some(account.into()), spent, held)));
            }
            Ok(standings)
        };
        self.store.read(move |connection| read(connection).map_err(|error: diesel::result::Error| error.into())).await
    }

    /// Forgets windows that ended before `before` and holders that were silent since.
    pub async fn forget_windows(&self, before: UnixMillis) -> Result<usize, StoreError> {
        let forget = move |connection: &mut AnyConnection| {
            // The lifetime begins at 0 and never ends.
            let old = accounts::table
                .filter(accounts::window_start_ms.gt(0))
                .filter(accounts::window_start_ms.lt(column(before.0)));
            let gone = diesel::delete(old).execute(connection)?;
            let old = leases::table
                .filter(leases::window_start_ms.gt(0))
                .filter(leases::window_start_ms.lt(column(before.0)));
            diesel::delete(old).execute(connection)?;
            Ok::<_, StoreError>(gone)
        };
        self.store.write(forget).await
    }
}

/// An account's columns.
#[derive(Debug, Queryable)]
struct AccountColumns {
    tenant: String,
    limit_id: String,
    subject: String,
    model: String,
    window_start_ms: i64,
}

impl From<AccountColumns> for Account {
    fn from(columns: AccountColumns) -> Self {
        let AccountColumns { tenant, limit_id, subject, model, window_start_ms } = columns;
        Self { tenant, limit_id, subject, model, window_start_ms: count(window_start_ms) }
    }
}

/// Where an account stands.
fn key(account: &Account) -> (&str, &str, &str, &str, i64) {
    let Account { tenant, limit_id, subject, model, window_start_ms } = account;
    (tenant, limit_id, subject, model, column(*window_start_ms))
}

/// Where a holder's part of an account stands.
fn lease_key<'a>(holder: &'a str, account: &'a Account) -> (&'a str, &'a str, &'a str, &'a str, &'a str, i64) {
    let (tenant, limit_id, subject, model, window_start_ms) = key(account);
    (holder, tenant, limit_id, subject, model, window_start_ms)
}

type Leased = (LeaseReply, Vec<Account>);

fn lease(connection: &mut AnyConnection, request: &LeaseRequest, now: UnixMillis) -> Result<Leased, LeaseError> {
    let number = column(request.number);
    let taken = diesel::sql_query(
        "INSERT INTO holders (holder, number, at_ms) VALUES ($1, $2, $3)
         ON CONFLICT (holder) DO UPDATE SET number = excluded.number, at_ms = excluded.at_ms
         WHERE holders.number < excluded.number",
    )
    .bind::<Text, _>(&request.holder)
    .bind::<BigInt, _>(number)
    .bind::<BigInt, _>(column(now.0))
    .execute(connection)?;
    if taken == 0 {
        return Err(LeaseError::Late { holder: request.holder.clone(), number: request.number });
    }
    // In one order, so that two routers never wait for each other.
    let mut order: Vec<usize> = (0..request.lines.len()).collect();
    let place = |at: &usize| request.lines.get(*at).and_then(|line| line.account.as_ref()).map(key);
    order.sort_by(|a, b| place(a).cmp(&place(b)));
    let mut grants = vec![LeaseGrant::default(); request.lines.len()];
    let mut recalled = Vec::new();
    for at in order {
        let (Some(line), Some(grant)) = (request.lines.get(at), grants.get_mut(at)) else { continue };
        let Some(account) = &line.account else { continue };
        *grant = grant_one(connection, &request.holder, account, line)?;
        let left = grant.limit.saturating_sub(grant.spent);
        if grant.amount == 0 && line.need > 0 && left.saturating_sub(line.held) >= line.need {
            recalled.push(account.clone());
        }
    }
    Ok((LeaseReply { grants }, recalled))
}

fn grant_one(
    connection: &mut AnyConnection,
    holder: &str,
    account: &Account,
    line: &LeaseLine,
) -> Result<LeaseGrant, LeaseError> {
    let Some(limit) = limits::find(connection, &account.tenant, &account.limit_id)? else {
        // Lifted meanwhile: there is nothing to hold the call against.
        return Ok(LeaseGrant { amount: line.want, limit: u64::MAX, ..LeaseGrant::default() });
    };
    let before = match totals(connection, account)? {
        Some(before) => before,
        None => begin(connection, account, &limit)?,
    };
    let lease = leases::table.find(lease_key(holder, account));
    let known = lease.select(leases::amount).first::<i64>(connection).optional()?;
    // What the holder does not know of was granted in a reply that it never got.
    let kept = count(known.unwrap_or(0)).min(line.held);
    let freed = count(known.unwrap_or(0)) - kept;
    let held = before.held.saturating_sub(freed);
    let room = limit.amount.saturating_sub(before.spent).saturating_sub(held);
    let amount = granted(room, line);
    let change = i64::try_from(amount).unwrap_or(i64::MAX) - i64::try_from(freed).unwrap_or(i64::MAX);
    if change != 0 {
        add(connection, account, 0, change)?;
    }
    match (known, kept + amount) {
        (Some(_), 0) => drop(diesel::delete(lease).execute(connection)?),
        (Some(known), amount) if count(known) == amount => {}
        (Some(_), amount) => drop(diesel::update(lease).set(leases::amount.eq(column(amount))).execute(connection)?),
        (None, 0) => {}
        (None, amount) => insert_lease(connection, holder, account, amount)?,
    }
    Ok(LeaseGrant { amount, limit: limit.amount, spent: before.spent, held: held + amount })
}

/// How much of what is left goes to one who asks.
fn granted(room: u64, line: &LeaseLine) -> u64 {
    if line.need == 0 || room < line.need {
        return 0;
    }
    if room < line.want {
        return room;
    }
    line.want + line.ahead.min((room - line.want) / AHEAD_PART)
}

fn insert_lease(connection: &mut AnyConnection, holder: &str, account: &Account, amount: u64) -> QueryResult<()> {
    let row = (
        leases::holder.eq(holder),
        leases::tenant.eq(&account.tenant),
        leases::limit_id.eq(&account.limit_id),
        leases::subject.eq(&account.subject),
        leases::model.eq(&account.model),
        leases::window_start_ms.eq(column(account.window_start_ms)),
        leases::amount.eq(column(amount)),
    );
    diesel::insert_into(leases::table).values(row).execute(connection).map(drop)
}

/// What an account has; on PostgreSQL locked until the transaction ends.
pub(super) fn totals(connection: &mut AnyConnection, account: &Account) -> QueryResult<Option<Totals>> {
    let row = accounts::table.find(key(account));
    let found: Option<(i64, i64)> = match &mut *connection {
        AnyConnection::Postgres(postgres) => {
            row.select((accounts::spent, accounts::held)).for_update().first(postgres).optional()?
        }
        other => row.select((accounts::spent, accounts::held)).first(other).optional()?,
    };
    Ok(found.map(|(spent, held)| Totals { spent: count(spent), held: count(held) }))
}

/// Opens an account with what the ledger has of its window.
pub(super) fn begin(connection: &mut AnyConnection, account: &Account, limit: &Limit) -> QueryResult<Totals> {
    let spent = used(connection, account, limit)?;
    diesel::sql_query(
        "INSERT INTO accounts (tenant, limit_id, subject, model, window_start_ms, spent, held)
         VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT DO NOTHING",
    )
    .bind::<Text, _>(&account.tenant)
    .bind::<Text, _>(&account.limit_id)
    .bind::<Text, _>(&account.subject)
    .bind::<Text, _>(&account.model)
    .bind::<BigInt, _>(column(account.window_start_ms))
    .bind::<BigInt, _>(column(spent))
    .execute(connection)?;
    // Another router may have opened it at the same moment; its row is locked from here on, too.
    Ok(totals(connection, account)?.unwrap_or(Totals { spent, held: 0 }))
}

fn used(connection: &mut AnyConnection, account: &Account, limit: &Limit) -> QueryResult<u64> {
    #[derive(QueryableByName)]
    struct Used {
        #[diesel(sql_type = BigInt)]
        used: i64,
    }
    let what = match limit.metric.as_str() {
        "cost" => "cost_nanos",
        "tokens" => "input_tokens + output_tokens",
        _ => "1",
    };
    let subject = if account.subject.is_empty() { &limit.subject } else { &account.subject };
    let model = if account.model.is_empty() { limit.model.as_str() } else { account.model.as_str() };
    let scope = match limit.scope.as_str() {
        "team" => "team = $3",
        "user" => "principal = $3",
        "key" => "key_id = $3",
        _ => "$3 = $3",
    };
    // What failed before it cost anything was not charged.
    let query = format!(
        "SELECT CAST(COALESCE(SUM({what}), 0) AS BIGINT) AS used FROM calls
         WHERE tenant = $1 AND at_ms >= $2 AND {scope} AND ($4 = '' OR model = $4)
           AND (outcome = 'ok' OR cost_nanos > 0 OR output_tokens > 0)"
    );
    let used: Used = diesel::sql_query(query)
        .bind::<Text, _>(&account.tenant)
        .bind::<BigInt, _>(column(account.window_start_ms))
        .bind::<Text, _>(subject)
        .bind::<Text, _>(model)
        .get_result(connection)?;
    Ok(count(used.used))
}

/// Moves an account.
pub(super) fn add(connection: &mut AnyConnection, account: &Account, spent: i64, held: i64) -> QueryResult<()> {
    let row = accounts::table.find(key(account));
    let change = (accounts::spent.eq(accounts::spent + spent), accounts::held.eq(accounts::held + held));
    diesel::update(row).set(change).execute(connection).map(drop)
}

/// A holder has accounted for a part of its lease; says how much of it was really held.
pub(super) fn accounted(
    connection: &mut AnyConnection,
    holder: &str,
    account: &Account,
    leased: u64,
) -> QueryResult<u64> {
    let lease = leases::table.find(lease_key(holder, account));
    let known = match &mut *connection {
        AnyConnection::Postgres(postgres) => {
            lease.select(leases::amount).for_update().first::<i64>(postgres).optional()?
        }
        other => lease.select(leases::amount).first::<i64>(other).optional()?,
    };
    let Some(known) = known else { return Ok(0) };
    let taken = leased.min(count(known));
    diesel::update(lease).set(leases::amount.eq(known - column(taken))).execute(connection)?;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_what_is_wanted_as_far_as_there_is_room() {
        let line = |need, want, ahead| LeaseLine { need, want, ahead, ..LeaseLine::default() };
        let cases = [
            ("nothing is wanted", 100, line(0, 0, 50), 0),
            ("there is no room", 9, line(10, 10, 0), 0),
            ("there is room for some who wait", 15, line(10, 30, 0), 15),
            ("there is room for all", 100, line(10, 30, 0), 30),
            ("ahead is a part of the rest", 110, line(10, 30, 1000), 40),
            ("and not more than is asked", 1_000, line(10, 30, 5), 35),
        ];
        for (what, room, line, expected) in cases {
            assert_eq!(granted(room, &line), expected, "{what}");
        }
    }
}
