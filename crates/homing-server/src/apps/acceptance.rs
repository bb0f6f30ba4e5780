//! What an app takes as a credential, besides its keys (S-8.1).

use std::time::Duration;

use homing_proto::{Code, Error, limits};
use homing_token::{Cbc, Rules};

/// Settings of an app about credentials. By default only what its keys sign is taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Acceptance {
    /// How `token04` and `nim-dynamic` are judged.
    pub rules: Rules,
    /// Whether users may sign in with the static token that the server keeps a hash of
    /// (`nim-static`).
    pub static_tokens: StaticTokens,
    /// The app's own server, which is asked about `third-party` credentials; `None`: there are none.
    pub third_party: Option<ThirdParty>,
}

/// See [`Acceptance::static_tokens`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StaticTokens {
    /// `credential_type_disabled`.
    #[default]
    Refused,
    /// Users who have one may sign in with it.
    Accepted,
}

/// An app's own server as the judge of credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThirdParty {
    /// Where it is asked.
    pub url: WebhookUrl,
    /// What becomes of a login that it does not answer about.
    pub silence: Silence,
}

/// When an app's own server does not answer in time, or not as it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Silence {
    /// The login is refused for now with `server_busy`: the credential may be good, and can be shown
    /// again.
    #[default]
    Refuse,
    /// The login is admitted: whoever can keep that server from answering can be any user meanwhile.
    Admit,
}

/// The address of an app's own server: `https://…`, or `http://…` where the network is trusted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookUrl(hyper::Uri);

impl WebhookUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// `invalid_argument` when it is none, or holds a name and password, which would end in logs.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |text: &str| Error::new(Code::INVALID_ARGUMENT).with_text(text);
        if text.len() > limits::WEBHOOK_URL_BYTES {
            return Err(invalid("a webhook's address has at most 1024 bytes"));
        }
        let uri: hyper::Uri = text.parse().map_err(|_| invalid("a webhook's address is a URL"))?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        match uri.authority() {
            Some(authority) if is_http && !authority.as_str().contains('@') => Ok(Self(uri)),
            _ => Err(invalid(
                "a webhook's address begins with https:// or http:// and holds no password",
            )),
        }
    }

    /// For a request.
    pub(crate) const fn uri(&self) -> &hyper::Uri {
        &self.0
    }
}

impl std::fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One change of an app's [`Acceptance`].
#[derive(Clone, Debug)]
pub enum AcceptanceChange {
    /// See [`Rules::cbc`].
    Cbc(Cbc),
    /// See [`Rules::nim_ttl_max_s`].
    NimTtlMax(Duration),
    /// See [`Acceptance::static_tokens`].
    StaticTokens(StaticTokens),
    /// Another address, or none.
    ThirdPartyUrl(Option<WebhookUrl>),
    /// See [`ThirdParty::silence`].
    ThirdPartySilence(Silence),
}

impl Acceptance {
    /// Makes one change.
    ///
    /// # Errors
    /// `invalid_argument` when a value is out of range, or says something about a third party that
    /// there is not.
    pub fn apply(&mut self, change: &AcceptanceChange) -> Result<(), Error> {
        let invalid = |text: &str| Error::new(Code::INVALID_ARGUMENT).with_text(text);
        match change {
            AcceptanceChange::Cbc(cbc) => self.rules.cbc = *cbc,
            AcceptanceChange::NimTtlMax(most) => {
                if !(1..=limits::NIM_TTL_MAX_S).contains(&most.as_secs()) {
                    return Err(invalid("nim_ttl_max_s is 1 to 2592000 (30 days)"));
                }
                self.rules.nim_ttl_max_s = most.as_secs();
            }
            AcceptanceChange::StaticTokens(tokens) => self.static_tokens = *tokens,
            AcceptanceChange::ThirdPartyUrl(None) => self.third_party = None,
            AcceptanceChange::ThirdPartyUrl(Some(url)) => {
                let silence = self.third_party.as_ref().map(|party| party.silence);
                let silence = silence.unwrap_or_default();
                self.third_party = Some(ThirdParty { url: url.clone(), silence });
            }
            AcceptanceChange::ThirdPartySilence(silence) => match &mut self.third_party {
                Some(party) => party.silence = *silence,
                None => return Err(invalid("third_party_url is not set")),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_whole_url_without_a_password() {
        for good in ["https://app.example/login", "http://127.0.0.1:8080", "https://[::1]/a?b=c"] {
            assert_eq!(WebhookUrl::parse(good).unwrap().to_string().trim_end_matches('/'), good);
        }
        for bad in ["", "app.example", "/login", "ftp://x/", "https://", "https://u:p@app.example/"]
        {
            assert!(WebhookUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn silence_is_a_refusal_until_it_is_said_otherwise_and_stays_so_with_another_address() {
        let mut acceptance = Acceptance::default();
        let url = |text| AcceptanceChange::ThirdPartyUrl(Some(WebhookUrl::parse(text).unwrap()));
        let admit = AcceptanceChange::ThirdPartySilence(Silence::Admit);
        assert!(acceptance.apply(&admit).is_err());
        acceptance.apply(&url("https://one.example/")).unwrap();
        assert_eq!(acceptance.third_party.as_ref().unwrap().silence, Silence::Refuse);
        acceptance.apply(&admit).unwrap();
        acceptance.apply(&url("https://other.example/")).unwrap();
        assert_eq!(acceptance.third_party.as_ref().unwrap().silence, Silence::Admit);
        acceptance.apply(&AcceptanceChange::ThirdPartyUrl(None)).unwrap();
        acceptance.apply(&url("https://one.example/")).unwrap();
        assert_eq!(acceptance.third_party.as_ref().unwrap().silence, Silence::Refuse);
    }
}
