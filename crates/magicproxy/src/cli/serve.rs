//! `serve`: the proxy itself.

use clap::Args;

use super::{SettingsArgs, flag};
use crate::ground::failure::Failure;
use crate::runtime::reload::ConfigSource;
use crate::runtime::serve::{Start, serve};
use magicproxy_config::config::Flags;
use magicproxy_config::config::log::{LogFormat, LogLevel};
use magicproxy_config::config::setting::FromText as _;
use magicproxy_config::ground::environment::Environment;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where to listen: HOST:PORT, or unix:PATH [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Let others than this machine mint without TLS: for containers behind something that speaks
    /// TLS
    #[arg(long)]
    danger_plain_http: bool,
    /// Speak TLS, with a certificate of an authority of this machine's own, for trying things out
    #[arg(long)]
    tls_dev: bool,
    /// Form of the log lines: `pretty` or `json` [default: pretty on a terminal, else json]
    #[arg(long, value_name = "FORMAT", value_parser = LogFormat::from_text)]
    log_format: Option<LogFormat>,
    /// How much is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = LogLevel::from_text)]
    log_level: Option<LogLevel>,
}

impl ServeArgs {
    fn into_flags(self) -> Flags {
        let mut flags = self.settings.into_flags();
        flags.raw.listen = flag("--listen", self.listen);
        flags.raw.danger_plain_http =
            flag("--danger-plain-http", self.danger_plain_http.then_some(true));
        flags.raw.tls.dev = flag("--tls-dev", self.tls_dev.then_some(true));
        flags.raw.log.format = flag("--log-format", self.log_format);
        flags.raw.log.level = flag("--log-level", self.log_level);
        flags
    }
}

/// Serves until told to stop.
pub(crate) fn run(args: ServeArgs, environment: &Environment) -> Result<(), Failure> {
    // Before any file is opened: what the parent has left has low descriptors.
    let start = Start::of_process(environment);
    serve(ConfigSource::new(args.into_flags().and_working_directory(), environment), start)
}
