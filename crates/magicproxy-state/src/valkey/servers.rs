//! The settings of the client library for the servers.

use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError,
    RedisResult, TlsCertificates, TlsMode,
};
use tokio::sync::Mutex;

use super::url::{Host, Login, Servers, ValkeyUrl};

/// The servers to connect to, and the time to wait.
pub(super) struct Settings {
    pub(super) client: Client,
    pub(super) timeout: Duration,
    /// The URL without its password.
    pub(super) name: String,
}

pub(super) enum Client {
    One(redis::Client),
    Sentinel(Mutex<SentinelClient>),
    Cluster(ClusterClient),
}

impl Client {
    pub(super) fn new(
        url: &ValkeyUrl,
        roots: Option<Vec<u8>>,
        timeout: Duration,
    ) -> RedisResult<Self> {
        let certificates =
            roots.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        match &url.servers {
            Servers::One(host) => one(url, host, certificates).map(Self::One),
            Servers::Unix(path) => {
                let info = ConnectionAddr::Unix(path.clone()).into_connection_info()?;
                redis::Client::open(info.set_redis_settings(session(&url.login, url.database)))
                    .map(Self::One)
            }
            Servers::Sentinels(hosts, master) => sentinel(url, hosts, master, certificates)
                .map(|client| Self::Sentinel(Mutex::new(client))),
            Servers::Cluster(hosts) => {
                cluster(url, hosts, certificates, timeout).map(Self::Cluster)
            }
        }
    }
}

fn one(
    url: &ValkeyUrl,
    host: &Host,
    certificates: Option<TlsCertificates>,
) -> RedisResult<redis::Client> {
    let info = address(host, url.tls)
        .into_connection_info()?
        .set_redis_settings(session(&url.login, url.database));
    match certificates.filter(|_| url.tls) {
        Some(certificates) => redis::Client::build_with_tls(info, certificates),
        None => redis::Client::open(info),
    }
}

fn sentinel(
    url: &ValkeyUrl,
    hosts: &[Host],
    master: &str,
    certificates: Option<TlsCertificates>,
) -> Result<SentinelClient, RedisError> {
    let sentinels = hosts.iter().map(|host| address(host, url.tls));
    let mut builder = SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_db(url.database);
    if url.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        if let Some(certificates) = certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
    }
    if let Some(user) = &url.login.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &url.login.password {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(user) = &url.sentinel_login.user {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = &url.sentinel_login.password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    builder.build()
}

fn cluster(
    url: &ValkeyUrl,
    hosts: &[Host],
    certificates: Option<TlsCertificates>,
    timeout: Duration,
) -> RedisResult<ClusterClient> {
    let nodes: Vec<_> = hosts
        .iter()
        .map(|host| address(host, url.tls).into_connection_info())
        .collect::<Result<_, _>>()?;
    // Without repetition: a repeated call may be a lost call that has been carried out.
    let mut builder = ClusterClient::builder(nodes)
        .retries(0)
        .connection_timeout(timeout)
        .response_timeout(timeout)
        .use_protocol(ProtocolVersion::RESP3);
    if let Some(user) = &url.login.user {
        builder = builder.username(user);
    }
    if let Some(password) = &url.login.password {
        builder = builder.password(password);
    }
    if url.tls {
        builder = builder.tls(TlsMode::Secure);
        if let Some(certificates) = certificates {
            builder = builder.certs(certificates);
        }
    }
    builder.build()
}

fn address(host: &Host, tls: bool) -> ConnectionAddr {
    let (host, port) = (host.name.clone(), host.port);
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

fn session(login: &Login, database: i64) -> RedisConnectionInfo {
    let mut session =
        RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_db(database);
    if let Some(user) = &login.user {
        session = session.set_username(user);
    }
    if let Some(password) = &login.password {
        session = session.set_password(password);
    }
    session
}
