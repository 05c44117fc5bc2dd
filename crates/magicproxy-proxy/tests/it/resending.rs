//! What is sent again and what is not: the table of `docs/spec/resending.md`, each row with each of its requests and ends.

use std::time::Duration;

use crate::support::{Client, Link, LinkedUpstream, Proxy, Token, Transport, request};

const PAGE: &str = include_str!("../../../../docs/spec/resending.md");
const CONTENT: &str = "content";

/// One row of the table.
#[derive(Debug)]
struct Row {
    is_kept: bool,
    requests: Vec<&'static str>,
    sent: &'static str,
    came: &'static str,
    ends: Vec<&'static str>,
    again: bool,
}

impl Row {
    fn parse(line: &'static str) -> Self {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [connection, requests, sent, came, ends, again] = cells[..] else { panic!("{line}") };
        let words = |cell: &'static str| {
            cell.split('`').map(str::trim).filter(|word| !word.is_empty()).collect()
        };
        Self {
            is_kept: is_first(connection, ["kept", "new"]),
            requests: words(requests),
            sent: sent.trim_matches('`'),
            came: came.trim_matches('`'),
            ends: words(ends),
            again: is_first(again, ["yes", "no"]),
        }
    }
}

fn is_first(cell: &str, [first, second]: [&str; 2]) -> bool {
    assert!(cell == first || cell == second, "{cell}");
    cell == first
}

fn table() -> Vec<Row> {
    let rows: Vec<Row> = PAGE
        .lines()
        .filter(|line| line.starts_with("| kept") || line.starts_with("| new"))
        .map(Row::parse)
        .collect();
    assert!(rows.len() >= 8, "the table is gone");
    rows
}

/// A proxy and its upstream, whose connections end as the rows say.
struct Stage {
    upstream: LinkedUpstream,
    proxy: Proxy,
    token: String,
}

impl Stage {
    async fn over(transport: Transport) -> Self {
        let upstream = LinkedUpstream::over(transport).await;
        let proxy = upstream.proxy(|_| ()).await;
        Self { upstream, proxy, token: Token::any().to_string() }
    }

    /// With a short time for responses.
    async fn hasty() -> Self {
        let upstream = LinkedUpstream::over(Transport::Clear).await;
        let proxy = upstream
            .proxy(|settings| settings.timeouts.response = Duration::from_millis(200))
            .await;
        Self { upstream, proxy, token: Token::any().to_string() }
    }

    async fn begin(&self, path: &str, what: &str, sent: &str) -> Client {
        let mut client = Client::connect(&self.proxy).await;
        let method = what.trim_end_matches("+content");
        let has_content = what != method;
        let length = format!("Content-Length: {}", CONTENT.len());
        let fields: &[&str] = if has_content { &[&length] } else { &[] };
        let content = match (has_content, sent) {
            (false, _) => "",
            (true, "part") => &CONTENT[..3],
            (true, _) => CONTENT,
        };
        client.send(request(&format!("{method} {path}"), &self.token, fields, content)).await;
        client
    }

    /// A connection that has served a request.
    async fn kept(&mut self) -> Link {
        let mut client = self.begin("/first", "GET", "all").await;
        let mut link = self.upstream.accept().await;
        let stream = link.request("").await;
        link.response(stream, "").await;
        assert_eq!(client.response().await.status, 200);
        link
    }

    /// The one connection on which `what` arrives, and its client.
    async fn attempt(&mut self, row: &Row, what: &str, end: &str) -> Client {
        let kept = if row.is_kept { Some(self.kept().await) } else { None };
        if row.sent == "nothing" {
            kept.unwrap().end(end).await;
            return self.begin("/second", what, row.sent).await;
        }
        let client = self.begin("/second", what, row.sent).await;
        let mut link = match kept {
            Some(kept) => kept,
            None => self.upstream.accept().await,
        };
        let content = if !what.ends_with("+content") {
            ""
        } else if row.sent == "part" {
            &CONTENT[..3]
        } else {
            CONTENT
        };
        link.request(content).await;
        match row.came {
            "nothing" => {}
            "100" => link.send("HTTP/1.1 100 Continue\r\n\r\n").await,
            "head" => link.send("HTTP/1.1 200 OK\r\nContent-Le").await,
            came => panic!("{came}"),
        }
        match end {
            "garbage" => link.send("220 mail.test ESMTP\r\n\r\n").await,
            // It is held until the client was told.
            "time-out" => std::mem::forget(link),
            end => link.end(end).await,
        }
        client
    }

    async fn check(&mut self, row: &Row, what: &str, end: &str) {
        let mut client = self.attempt(row, what, end).await;
        if row.again {
            let mut fresh = self.upstream.accept().await;
            let stream = fresh.request(if what.ends_with("+content") { CONTENT } else { "" }).await;
            fresh.response(stream, "Connection: close\r\n").await;
            let status = if what == "HEAD" {
                client.response_head().await.status
            } else {
                client.response().await.status
            };
            assert_eq!(status, 200, "{what} {end} {row:?}");
            if end.starts_with("h2-") {
                fresh.end(end).await;
            }
        } else {
            let status = client.response().await.status;
            assert_eq!(status, if end == "time-out" { 504 } else { 502 }, "{what} {end} {row:?}");
            assert!(!self.upstream.has_client(), "{what} was sent twice: {end} {row:?}");
        }
    }
}

async fn check(fits: impl Fn(&str) -> bool) {
    for row in table() {
        for end in row.ends.iter().filter(|end| fits(end)) {
            let mut stage = if *end == "time-out" {
                Stage::hasty().await
            } else {
                Stage::over(Transport::of_end(end)).await
            };
            for what in &row.requests {
                stage.check(&row, what, end).await;
            }
        }
    }
}

#[tokio::test]
async fn every_row_holds_in_the_clear() {
    check(|end| Transport::of_end(end) == Transport::Clear).await;
}

#[tokio::test]
async fn every_row_holds_in_tls() {
    check(|end| Transport::of_end(end) == Transport::Tls).await;
}

#[tokio::test]
async fn every_row_holds_over_http2() {
    check(|end| Transport::of_end(end) == Transport::Http2).await;
}
