//! What happens to whoever waits for a PostgreSQL server that is silent, and to the locks of a client that is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use orrery_errors::{Error, ErrorCode};
use orrery_store::{AnyConnection, Migrations, Store, StoreError};
use orrery_testkit::{Link, PostgresServer, Proxy, eventually};

const ONE: EmbeddedMigrations = embed_migrations!("tests/migrations");
const ALSO_ONE: EmbeddedMigrations = embed_migrations!("tests/migrations");

diesel::table! {
    one (id) { id -> Integer, value -> Integer, }
}

async fn open(port: u16) -> Store {
    let migrations = Migrations { sqlite: ONE, postgres: ALSO_ONE };
    Store::open(&PostgresServer::url_at(port), "limits", migrations).await.unwrap()
}

async fn behind_proxy() -> (PostgresServer, Proxy, Store) {
    let postgres = PostgresServer::start().await.unwrap();
    let proxy = Proxy::to(postgres.port()).await.unwrap();
    let store = open(proxy.port()).await;
    (postgres, proxy, store)
}

fn raise(connection: &mut AnyConnection) -> Result<usize, StoreError> {
    Ok(diesel::sql_query("UPDATE one SET value = value + 1 WHERE id = 1").execute(connection)?)
}

fn ask(connection: &mut AnyConnection) -> Result<i32, StoreError> {
    let AnyConnection::Postgres(postgres) = connection else { panic!("another database") };
    Ok(one::table.select(one::value).first(postgres)?)
}

#[tokio::test]
async fn a_silent_database_is_given_up_and_found_again() {
    let (_postgres, proxy, store) = behind_proxy().await;
    assert_eq!(store.pulse(raise).await.unwrap(), 1);
    proxy.set(Link::Silent);
    let error = store.pulse(raise).await.unwrap_err();
    assert!(matches!(error, StoreError::Silent | StoreError::Connect { .. }), "{error}");
    // What waits elsewhere is told as well, and what comes then need not wait.
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.write(raise).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    store.set_silent(true);
    assert_eq!(Error::from(waiting.await.unwrap().unwrap_err()).code, ErrorCode::Unavailable);
    assert!(matches!(store.read(raise).await.unwrap_err(), StoreError::Silent));
    // What was held back arrives late, on connections that nobody waits for any more.
    proxy.set(Link::Pass);
    let answers = || async { store.pulse(raise).await.ok() };
    eventually(answers).await.expect("an answer");
    store.set_silent(false);
    assert_eq!(store.write(raise).await.unwrap(), 1);
    assert_eq!(store.read(raise).await.unwrap(), 1);
}

#[tokio::test]
async fn a_connection_that_broke_is_replaced_even_if_it_is_in_constant_use() {
    let (_postgres, proxy, store) = behind_proxy().await;
    assert_eq!(store.journal_at_once(raise).await.unwrap(), 1);
    assert_eq!(store.read(raise).await.unwrap(), 1);
    assert_eq!(store.pulse(raise).await.unwrap(), 1);
    proxy.cut();
    let cut = || async { store.pulse(raise).await.err() };
    eventually(cut).await.expect("the connections to be cut");
    // A statement that these connections have not prepared yet: diesel does not see that preparing it failed for good.
    let at_once = || async { store.journal_at_once(ask).await.ok() };
    eventually(at_once).await.expect("a single statement on a connection that is never tried");
    let read = || async { store.read(ask).await.ok() };
    eventually(read).await.expect("a read on a connection that counts as fresh");
}

#[tokio::test]
async fn a_transaction_that_stands_still_is_ended_and_its_locks_with_it() {
    let postgres = PostgresServer::start().await.unwrap();
    let store = open(postgres.port()).await;
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let (go, goes) = std::sync::mpsc::channel();
    // As in a process that was stopped between two statements.
    let work = move |connection: &mut AnyConnection| {
        raise(connection)?;
        let _nobody_waits = locked.send(());
        let _told = goes.recv();
        raise(connection)
    };
    let stopped = tokio::spawn({
        let store = store.clone();
        async move { store.journal(work).await }
    });
    is_locked.await.unwrap();
    assert_eq!(store.write(raise).await.unwrap(), 1, "the lock was given free");
    go.send(()).unwrap();
    let error = Error::from(stopped.await.unwrap().unwrap_err());
    assert_eq!(error.code, ErrorCode::Unavailable, "{error:?}");
    let value = |connection: &mut AnyConnection| {
        diesel::sql_query("SELECT 1 FROM one WHERE value = 1").execute(connection).map_err(StoreError::from)
    };
    assert_eq!(store.read(value).await.unwrap(), 1, "what stood still had no effect");
}
