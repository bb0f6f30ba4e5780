//! The assembled server on real sockets, with tungstenite's client as an independent other end.

mod api;
mod bounds;
mod credentials;
mod deletion;
mod drain;
mod frames;
mod policy;
mod sessions;
mod tls;
mod users;
mod webhook;
mod world;
