//! The real program, run as people and scripts run it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod app;
mod chat;
mod credentials;
mod demo;
mod doctor;
mod drive;
mod help;
mod leaving;
mod policy;
mod program;
mod secrets;
mod serve;
mod story;
mod terminal;
mod token;
mod user;
