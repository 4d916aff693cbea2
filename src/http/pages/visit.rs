//! A visit: who opens a page, how they like to see it, and what it is made with.
//!
//! What somebody likes (light or dark, a zone for all times) lives in two cookies that hold nothing
//! else; a page is made with them on the server, so that nothing jumps when a script starts. Every
//! handler of a page begins here. Callers: the other files of `pages`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::{Value, json};

use super::super::answer::{Answer, Problem};
use super::super::api::query::Params;
use super::super::auth::{Need, Principal, Reader, anonymous};
use super::super::{Shared, body};
use super::forms::{Form, see};
use super::templates::Markup;
use super::{Pages, merged};
use crate::domain::incident::Report;
use crate::domain::zone::Zone;

/// Longest form with a wish.
const WISH_BYTES_MAX: usize = 4 * 1024;
const THEME_COOKIE: &str = "scribed_theme";
const ZONE_COOKIE: &str = "scribed_zone";
/// The words for light and dark; without one the reader's own setting decides.
const THEMES: [&str; 2] = ["light", "dark"];
/// A year, as cookies say it.
const COOKIE_SECONDS: u32 = 31_536_000;

/// One opening of a page.
pub(super) struct Visit {
    /// What every handler may use.
    pub(super) shared: Arc<Shared>,
    /// Who, when they may read.
    pub(super) who: Result<Principal, Problem>,
    pages: Pages,
    headers: HeaderMap,
    uri: Uri,
    theme: Option<&'static str>,
    zone: Option<Zone>,
}

impl FromRequestParts<Arc<Shared>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Infallible> {
        let who = Reader::from_request_parts(parts, shared).await.map(|Reader(who)| who);
        Ok(Self::of(parts, Arc::clone(shared), who))
    }
}

impl Visit {
    /// The visit of somebody of whom we know already what they may.
    pub(super) fn of(parts: &Parts, shared: Arc<Shared>, who: Result<Principal, Problem>) -> Self {
        let wished = |name: &str| cookie(&parts.headers, name);
        let theme = wished(THEME_COOKIE);
        Self {
            who,
            shared,
            pages: parts.extensions.get::<Pages>().cloned().unwrap_or_default(),
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
            theme: THEMES.into_iter().find(|word| theme == Some(*word)),
            zone: wished(ZONE_COOKIE).and_then(|name| Zone::parse(name).ok()),
        }
    }

    /// True when the visitor may do what people do.
    pub(super) fn may(&self, need: &Need) -> bool {
        self.who.as_ref().is_ok_and(|principal| principal.may(need))
    }

    /// The headers of the request.
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The parameters of the address.
    pub(super) fn params(&self) -> Params {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&self.uri);
        Params::new(pairs.map_or_else(|_| Vec::new(), |Query(pairs)| pairs))
    }

    /// The zone of pages that show more than one incident: the visitor's, else the configured one.
    pub(super) fn zone(&self) -> Zone {
        self.zone.clone().unwrap_or_else(|| self.default_zone())
    }

    /// The zone of an incident's page: the visitor's, else the incident's own, else the configured.
    pub(super) fn zone_of(&self, report: &Report) -> Zone {
        let own = || report.timezone.as_deref().and_then(|name| Zone::parse(name).ok());
        self.zone.clone().or_else(own).unwrap_or_else(|| self.default_zone())
    }

    fn default_zone(&self) -> Zone {
        Zone::parse(&self.shared.config().timezone).unwrap_or_default()
    }

    /// What the frame of every page shows.
    fn frame(&self, page: &str, zone: &Zone) -> Value {
        let session = self.shared.sessions.find(&self.headers);
        let place = self.uri.path_and_query().map_or("/", |place| place.as_str());
        json!({
            "csrf": session.as_ref().map(|session| session.csrf.clone()),
            "visitor": session.map(|session| session.token),
            "has_tokens": !self.shared.config().auth.tokens.is_empty(),
            "may_write": self.may(&Need::Write),
            "may_administer": self.may(&Need::Admin),
            "page": page,
            "place": self.shared.store.cursor().borrow().0,
            "zone": zone.label_at(self.shared.clock.now()),
            "zone_name": zone.name(),
            "own_zone": self.zone.as_ref().map(Zone::name),
            "theme": self.theme,
            "here": local_path(place),
            "assets": self.pages.assets(),
            "said": "",
            // Which changes the page wants to hear of, and whether it shows ages.
            "watch": null,
            "ticking": false,
        })
    }

    /// A page in the zone of the visitor.
    ///
    /// # Errors
    /// When the template and its values do not fit, which would be a fault of ours.
    pub(super) fn page(&self, name: &str, template: &str, values: Value) -> Answer {
        let page = Made { name, template, values, zone: self.zone(), markup: Markup::default() };
        self.made(StatusCode::OK, page)
    }

    /// A page with a status, in a zone of its own, with parts that are markup already.
    ///
    /// # Errors
    /// When the template and its values do not fit, which would be a fault of ours.
    pub(super) fn made(&self, status: StatusCode, page: Made<'_>) -> Answer {
        let frame = self.frame(page.name, &page.zone);
        self.pages.page(status, page.template, merged(frame, page.values), page.markup)
    }

    /// A problem as a page.
    ///
    /// # Errors
    /// Problems that a visitor can do nothing about, as they are.
    pub(super) fn problem(&self, problem: Problem, back: &str) -> Answer {
        let frame = self.frame("problem", &self.zone());
        self.pages.problem(frame, problem, back)
    }

    /// Tells a visitor who may not look why, and where to log in.
    ///
    /// # Errors
    /// As [`Visit::problem`].
    pub(super) fn turned_away(&self, problem: Problem) -> Answer {
        self.problem(problem, "/login")
    }
}

