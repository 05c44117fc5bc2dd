use super::*;
use crate::settings::MountPath;
use crate::settings::fixture::upstream;

fn routes(mount: &str, hosts: &[&str], paths: &[(&str, &str)]) -> RouteSettings {
    let to = |text: &str| match text.starts_with('/') {
        true => PathTarget::Path(MountPath::parse(text).unwrap()),
        false => PathTarget::Origin(ApiRoot::parse(text).unwrap()),
    };
    RouteSettings {
        mount: MountPath::parse(mount).unwrap(),
        hosts: hosts.iter().map(|host| HostName::parse(host).unwrap()).collect(),
        paths: paths
            .iter()
            .map(|(prefix, target)| PathMapping {
                prefix: MountPath::parse(prefix).unwrap(),
                to: to(target),
            })
            .collect(),
    }
}

const GITHUB: [(&str, &str); 3] = [
    ("/api/v3", "/"),
    ("/api/graphql", "/graphql"),
    ("/api/uploads", "https://uploads.github.com"),
];

fn places() -> Router {
    Router::new(&[
        upstream(
            "github",
            "https://api.github.com",
            routes("/github", &["gh.example.com"], &GITHUB),
        ),
        upstream("git", "https://github.com", routes("/github-git", &[], &[])),
        upstream("internal", "http://10.0.0.1:8080/base/v1", routes("/", &["[::1]:5000"], &[])),
        upstream("deep", "https://deep.example", routes("/github/deep", &[], &[])),
    ])
}

/// `upstream origin target way`, where the way is `m`ounted, at the `r`oot of its own, or by the upstream's own name (`-`).
#[track_caller]
fn check(authority: &str, target: &str, expected: &str) {
    let places = places();
    let found = places.route(authority, target, None);
    let found = found.map_or("nowhere".to_owned(), |route| {
        let entry = route.entry.map_or('-', |entry| if entry.mounted { 'm' } else { 'r' });
        format!("{} {} {} {entry}", route.upstream, route.origin, route.target)
    });
    assert_eq!(found, expected, "{authority} {target}");
}

#[test]
fn mounts_end_where_a_segment_ends() {
    check("p", "/github", "0 0 / m");
    check("p", "/github?a=b", "0 0 /?a=b m");
    check("p", "/github/", "0 0 / m");
    check("p", "/github/user", "0 0 /user m");
    check("p", "/githubx/user", "2 0 /githubx/user m");
    check(
        "p",
        "/github-git/a/b.git/info/refs?service=git-upload-pack",
        "1 0 /a/b.git/info/refs?service=git-upload-pack m",
    );
    check("p", "/github/deep/x", "3 0 /x m");
    check("p", "/github/deeper", "0 0 /deeper m");
    check("p", "/", "2 0 / m");
    check("p", "/user?to=/github/x", "2 0 /user?to=/github/x m");
}

#[test]
fn other_spellings_of_a_mount_are_none() {
    for target in [
        "/%67ithub/user",
        "//github/user",
        "/./github/user",
        "/GitHub/user",
        "/github%2Fuser",
        "/github;x/user",
    ] {
        check("p", target, &format!("2 0 {target} m"));
    }
    // What is left is parsed later, and refused there.
    check("p", "/github//user", "0 0 //user m");
    check("p", "/github/../x", "0 0 /../x m");
}

#[test]
fn paths_stand_for_paths_and_origins() {
    check("p", "/github/api/v3", "0 0 / m");
    check("p", "/github/api/v3/user?a", "0 0 /user?a m");
    check("p", "/github/api/v3?a", "0 0 /?a m");
    check("p", "/github/api/graphql", "0 0 /graphql m");
    check("p", "/github/api/graphql?a", "0 0 /graphql?a m");
    check("p", "/github/api/graphqlx", "0 0 /api/graphqlx m");
    check(
        "p",
        "/github/api/uploads/repos/a/b/releases/1/assets?name=x",
        "0 1 /repos/a/b/releases/1/assets?name=x m",
    );
    check(
        "p",
        "/github/api/v3/api/uploads/repos/a/b/releases/1/assets?name=x",
        "0 1 /repos/a/b/releases/1/assets?name=x m",
    );
    check("p", "/api/v3/user", "2 0 /api/v3/user m");
}

#[test]
fn hosts_lead_to_the_root() {
    check("gh.example.com", "/user", "0 0 /user r");
    check("GH.example.com:8443", "/api/v3/user", "0 0 /user r");
    check("gh.example.com", "/github/user", "0 0 /github/user r");
    check("gh.example.com.evil", "/user", "2 0 /user m");
    check("[::1]:5000", "/github/user", "2 0 /github/user r");
    check("[::1]", "/github/user", "0 0 /user m");
}

