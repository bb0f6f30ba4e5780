//! The server of Homing: gateway, registry, log, store.
