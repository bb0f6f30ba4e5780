//! The `homing` program.

fn main() {}
