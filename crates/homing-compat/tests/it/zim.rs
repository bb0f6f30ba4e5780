//! The facade shaped like ZIM. Numbers as in its type declarations, sequences as in its guides.

mod flow;
mod order;
mod table;
