use super::*;

#[test]
fn takes_away_fields_that_change_for_whom_the_credential_acts() {
    for name in
        ["sudo", "impersonate-user", "impersonate-extra-scopes", "x-gerrit-runas", "es-security-runas-user", "x-vault-token"]
    {
        assert!(request::steers(&HeaderName::from_static(name)), "{name}");
    }
    for name in ["accept", "x-github-api-version", "if-match", "x-request-id"] {
        assert!(!request::steers(&HeaderName::from_static(name)), "{name}");
    }
}
