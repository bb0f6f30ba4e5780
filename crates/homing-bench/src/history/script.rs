//! What a device does next: everything that a device may do with its session, in a random order.

use homing_proto::Code;
use homing_proto::device::Platform;
use homing_proto::frame::Intent;

use super::client::{Client, Plan, Told, Wait, With};
use super::event::{Credential, Login};
use crate::link::Lost;

/// A client and its dice.
pub(crate) struct Player {
    pub(crate) client: Client,
    dice: u64,
    /// A counter was used twice on purpose (S-7.10): from here on every answer is waited for, so
    /// that the name of the session that a conflict makes is known.
    is_copied: bool,
}

impl Player {
    pub(crate) fn new(mut client: Client, seed: u64) -> Self {
        // A seed of 0 would roll 0 for ever.
        let dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        client.become_new_device(Platform::Android, 0);
        let mut player = Self { client, dice, is_copied: false };
        player.move_on();
        player
    }

    /// Does one thing.
    ///
    /// # Errors
    /// When the server says what it must not, or is not there.
    pub(crate) async fn play(&mut self) -> Result<(), Lost> {
        match (self.client.line.is_some(), self.client.held.is_some()) {
            (true, _) => self.on_line().await,
            (false, true) => self.away().await,
            (false, false) => self.signed_out().await,
        }
    }

    async fn on_line(&mut self) -> Result<(), Lost> {
        match self.roll(100) {
            0..30 => self.client.ask_list(Wait::ForAnswer).await,
            30..42 => {
                let targets = self.targets();
                self.client.kick(targets, Wait::ForAnswer).await
            }
            42..52 => {
                self.client.drop_line();
                self.resume(Wait::ForAnswer).await
            }
            52..62 => self.resume(Wait::ForAnswer).await,
            62..70 => self.log_in(Intent::Explicit, Wait::ForAnswer).await,
            70..72 => self.log_in(Intent::ExplicitPolite, Wait::ForAnswer).await,
            72..79 => self.client.log_out(Wait::ForAnswer).await,
            79..84 => self.client.end().await,
            84..87 => {
                self.client.drop_line();
                Ok(())
            }
            87..90 => self.be_copied().await,
            90..93 => self.client.ask_list(self.hurry()).await,
            93..95 => {
                let targets = self.targets();
                self.client.kick(targets, self.hurry()).await
            }
            95..98 => self.client.log_out(self.hurry()).await,
            _ => self.log_in_twice().await,
        }
    }

    async fn away(&mut self) -> Result<(), Lost> {
        match self.roll(100) {
            0..60 => self.resume(Wait::ForAnswer).await,
            60..70 => {
                // The user signs in again by hand, and the old session is shown along.
                let login = Some(self.client.new_login());
                self.hello(Intent::Explicit, login, With::Session, Wait::ForAnswer).await
            }
            70..85 => self.client.end().await,
            85..93 => {
                self.resume(self.hurry()).await?;
                self.move_on();
                Ok(())
            }
            _ => {
                self.move_on();
                Ok(())
            }
        }
    }

    async fn signed_out(&mut self) -> Result<(), Lost> {
        if self.roll(4) == 0 {
            self.move_on();
        }
        match self.roll(100) {
            0..60 => self.log_in(Intent::Explicit, Wait::ForAnswer).await,
            60..75 => self.log_in(Intent::ExplicitPolite, Wait::ForAnswer).await,
            75..85 => self.hello(Intent::Automatic, None, With::Nothing, Wait::ForAnswer).await,
            85..98 => self.log_in_twice().await,
            _ => {
                self.log_in(Intent::Explicit, Wait::No).await?;
                self.move_on();
                Ok(())
            }
        }
    }

    /// The answer to a login is lost, and it is asked for again (S-3.2).
    async fn log_in_twice(&mut self) -> Result<(), Lost> {
        if self.is_copied {
            return Ok(());
        }
        let login = Some(self.client.new_login());
        self.hello(Intent::Explicit, login, With::Nothing, Wait::No).await?;
        self.hello(Intent::Explicit, login, With::Nothing, Wait::ForAnswer).await
    }

    /// Another machine with a copy of this one's data speaks up (S-7.10).
    async fn be_copied(&mut self) -> Result<(), Lost> {
        self.is_copied = true;
        self.client.device.counter -= 1;
        self.resume(Wait::ForAnswer).await?;
        if self.client.held.is_some() {
            self.resume(Wait::ForAnswer).await?;
        }
        Ok(())
    }

    async fn resume(&mut self, wait: Wait) -> Result<(), Lost> {
        self.hello(Intent::Automatic, None, With::Session, wait).await
    }

    async fn log_in(&mut self, intent: Intent, wait: Wait) -> Result<(), Lost> {
        let login = Some(self.client.new_login());
        self.hello(intent, login, With::Nothing, wait).await
    }

    async fn hello(
        &mut self,
        intent: Intent,
        login: Option<Login>,
        resume: With,
        wait: Wait,
    ) -> Result<(), Lost> {
        self.client.device.counter += 1;
        let credential = if resume == With::Session && self.roll(2) == 0 {
            Credential::Withheld
        } else {
            Credential::Shown
        };
        let told = self.client.hello(&Plan { intent, login, resume, credential, wait }).await?;
        match told {
            Told::Yes | Told::Nothing | Told::No(Code::HELLO_REPLAYED | Code::SERVER_BUSY) => {}
            Told::No(_) if resume == With::Session => {
                // It is over: sometimes the server is told that this was heard (S-7.6).
                if self.roll(2) == 0 {
                    self.client.end().await?;
                }
                self.client.held = None;
                self.client.drop_line();
            }
            Told::No(_) => {}
        }
        Ok(())
    }

    /// Another device of the same user.
    fn move_on(&mut self) {
        let platform = Platform::ALL[self.roll(Platform::ALL.len() as u64) as usize];
        let custom_type = if self.roll(4) == 0 { 1 + self.roll(2) as u32 } else { 0 };
        self.client.become_new_device(platform, custom_type);
        self.is_copied = false;
    }

    /// One or two of the sessions that were last told of, whether they still live or not.
    fn targets(&mut self) -> Vec<homing_proto::id::SessionId> {
        let list = self.client.list.clone();
        (0..=self.roll(2))
            .filter_map(|_| list.get(self.roll(list.len().max(1) as u64) as usize).copied())
            .collect()
    }

    /// Not to wait, unless this device is one of two copies.
    fn hurry(&self) -> Wait {
        if self.is_copied { Wait::ForAnswer } else { Wait::No }
    }

    /// A number from 0, below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        // Xorshift: good enough for dice.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 16) % sides
    }
}
