//! The facade shaped like Tencent Chat. Numbers as in its error table and headers.

mod flow;
mod order;
mod table;
