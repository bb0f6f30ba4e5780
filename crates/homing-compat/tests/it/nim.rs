//! The facade shaped like NIM. Numbers as in its status codes, order as in its status diagram.

mod flow;
mod order;
mod table;
