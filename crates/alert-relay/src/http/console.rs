//! The console's paths: what each page is asked for, and its answer.
//!
//! Owns the table of its paths, and the headers that keep a page from loading or running anything. Leaves out the pages themselves (`console`) and what is shown and done
//! (`relay`). Who may come here is decided before, as for every path; a form that another site's page sends is refused there too.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use settings_document::Problem;

use crate::console::{
    self, AlertPage, AuditTrailPage, ConfirmPage, Console, DeadLetterForm, DeadLettersPage, DeliveriesPage,
    DonePage, FilterForm, OverviewPage, PreviewForm, PreviewPage, ReloadForm, ReloadPage, ReloadedPage,
    SendTestForm, SendTestPage, SettingsPage, StoryPage,
};
use crate::delivery::{NoPublicId, PublicId};
use crate::http::Shared;
use crate::http::console::desk::{Desk, Shown};
use crate::notification::Fingerprint;
use crate::operation::audit_trail::Action;
use crate::operation::dead_letters::Selection;
use crate::operation::deliveries::DeliveryFilter;
use crate::settings::Settings;

mod desk;
mod visitor;

/// Lines on one page of the audit trail.
const TRAIL_PAGE: u32 = 50;

/// All pages, and what they are drawn with.
pub(super) fn routes() -> Router<Shared> {
    let pages = Router::new()
        .route("/", get(overview))
        .route("/deliveries", get(deliveries))
        .route("/deliveries/{id}", get(delivery))
        .route("/alerts/{fingerprint}", get(alert))
        .route("/dead-letters", get(dead_letters).post(treat))
        .route("/preview", get(preview).post(preview_of_body))
        .route("/send-test", get(send_test).post(sent_test))
        .route("/settings", get(settings))
        .route("/settings/reload", get(changes).post(reload))
        .route("/audit-trail", get(audit_trail))
        .layer(Extension(Arc::new(Console::new())))
        .layer(middleware::from_fn(visitor::keep_language))
        .layer(middleware::map_response(async |response| guarded(response, "no-store")));
    let asset = |kind: &'static str, content: &'static str| {
        get(async move || ([(header::CONTENT_TYPE, kind)], content))
    };
    let assets = Router::new()
        .route("/console/style.css", asset("text/css; charset=utf-8", console::STYLE))
        .route("/console/icon.svg", asset("image/svg+xml", console::ICON))
        .layer(middleware::map_response(async |response| guarded(response, "max-age=3600")));
    pages.merge(assets)
}

/// A page loads its style and its icon from here and nothing else, runs nothing, is shown in no frame, and posts its forms here. The referrer is
/// kept for pages of ours: without one a browser names no origin with a form, which is what the guard against other sites' forms goes by.
const GUARDS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

