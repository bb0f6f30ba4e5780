//! I25: no secret stands in any log, address or error text. Every token and every session secret of
//! a world carries a mark, and every text that the world can print is searched for it.

/// In every token.
pub(crate) const TOKEN_MARK: &str = "MARKEDTOKEN";
/// At the beginning of every session secret.
pub(crate) const SECRET_MARK: &str = "MARKSCRT";

/// What of a secret stands in this text, if anything does: as it is, in hexadecimal digits, as a
/// list of bytes, or in base64.
pub fn secret_in(text: &str) -> Option<&'static str> {
    // A list of bytes would come from `Debug` of an array, base64 from the start of a secret.
    const FORMS: [&str; 9] = [
        TOKEN_MARK,
        SECRET_MARK,
        "4d41524b4544544f4b454e",
        "4D41524B4544544F4B454E",
        "4d41524b53435254",
        "4D41524B53435254",
        "77, 65, 82, 75, 69, 68, 84, 79",
        "77, 65, 82, 75, 83, 67, 82, 84",
        "TUFSS1ND",
    ];
    FORMS.into_iter().find(|form| text.contains(form))
}
