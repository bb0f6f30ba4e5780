//! The client SDK of Homing.
