//! What cargo says of the workspace.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::run::cargo_command;

/// The workspace's packages, each with the workspace packages it depends on at run time.
pub(crate) fn arrows() -> Result<BTreeMap<String, Vec<String>>, String> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let names: Vec<String> = packages.iter().map(|package| text(&package["name"])).collect();
    let arrows = packages.iter().map(|package| {
        let to = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| text(&dependency["name"]))
            .filter(|name| names.contains(name))
            .collect();
        (text(&package["name"]), to)
    });
    Ok(arrows.collect())
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
    Ok(text(&metadata()?["target_directory"]).into())
}

fn metadata() -> Result<serde_json::Value, String> {
    let output = cargo_command()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
