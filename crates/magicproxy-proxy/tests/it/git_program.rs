//! The program git before the proxy, and `git http-backend` behind it: what a user sees of a push, and what the repository has then.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Proxy, Reply, Seen, Token, Upstream};

const ME: [&str; 4] = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"];

/// A served repository with one commit on `main`, a proxy before it, and a clone.
struct Bench {
    folder: TempDir,
    proxy: Proxy,
    token: String,
    _upstream: Upstream,
}

fn git_in(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .args(ME)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .stdin(Stdio::null());
    git
}

fn must(folder: &Path, arguments: &[&str]) -> String {
    let done = git_in(folder).args(arguments).output().unwrap();
    let shown = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {arguments:?}: {shown}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// Answers as `git http-backend` does.
fn backend(root: &Path, seen: &Seen) -> Reply {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let one = |name: &str| seen.all(name).first().copied().unwrap_or_default().to_owned();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "nobody")
        .env("REQUEST_METHOD", &seen.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", one("content-type"))
        .env("CONTENT_LENGTH", seen.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", one("content-encoding"))
        .env("GIT_PROTOCOL", one("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let body = seen.body.clone();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&body)));
    let output = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("Status: ")).collect();
    Reply::with(status, &lines, &output[end + 4..])
}

impl Bench {
    async fn new(rules: serde_json::Value) -> Self {
        Self::shown(Token::ruled(&rules).mint().to_string()).await
    }

    async fn shown(token: String) -> Self {
        let folder = TempDir::new().unwrap();
        let bare = folder.path().join("served/acme/tool.git");
        std::fs::create_dir_all(&bare).unwrap();
        must(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        must(&bare, &["config", "http.receivepack", "true"]);
        let seed = folder.path().join("seed");
        std::fs::create_dir_all(&seed).unwrap();
        must(&seed, &["init", "--quiet", "--initial-branch=main"]);
        for number in 0..3 {
            std::fs::write(seed.join(format!("file{number}")), format!("{number}\n")).unwrap();
            must(&seed, &["add", "--all"]);
            must(&seed, &["commit", "--quiet", "-m", &format!("commit {number}")]);
        }
        let everything = ["HEAD:main", "HEAD:agent/x", "HEAD:agent/y"];
        must(&seed, &[&["push", "--quiet", bare.to_str().unwrap()][..], &everything].concat());
        let root = folder.path().join("served");
        let upstream = Upstream::scripted(move |seen| backend(&root, seen)).await;
        let proxy = Proxy::before(&upstream).await;
        Self { folder, proxy, token, _upstream: upstream }
    }

    fn bare(&self) -> PathBuf {
        self.folder.path().join("served/acme/tool.git")
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Clones the served repository past the proxy, with the proxy as the remote.
    fn cloned(&self, how: &[&str]) {
        let from = format!("file://{}", self.bare().display());
        must(
            self.folder.path(),
            &[&["clone", "--quiet"][..], how, &[from.as_str(), "work"]].concat(),
        );
        let url = format!("http://{}/acme/tool.git", self.proxy.address);
        must(&self.work(), &["remote", "set-url", "origin", &url]);
    }

    /// Commits a file of so many bytes that no compression makes shorter.
    fn commit(&self, name: &str, length: usize) {
        let mut state = 0x2545_F491_4F6C_DD1D_u64;
        let noise = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        });
        std::fs::write(self.work().join(name), noise.take(length).collect::<Vec<u8>>()).unwrap();
        must(&self.work(), &["add", "--all"]);
        must(&self.work(), &["commit", "--quiet", "-m", name]);
    }

    /// Runs git in the clone, through the proxy: its exit status, and what its user sees.
    async fn git(&self, arguments: &[&str]) -> (i32, String) {
        let mut git = git_in(&self.work());
        git.arg("-c").arg(format!("http.extraHeader=Authorization: Bearer {}", self.token));
        git.args(arguments);
        let Output { status, stderr, stdout } =
            tokio::task::spawn_blocking(move || git.output().unwrap()).await.unwrap();
        let shown = [stderr, stdout].concat();
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let shown = shown.replace(&self.proxy.address.to_string(), "proxy.example");
        println!("$ git {}\n{}exit {}\n", arguments.join(" "), shown, status.code().unwrap());
        (status.code().unwrap(), shown)
    }

    /// Is this push refused in git's own words, with these parts, and does it move nothing?
    async fn refused(&self, arguments: &[&str], parts: &[&str]) {
        let before = self.references();
        let (status, shown) = self.git(arguments).await;
        assert_eq!(status, 1, "{arguments:?}: {shown}");
        assert!(!shown.contains("Everything up-to-date"), "{arguments:?}: {shown}");
        for part in parts {
            assert!(shown.contains(part), "{arguments:?}: {part} in {shown}");
        }
        assert_eq!(self.references(), before, "{arguments:?}");
    }

    async fn pushed(&self, arguments: &[&str]) {
        let (status, shown) = self.git(arguments).await;
        assert_eq!(status, 0, "{arguments:?}: {shown}");
    }

    fn references(&self) -> String {
        must(&self.bare(), &["for-each-ref", "--format=%(objectname) %(refname)"])
    }
}

fn agent() -> serde_json::Value {
    json!([
        { "git": "fetch", "repository": "/acme/tool" },
        { "git": "push", "repository": "/acme/tool", "refs": { "glob": "refs/heads/agent/*" }, "create": true }
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_pushes_what_its_rule_names() {
    let bench = Bench::new(agent()).await;
    bench.cloned(&[]);
    bench.commit("new", 10);
    bench.pushed(&["push", "origin", "HEAD:refs/heads/agent/new"]).await;
    bench.commit("more", 10);
    // The way from `agent/x` leads over a commit that the server has, so that git does not send it.
    let unproved = ["push", "origin", "HEAD:agent/new", "HEAD:agent/x"];
    bench.refused(&unproved, &["HEAD -> agent/x (magicproxy: not a proved fast-forward)"]).await;
    bench.pushed(&["push", "origin", "HEAD:agent/new"]).await;
    bench.pushed(&["push", "--atomic", "origin", "HEAD:refs/heads/agent/z"]).await;
    bench.commit("large", 3 << 20);
    bench.pushed(&["push", "origin", "HEAD:agent/new"]).await;
    bench.pushed(&["fetch", "origin"]).await;
    let head = must(&bench.work(), &["rev-parse", "HEAD"]);
    assert!(bench.references().contains(&format!("{head} refs/heads/agent/new")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_shows_why_a_push_was_refused() {
    let bench = Bench::new(agent()).await;
    bench.cloned(&[]);
    bench.commit("new", 10);
    let no = "(magicproxy: not allowed)";
    bench
        .refused(&["push", "origin", "HEAD:main"], &["! [remote rejected] HEAD -> main", no])
        .await;
    let both = ["push", "origin", "HEAD:main", "HEAD:refs/heads/agent/new"];
    bench.refused(&both, &[no, "HEAD -> agent/new (magicproxy: not attempted)"]).await;
    bench.refused(&["push", "--atomic", "origin", "HEAD:main", "HEAD:agent/x"], &[no]).await;
    bench.refused(&["push", "origin", ":agent/x"], &["(magicproxy: may not be deleted)"]).await;
    bench.refused(&["push", "origin", "HEAD:refs/tags/v1"], &[no]).await;
    bench.refused(&["push", "--mirror", "origin"], &[no]).await;
    must(&bench.work(), &["reset", "--quiet", "--hard", "HEAD~2"]);
    bench.commit("other", 10);
    let forced = "(magicproxy: not a proved fast-forward)";
    bench.refused(&["push", "--force", "origin", "HEAD:agent/x"], &[forced]).await;
    let lease = ["push", "--force-with-lease", "origin", "HEAD:agent/x"];
    bench.refused(&lease, &[forced]).await;
    bench.commit("large", 3 << 20);
    bench.refused(&["push", "origin", "HEAD:refs/heads/other"], &["HEAD -> other", no]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_pushes_from_shallow_and_partial_clones() {
    for how in ["--depth=1", "--filter=blob:none"] {
        let bench = Bench::new(agent()).await;
        must(&bench.bare(), &["config", "uploadpack.allowFilter", "true"]);
        bench.cloned(&[how]);
        bench.commit("new", 10);
        bench.pushed(&["push", "origin", "HEAD:refs/heads/agent/new"]).await;
        bench.refused(&["push", "origin", "HEAD:main"], &["(magicproxy: not allowed)"]).await;
    }
}

/// A token with rules for paths alone is refused in the same words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_shows_why_a_token_is_refused() {
    let rules = ["GET /acme/tool\\.git/info/refs", "POST /acme/tool\\.git/git-upload-pack"];
    let bench = Bench::shown(Token::allowing(&rules).mint().to_string()).await;
    bench.cloned(&[]);
    bench.commit("new", 10);
    let parts = ["! [remote rejected] HEAD -> main (magicproxy: the token does not allow"];
    bench.refused(&["push", "origin", "HEAD:main"], &parts).await;
    bench.commit("large", 3 << 20);
    bench.refused(&["push", "origin", "HEAD:main"], &parts).await;
}
