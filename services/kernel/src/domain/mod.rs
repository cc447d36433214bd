//! What a workflow is and how it moves: pure, so that a replay gives the same state.
//!
//! K-1: nothing in here knows actors, a runtime, the bus, the database, the clock or chance.

mod apply;
pub mod archive;
pub mod batch;
pub mod command;
pub mod consumption;
mod control;
pub mod definition;
pub mod effect;
pub mod event;
pub mod expression;
pub mod fairness;
pub mod fault;
mod frame;
pub mod history;
pub mod live;
mod numbered;
mod optional;
pub mod retention;
pub mod review;
#[cfg(test)]
mod simulation;
pub mod state;
mod telling;
pub mod transition;
pub mod trigger;
mod within;
pub mod work;