#[test]
fn own_names_lead_to_their_origin() {
    check("api.github.com", "/user", "0 0 /user -");
    check("API.GitHub.com:443", "/api/v3/user", "0 0 /api/v3/user -");
    check("api.github.com:80", "/user", "2 0 /user m");
    check("uploads.github.com", "/repos/a/b", "0 1 /repos/a/b -");
    check("github.com", "/a/b.git", "1 0 /a/b.git -");
    check("10.0.0.1:8080", "/base/v1/x", "2 0 /x -");
    check("10.0.0.1:8080", "/base/v1", "2 0 / -");
    check("10.0.0.1:8080", "/base/v11", "2 0 /base/v11 m");
    check("10.0.0.1", "/base/v1/x", "2 0 /base/v1/x m");
}

#[test]
fn of_two_upstreams_with_one_origin_neither_is_found_by_its_name() {
    let twice = Router::new(&[
        upstream("one", "https://api.example", routes("/one", &[], &[])),
        upstream("two", "https://api.example", routes("/two", &[], &[])),
        upstream("three", "https://api.example/deep", routes("/three", &[], &[])),
    ]);
    assert_eq!(twice.route("api.example", "/x", None), None);
    assert_eq!(twice.route("api.example", "/deep/x", None).unwrap().upstream, UpstreamId::new(2));
    assert_eq!(twice.route("api.example", "/two/x", None).unwrap().upstream, UpstreamId::new(1));
}

#[test]
fn a_listener_of_its_own_knows_nothing_else() {
    let places = places();
    let route =
        |authority, target| places.route(authority, target, Some(UpstreamId::new(0))).unwrap();
    assert_eq!(route("whatever", "/github-git/x").target, "/github-git/x");
    assert_eq!(route("github.com", "/user").upstream, UpstreamId::new(0));
    assert_eq!(route("uploads.github.com", "/user").origin, OriginId::new(1));
    assert_eq!(route("p", "/api/graphql").target, "/graphql");
    assert_eq!(places.route("p", "/", Some(UpstreamId::new(9))), None);
}

#[test]
fn nowhere_without_a_root() {
    let places =
        Router::new(&[upstream("github", "https://api.github.com", routes("/github", &[], &[]))]);
    assert_eq!(places.route("p", "/user", None), None);
    assert_eq!(places.route("", "*", None), None);
    assert_eq!(places.route("", "", None), None);
}

#[test]
fn urls_lead_back_the_way_the_client_came() {
    #[track_caller]
    fn public_links(authority: &str, target: &str, api: &str, uploads: &str) {
        let places = places();
        let route = places.route(authority, target, None).unwrap();
        let expected = [
            ("https://api.github.com", api.to_owned()),
            ("https://uploads.github.com", uploads.to_owned()),
        ];
        assert_eq!(places.public_links(route.upstream, route.entry.unwrap()), expected, "{target}");
    }
    public_links("p", "/github/user", "/github", "/github/api/uploads");
    public_links("p", "/github/api/v3/user", "/github/api/v3", "/github/api/v3/api/uploads");
    public_links("p", "/github/api/graphql", "/github/api/v3", "/github/api/uploads");
    public_links("p", "/github/api/uploads/x", "/github/api/v3", "/github/api/uploads");
    public_links(
        "p",
        "/github/api/v3/api/uploads/x",
        "/github/api/v3",
        "/github/api/v3/api/uploads",
    );
    public_links("gh.example.com", "/api/v3/user", "/api/v3", "/api/v3/api/uploads");
    public_links("gh.example.com", "/user", "", "/api/uploads");
}

#[test]
fn mounts_are_plain() {
    for (text, expected) in
        [("/", ""), ("/a", "/a"), ("/a/", "/a"), ("/a/b-c_d.e~f", "/a/b-c_d.e~f")]
    {
        assert_eq!(MountPath::parse(text).unwrap().as_str(), expected);
    }
    for text in [
        "",
        "a",
        "/a//b",
        "/a/../b",
        "/./a",
        "/a%2Fb",
        "/a b",
        "/a?b",
        "/é",
        "//",
        "/a/__magictoken",
    ] {
        // `//` is the root twice over.
        assert!(MountPath::parse(text).is_err() || text == "//", "{text}");
    }
}

/// Names are compared whole: a pattern would mean nothing, and its operator would not be told.
#[test]
fn a_host_is_one_host() {
    for host in ["gh.example", "gh.example:8443", "[::1]:5000", "127.0.0.1"] {
        assert!(HostName::parse(host).is_some(), "{host}");
    }
    for host in [
        "*",
        "*.example",
        "gh.*:8443",
        "user@gh.example",
        "",
        "http://gh.example",
        "gh.example/x",
        "a b",
    ] {
        assert!(HostName::parse(host).is_none(), "{host}");
    }
}
