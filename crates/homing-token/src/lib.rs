//! Mint and verify the credentials Homing accepts.
