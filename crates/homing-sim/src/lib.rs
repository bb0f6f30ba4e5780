//! A seeded world that runs the real machines and checks the invariants.
