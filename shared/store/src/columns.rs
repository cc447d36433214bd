//! Rows written to PostgreSQL column by column. Each column is bound as one array, so that a statement is the same for any
//! number of rows and is planned once; a list of values would be another statement for each length.

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Array, HasSqlType, SqlType};

/// The columns of rows of one table.
pub trait Columns {
    /// The table.
    const TABLE: &'static str;
    /// The columns' names, in the order in which they are bound.
    const NAMES: &'static str;
    /// What becomes of a row that is there already; empty: an error.
    const ON_CONFLICT: &'static str = "";

    /// Binds them, as arguments of `unnest`.
    fn bind<'b>(&'b self, arguments: &mut Arguments<'_, 'b>) -> QueryResult<()>;
}

/// The arguments of a call of `unnest`.
#[allow(missing_debug_implementations)] // diesel's has none
pub struct Arguments<'a, 'b> {
    out: AstPass<'a, 'b, Pg>,
    bound: bool,
}

impl<'a, 'b> Arguments<'a, 'b> {
    /// None so far.
    pub fn new(out: AstPass<'a, 'b, Pg>) -> Self {
        Self { out, bound: false }
    }

    /// Binds one column.
    pub fn column<S, T>(&mut self, values: &'b Vec<T>) -> QueryResult<()>
    where
        S: SqlType + 'static,
        Pg: HasSqlType<Array<S>>,
        Vec<T>: ToSql<Array<S>, Pg>,
    {
        if self.bound {
            self.out.push_sql(", ");
        }
        self.bound = true;
        self.out.push_bind_param::<Array<S>, _>(values)
    }
}

/// Inserts them.
#[derive(Debug)]
pub struct Insert<C>(pub C);

// Prepared by its text, which is the same for any number of rows.
impl<C> QueryId for Insert<C> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: Columns> QueryFragment<Pg> for Insert<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        for text in ["INSERT INTO ", C::TABLE, " (", C::NAMES, ") SELECT * FROM unnest("] {
            out.push_sql(text);
        }
        self.0.bind(&mut Arguments::new(out.reborrow()))?;
        // Without a condition, `ON` would belong to a join.
        out.push_sql(") WHERE true ");
        out.push_sql(C::ON_CONFLICT);
        Ok(())
    }
}

impl<C> RunQueryDsl<PgConnection> for Insert<C> {}
