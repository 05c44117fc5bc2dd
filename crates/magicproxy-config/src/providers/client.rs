//! How a client is told to speak to the proxy: the variables, settings and files that it reads, as data.
//!
//! Each provider has the ways of its clients. Templates are those of the program's `env` and `run`. What a client reads was measured
//! unless its notes say otherwise.

/// One way of telling a client.
#[derive(Clone, Copy, Debug)]
pub struct SetupMethod {
    /// The kind of API, or [`ANY`].
    pub preset: &'static str,
    /// What it needs of the proxy.
    pub needs: SetupNeeds,
    /// Variables to set, each with its template.
    pub variables: &'static [(&'static str, &'static str)],
    /// Settings of git.
    pub git_settings: &'static [(&'static str, &'static str)],
    /// Is the token's variable needed where no file is named, because something reads it later?
    pub exports_token: bool,
    /// Variables to remove.
    pub removed: &'static [&'static str],
    /// Arguments before those of the caller, where no variable can tell the client. They hold no secret.
    pub arguments: &'static [&'static str],
    /// Commands to run once, as words.
    pub commands: &'static [&'static [&'static str]],
    /// Private files: name and content.
    pub files: &'static [(&'static str, &'static str)],
    /// A folder for `run`: its variable, the file in it, the file's content.
    pub folder: Option<(&'static str, &'static str, &'static str)>,
    /// The variables that name the file of certificate authorities.
    pub ca_variables: &'static [&'static str],
    /// The setting of git that names it.
    pub git_ca_setting: Option<&'static str>,
    /// What is good to know where a file of certificate authorities is named.
    pub ca_notes: &'static [&'static str],
    /// What to write into one's own program, or to type.
    pub usage: &'static [&'static str],
    /// What is good to know.
    pub notes: &'static [&'static str],
}

/// The preset of a way that serves every kind of API.
pub const ANY: &str = "*";

/// What a way needs of the proxy.
#[derive(Clone, Copy, Debug)]
pub enum SetupNeeds {
    /// Nothing.
    Nothing,
    /// A Unix socket of the proxy.
    Socket,
    /// An https origin, without a path.
    HttpsRoot,
}

impl SetupMethod {
    /// Does it serve this kind of API, or one of which nobody knows the kind?
    pub fn serves(&self, preset: Option<&str>) -> bool {
        self.preset == ANY || preset == Some(self.preset)
    }
}

/// A way that tells nothing.
pub const NOTHING: SetupMethod = SetupMethod {
    preset: "",
    needs: SetupNeeds::Nothing,
    variables: &[],
    git_settings: &[],
    exports_token: false,
    removed: &[],
    arguments: &[],
    commands: &[],
    files: &[],
    folder: None,
    ca_variables: &[],
    git_ca_setting: None,
    ca_notes: &[],
    usage: &[],
    notes: &[],
};

/// Terraform and OpenTofu, with the provider of an API.
pub(super) const TERRAFORM: SetupMethod = SetupMethod {
    ca_variables: &["SSL_CERT_FILE"],
    notes: &[NOT_TESTED],
    ca_notes: &[REPLACES_ROOTS],
    ..NOTHING
};

/// A program that nobody knows: it is told the variables that most clients of an API read.
pub const ANY_PROGRAM: SetupMethod = SetupMethod {
    ca_variables: &["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"],
    ca_notes: &[REPLACES_ROOTS],
    ..NOTHING
};

pub(super) const PYTHON_AND_NODE: &[&str] = &["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"];
pub(super) const REPLACES_ROOTS: &str =
    "SSL_CERT_FILE replaces the system's roots: put all that the program needs into the file";
pub(super) const ACME_TOO: &str =
    "REQUESTS_CA_BUNDLE counts for the ACME server as well: its roots must be in the file too";
pub(super) const ACME_APART: &str = "LEGO_CA_CERTIFICATES is for the ACME server alone";
pub(super) const DOT_ENV: &str = "aider lets `.env` and `.aider.conf.yml` of a repository win over these variables: look into one that is not yours";
pub(super) const NOT_TESTED: &str = "not tested: these names are those of its documentation";
