//! The proxies between this proxy and the APIs, from the configuration and, if chosen, the
//! environment.

use std::fmt;
use std::sync::Arc;

use magicproxy_proxy::settings::{
    EnvironmentProxies, NamedProxy, NoProxy, Outbound, OutboundProxy,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Checker;
use super::raw::RawConfig;
use super::setting::{FromText, GivenValue};
use super::upstream::Table;
use crate::ground::environment::Environment;
use crate::ground::fault::{Fault, Origin};

const NONE: &str = "none";
const ENVIRONMENT: &str = "environment";

/// An outbound proxy as written: `http://USER:PASSWORD@HOST:PORT`, `environment` or `none`. The
/// text may hold a password, and is shown without.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct OutboundText(pub String);

impl OutboundText {
    fn shown(&self) -> String {
        match self.0.as_str() {
            word @ (NONE | ENVIRONMENT) => word.to_owned(),
            url => OutboundProxy::parse(url)
                .map_or_else(|_| "(not shown)".to_owned(), |proxy| proxy.to_string()),
        }
    }
}

impl fmt::Debug for OutboundText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OutboundText({})", self.shown())
    }
}

impl Serialize for OutboundText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl FromText for OutboundText {
    const MAY_HOLD_SECRET: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }

    fn hidden_text(&self) -> Option<&str> {
        Some(&self.0)
    }
}

/// The proxies that the environment names, unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawProxies {
    https: Option<(&'static str, OutboundText)>,
    http: Option<(&'static str, OutboundText)>,
    except: String,
}

impl RawProxies {
    /// Reads the variables like curl: names in small letters first.
    pub fn of(environment: &Environment) -> Self {
        let first = |names: [&'static str; 4]| {
            names
                .into_iter()
                .find_map(|name| Some((name, OutboundText(environment.var(name)?.to_owned()))))
        };
        let except = ["no_proxy", "NO_PROXY"].into_iter().find_map(|name| environment.var(name));
        Self {
            https: first(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            http: first(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            except: except.unwrap_or_default().to_owned(),
        }
    }

    /// Returns the checked proxies, and the faults of proxies that cannot be used.
    fn checked(&self) -> (EnvironmentProxies, Vec<String>) {
        let mut faults = Vec::new();
        let mut named = |raw: &Option<(&'static str, OutboundText)>| {
            let (variable, text) = raw.as_ref()?;
            match OutboundProxy::parse(&text.0) {
                Ok(proxy) => Some(NamedProxy { variable, proxy: Arc::new(proxy) }),
                Err(error) => {
                    faults.push(format!(
                        "outbound_proxy: environment variable `{variable}`: {error}"
                    ));
                    None
                }
            }
        };
        let (https, http) = (named(&self.https), named(&self.http));
        faults.dedup();
        (EnvironmentProxies { https, http, except: NoProxy::parse(&self.except) }, faults)
    }
}

/// The outbound proxy of upstreams whose tables name none, checked once.
pub(super) struct GeneralOutbound {
    outbound: Outbound,
    environment: Arc<EnvironmentProxies>,
}

impl Table<'_> {
    /// True if the API is reached by the general outbound proxy, or by the environment's.
    pub(super) fn goes_by_general_outbound(&self) -> bool {
        self.raw.outbound_proxy.given().is_none_or(|given| given.value.0 == ENVIRONMENT)
    }
}

impl Checker<'_> {
    /// Checks the outbound proxy for all upstreams whose tables name none, and the environment's
    /// proxies if some upstream uses them.
    pub(super) fn general_outbound(
        &mut self,
        raw: &RawConfig,
        tables: &[Table<'_>],
    ) -> GeneralOutbound {
        let (environment, faults) = raw.proxies.checked();
        let mut general =
            GeneralOutbound { outbound: Outbound::Direct, environment: Arc::new(environment) };
        let mut go_by_environment: Vec<&Origin> = Vec::new();
        if tables.iter().any(|table| table.raw.outbound_proxy.given().is_none()) {
            general.outbound = self.outbound_in_general(raw, &general);
            if matches!(general.outbound, Outbound::Environment(_)) {
                let said = raw.outbound_proxy.given().map(|given| &given.origin);
                let said = said.or(raw.outbound_proxy_file.given().map(|given| &given.origin));
                go_by_environment.extend(said);
            }
        }
        for given in tables.iter().filter_map(|table| table.raw.outbound_proxy.given()) {
            if given.value.0 == ENVIRONMENT {
                go_by_environment.push(&given.origin);
            }
        }
        if let Some(origin) = go_by_environment.first() {
            for fault in faults {
                self.fault(fault, origin);
            }
        }
        general
    }

    /// Returns the outbound proxy of this upstream: the table's, or else the whole configuration's.
    pub(super) fn outbound(&mut self, general: &GeneralOutbound, table: &Table<'_>) -> Outbound {
        match table.raw.outbound_proxy.given() {
            Some(given) => self.outbound_of(
                &table.key("outbound_proxy"),
                &given.value.0,
                (general, &given.origin),
            ),
            None => general.outbound.clone(),
        }
    }

    fn outbound_in_general(&mut self, raw: &RawConfig, general: &GeneralOutbound) -> Outbound {
        match (raw.outbound_proxy.given(), raw.outbound_proxy_file.given()) {
            (Some(given), None) => {
                self.outbound_of("outbound_proxy", &given.value.0, (general, &given.origin))
            }
            (None, Some(given)) => self.outbound_in_file(general, given),
            (Some(_), Some(given)) => {
                self.fault("outbound_proxy_file: there is `outbound_proxy` as well", &given.origin);
                Outbound::Direct
            }
            (None, None) => Outbound::DirectDespite(Arc::clone(&general.environment)),
        }
    }

    fn outbound_of(
        &mut self,
        key: &str,
        text: &str,
        (general, origin): (&GeneralOutbound, &Origin),
    ) -> Outbound {
        match text {
            NONE => Outbound::Direct,
            ENVIRONMENT => Outbound::Environment(Arc::clone(&general.environment)),
            // The text is neither repeated nor shown in an excerpt, because it may hold a password.
            url => match OutboundProxy::parse(url) {
                Ok(proxy) => Outbound::Fixed(Arc::new(proxy)),
                Err(error) => {
                    self.push(
                        Fault::new(
                            format!("{key}: {error}; or `environment`, or `none`"),
                            origin.clone(),
                        )
                        .hidden(),
                    );
                    Outbound::Direct
                }
            },
        }
    }

    fn outbound_in_file(
        &mut self,
        general: &GeneralOutbound,
        given: &GivenValue<String>,
    ) -> Outbound {
        let path = self.path(given);
        match self.read_text("outbound_proxy_file", &path) {
            Ok(text) => {
                let key = format!("outbound_proxy_file `{}`", path.display());
                self.outbound_of(&key, text.trim(), (general, &given.origin))
            }
            Err(error) => {
                let why = crate::ground::text::reason(&error);
                self.fault(
                    format!("outbound_proxy_file `{}`: {why}", path.display()),
                    &given.origin,
                );
                Outbound::Direct
            }
        }
    }
}
