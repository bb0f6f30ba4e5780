//! A file of credentials of all forms, good and bad in every way (S-8.1, S-8.2). The tokens are made
//! by hand and the right verdicts follow from how they were made, not from the crate.

use homing_proto::time::WallTime;
use homing_token::batch::verify_lines;
use serde_json::{Value, json};

use crate::craft::{APP, Craft, TIME_S, USER};
use crate::ring::{
    APP_KEY, ED25519_PUBLIC, P256_PUBLIC, SECRET_32, document04, eddsa, es256, header, hs256, nim,
    payload, token04, token04_cbc,
};

const TTL_S: u64 = 3_600;

/// A user, an app and a time, as a token says them.
#[derive(Clone, Copy)]
struct Says<'a> {
    user: &'a str,
    app: u32,
    issued_s: u64,
}

/// How one form is made and keyed.
struct Form {
    format: &'static str,
    key: &'static str,
    wrong_key: &'static str,
    make: fn(Says<'_>) -> String,
    /// What a genuine token of another user, and of another app, is told.
    of_others: [&'static str; 2],
    /// The verdict at the very end of its time.
    at_its_end: &'static str,
    allow_cbc: bool,
}

const FORMS: &[Form] = &[
    Form {
        format: "usersig",
        key: "usersig key",
        wrong_key: "another",
        make: |says| {
            Craft {
                user: says.user.to_owned(),
                app: says.app.into(),
                time_s: says.issued_s,
                expire_s: TTL_S,
                userbuf: None,
                secret: "usersig key".to_owned(),
            }
            .token()
            .expose()
            .to_owned()
        },
        of_others: ["credential_wrong_user", "credential_wrong_app"],
        at_its_end: "ok",
        allow_cbc: false,
    },
    Form {
        format: "token04",
        key: SECRET_32,
        wrong_key: "another secret of 32 characters.",
        make: |says| token04(&document(says), SECRET_32),
        of_others: ["credential_wrong_user", "credential_wrong_app"],
        at_its_end: "ok",
        allow_cbc: false,
    },
    Form {
        format: "token04",
        key: SECRET_32,
        wrong_key: "another secret of 32 characters.",
        make: |says| token04_cbc(&document(says), SECRET_32),
        of_others: ["credential_wrong_user", "credential_wrong_app"],
        at_its_end: "ok",
        allow_cbc: true,
    },
    Form {
        format: "nim-dynamic",
        key: "app secret",
        wrong_key: "another",
        make: |says| {
            // The app is told by its key alone.
            let app_key = if says.app == APP { APP_KEY } else { "another app's" };
            nim(app_key, says.user, says.issued_s * 1000, TTL_S, "app secret")
        },
        of_others: ["credential_bad_signature", "credential_bad_signature"],
        at_its_end: "credential_expired",
        allow_cbc: false,
    },
    Form {
        format: "jwt",
        key: SECRET_32,
        wrong_key: "another",
        make: |says| hs256(&header("HS256"), &claims(says), SECRET_32.as_bytes()),
        of_others: ["credential_wrong_user", "credential_wrong_app"],
        at_its_end: "credential_expired",
        allow_cbc: false,
    },
    Form {
        format: "jwt",
        key: P256_PUBLIC,
        wrong_key: ED25519_PUBLIC,
        make: |says| es256(&header("ES256"), &claims(says)),
        of_others: ["credential_wrong_user", "credential_wrong_app"],
        at_its_end: "credential_expired",
        allow_cbc: false,
    },
    Form {
        format: "jwt",
        key: ED25519_PUBLIC,
        wrong_key: P256_PUBLIC,
        make: |says| eddsa(&header("EdDSA"), &claims(says)),
        of_others: ["credential_wrong_user", "credential_wrong_app"],
        at_its_end: "credential_expired",
        allow_cbc: false,
    },
];

fn document(says: Says<'_>) -> Value {
    let mut document = document04();
    document["user_id"] = says.user.into();
    document["app_id"] = says.app.into();
    document["ctime"] = says.issued_s.into();
    document["expire"] = (says.issued_s + TTL_S).into();
    document
}

fn claims(says: Says<'_>) -> String {
    let mut claims = payload();
    claims["sub"] = says.user.into();
    claims["aud"] = says.app.to_string().into();
    claims["iat"] = says.issued_s.into();
    claims["exp"] = (says.issued_s + TTL_S).into();
    claims.to_string()
}

impl Form {
    /// The form with all its lines and their right verdicts.
    fn lines(&self, user: &str, lines: &mut Vec<(String, &'static str)>) {
        let says = Says { user, app: APP, issued_s: TIME_S };
        let good = (self.make)(says);
        let line = json!({
            "format": self.format, "app_id": APP, "key": self.key, "app_key": APP_KEY, "user": user,
            "now": TIME_S + 1, "allow_cbc": self.allow_cbc, "token": good,
        });
        let mut push = |changes: Value, expected| {
            let mut line = line.clone();
            line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            lines.push((line.to_string(), expected));
        };
        let [of_another_user, of_another_app] = self.of_others;
        push(json!({}), "ok");
        push(json!({"now": TIME_S - 300}), "ok");
        push(json!({"now": TIME_S - 301}), "credential_not_yet_valid");
        push(json!({"now": TIME_S + TTL_S - 1}), "ok");
        push(json!({"now": TIME_S + TTL_S}), self.at_its_end);
        push(json!({"now": TIME_S + TTL_S + 1}), "credential_expired");
        push(json!({"user": format!("{user}x")}), of_another_user);
        push(
            json!({"token": (self.make)(Says { user: "somebody.else", ..says })}),
            of_another_user,
        );
        push(json!({"token": (self.make)(Says { app: 7, ..says })}), of_another_app);
        push(json!({"key": self.wrong_key}), "credential_bad_signature");
        push(json!({"token": ""}), "credential_malformed");
        push(json!({"token": &good[..good.len() / 2]}), "credential_malformed");
        push(json!({"token": format!("{good}!")}), "credential_malformed");
        push(json!({"token": "x".repeat(8_193)}), "credential_malformed");
        push(json!({"user": "no user"}), "invalid_user_id");
        push(json!({"app_id": 0}), "invalid_argument");
        push(json!({"key": ""}), "invalid_argument");
        if self.allow_cbc {
            push(json!({"allow_cbc": false}), "credential_type_disabled");
            push(json!({"format": "token04-cbc"}), "ok");
            push(json!({"format": "token04-cbc", "allow_cbc": false}), "credential_type_disabled");
        }
        if self.format == "nim-dynamic" {
            push(json!({"app_key": "another"}), "credential_bad_signature");
            push(json!({"app_key": null}), "invalid_argument");
        }
        if self.format.starts_with("token04") {
            push(json!({"key": "too short"}), "invalid_argument");
        }
    }
}

#[test]
fn a_mixed_file_of_all_forms_gets_the_right_verdict_for_every_line() {
    let mut lines = Vec::new();
    for user in [USER, "b", "u!#$%&()+-:;<=.>?@[]^_{}|~0123456"] {
        for form in FORMS {
            form.lines(&user[..user.len().min(31)], &mut lines);
        }
        for (format, token, key, expected) in [
            ("nim-static", "token of alice", "token of alice", "ok"),
            ("nim-static", "token of bob", "token of alice", "credential_bad_signature"),
            ("nim-static", "", "token of alice", "credential_malformed"),
            ("app-sign", "the app sign", "the app sign", "ok"),
            ("app-sign", "the app sigm", "the app sign", "credential_bad_signature"),
            ("third-party", "anything", "anything", "credential_type_disabled"),
            ("no-such-form", "anything", "anything", "invalid_argument"),
        ] {
            let line =
                json!({"format": format, "app_id": APP, "key": key, "user": USER, "token": token});
            lines.push((line.to_string(), expected));
        }
        for garbage in ["", "{", "[]", "null", "\u{0}", "{\"format\":\"jwt\"}"] {
            lines.push((garbage.to_owned(), "invalid_argument"));
        }
    }
    assert!(lines.len() >= 300, "{}", lines.len());
    // Every other line from the end between those from the start: no form stands by itself.
    let half = lines.split_off(lines.len() / 2);
    let mut mixed = Vec::new();
    let mut half = half.into_iter().rev();
    for line in lines {
        mixed.push(line);
        mixed.extend(half.next());
    }
    mixed.extend(half);

    let file: String = mixed.iter().map(|(line, _)| format!("{line}\n")).collect();
    let mut out = Vec::new();
    let tally = verify_lines(file.as_bytes(), &mut out, WallTime((TIME_S + 1) * 1000)).unwrap();
    let verdicts: Vec<Value> = std::str::from_utf8(&out)
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(verdicts.len(), mixed.len());
    for ((line, expected), verdict) in mixed.iter().zip(&verdicts) {
        let name =
            if verdict["ok"] == true { "ok" } else { verdict["error"]["name"].as_str().unwrap() };
        assert_eq!(name, *expected, "{line}\n{verdict}");
    }
    let good = mixed.iter().filter(|(_, expected)| *expected == "ok").count();
    assert_eq!(tally.good, good as u64);
    println!("{} lines, {good} good", mixed.len());
}
