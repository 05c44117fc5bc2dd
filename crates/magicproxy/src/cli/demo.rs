//! `demo`: a small API, the proxy before it, an allowed and a refused request; no network, no
//! configuration, no files.

mod upstream;

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use http::Request;
use http_body_util::Full;
use hyper::body::Bytes;
use magicproxy_core::{
    Credential, KeyRing, PrivateKey, RawRule, Rule, RuleSource, TokenSpec, UnixTime,
};
use magicproxy_proxy::clock;
use magicproxy_proxy::server::Stop;
use magicproxy_proxy::services::{Services, SharedKeys};
use zeroize::Zeroizing;

use crate::client::{Peer, ProxyResponse};
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::runtime::settings;
use crate::runtime::wire::passed::PassedSockets;
use crate::runtime::wire::{
    self, BoundServer, EndSignals, Engine, ListenerPlan, survive_others, survive_upgrades,
};
use magicproxy_config::config::raw::RawConfig;
use magicproxy_config::config::setting::Setting;
use magicproxy_config::config::{Config, Layers};
use magicproxy_config::ground::fault::Origin;
use magicproxy_config::ground::text::harmless;

const RULE: &str = "GET /repos/acme/widgets/issues";
const ALLOWED: (&str, &str) = ("GET", "/repos/acme/widgets/issues");
const REFUSED: (&str, &str) = ("DELETE", "/repos/acme/widgets");

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Stop after showing, instead of at Ctrl-C
    #[arg(long)]
    once: bool,
}

/// Runs the demonstration.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let runtime = wire::runtime()?;
    let shown = runtime.block_on(demo(args.once));
    runtime.shutdown_background();
    shown
}

async fn demo(once: bool) -> Result<(), Failure> {
    survive_others().context("signals")?;
    survive_upgrades().context("signals")?;
    let api = upstream::start().await?;
    let keys = KeyRing::new(PrivateKey::generate(2048).context("a new key")?, Vec::new())
        .context("a new key")?;
    let config = configuration(api)?;
    let token = mint(&keys, &config)?;
    let (listeners, hosts) = (config.listeners.clone(), config.hosts.clone());
    let services = Services::of_keys(Arc::new(SharedKeys::new(keys)));
    let engine = Engine { settings: config.into_settings(), services };
    let plan = ListenerPlan { listeners: &listeners, hosts: &hosts, tls: None };
    let mut door = BoundServer::open(engine, plan, &mut PassedSockets::default()).await?;
    let held = door.take_held_sockets();
    let proxy = door.url();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(door.serve(async move {
        let _ = stopped.await;
        drop(held);
        Stop::Interrupted
    }));
    output::print(&format!(
        "{until}an API listens on http://127.0.0.1:{api} and obeys one credential, which may do anything\n\
         the proxy listens on {proxy} and holds nothing\n\
         this magic token carries the credential, sealed, and allows `{RULE}` for an hour; to repeat what follows, paste it \
         into a shell:\n\nMAGIC='{}'",
        token.as_str(),
        until = if once { "" } else { "this runs until you stop it with Ctrl-C\n" },
    ))?;
    show("allowed", &proxy, ALLOWED, &token).await?;
    show("refused", &proxy, REFUSED, &token).await?;
    if !once {
        output::print("\nthe API and the proxy go on, for you to try: press Ctrl-C to stop")?;
        EndSignals::listen().context("signals")?.shutdown().await;
    }
    let _ = stop.send(());
    serving.await.context("the proxy ended early")?;
    Ok(())
}

/// Makes the default configuration, on free ports, without any file or variable.
fn configuration(api: u16) -> Result<Config, Failure> {
    let mut raw = RawConfig {
        listen: Setting::new("127.0.0.1:0".to_owned(), Origin::Default),
        ..RawConfig::default()
    };
    raw.upstream.api_root = Setting::new(format!("http://127.0.0.1:{api}"), Origin::Default);
    Ok(settings::check(Layers::only(raw))?)
}

fn mint(keys: &KeyRing, config: &Config) -> anyhow::Result<Zeroizing<String>> {
    let now = clock::now();
    let upstream = config.upstream_named(None).map_err(anyhow::Error::msg)?;
    let rule = Rule::parse(RawRule::Text(RULE.to_owned()), upstream.patterns)?;
    let minted = keys.mint(&TokenSpec {
        credential: Credential::parse(Zeroizing::new(upstream::CREDENTIAL.to_owned()))?,
        source: RuleSource::Rules(vec![rule]),
        upstream: Some(upstream.name.clone()),
        unnamed: upstream.unnamed,
        issued_at: now,
        expires_at: UnixTime(now.0 + 3_600),
        not_before: None,
        subject: None,
        explain: true,
        limit: None,
    })?;
    Ok(minted.token)
}

/// Sends a request, and prints it as a line that a shell can repeat if `MAGIC` is the token, with
/// the response.
async fn show(
    word: &str,
    proxy: &str,
    (method, path): (&str, &str),
    token: &str,
) -> Result<(), Failure> {
    let request =
        Request::builder().method(method).header("authorization", format!("Bearer {token}"));
    let request = request.body(Full::new(Bytes::new())).context("request")?;
    let response: ProxyResponse =
        Peer::parse(proxy).map_err(Failure::usage)?.send(path, request).await?;
    let verb = if method == "GET" { String::new() } else { format!("-X {method} ") };
    Ok(output::print(&format!(
        "\n{word}: {method} {path}\n\ncurl -i {verb}{proxy}{path} -H \"Authorization: Bearer $MAGIC\"\n\n{} {}",
        response.status,
        harmless(response.body.trim_end())
    ))?)
}
