//! The results of a run: a table for people, and a file in `bench/results` for later comparison.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::measure::Slice;
use super::plot::{self, Bar};
use super::scenarios::{PEERS, SCENARIOS};
use super::servers::{Servers, can_pin};
use super::{Options, SideFigures};
use crate::workspace::Workspace;

/// The figures of one server in one scenario. Foreign load only adds cost, so each figure is the
/// quartile of the quiet side.
struct Row {
    scenario: &'static str,
    server: &'static str,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    cpu_us_min: f64,
    cpu_us: f64,
    times_nginx: f64,
    times_haproxy: f64,
    pss_mib: f64,
    foreign: f64,
}

impl Row {
    fn bar(&self) -> Bar {
        Bar {
            group: self.scenario,
            name: self.server,
            length: self.cpu_us,
            times: self.times_haproxy,
        }
    }
}

pub(crate) fn line(slice: &Slice) -> String {
    format!(
        "{:<18} {:<10} {:>7.0} req/s, p50 {:.0} us, p99 {:.0} us, CPU {:.1} us, foreign {:.0} %",
        slice.scenario,
        slice.server,
        slice.per_second,
        slice.p50_us,
        slice.p99_us,
        slice.cpu_us,
        slice.foreign * 100.0
    )
}

/// Prints the table, and writes no file.
pub(crate) fn print(servers: &Servers, slices: &[Slice]) {
    let rows: Vec<Row> =
        rows(servers, slices).into_iter().filter(|row| !row.cpu_us.is_nan()).collect();
    println!("\n{}", table(&rows));
}

pub(crate) fn write(
    workspace: &Workspace,
    options: &Options,
    servers: &Servers,
    slices: &[Slice],
    besides: &SideFigures,
) -> Result<bool> {
    let rows = rows(servers, slices);
    let SideFigures { starts, idle, storm } = besides;
    let (start, bare) = (starts.full_ms, starts.bare_ms);
    println!(
        "\n{}\n\nfrom the start to the first response: {start:.0} ms, with the defaults {bare:.0} ms",
        table(&rows)
    );
    println!(
        "memory after the start {:.1} MiB, with {} idle connections {:.1} MiB: {:.1} KiB each",
        idle.alone_mib,
        idle.connections,
        idle.with_connections_mib,
        idle.kib_each()
    );
    println!(
        "p99 of known tokens beside 1,000 tokens: {:.0} us when those are known, {:.0} us when they are new",
        storm.known_p99_us, storm.new_p99_us
    );
    let date = said(Command::new("date").args(["-u", "+%Y-%m-%dT%H%MZ"]))?;
    let file = workspace.root.join("bench/results").join(format!("{date}.json"));
    let text =
        serde_json::to_string_pretty(&whole(workspace, options, servers, &rows, besides, &date)?)
            .context("cannot write JSON")?;
    std::fs::create_dir_all(workspace.root.join("bench/results"))
        .context("cannot make bench/results")?;
    std::fs::write(&file, text + "\n").context("cannot write the results")?;
    let bars: Vec<Bar> =
        rows.iter().filter(|row| PEERS.contains(&row.server)).map(Row::bar).collect();
    std::fs::write(workspace.root.join("bench/results/newest.svg"), plot::svg(&bars))
        .context("cannot write the plot")?;
    println!("written to bench/results/{date}.json and newest.svg");
    Ok(true)
}

fn rows(servers: &Servers, slices: &[Slice]) -> Vec<Row> {
    let mut rows = Vec::new();
    for scenario in &SCENARIOS {
        let of = |name: &str| -> Vec<&Slice> {
            slices
                .iter()
                .filter(|slice| slice.server == name && slice.scenario == scenario.name)
                .collect()
        };
        let cost = |name: &str| quantile(&of(name), 0.25, |slice| slice.cpu_us);
        let peers = (cost("nginx"), cost("haproxy"));
        let measured = servers.all().iter().filter(|server| scenario.has(server.name));
        rows.extend(
            measured.map(|server| row(scenario.name, server.name, &of(server.name), peers)),
        );
    }
    rows
}

fn row(
    scenario: &'static str,
    server: &'static str,
    slices: &[&Slice],
    (nginx, haproxy): (f64, f64),
) -> Row {
    let cpu_us = quantile(slices, 0.25, |slice| slice.cpu_us);
    Row {
        scenario,
        server,
        per_second: quantile(slices, 0.75, |slice| slice.per_second),
        p50_us: quantile(slices, 0.25, |slice| slice.p50_us),
        p99_us: quantile(slices, 0.25, |slice| slice.p99_us),
        p999_us: quantile(slices, 0.25, |slice| slice.p999_us),
        cpu_us_min: quantile(slices, 0.0, |slice| slice.cpu_us),
        cpu_us,
        times_nginx: cpu_us / nginx,
        times_haproxy: cpu_us / haproxy,
        pss_mib: quantile(slices, 0.5, |slice| slice.pss_mib),
        foreign: quantile(slices, 0.5, |slice| slice.foreign),
    }
}

