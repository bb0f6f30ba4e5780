//! The committed wire types are what the schema makes.

#[allow(dead_code, reason = "its `main` is for `cargo xtask proto`")]
#[path = "../../examples/generate-wire.rs"]
mod generate_wire;

#[test]
fn the_wire_types_are_what_the_schema_makes() {
    let kept = std::fs::read_to_string(generate_wire::wire()).unwrap();
    assert!(kept == generate_wire::made().unwrap(), "run `cargo xtask proto`");
}
