//! I25: nothing that a world can print shows a secret of it.

use homing_sim::secrets::secret_in;
use homing_sim::{Options, Tracing, run};

#[test]
fn no_text_of_a_world_shows_a_secret() {
    // S-8.7.
    let options = Options { tracing: Tracing::Secrets, ..Options::default() };
    for seed in 0..40 {
        let violations = run(seed, &options).violations;
        assert!(violations.is_empty(), "seed {seed}: {}", violations[0]);
    }
}

#[test]
fn a_secret_is_found_in_every_form_that_a_text_may_give_it() {
    let secret = *b"MARKSCRT";
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in [
        "token alice/0/0/MARKEDTOKEN00/good".to_owned(),
        format!("secret {hex}…"),
        format!("secret {}…", hex.to_uppercase()),
        format!("Secret({secret:?})"),
        "secret TUFSS1NDUlQ=".to_owned(),
    ] {
        assert!(secret_in(&text).is_some(), "{text}");
    }
    assert!(secret_in("Credential { format: \"usersig\", token: Token(..) }").is_none());
}