/// A page to be made.
pub(super) struct Made<'a> {
    /// Which of the pages it is, for the navigation.
    pub(super) name: &'a str,
    /// Its template.
    pub(super) template: &'a str,
    /// What the template shows.
    pub(super) values: Value,
    /// The zone of its times.
    pub(super) zone: Zone,
    /// What is markup already, made and escaped by `render`.
    pub(super) markup: Markup,
}

/// Returns the problem page when the visitor may not read.
macro_rules! readable {
    ($visit:expr) => {
        if let Err(problem) = &$visit.who {
            return $visit.turned_away(problem.clone());
        }
    };
}
pub(super) use readable;

/// POST `/display`: keeps what the visitor likes, and goes back.
pub(super) async fn keep_liking(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    let (parts, received) = request.into_parts();
    anonymous::refuse_foreign_page(&parts.headers, anonymous::authority(&parts).as_deref())
        .map_err(|refusal| Problem::Forbidden(refusal.to_string()))?;
    let form = liking(&shared, &parts.headers, received).await?;
    let back = local_path(form.one("back").unwrap_or("/"));
    let back = if form.raw("zone").is_some() { without_zone(back) } else { back.to_owned() };
    let mut response: Response = see(&back)?;
    if let Some(theme) = form.raw("theme") {
        let known = THEMES.into_iter().find(|word| *word == theme);
        set_cookie(&mut response, THEME_COOKIE, known)?;
    }
    if let Some(name) = form.raw("zone") {
        let zone = Zone::parse(name).ok();
        set_cookie(&mut response, ZONE_COOKIE, zone.as_ref().map(Zone::name))?;
    }
    Ok(response)
}

async fn liking(shared: &Shared, headers: &HeaderMap, received: Body) -> Result<Form, Problem> {
    let mut received = body::receive(shared, headers, received, WISH_BYTES_MAX).await?;
    Ok(Form::read(&received.decoded(WISH_BYTES_MAX)?))
}

/// Adds a cookie, or takes it back.
fn set_cookie(response: &mut Response, name: &str, value: Option<&str>) -> Result<(), Problem> {
    let (value, seconds) = value.map_or(("", 0), |value| (value, COOKIE_SECONDS));
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite=Lax");
    let cookie = HeaderValue::try_from(cookie)
        .map_err(|error| Problem::Internal(format!("a cookie cannot be written: {error}")))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(())
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(known, value)| (known == name).then_some(value))
}

/// An address on this server, or the front page: nobody is sent elsewhere by a forged form.
pub(super) fn local_path(text: &str) -> &str {
    let is_local = text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_local { text } else { "/" }
}

/// An address without the zone that it asks for, which would win over the one just chosen.
fn without_zone(path: &str) -> String {
    let Some((page, query)) = path.split_once('?') else { return path.to_owned() };
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("tz=")).collect();
    if kept.is_empty() { page.to_owned() } else { format!("{page}?{}", kept.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_server_are_gone_back_to() {
        let check = |text: &str, expect: &str| assert_eq!(local_path(text), expect, "{text}");
        check("/incidents/3?tz=UTC#t-e4", "/incidents/3?tz=UTC#t-e4");
        check("//evil.example/", "/");
        check("/\\evil.example/", "/");
        check("https://evil.example/", "/");
        check("/a b", "/");
        check("", "/");
    }

    #[test]
    fn a_zone_that_was_chosen_is_not_hidden_by_the_address() {
        let check = |path: &str, expect: &str| assert_eq!(without_zone(path), expect, "{path}");
        check("/incidents/3?tz=UTC&q=a", "/incidents/3?q=a");
        check("/incidents/3?tz=UTC", "/incidents/3");
        check("/incidents/3", "/incidents/3");
        check("/alerts?filter=tz%3Dx", "/alerts?filter=tz%3Dx");
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("xscribed_theme=a; scribed_theme=dark"));
        assert_eq!(cookie(&headers, THEME_COOKIE), Some("dark"));
        assert_eq!(cookie(&headers, ZONE_COOKIE), None);
    }
}
