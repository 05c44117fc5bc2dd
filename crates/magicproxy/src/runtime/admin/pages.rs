//! The pages: a request becomes a response. The order of the checks is that of `docs/spec/admin.md`
//! section 2.

use http::StatusCode;
use http::request::Parts;
use magicproxy_config::ground::text::harmless;
use serde_json::json;

use super::access::{AccessAddress, Reader, is_of_another_origin};
use super::operations::{ReloadError, ReloadOutcome, ReloadReport, ReloadTrigger};
use super::request::{Detail, Page};
use super::response::{Form, PageResponse};
use super::{AdminParts, version};
use crate::runtime::backup::BackupError;

impl AdminParts {
    /// Answers a request whose content was read and is not looked at.
    pub(super) async fn respond(&self, head: &Parts, access: AccessAddress) -> PageResponse {
        let (form, detail) = (Form::of(head), Detail::of(head));
        match self.admit(head, access, detail) {
            Ok(page) => self.page(page, head, detail).await,
            Err((status, why)) => {
                let mut refusal = PageResponse::refusal(form, status, &why);
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    refusal.allow = Page::of(head.uri.path()).map(Page::methods);
                }
                refusal
            }
        }
    }

    /// Finds the page, if this client may have it in this way.
    fn admit(
        &self,
        head: &Parts,
        access: AccessAddress,
        detail: Detail,
    ) -> Result<Page, (StatusCode, String)> {
        let refuse = |status, why: &str| Err((status, why.to_owned()));
        let config = self.config.get();
        if !access.is_called_by_name(&config, head) {
            return refuse(
                StatusCode::MISDIRECTED_REQUEST,
                "this listener is not called so: use its address, or name the host in `allowed_hosts`",
            );
        }
        if is_of_another_origin(head) {
            return refuse(StatusCode::FORBIDDEN, "pages of other origins are not served");
        }
        let Some(page) = Page::of(head.uri.path()) else {
            return refuse(
                StatusCode::NOT_FOUND,
                "there is no such page: expected /healthz, /readyz, /version or /metrics",
            );
        };
        if page.is_operation() && !access.takes_operations() {
            return refuse(
                StatusCode::FORBIDDEN,
                "operations are taken on a Unix socket alone: name one in `admin.listen`",
            );
        }
        if !page.takes(head.method.as_str()) {
            let why = format!(
                "`{}` is not taken here: expected {}",
                harmless(head.method.as_str()),
                page.methods()
            );
            return Err((StatusCode::METHOD_NOT_ALLOWED, why));
        }
        match access.reader(config.token.as_ref(), head) {
            Reader::Trusted => Ok(page),
            Reader::WithoutToken | Reader::FromElsewhere if page.is_plain(detail) => Ok(page),
            Reader::WithoutToken => refuse(
                StatusCode::UNAUTHORIZED,
                "the admin token is needed, as `Authorization: Bearer`",
            ),
            Reader::FromElsewhere => refuse(
                StatusCode::FORBIDDEN,
                "other machines read the plain status alone: `admin.token_file` gives them a token for the rest",
            ),
        }
    }

    async fn page(&self, page: Page, head: &Parts, detail: Detail) -> PageResponse {
        let form = Form::of(head);
        match page {
            Page::Health => PageResponse::of(
                form,
                StatusCode::OK,
                || "ok\n".to_owned(),
                || json!({ "status": "ok" }),
            ),
            Page::Ready => self.readiness(form, detail).await,
            Page::Version => {
                PageResponse::of(form, StatusCode::OK, version::text, version::to_json)
            }
            Page::Metrics => self.encoded_metrics(form, head).await,
            Page::Reload => self.reloaded(form).await,
            Page::Backup => self.backed_up(form).await,
        }
    }

    async fn readiness(&self, form: Form, detail: Detail) -> PageResponse {
        let found = self.checks.run().await;
        let (status, word) = if found.are_ready() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready")
        };
        match detail {
            Detail::Plain => {
                PageResponse::of(form, status, || format!("{word}\n"), || json!({ "status": word }))
            }
            Detail::Verbose => PageResponse::of(
                form,
                status,
                || format!("{word}\n{}", found.lines()),
                || json!({ "status": word, "checks": found.to_json() }),
            ),
        }
    }

    async fn encoded_metrics(&self, form: Form, head: &Parts) -> PageResponse {
        let Some(encoder) = self.metrics.clone() else {
            return PageResponse::refusal(
                form,
                StatusCode::NOT_FOUND,
                "this program has no metrics",
            );
        };
        let fields = head.headers.clone();
        // Off the event loop: there may be many metrics.
        let encoded = tokio::task::spawn_blocking(move || encoder(&fields)).await;
        match encoded {
            Ok(metrics) => PageResponse::plain(StatusCode::OK, metrics.media_type, metrics.text),
            Err(_) => PageResponse::refusal(
                form,
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics cannot be encoded",
            ),
        }
    }

    async fn reloaded(&self, form: Form) -> PageResponse {
        let Some(reload) = &self.reload else {
            return PageResponse::refusal(
                form,
                StatusCode::NOT_IMPLEMENTED,
                "this proxy reads its configuration at its start alone",
            );
        };
        match reload.reload(ReloadTrigger::AdminSocket).await {
            Ok(report) => {
                PageResponse::of(form, status_of(&report), || text_of(&report), || json!(report))
            }
            Err(error) => {
                let status = match error {
                    ReloadError::Busy | ReloadError::Ending => StatusCode::SERVICE_UNAVAILABLE,
                    ReloadError::Late => StatusCode::GATEWAY_TIMEOUT,
                };
                PageResponse::refusal(form, status, &error.to_string())
            }
        }
    }
}

impl AdminParts {
    async fn backed_up(&self, form: Form) -> PageResponse {
        match self.backups.make().await {
            Ok(backup) => {
                tracing::info!(name: "backup_made", target: "magicproxy::serve", bytes = backup.length, "a backup was made");
                PageResponse::backup(backup)
            }
            Err(error) => {
                let status = match &error {
                    BackupError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                    BackupError::NoFile => StatusCode::CONFLICT,
                    BackupError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
                };
                PageResponse::refusal(form, status, &error.to_string())
            }
        }
    }
}

fn status_of(report: &ReloadReport) -> StatusCode {
    match report.outcome {
        ReloadOutcome::Changed | ReloadOutcome::Unchanged => StatusCode::OK,
        ReloadOutcome::Refused => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn text_of(report: &ReloadReport) -> String {
    let first = match report.outcome {
        ReloadOutcome::Changed => "reloaded",
        ReloadOutcome::Unchanged => "nothing has changed",
        ReloadOutcome::Refused => "the configuration has faults, and the old one stays in force",
    };
    let faults = report.faults.iter().map(|fault| format!("fault: {fault}\n"));
    let lines = report.lines.iter().map(|line| format!("{line}\n"));
    std::iter::once(format!("{first}\n")).chain(faults).chain(lines).collect()
}
