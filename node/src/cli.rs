//! The command line: what people type, and what they read, in Chinese or English.
//!
//! Arguments are parsed (`flags`), then understood ([`Invocation`]). Commands for a running node go over its local
//! socket; `init`, `join` and `run` are returned to `main`, which knows the rest of the house. Results go to stdout,
//! everything else to stderr; exit codes are 0 ok, 1 failed, 2 usage. `--json` prints one JSON value.

mod care;
mod catalogue;
mod complaint;
mod context;
mod courier;
mod courier_complaint;
mod figure;
mod flags;
mod help;
mod invocation;
mod limit;
mod notice;
mod play;
mod progress;
mod publish;
mod pull;
mod room;
mod setup_complaint;
mod status;
#[cfg(test)]
mod tests;

pub use care::QuotaChange;
pub use complaint::Complaint;
pub use context::Context;
pub use invocation::{Action, Invocation, PullOrder, Request};
pub use karez_content_tools::speech::{Argument, Lang, Sentence, Spoken, Texts};

use crate::api::client::{Client, ClientError};
use crate::words::texts;
use karez_content_tools::speech::{Voice, language, usage};
use std::ffi::OsString;
use std::process::ExitCode;

/// Reads the command line of this process. `Err` when there is nothing left to do: help was shown, or usage was wrong
/// and said so.
pub fn parse() -> Result<Invocation, ExitCode> {
    parse_from(std::env::args_os().collect())
}

fn parse_from(arguments: Vec<OsString>) -> Result<Invocation, ExitCode> {
    let lang = language::choose(&arguments, |name| std::env::var(name).ok(), sys_locale::get_locale());
    let mut voice = Voice { json: usage::wants_json(&arguments), texts: texts(lang), english: texts(Lang::En) };
    let command = help::command(lang);
    let matched = command.clone().try_get_matches_from(arguments).and_then(|matches| flags::read(&matches));
    let flags = matched.map_err(|error| usage::end(&error, &command, &voice.texts, voice.json))?;
    voice.json = flags.json;
    invocation::understand(flags, voice).map_err(|refused| {
        let (voice, wrong) = *refused;
        voice.fail(&wrong);
        ExitCode::from(usage::USAGE)
    })
}

/// Does what a client command asks for.
pub async fn execute(context: &Context, request: Request) -> ExitCode {
    match perform(context, request).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) if complaint.follows_result() => context.warn(&complaint),
        Err(complaint) => context.fail(&complaint),
    }
}

async fn perform(context: &Context, request: Request) -> Result<(), Complaint> {
    let client = || Client::new(&context.home.join("api.sock"));
    match request {
        Request::Search(query) => catalogue::search(context, &client()?, &query).await,
        Request::Show(collection) => catalogue::show(context, &client()?, &collection).await,
        Request::List => catalogue::list(context, &client()?).await,
        Request::Follow(collection, on) => catalogue::follow(context, &client()?, &collection, on).await,
        Request::Pull(order) => pull::pull(context, &client()?, order).await,
        Request::Play { collection, item, height, open } => {
            play::play(context, &client()?, &collection, item.as_deref(), height, open).await
        }
        Request::Status { watch } => status::status(context, &client()?, watch).await,
        Request::Publish(request) => publish::publish(context, &client()?, request).await,
        Request::CourierRequest(to) => courier::request(context, &client()?, to).await,
        Request::Export(order) => courier::export(context, &client()?, order).await,
        Request::Import(from) => courier::import(context, &client()?, from).await,
        Request::Pin(pin, on) => care::pin(context, &client()?, pin.to_string(), on).await,
        Request::Pins => care::pins(context, &client()?).await,
        Request::Quota(change) => care::quota(context, &client()?, change).await,
        Request::Limit(order) => limit::limit(context, &client()?, &order).await,
        Request::Room(order) => room::gc(context, &client()?, order).await,
        Request::Scrub(order) => care::scrub(context, &client()?, order).await,
        Request::Completions(shell) => {
            help::completions(context.texts.lang(), shell);
            Ok(())
        }
    }
}

impl From<ClientError> for Complaint {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}
