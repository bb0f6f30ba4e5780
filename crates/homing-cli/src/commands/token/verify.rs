//! `homing token verify`: one verdict, or one a line.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};

use clap::Args;
use homing_proto::Error;
use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;
use homing_token::batch::{Request, error_to_json, key_ring, verify_lines};
use homing_token::{Claims, Format, Key, Rules};

use super::judged_at;
use super::progress::Metered;
use crate::cli::{Done, Outcome};
use crate::failure::Failure;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The form that it must have: usersig, token04, token04-cbc, nim-static, nim-dynamic, jwt, app-sign.
    /// A third-party credential can be judged by the app's own server alone.
    #[arg(long, value_name = "FORMAT", required_unless_present = "batch")]
    format: Option<String>,
    /// The app it must be for.
    #[arg(long, value_name = "N", required_unless_present = "batch")]
    app_id: Option<u32>,
    /// The app's secret key; for jwt a text (HS256), or a key in PEM or JWK, of which the public half is
    /// enough; for nim-static the user's token; for app-sign the app sign. In the environment it does
    /// not show in the list of processes.
    #[arg(
        long,
        value_name = "KEY",
        env = "HOMING_KEY",
        hide_env_values = true,
        required_if_eq_any = keyed()
    )]
    key: Option<String>,
    /// The user it must be for.
    #[arg(long, value_name = "USER", required_unless_present = "batch")]
    user: Option<String>,
    /// The time to judge by, in seconds since 1970, instead of the clock's.
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
    /// Take token04 in its AES-CBC form too. It has no integrity check: who sees one such token can
    /// change what it says. Other formats do not use this.
    #[arg(long)]
    allow_cbc: bool,
    /// The app key that belongs to the app secret; nim-dynamic needs it, others do not use it.
    #[arg(long, value_name = "KEY")]
    app_key: Option<String>,
    /// Judge each line of this JSON-lines file, or of stdin when it is `-`. Lines have the fields
    /// format, app_id, key, user, token, and optionally now, app_key, allow_cbc.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "app_id", "user", "token"])]
    batch: Option<String>,
    /// The credential.
    #[arg(value_name = "TOKEN", allow_hyphen_values = true, required_unless_present = "batch")]
    token: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    if let Some(file) = &arguments.batch {
        return judge_file(file, arguments);
    }
    Ok(match judge(arguments) {
        Ok(claims) => {
            println!("{}", claims.to_json());
            Done::Well
        }
        Err(error) => {
            println!("{}", error_to_json(&error));
            Done::Refused
        }
    })
}

fn judge(arguments: &Arguments) -> Result<Claims, Error> {
    let given = |text: &Option<String>| text.clone().expect("clap requires it without --batch");
    let format = given(&arguments.format).parse()?;
    let keys = match format {
        Format::ThirdParty => Vec::new(),
        _ => key_ring(format, Key::new(given(&arguments.key))?, arguments.app_key.clone())?,
    };
    Request {
        format,
        app: AppId::new(arguments.app_id.expect("clap requires it without --batch"))?,
        user: UserId::parse(&given(&arguments.user))?,
        keys,
        rules: Rules { cbc: arguments.allow_cbc.into(), ..Rules::default() },
        now: judged_at(arguments.now),
        token: Token::new(given(&arguments.token)),
    }
    .verify()
}

/// `--format` with any of these needs `--key`.
fn keyed() -> impl Iterator<Item = (&'static str, &'static str)> {
    let keyed = Format::ALL.iter().filter(|format| **format != Format::ThirdParty);
    keyed.map(|format| ("format", format.name()))
}

/// Verdicts are the output; that some are refusals is no failure of the work.
fn judge_file(file: &str, arguments: &Arguments) -> Outcome {
    let (input, bytes): (Box<dyn Read>, _) = if file == "-" {
        (Box::new(io::stdin().lock()), None)
    } else {
        let opened = File::open(file).map_err(|error| {
            Failure::new(
                format!("cannot open the batch file {file}"),
                error,
                "check the path; `-` reads from stdin",
            )
        })?;
        let bytes = opened.metadata().ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
        (Box::new(opened), bytes)
    };
    let mut input = BufReader::with_capacity(BUFFER, Metered::new(input, bytes));
    let output = BufWriter::with_capacity(BUFFER, io::stdout().lock());
    match verify_lines(&mut input, output, judged_at(arguments.now)) {
        Ok(tally) => {
            input.into_inner().finish(&format!("{} good, {} refused", tally.good, tally.refused));
            Ok(Done::Well)
        }
        // Whoever read the verdicts has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Done::Refused),
        Err(error) => Err(Failure::new(
            "cannot judge the whole batch",
            error,
            "the verdicts printed so far hold; check the file and the disk",
        )),
    }
}

/// Whole system calls for many lines.
const BUFFER: usize = 64 * 1024;

const EXAMPLES: &str = "\
Examples:
  homing token verify --format usersig --app-id 1 --key KEY --user alice TOKEN
      {\"format\":\"usersig\",\"app_id\":1,\"user\":\"alice\",\"issued_at\":…,\"expires_at\":…}
  homing token verify --batch tokens.jsonl > verdicts.jsonl
  generate | homing token verify --batch -

A line of a batch: {\"format\":\"usersig\",\"app_id\":1,\"key\":\"KEY\",\"user\":\"alice\",\"token\":\"TOKEN\"}
Its verdict:       {\"ok\":true,\"claims\":{…}} or {\"ok\":false,\"error\":{\"code\":…,\"name\":…,\"text\":…}}
Lines of all forms may be mixed. A line that cannot be read gets an error verdict; nothing aborts.

What the errors mean:
  credential_malformed      it is not of this form, or its fields are not (missing, twice, wrong type)
  credential_wrong_app      it names another app
  credential_bad_signature  none of the keys signed it. token04 of another app and nim-dynamic of
                            another user read so too: what they say is under the key
  credential_wrong_user     it is genuine, and another user's
  credential_not_yet_valid  its issue time is more than 5 minutes ahead
  credential_expired        its time is over
  credential_type_disabled  the AES-CBC form of token04 without --allow-cbc; third-party, which no key
                            proves: your own server is asked (homing app set N third_party_url=…)
  invalid_argument          the line or the key is wrong: token04 wants 16, 24 or 32 bytes, nim-dynamic
                            an app key, jwt in PEM a P-256 or Ed25519 key

Exit codes: 0 the credential is good, or every line of the batch has its verdict; 1 the credential
is not good and {\"error\":{…}} says why, or the file could not be read; 2 the arguments are wrong.";
