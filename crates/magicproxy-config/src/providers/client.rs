//! Setup of clients for the proxy, as data: the variables, settings and files that a client reads.
//!
//! Each provider lists the setup methods of its clients. The templates are filled by the program's
//! commands `env` and `run`. The names that a client reads were measured, unless the notes say
//! otherwise.

/// A method of setting up a client to use the proxy.
#[derive(Clone, Copy, Debug)]
pub struct SetupMethod {
    /// The kind of API, or [`ANY`].
    pub preset: &'static str,
    /// The method's requirements on the proxy.
    pub needs: SetupNeeds,
    /// Variables to set, each with its template.
    pub variables: &'static [(&'static str, &'static str)],
    /// Settings of git.
    pub git_settings: &'static [(&'static str, &'static str)],
    /// True if the token's variable must be exported even without a named file, because another
    /// program reads the variable later.
    pub exports_token: bool,
    /// Variables to remove.
    pub removed: &'static [&'static str],
    /// Arguments before the user's own, for clients that no variable can set up. No argument holds
    /// a secret.
    pub arguments: &'static [&'static str],
    /// Commands to run once, as words.
    pub commands: &'static [&'static [&'static str]],
    /// Private files: name and content.
    pub files: &'static [(&'static str, &'static str)],
    /// A folder for `run`: the variable that names the folder, and name and content of the file in
    /// the folder.
    pub folder: Option<(&'static str, &'static str, &'static str)>,
    /// The variables that name the file of certificate authorities.
    pub ca_variables: &'static [&'static str],
    /// The setting of git that names the file of certificate authorities.
    pub git_ca_setting: Option<&'static str>,
    /// Notes for the case that a file of certificate authorities is named.
    pub ca_notes: &'static [&'static str],
    /// A line to write into one's own program, or to type.
    pub usage: &'static [&'static str],
    /// Notes for the user.
    pub notes: &'static [&'static str],
}

/// The preset of a method that serves every kind of API.
pub const ANY: &str = "*";

/// A requirement of a setup method on the proxy.
#[derive(Clone, Copy, Debug)]
pub enum SetupNeeds {
    /// No requirement.
    Nothing,
    /// A Unix socket of the proxy.
    Socket,
    /// An https origin, without a path.
    HttpsRoot,
}

impl SetupMethod {
    /// True if the method serves this kind of API, or an API of unknown kind.
    pub fn serves(&self, preset: Option<&str>) -> bool {
        self.preset == ANY || preset == Some(self.preset)
    }
}

/// A method that sets nothing.
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

/// The method for an unknown program: sets the variables that most clients of an API read.
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