fn quantile(slices: &[&Slice], share: f64, figure: impl Fn(&Slice) -> f64) -> f64 {
    let mut figures: Vec<f64> = slices.iter().map(|slice| figure(slice)).collect();
    figures.sort_by(f64::total_cmp);
    let last = figures.len().saturating_sub(1);
    let position = (last as f64 * share).round() as usize;
    figures.get(position).copied().unwrap_or(f64::NAN)
}

fn table(rows: &[Row]) -> String {
    let head = "| scenario | server | req/s | p50 us | p99 us | p99.9 us | CPU us/request (min) | x nginx | x haproxy | PSS MiB | foreign |\n\
                |---|---|---|---|---|---|---|---|---|---|---|";
    let lines = rows.iter().map(|row| {
        format!(
            "| {} | {} | {:.0} | {} | {} | {} | {:.1} ({:.1}) | {} | {} | {:.1} | {:.0} % |",
            row.scenario,
            row.server,
            row.per_second,
            shown(row.p50_us),
            shown(row.p99_us),
            shown(row.p999_us),
            row.cpu_us,
            row.cpu_us_min,
            ratio(row.times_nginx),
            ratio(row.times_haproxy),
            row.pss_mib,
            row.foreign * 100.0
        )
    });
    std::iter::once(head.to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
}

/// Shows a time; a dash if the load generator does not print the time.
fn shown(micros: f64) -> String {
    if micros.is_nan() { "–".to_owned() } else { format!("{micros:.0}") }
}

/// Shows a ratio; a dash if the scenario lacks the peer.
fn ratio(times: f64) -> String {
    if times.is_nan() { "–".to_owned() } else { format!("{times:.2}") }
}

fn whole(
    workspace: &Workspace,
    options: &Options,
    servers: &Servers,
    rows: &[Row],
    besides: &SideFigures,
    date: &str,
) -> Result<Value> {
    let rows: Vec<Value> = rows.iter().map(as_json).collect();
    let SideFigures { starts, idle, storm } = besides;
    Ok(json!({
        "date": date,
        "commit": said(workspace.command("git").args(["describe", "--always", "--dirty"]))?,
        "machine": machine()?,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "pinned": can_pin(),
        "token_bytes": servers.tokens.one.len(),
        "start_ms": tenth(starts.full_ms),
        "bare_start_ms": tenth(starts.bare_ms),
        "idle": {
            "alone_mib": tenth(idle.alone_mib),
            "connections": idle.connections,
            "with_connections_mib": tenth(idle.with_connections_mib),
            "kib_each": tenth(idle.kib_each()),
        },
        "storm": { "known_p99_us": tenth(storm.known_p99_us), "new_p99_us": tenth(storm.new_p99_us) },
        "rows": rows,
    }))
}

fn as_json(row: &Row) -> Value {
    json!({
        "scenario": row.scenario,
        "server": row.server,
        "requests_per_second": tenth(row.per_second),
        "p50_us": tenth(row.p50_us),
        "p99_us": tenth(row.p99_us),
        "p999_us": tenth(row.p999_us),
        "cpu_us_min": tenth(row.cpu_us_min),
        "cpu_us_quartile": tenth(row.cpu_us),
        "times_nginx": (row.times_nginx * 100.0).round() / 100.0,
        "times_haproxy": (row.times_haproxy * 100.0).round() / 100.0,
        "pss_mib": tenth(row.pss_mib),
        "foreign_load": (row.foreign * 100.0).round() / 100.0,
    })
}

fn tenth(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

fn machine() -> Result<Value> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    Ok(json!({
        "cpu": model.trim_start_matches(['\t', ' ', ':']),
        "cores": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "kernel": said(Command::new("uname").arg("-r"))?,
        "rustc": said(Command::new("rustc").arg("--version"))?,
        "nginx": said(Command::new("sh").args(["-c", "PATH=$PATH:/usr/sbin nginx -v 2>&1"]))?,
        "haproxy": said(Command::new("sh").args(["-c", "PATH=$PATH:/usr/sbin haproxy -v 2>&1 | head -1"]))?,
    }))
}

fn said(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
