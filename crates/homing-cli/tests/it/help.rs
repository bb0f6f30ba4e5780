//! What the program says of itself.

use crate::program::{run, stderr, stdout};

#[test]
fn the_help_of_every_command_teaches_by_examples_and_exit_codes() {
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["app", "--help"],
        &["user", "--help"],
        &["policy", "--help"],
        &["token", "mint", "--help"],
        &["token", "verify", "--help"],
        &["drive", "--help"],
        &["chat", "--help"],
        &["demo", "--help"],
        &["doctor", "--help"],
    ] {
        let output = match *command {
            [one] => run([one]),
            [one, two] => run([one, two]),
            [one, two, three] => run([one, two, three]),
            _ => unreachable!(),
        };
        let help = stdout(&output);
        assert_eq!(output.status.code(), Some(0));
        assert!(help.contains("Examples:"), "{command:?}: {help}");
        assert!(help.contains("Exit codes:"), "{command:?}: {help}");
        assert!(help.contains("  homing "), "{command:?}: {help}");
    }
}

#[test]
fn wrong_arguments_exit_with_2_and_say_what_is_right() {
    for (output, told) in [
        (run(["srve"]), "serve"),
        (run(["token", "mint", "--format", "usersig"]), "--app-id"),
        (run(["serve", "--listen", "here"]), "invalid socket address"),
        (run(["serve", "--tls-cert", "a.pem"]), "--tls-key"),
        (run(["drive", "--server", "ws://127.0.0.1:1", "--app-id", "x", "--store", "s"]), "app-id"),
        (run(["app", "set", "1", "policy"]), "KEY=VALUE"),
    ] {
        assert_eq!(output.status.code(), Some(2));
        let error = stderr(&output);
        assert!(error.contains(told), "{error}");
        assert!(stdout(&output).is_empty());
    }
}

#[test]
fn the_version_is_told() {
    assert_eq!(stdout(&run(["--version"])), format!("homing {}\n", env!("CARGO_PKG_VERSION")));
}
