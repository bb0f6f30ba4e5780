//! The session of NIM, on Homing: the status diagram, several devices, automatic login.
//!
//! ```sh
//! cargo run --release -- serve --dev > dev.json &
//! cargo run --release -p homing-compat --example nim -- dev.json
//! ```

#![allow(clippy::print_stdout, reason = "this is what an example is for")]

mod dev;

use std::error::Error;

use homing::Platform;
use homing_compat::Deployment;
use homing_compat::nim::{
    NimAuthEvent, NimAuthStatus, NimCore, NimError, NimEvents, NimLoginInfo, NimSdkOptions,
};

use crate::dev::Dev;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dev = Dev::read()?;
    let data = tempfile::tempdir()?;
    let folder = data.path().join("phone");
    let phone = dev.device(Platform::Ios).configure(move |config| config.data_dir(&folder));

    // Listen, initialise, sign in by hand.
    let mut alice = Device::start("phone", phone.clone(), options(&dev)).await?;
    let auth = alice.core.auth_service();
    let login = auth.login(NimLoginInfo::new("alice", "no"));
    alice.during("login with a bad token", login, NimAuthStatus::PwdError).await;
    alice.during("login", auth.login(info(&dev)), NimAuthStatus::DataSyncFinish).await;

    // Another device of the same account, and the list of them.
    let mut clients = auth.online_clients();
    let pc = dev.device(Platform::Windows);
    let mut desk = Device::start("pc", pc, options(&dev).custom_tag("desk")).await?;
    let service = desk.core.auth_service();
    desk.during("login", service.login(info(&dev)), NimAuthStatus::DataSyncFinish).await;
    let others = loop {
        let list = clients.next().await.ok_or("the SDK is gone")?;
        if !list.is_empty() {
            break list;
        }
    };
    for client in &others {
        println!(
            "phone: online client, type {}, {:?}",
            client.client_type.number(),
            client.custom_tag
        );
    }
    show("phone: kickOutOtherOnlineClient", auth.kick_out_other_online_client(&others[0]).await);
    desk.until(NimAuthStatus::KickOutByOtherClient).await;
    desk.core.uninitialize().await;

    // The app is started again: it signs in by itself, and displaces nobody.
    alice.core.uninitialize().await;
    let automatic = options(&dev).auto_login_info(info(&dev));
    let mut alice = Device::start("phone", phone.clone(), automatic.clone()).await?;
    alice.until(NimAuthStatus::DataSyncFinish).await;

    // A login on another phone takes the place; nothing signs in by itself after that.
    let mut other = Device::start("other", dev.device(Platform::Ios), options(&dev)).await?;
    let service = other.core.auth_service();
    other.during("login", service.login(info(&dev)), NimAuthStatus::DataSyncFinish).await;
    alice.until(NimAuthStatus::KickOut).await;
    alice.core.uninitialize().await;
    let mut alice = Device::start("phone", phone, automatic).await?;
    alice.until(NimAuthStatus::KickOut).await;

    other.during("logout", service.logout(), NimAuthStatus::UnLogin).await;
    Ok(())
}

/// The demo server mints UserSigs; NIM's own tokens need no `credential_format`.
fn options(dev: &Dev) -> NimSdkOptions {
    NimSdkOptions::new(&dev.app_id().to_string()).credential_format("usersig")
}

fn info(dev: &Dev) -> NimLoginInfo {
    NimLoginInfo::new("alice", dev.token("alice"))
}

struct Device {
    name: &'static str,
    core: NimCore,
    events: NimEvents<NimAuthEvent>,
}

impl Device {
    async fn start(
        name: &'static str,
        deployment: Deployment,
        options: NimSdkOptions,
    ) -> Result<Self, NimError> {
        let core = NimCore::new(deployment);
        let events = core.auth_service().auth_status();
        core.initialize(options).await?;
        Ok(Self { name, core, events })
    }

    /// Prints the events that come with a call, up to this status, and then its result.
    async fn during(
        &mut self,
        what: &str,
        call: impl Future<Output = Result<(), NimError>>,
        last: NimAuthStatus,
    ) {
        let (result, ()) = tokio::join!(call, self.until(last));
        show(&format!("{}: {what}", self.name), result);
    }

    /// Prints the events up to this status.
    async fn until(&mut self, last: NimAuthStatus) {
        while let Some(event) = self.events.next().await {
            let (class, status) = (event.original_name(), event.status().name());
            match &event {
                NimAuthEvent::Status(_) | NimAuthEvent::DataSync(_) => {
                    println!("{}: {class} {status}", self.name);
                }
                NimAuthEvent::KickOutByOtherClient(kick) => {
                    let kind = kick.client_type.map(|kind| kind.number());
                    println!("{}: {class} {status} by client type {kind:?}", self.name);
                }
            }
            if event.status() == last {
                return;
            }
        }
    }
}

/// `NIMResult` of the original: a code, 200 for success.
fn show(what: &str, result: Result<(), NimError>) {
    println!("{what}: code {}", result.map_or_else(|error| error.code, |()| 200));
}
