//! The verdict: what must be true of what all devices have in the end.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::user::Ledger;

/// A message as a device has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    seq: u64,
    from: String,
    client_id: String,
    text: String,
}

/// What one device has.
pub(crate) struct Side {
    pub(crate) user: &'static str,
    /// By the user at the other end, ascending.
    pub(crate) conversations: BTreeMap<&'static str, Vec<Seen>>,
}

/// What all devices have.
#[derive(Default)]
pub(crate) struct Sides(BTreeMap<&'static str, Side>);

impl Seen {
    pub(crate) fn of(message: &Value) -> Self {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        Self {
            seq: message["seq"].as_u64().unwrap_or_default(),
            from: text("from"),
            client_id: text("client_id").replace('-', ""),
            text: text("text"),
        }
    }
}

impl Sides {
    pub(crate) fn add(&mut self, side: Side) {
        self.0.insert(side.user, side);
    }
}

/// Checks everything; gives the number of messages.
pub(crate) fn judge(sides: &Sides, ledger: &Ledger, each: usize) -> Result<usize, String> {
    let mut places = BTreeMap::new();
    for side in sides.0.values() {
        for (other, messages) in &side.conversations {
            let place = format!("{}'s conversation with {other}", side.user);
            check_alone(&place, messages)?;
            let there = sides.0.get(other).and_then(|there| there.conversations.get(side.user));
            if there != Some(messages) {
                return Err(format!("{place}: the other side has something else"));
            }
            for message in messages.iter().filter(|message| message.from == side.user) {
                if places.insert(message.client_id.clone(), message.seq).is_some() {
                    return Err(format!("{place}: {} stands elsewhere as well", message.text));
                }
            }
        }
    }
    for client_id in ledger.acknowledged() {
        let place = places.get(&client_id);
        match (place, ledger.seq(&client_id)) {
            (None, _) => return Err(format!("{client_id} was acknowledged and is lost")),
            (Some(place), Some(told)) if *place != told => {
                return Err(format!(
                    "{client_id} stands at {place} and was told to stand at {told}"
                ));
            }
            _ => {}
        }
    }
    let expected = each * sides.0.len();
    if places.len() != expected {
        return Err(format!("{} messages are there, {expected} were sent", places.len()));
    }
    Ok(places.len())
}

/// Without a gap, nothing twice, and each sender's messages in the order in which they were sent.
fn check_alone(place: &str, messages: &[Seen]) -> Result<(), String> {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (message, seq) in messages.iter().zip(1..) {
        if message.seq != seq {
            return Err(format!("{place}: seq {} where {seq} should be", message.seq));
        }
        let number = message.text.rsplit(' ').next().and_then(|number| number.parse().ok());
        let number: u64 = number.ok_or_else(|| format!("{place}: garbled: {}", message.text))?;
        let before = last.insert(&message.from, number);
        if before.is_some_and(|before| before >= number) {
            return Err(format!("{place}: {} comes after {before:?}", message.text));
        }
    }
    Ok(())
}
