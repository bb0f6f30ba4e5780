//! Measures how fast a batch of tokens is judged: `cargo run --release -p homing-token --example
//! verify-speed [TOKENS]`. Prints one line of JSON.

#![allow(clippy::print_stdout, reason = "the line is what it is for")]

use std::time::Instant;

use homing_proto::id::{AppId, UserId};
use homing_proto::time::WallTime;
use homing_token::batch::verify_lines;
use homing_token::{Format, Grant, Key, mint};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tokens = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse::<u64>())?;
    let secret = "0123456789abcdef".repeat(4);
    let key = Key::new(secret.as_str())?;
    let app = AppId::new(1_400_000_000)?;
    let mut lines = String::new();
    for index in 0..tokens {
        let user = UserId::parse(&format!("user-{index}"))?;
        let issued_at = WallTime(1_700_000_000_000 + index);
        let token = mint(
            Format::Usersig,
            &key,
            &Grant { app, user: &user, issued_at, ttl_s: 86_400, userbuf: None },
        )?;
        lines.push_str(&format!(
            "{{\"format\":\"usersig\",\"app_id\":{app},\"key\":\"{secret}\",\"user\":\"{user}\",\"token\":\"{}\"}}\n",
            token.expose(),
        ));
    }

    #[allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]
    let start = Instant::now();
    let tally = verify_lines(lines.as_bytes(), std::io::sink(), WallTime(1_700_000_100_000))?;
    let elapsed = start.elapsed();
    println!(
        "{{\"tokens\":{tokens},\"good\":{},\"seconds\":{:.3},\"us_per_token\":{:.2}}}",
        tally.good,
        elapsed.as_secs_f64(),
        elapsed.as_secs_f64() * 1e6 / tokens as f64,
    );
    Ok(())
}
