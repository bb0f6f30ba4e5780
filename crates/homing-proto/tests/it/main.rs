//! The tests of the wire: golden vectors, round trips, bounds, cost, the code table, the document.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it broke")]

mod bounds;
mod catalogue;
mod code_table;
mod cost;
mod document;
mod never_panics;
mod round_trip;
mod schema;
mod secrets;
mod strategies;
mod unknown;
mod vectors;
mod wire;
