//! What `homing serve --dev` says in its first line: where it is, and a token for each demo user.

use std::error::Error;
use std::fs;

use homing::Platform;
use homing_compat::Deployment;

/// The demo app. The tokens are secrets: nothing here prints them.
pub(crate) struct Dev(serde_json::Value);

impl Dev {
    /// Reads the line from the file that is named as the first argument.
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let file =
            std::env::args().nth(1).ok_or("which file has the first line of serve --dev?")?;
        let text = fs::read_to_string(file)?;
        let line = text.lines().next().ok_or("the server is not ready yet")?;
        Ok(Self(serde_json::from_str(line)?))
    }

    pub(crate) fn app_id(&self) -> u32 {
        self.0["app_id"].as_u64().and_then(|id| id.try_into().ok()).unwrap_or_default()
    }

    /// What an app gets from its own server.
    pub(crate) fn token(&self, user: &str) -> &str {
        self.0["users"][user].as_str().unwrap_or_default()
    }

    /// A device of its own. Data lives in memory; an app would name a directory.
    pub(crate) fn device(&self, platform: Platform) -> Deployment {
        let url = self.0["url"].as_str().unwrap_or_default();
        Deployment::new(url).configure(move |config| config.platform(platform))
    }
}
