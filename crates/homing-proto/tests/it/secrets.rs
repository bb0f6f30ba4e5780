//! No secret shows in the debug text of anything that holds one (S-8.7, I25).

use homing_proto::frame::{ClientFrame, EndSession, Request, ServerFrame};
use homing_proto::message::Content;
use homing_proto::secret::{SessionSecret, Token};

use crate::catalogue::{app, credential, first_login, resume, secret, session, user, welcome};

#[test]
fn debug_text_shows_no_token_and_no_session_secret() {
    let end = EndSession { app: app(), user: user("alice"), session: session(1), secret: secret() };
    let texts = [
        format!("{:?}", Token::new("dummy-token")),
        format!("{:?}", SessionSecret::new([0x5e; 32])),
        format!("{:#?}", credential()),
        format!("{:#?}", first_login()),
        format!("{:#?}", resume()),
        format!("{:?}", ClientFrame::Hello(Box::new(first_login()))),
        format!("{:?}", ClientFrame::EndSession(end)),
        format!("{:?}", ClientFrame::Request { id: 1, body: Request::Renew(credential()) }),
        format!("{:?}", ServerFrame::Welcome(Box::new(welcome()))),
    ];
    for text in texts {
        assert!(text.contains("(..)"), "{text}");
        // The dummy secret is 0x5e = 94 thirty-two times over, the dummy token spells "dummy".
        for sign in ["dummy", "94, 94", "94,\n", "5e5e", "5E5E", "^^^"] {
            assert!(!text.contains(sign), "{sign:?} in {text}");
        }
    }
}

#[test]
fn debug_text_of_content_shows_its_size_and_not_what_people_write() {
    let text = format!("{:?}", Content::text("meet me at noon"));
    assert_eq!(text, "Content(17 bytes)");
}

#[test]
fn secrets_and_tokens_compare_by_value() {
    assert_eq!(secret(), SessionSecret::new([0x5e; 32]));
    let mut other = [0x5e; 32];
    other[31] = 0;
    assert_ne!(secret(), SessionSecret::new(other));
    assert_eq!(Token::new("a"), Token::new("a"));
    assert_ne!(Token::new("a"), Token::new("ab"));
}
