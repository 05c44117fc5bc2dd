//! The names of a Valkey or Redis: a single server, a group behind Sentinel, or a Cluster.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The place of the store, and the proxy's login there. The password is never shown.
///
/// | form | meaning |
/// |---|---|
/// | `redis://[USER[:PASSWORD]@]HOST[:6379][/DATABASE]` | a single server |
/// | `redis+sentinel://[USER[:PASSWORD]@]HOST[:26379],…/MASTER[/DATABASE]` | the master |
/// | `redis+cluster://[USER[:PASSWORD]@]HOST[:6379],…` | a Cluster with these servers |
/// | `unix:PATH[?user=USER&password=PASSWORD&database=N]` | a single server on this machine |
///
/// `rediss` in place of `redis` is TLS; `valkey` and `valkeys` mean the same. MASTER is the name by
/// which the Sentinels know the master. Sentinels that want a password receive it by
/// `?sentinel_user=USER&sentinel_password=PASSWORD`. In names and passwords, any character that is
/// not a letter or a digit may be written as `%XX`.
#[derive(Clone, PartialEq, Eq)]
pub struct ValkeyUrl {
    pub(super) servers: Servers,
    pub(super) tls: bool,
    pub(super) login: Login,
    /// The proxy's login at the Sentinels.
    pub(super) sentinel_login: Login,
    pub(super) database: i64,
}

/// The proxy's login at a server.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Servers {
    One(Host),
    Unix(PathBuf),
    Sentinels(Vec<Host>, String),
    Cluster(Vec<Host>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

/// The reasons why a text is not a URL of a Valkey. The text itself may hold a password and is not
/// repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseUrlError {
    /// The text begins with an unknown scheme.
    #[error("expected `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://` or `unix:`")]
    Scheme,
    /// No host is named, or a port is not a number.
    #[error("expected `HOST` or `HOST:PORT` after the user, with `,` between several")]
    Host,
    /// The master behind Sentinels has no name.
    #[error(
        "expected the name of the master after the Sentinels: `redis+sentinel://HOST,HOST/MASTER`"
    )]
    Master,
    /// The database is no number, or is given for a Cluster, which has only one.
    #[error("expected the number of a database at the end, or nothing; a Cluster has none")]
    Database,
    /// An unknown parameter stands behind `?`.
    #[error(
        "unknown parameter after `?`; there are `user`, `password`, `database` for `unix:`, and `sentinel_user`, `sentinel_password`"
    )]
    Parameter,
    /// A `%` is not followed by two hexadecimal digits, or the encoded bytes are no text.
    #[error("expected two hexadecimal digits after each `%`")]
    Percent,
}

impl FromStr for ValkeyUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, ParseUrlError> {
        let (text, parameters) = text.split_once('?').unwrap_or((text, ""));
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path, parameters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(ParseUrlError::Scheme)?;
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match base {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(ParseUrlError::Scheme),
        };
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Login::parse(login)?, rest),
            None => (Login::default(), rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (servers, database) = servers(kind, hosts, path)?;
        let mut url = Self { servers, tls, login, sentinel_login: Login::default(), database };
        for (name, value) in each(parameters)? {
            match (name, &url.servers) {
                ("sentinel_user", Servers::Sentinels(..)) => url.sentinel_login.user = Some(value),
                ("sentinel_password", Servers::Sentinels(..)) => {
                    url.sentinel_login.password = Some(value)
                }
                _ => return Err(ParseUrlError::Parameter),
            }
        }
        Ok(url)
    }
}

impl Login {
    fn parse(text: &str) -> Result<Self, ParseUrlError> {
        let (user, password) = match text.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password)?)),
            None => (text, None),
        };
        let user = Some(decoded(user)?).filter(|user| !user.is_empty());
        Ok(Self { user, password })
    }
}

