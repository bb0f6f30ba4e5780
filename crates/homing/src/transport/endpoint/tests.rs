//! Addresses, as they are written and read.

use super::*;

fn parse(url: &str) -> Result<Endpoint, Error> {
    Endpoint::parse(url, Plaintext::LoopbackOnly)
}

#[test]
fn an_address_gets_the_gateways_path_once() {
    for url in ["wss://chat.example", "wss://chat.example/", "https://chat.example/v1/connect"] {
        let endpoint = parse(url).unwrap();
        assert_eq!(endpoint.uri.to_string(), "wss://chat.example/v1/connect", "{url}");
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("chat.example", 443));
    }
    let below = parse("https://example.org:8443/homing/").unwrap();
    assert_eq!(below.uri.to_string(), "wss://example.org:8443/homing/v1/connect");
    assert_eq!(below.port, 8443);
}

#[test]
fn plaintext_leads_to_this_machine_only_unless_allowed() {
    for url in ["ws://127.0.0.1:7700", "http://localhost:7700", "ws://[::1]:7700"] {
        assert_eq!(parse(url).unwrap().tls, Tls::Off, "{url}");
    }
    for url in ["ws://chat.example", "http://192.168.0.4:7700", "ws://127.0.0.1.example"] {
        assert_eq!(parse(url).unwrap_err().code, Code::INVALID_ARGUMENT, "{url}");
        assert!(Endpoint::parse(url, Plaintext::Anywhere).is_ok(), "{url}");
    }
}

#[test]
fn an_address_that_could_carry_a_secret_is_refused() {
    for url in
        ["wss://alice:token@chat.example", "wss://chat.example/?token=1", "wss://chat.example/#t"]
    {
        assert_eq!(parse(url).unwrap_err().code, Code::INVALID_ARGUMENT, "{url}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for url in ["", "chat.example", "ftp://chat.example", "wss://", "wss://:1", "ws:// x"] {
        assert_eq!(parse(url).unwrap_err().code, Code::INVALID_ARGUMENT, "{url}");
    }
}
