//! `sluice explain`: arguments, and what is printed.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use sluice_gateway::author::explain;

use super::say;

/// What can be said.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration, TOML, or JSON if its name ends in `.json`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The request: its method, if that is not GET, and its URL.
    #[arg(value_names = ["METHOD", "URL"], num_args = 1..=2, required_unless_present = "exchange", conflicts_with = "exchange")]
    request: Vec<String>,
    /// A field of the request, as `name: value`. May be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Its body.
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// Who connects. Default: 127.0.0.1. Behind a trusted proxy, say the client by `-H 'x-forwarded-for: …'`.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// The status that the endpoint is to answer with. Default: 200.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..=599))]
    status: Option<u16>,
    /// A field of its answer, as `name: value`. May be given several times.
    #[arg(long = "answer-header", value_name = "NAME: VALUE")]
    answer_headers: Vec<String>,
    /// An exchange that a gateway has recorded whole, from `GET /api/v1/exchanges`; or all of that answer.
    #[arg(long, value_name = "FILE")]
    exchange: Option<PathBuf>,
    /// Print all of it as JSON: a list with an entry for each request.
    #[arg(long)]
    json: bool,
    /// Where compiled plugins and keys are kept, as for `run`.
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
}

pub(super) fn run(asked: Arguments) -> Result<(), String> {
    let Arguments { config, request, headers, body, client, status, answer_headers, exchange, json, state_dir } = asked;
    let asked = explain::Asked { config, state_dir, request, headers, body, client, status, answer_headers, exchange };
    let explained = explain::explain(&asked).map_err(|error| error.to_string())?;
    match json {
        true => {
            say(&[serde_json::to_string(&explained).map_err(|error| error.to_string())?.as_bytes(), b"\n"].concat())
        }
        false => {
            let texts: Vec<String> = explained.iter().map(ToString::to_string).collect();
            say(texts.join("\n").as_bytes())
        }
    }
}
