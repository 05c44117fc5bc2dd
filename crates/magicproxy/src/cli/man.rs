//! `man`: the manual pages, made from the same definitions as `--help`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use clap_mangen::Man;

use super::examples;
use crate::ground::failure::Failure;
use crate::ground::output;

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write every page to this folder instead of printing the first
    dir: Option<PathBuf>,
}

/// The section on environment variables, in roff.
const ENVIRONMENT: &str = r#".SH ENVIRONMENT
.TP
\fBMAGICPROXY_CONFIG\fR
The configuration file, where \fB\-\-config\fR does not name one.
.TP
\fBMAGICPROXY_KEYS\fR, \fBMAGICPROXY_API_ROOT\fR, \fBMAGICPROXY_LOG\fR, \fBMAGICPROXY_LOG_FORMAT\fR
The folder of the keys, the root of the API, the level and the form of the log.
.TP
\fBMAGICPROXY_\fISECTION\fB_\fIKEY\fR
Any other setting that one line can give: \fBMAGICPROXY_TIMEOUTS_CONNECT\fR is \fBtimeouts.connect\fR.
An empty variable counts as none. Flags win over variables, and variables over files.
.TP
\fBAPI_ROOT\fR, \fBPUBLIC_ACCESS\fR, \fBKEYS_LOCATION\fR, \fBPRIVATE_KEY_LOCATION\fR, \fBPUBLIC_KEY_LOCATION\fR, \fBPUBLIC_CERTIFICATE_LOCATION\fR, \fBCONFIG_FILE\fR
Those of the Python program.
.TP
\fBCREDENTIALS_DIRECTORY\fR
Where systemd hands over keys; looked at where nothing else names their folder.
.TP
\fBMAGIC_TOKEN\fR
The magic token, for what \fBmagicproxy env\fR prints without \fB\-\-token\-file\fR.
"#;

const FILES: &str = r#".SH FILES
.TP
\fI./magicproxy.toml\fR, \fI~/.config/magicproxy/config.toml\fR, \fI/etc/magicproxy/config.toml\fR
The configuration: the first of these that exists. \fI./magicproxy.toml\fR is read by \fBserve\fR and \fBconfig\fR alone.
.TP
\fI./keys\fR, \fI~/.local/share/magicproxy/keys\fR
The folder of the keys, where nothing names one, the first for \fBserve\fR and \fBconfig\fR alone: \fIprivate.pem\fR, \fIpublic.pem\fR, \fIpublic.x509.cer\fR, \fIsealing\-*.jwk\fR, \fIretired\-*.pem\fR.
.TP
\fIrevocations.json\fR in that folder, \fIstate.redb\fR beside it
What was revoked, and what tokens own and have used. \fBmagicproxy config show\fR says where.
.TP
\fI~/.cache/magicproxy/plugins\fR
Compiled plugins.
.TP
\fI~/.local/share/magicproxy/proxies\fR
Public keys of proxies, fetched by \fBmagicproxy mint \-\-to\fR.
"#;

const EXIT_STATUS: &str = r#".SH EXIT STATUS
.TP
\fB0\fR
Done.
.TP
\fB1\fR
It failed; one line on standard error says why.
.TP
\fB2\fR
The command line is wrong.
.TP
\fB3\fR
The request would be denied (\fBexplain\fR, \fBplugin run\fR).
.TP
\fB78\fR
The configuration is wrong.
.PP
\fBmagicproxy run\fR ends with the status of its program, or with 126 or 127 where that cannot be started.
"#;

/// Prints `magicproxy.1`, or writes the pages of all commands to a folder.
pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    let mut command = examples::command();
    command.build();
    let Some(dir) = &args.dir else {
        let page = page(&command).context("the manual page cannot be written")?;
        return Ok(output::print(&String::from_utf8_lossy(&page))?);
    };
    let named = || format!("`{}`", dir.display());
    std::fs::create_dir_all(dir).with_context(named)?;
    Ok(write_all(&command, dir).with_context(named)?)
}

/// Writes the page of a command and of all commands below it.
fn write_all(command: &clap::Command, dir: &Path) -> std::io::Result<()> {
    std::fs::write(dir.join(Man::new(command.clone()).get_filename()), page(command)?)?;
    let shown = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help");
    shown.into_iter().try_for_each(|command| write_all(command, dir))
}

/// Makes one page, with the sections expected by man-pages(7).
fn page(command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend(format!("{ENVIRONMENT}{FILES}{EXIT_STATUS}").bytes());
    write_examples(command, &mut page)?;
    if command.get_version().is_some() {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}

fn write_examples(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut lines = help.lines().skip_while(|line| *line != "Examples:").skip(1).peekable();
    if lines.peek().is_some() {
        writeln!(page, ".SH EXAMPLES")?;
    }
    lines.try_for_each(|line| writeln!(page, ".PP\n.EX\n{}\n.EE", roff(line.trim())))
}

/// Escapes a text so that roff shows every character.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_the_sections_that_readers_look_for() {
        let folder = tempfile::tempdir().unwrap();
        run(&ManArgs { dir: Some(folder.path().to_owned()) }).map_err(|_| ()).unwrap();
        let pages: Vec<PathBuf> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(pages.len() > 20, "{pages:?}");
        for path in pages {
            let text = std::fs::read_to_string(&path).unwrap();
            for section in [
                ".TH ",
                ".SH NAME",
                ".SH SYNOPSIS",
                ".SH DESCRIPTION",
                ".SH ENVIRONMENT",
                ".SH FILES",
                ".SH \"EXIT STATUS\"",
            ] {
                let there = text.contains(section) || text.contains(&section.replace('"', ""));
                assert!(there, "{section} in {}", path.display());
            }
            let group = text.contains(".SH SUBCOMMANDS");
            assert!(group || text.contains(".SH EXAMPLES"), "{}", path.display());
        }
    }

    #[test]
    fn examples_are_shown_to_the_letter() {
        assert_eq!(roff(r"a -b 'c' \d"), r"a \-b \(aqc\(aq \ed");
        assert_eq!(roff(".x"), r"\&.x");
    }
}
