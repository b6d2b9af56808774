//! The receivers of alerts that the command line names, with their credentials.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use honeyguide::{Error, secret_in};
use honeyguide_watch::{Deliveries, Store, Syslog, Webhook, WebhookFormat};

use super::view::View;
use crate::args::Receivers;
use crate::context::Context;
use crate::render::{of_them, printable};

/// The variable with a bearer token.
const TOKEN: &str = "HONEYGUIDE_WEBHOOK_TOKEN";

/// Begins to deliver alerts from `store` to the receivers.
///
/// # Errors
/// Fails when a receiver or a credential is unusable, and when the store cannot be written.
pub fn begin(
    context: &Context,
    view: &View,
    args: &Receivers,
    store: &mut Store,
    writes_file: bool,
) -> Result<Deliveries, Error> {
    let webhooks = webhooks(args)?;
    let format = args.syslog_format.into();
    let syslogs = args
        .syslog
        .iter()
        .map(|address| Syslog::new(address.clone(), format));
    let is_quiet = context.global().quiet;
    let view = view.clone();
    let notice = move |text: &str| {
        if !is_quiet {
            view.print(|| eprintln!("note: {}", printable(text)));
        }
    };
    let syslogs = syslogs.collect::<Result<_, _>>()?;
    store.deliver_to(writes_file, webhooks, syslogs, &(Arc::new(notice) as _))
}

/// Ends the delivery after at most `time`, and says what waits in the store.
pub fn finish(context: &Context, deliveries: Deliveries, time: Duration) {
    for left in deliveries.finish(time) {
        let alerts = of_them(left.alerts, "alert waits", "alerts wait");
        let why = left
            .failure
            .map_or_else(String::new, |why| format!(" ({why})"));
        let receiver = left.receiver;
        context.remark(&format!(
            "note: {alerts} in the store for {receiver}{why}; the next watch with this store and receiver sends them"
        ));
    }
}

fn webhooks(args: &Receivers) -> Result<Vec<Webhook>, Error> {
    let number = args.webhook.len();
    let formats = one_each("--webhook-format", &args.webhook_format, number)?;
    let files = one_each("--webhook-token-file", &args.webhook_token_file, number)?;
    let from_environment = || std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
    let (tokens, source): (Vec<Option<String>>, _) = match args.webhook_token_file.len() {
        0 => (vec![from_environment(); number], TOKEN),
        _ => {
            let tokens = files
                .iter()
                .map(|file| file.map(|file| token(file)).transpose());
            (tokens.collect::<Result<_, _>>()?, "--webhook-token-file")
        }
    };
    let made = args
        .webhook
        .iter()
        .zip(formats)
        .zip(&tokens)
        .map(|((url, format), token)| {
            let format = format.map_or(WebhookFormat::Honeyguide, |&format| format.into());
            Webhook::new(url, format, token.as_deref())
        });
    let webhooks: Vec<Webhook> = made.collect::<Result<_, _>>()?;
    let is_shared = args.webhook_token_file.len() < 2 && tokens.iter().any(Option::is_some);
    let is_one_host = webhooks
        .windows(2)
        .all(|pair| pair[0].origin() == pair[1].origin());
    if is_shared && !is_one_host {
        return Err(
            Error::usage(format!("{source}: one token would go to several hosts"))
                .hint("give --webhook-token-file once for each --webhook, in the same order"),
        );
    }
    Ok(webhooks)
}

/// Returns one value for each of `number` webhooks: the only one, or the one at its place.
fn one_each<'a, T>(
    flag: &str,
    values: &'a [T],
    number: usize,
) -> Result<Vec<Option<&'a T>>, Error> {
    match values.len() {
        0 => Ok(vec![None; number]),
        1 => Ok(vec![values.first(); number]),
        some if some == number => Ok(values.iter().map(Some).collect()),
        some => Err(Error::usage(format!(
            "{flag} is given {some} times and --webhook {number} times: give it once, or once for each"
        ))),
    }
}

/// Reads a bearer token.
fn token(path: &Path) -> Result<String, Error> {
    let token = secret_in(path)?;
    if token.is_empty() {
        let shown = path.display();
        return Err(Error::usage(format!("{shown}: this file holds no token")));
    }
    Ok(token)
}
