//! What the crate promises, seen from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod craft;
mod ring;

mod batch;
mod jwt;
mod mixed;
mod nim;
mod order;
mod peek;
mod properties;
mod secrets;
mod strict;
mod token04;
mod vectors;
