//! The smallest app: it signs in, writes, and shows what others write.
//!
//! ```sh
//! cargo run --release -- serve --dev > dev.json &
//! cargo run --release -p homing --example hello -- dev.json bob
//! cargo run --release -p homing --example hello -- dev.json alice bob "Hello!"    # elsewhere
//! ```
//!
//! Stop it and start it again, with the server or without: it signs in from what it has stored.

#![allow(clippy::print_stdout, reason = "this is what an example is for")]

use std::error::Error;
use std::fs;

use homing::{Client, Config, Content, ContentView, Credential, Event, Logged, SendState};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dev, user, rest @ ..] = arguments.as_slice() else {
        return Err("usage: hello DEV_JSON USER [PEER TEXT]".into());
    };
    let dev: serde_json::Value =
        serde_json::from_str(fs::read_to_string(dev)?.lines().next().unwrap_or_default())?;
    let app = u32::try_from(dev["app_id"].as_u64().unwrap_or_default())?;
    let server = dev["url"].as_str().unwrap_or_default();
    let config = Config::new(app, server)?
        .data_dir(std::env::temp_dir().join("homing-hello").join(app.to_string()).join(user));
    let client = Client::open(config).await?;
    let mut events = client.events();

    // Whoever was here before is signed in at once, with or without network.
    if let Err(why) = client.resume_last().await {
        println!("not signed in from this device: {why}");
        // A real app asks its own server for this.
        let token = dev["users"][user].as_str().unwrap_or_default();
        client.login(user, Credential::usersig(token)).await?;
    }
    for conversation in client.conversations(20).await? {
        println!("{}: {} unread", conversation.id, conversation.unread());
    }

    // What is sent waits on the disk until the server has it, also over a restart.
    let sent = match rest {
        [peer, text] => {
            Some(client.send(&format!("user/{peer}").parse()?, Content::text(text)).await?)
        }
        _ => None,
    };
    while let Some(next) = events.next().await {
        match next {
            Logged::Entry(Event::Message(message)) => match message.content.view() {
                ContentView::Text(text) => println!("{}: {text}", message.from),
                _ => println!("{}: something this app does not show", message.from),
            },
            Logged::Entry(Event::CredentialNeeded(why)) => println!("a new token is needed: {why}"),
            Logged::Entry(Event::SendState { client_id, state, .. })
                if Some(client_id) == sent && state != SendState::Queued =>
            {
                println!("{state:?}");
                break;
            }
            Logged::Entry(_) => {}
            Logged::Lagged(missed) => println!("missed {missed} events: read the lists anew"),
        }
    }
    client.close().await;
    Ok(())
}
