//! The WebSocket codec against cut, broken and foreign streams.

mod decoder;
mod oracle;
mod stream;
mod upgrade;