fn guarded(mut response: Response, caching: &'static str) -> Response {
    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

async fn overview(desk: Desk) -> Shown {
    desk.show(&OverviewPage(&desk.relay.overview().await))
}

async fn deliveries(desk: Desk) -> Shown {
    let form: FilterForm = desk.asked()?;
    let asked = form.read(&desk.visit.time_zone);
    let found =
        desk.relay.deliveries(&asked.filter, &asked.page).await.map_err(|error| desk.of_store(&error))?;
    let settings = desk.relay.settings();
    desk.show(&DeliveriesPage { form: &form, asked: &asked, targets: targets(&settings), found: &found })
}

async fn delivery(desk: Desk, path: InPath) -> Shown {
    let id: PublicId =
        named(&desk, path)?.parse().map_err(|error: NoPublicId| desk.missing(error.to_string()))?;
    let story = desk.relay.delivery_story(&id).await.map_err(|refusal| desk.of_look(&refusal))?;
    let gone = || {
        desk.missing(format!(
            "there is no delivery {id} (hint: what ended longer ago than `store.retention` is deleted)"
        ))
    };
    desk.show(&StoryPage(&story.ok_or_else(gone)?))
}

async fn alert(desk: Desk, path: InPath) -> Shown {
    let fingerprint = named(&desk, path)?;
    let story =
        desk.relay.alert_story(&Fingerprint(fingerprint)).await.map_err(|refusal| desk.of_look(&refusal))?;
    desk.show(&AlertPage(&story))
}

/// What stands in a path's braces.
type InPath = Result<Path<String>, PathRejection>;

fn named(desk: &Desk, path: InPath) -> Result<String, desk::Refused> {
    path.map(|Path(name)| name).map_err(|rejection| desk.bad(rejection.body_text()))
}

async fn dead_letters(desk: Desk) -> Shown {
    let form: FilterForm = desk.asked()?;
    let asked = form.read(&desk.visit.time_zone);
    let filter = DeliveryFilter { state: None, only_dead_letters: true, ..asked.filter.clone() };
    let found = desk.relay.deliveries(&filter, &asked.page).await.map_err(|error| desk.of_store(&error))?;
    let settings = desk.relay.settings();
    desk.show(&DeadLettersPage { form: &form, asked: &asked, targets: targets(&settings), found: &found })
}

/// Retries dead letters or gives them up, once it was asked again.
async fn treat(desk: Desk, body: Body) -> Shown {
    let form: DeadLetterForm = desk.form(body).await?;
    let action =
        form.action().ok_or_else(|| desk.bad("the form asks for nothing that is known".to_owned()))?;
    let selection = selection(&desk, &form)?;
    if !form.is_confirmed() {
        return desk.show(&ConfirmPage { form: &form, action });
    }
    let settled = match action {
        Action::Retry => desk.relay.retry(&desk.who, &selection).await,
        _ => desk.relay.give_up(&desk.who, &selection).await,
    };
    let settled = settled.map_err(|error| desk.of_store(&error))?;
    desk.show(&DonePage { action, settled: &settled })
}

/// A filter that cannot be read whole selects nothing: it would select more than was meant.
fn selection(desk: &Desk, form: &DeadLetterForm) -> Result<Selection, desk::Refused> {
    if !form.id.is_empty() {
        let id = form.id.parse();
        return id
            .map(Selection::One)
            .map_err(|error| desk.bad(format!("`{}`: {error}", form.id.escape_debug())));
    }
    let asked = form.filter.read(&desk.visit.time_zone);
    if asked.is_whole() {
        return Ok(Selection::All(DeliveryFilter { state: None, ..asked.filter }));
    }
    Err(desk.bad("the filter cannot be read: nothing was changed".to_owned()))
}

async fn preview(desk: Desk) -> Shown {
    let form: PreviewForm = desk.asked()?;
    previewed(&desk, &form).await
}

async fn preview_of_body(desk: Desk, body: Body) -> Shown {
    let form: PreviewForm = desk.form(body).await?;
    previewed(&desk, &form).await
}

async fn previewed(desk: &Desk, form: &PreviewForm) -> Shown {
    let recent = desk.relay.recent_webhooks().await.map_err(|error| desk.of_store(&error))?;
    let preview = match form.chosen() {
        Some(of) => Some(desk.relay.preview(&form.target, form.wording(), of).await),
        None => None,
    };
    let preview = preview.as_ref().map(|preview| preview.as_ref().map_err(ToString::to_string));
    let settings = desk.relay.settings();
    desk.show(&PreviewPage { form, targets: targets(&settings), recent: &recent, preview })
}

async fn send_test(desk: Desk) -> Shown {
    let form: SendTestForm = desk.asked()?;
    let settings = desk.relay.settings();
    desk.show(&SendTestPage { form: &form, targets: targets(&settings), report: None })
}

async fn sent_test(desk: Desk, body: Body) -> Shown {
    let form: SendTestForm = desk.form(body).await?;
    let sent = desk.relay.send_test_for(&desk.who, &form.target).await;
    let report = sent.as_ref().map_err(ToString::to_string);
    let settings = desk.relay.settings();
    desk.show(&SendTestPage { form: &form, targets: targets(&settings), report: Some(report) })
}

async fn settings(desk: Desk) -> Shown {
    desk.show(&SettingsPage(&desk.relay.settings_in_force()))
}

async fn changes(desk: Desk) -> Shown {
    desk.show(&ReloadPage(&desk.relay.settings_changes().await))
}

async fn reload(desk: Desk, body: Body) -> Shown {
    let form: ReloadForm = desk.form(body).await?;
    // What stands in the file is for those who may read it: a page says where the mistakes are.
    let problems = match desk.relay.reload_for(&desk.who, form.is_forced()).await {
        Ok(()) => Vec::new(),
        Err(problems) => problems.iter().map(Problem::whereabouts).collect(),
    };
    desk.show(&ReloadedPage { problems })
}

/// Which page of the trail.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TrailForm {
    before: Option<i64>,
}

async fn audit_trail(desk: Desk) -> Shown {
    let TrailForm { before } = desk.asked()?;
    let trail = desk.relay.audit_trail(before, TRAIL_PAGE).await.map_err(|error| desk.of_store(&error))?;
    desk.show(&AuditTrailPage { trail: &trail, is_later: before.is_some() })
}

/// Names to choose from.
fn targets(settings: &Settings) -> Vec<&str> {
    settings.targets.keys().map(String::as_str).collect()
}