fn unix(path: &str, parameters: &str) -> Result<ValkeyUrl, ParseUrlError> {
    let path = decoded(path.strip_prefix("//").unwrap_or(path))?;
    if path.is_empty() {
        return Err(ParseUrlError::Host);
    }
    let (mut login, mut database) = (Login::default(), 0);
    for (name, value) in each(parameters)? {
        match name {
            "user" => login.user = Some(value),
            "password" => login.password = Some(value),
            "database" => database = number(&value)?,
            _ => return Err(ParseUrlError::Parameter),
        }
    }
    Ok(ValkeyUrl {
        servers: Servers::Unix(path.into()),
        tls: false,
        login,
        sentinel_login: Login::default(),
        database,
    })
}

fn servers(kind: &str, hosts: &str, path: &str) -> Result<(Servers, i64), ParseUrlError> {
    let port = if kind == "sentinel" { 26379 } else { 6379 };
    let hosts: Vec<Host> =
        hosts.split(',').map(|host| Host::parse(host, port)).collect::<Result<_, _>>()?;
    match kind {
        "" => {
            let [host] = hosts.try_into().map_err(|_| ParseUrlError::Host)?;
            Ok((Servers::One(host), number(path)?))
        }
        "sentinel" => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let master = decoded(master)?;
            if master.is_empty() {
                return Err(ParseUrlError::Master);
            }
            Ok((Servers::Sentinels(hosts, master), number(database)?))
        }
        "cluster" if path.is_empty() => Ok((Servers::Cluster(hosts), 0)),
        "cluster" => Err(ParseUrlError::Database),
        _ => Err(ParseUrlError::Scheme),
    }
}

impl Host {
    fn parse(text: &str, port: u16) -> Result<Self, ParseUrlError> {
        let (name, rest) = match text.strip_prefix('[') {
            Some(text) => text.split_once(']').ok_or(ParseUrlError::Host)?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(digits) => digits.parse().map_err(|_| ParseUrlError::Host)?,
            None if rest.is_empty() => port,
            None => return Err(ParseUrlError::Host),
        };
        let is_name = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
        if is_name { Ok(Self { name: name.to_owned(), port }) } else { Err(ParseUrlError::Host) }
    }
}

fn number(digits: &str) -> Result<i64, ParseUrlError> {
    if digits.is_empty() {
        return Ok(0);
    }
    digits
        .parse()
        .ok()
        .filter(|number| (0..=65_535).contains(number))
        .ok_or(ParseUrlError::Database)
}

/// Returns the parameters behind `?`.
fn each(parameters: &str) -> Result<Vec<(&str, String)>, ParseUrlError> {
    let words = parameters.split('&').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (name, value) = word.split_once('=').ok_or(ParseUrlError::Parameter)?;
            Ok((name, decoded(value)?))
        })
        .collect()
}

/// Returns the text with each `%XX` decoded to its byte.
fn decoded(text: &str) -> Result<String, ParseUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, behind) = rest.split_first_chunk::<2>().ok_or(ParseUrlError::Percent)?;
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let [high, low] = digits.map(digit);
        bytes.push(high.ok_or(ParseUrlError::Percent)? << 4 | low.ok_or(ParseUrlError::Percent)?);
        rest = behind;
    }
    String::from_utf8(bytes).map_err(|_| ParseUrlError::Percent)
}

impl fmt::Display for ValkeyUrl {
    /// Prints the URL without the passwords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = if self.tls { "rediss" } else { "redis" };
        match &self.servers {
            Servers::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Servers::One(host) => write!(formatter, "{base}://{host}"),
            Servers::Sentinels(hosts, master) => {
                write!(formatter, "{base}+sentinel://{}/{master}", listed(hosts))
            }
            Servers::Cluster(hosts) => write!(formatter, "{base}+cluster://{}", listed(hosts)),
        }
    }
}

fn listed(hosts: &[Host]) -> String {
    hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(",")
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(formatter, "[{}]:{}", self.name, self.port)
        } else {
            write!(formatter, "{}:{}", self.name, self.port)
        }
    }
}

impl fmt::Debug for ValkeyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ValkeyUrl({self})")
    }
}

#[cfg(test)]
mod tests;
