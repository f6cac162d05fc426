//! Who may change things (aurora: `src/main/java/org/apache/aurora/scheduler/http/api/security`).
//!
//! Nobody is asked who reads. Whoever changes something holds the cluster's secret, or is a user of a [`Realm`] who has the
//! permission that the call needs. Without either everybody may.

mod call;
mod permission;
mod realm;

use aurora_api::service::Call;
use aurora_daemon::guard::Guard;
use aurora_daemon::reply;
use aurora_daemon::server::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};

pub(crate) use realm::{Realm, RealmError};

use call::Needed;
use realm::User;

/// Counters that are there from the beginning.
pub(crate) const COUNTERS: [&str; 2] = [FAILURES, BAD_REQUESTS];

const FAILURES: &str = "shiro_authorization_failures";
const BAD_REQUESTS: &str = "shiro_bad_requests";

const CHALLENGE: &str = "BASIC realm=\"Apache Aurora Scheduler\"";

/// Who a change is made by when nobody was asked (aurora: `AuditMessages.java`).
const NOBODY: &str = "UNSECURE";

/// See the module.
pub(crate) struct Gate {
    pub(crate) guard: Guard,
    pub(crate) realm: Option<Realm>,
}

/// Whoever sent a request.
#[derive(Debug)]
pub(crate) enum Caller<'a> {
    /// Nobody is asked.
    Anybody,
    /// Holds the cluster's secret, and says that this is their name.
    Trusted(String),
    /// Has a name, a password and permissions.
    User(&'a User),
}

/// Why a call is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It does not say which job it is about.
    NoJob,
    /// The permission is missing.
    Denied(String),
}

impl Refusal {
    /// The counter of such refusals.
    pub(crate) fn counter(&self) -> &'static str {
        match self {
            Refusal::NoJob => BAD_REQUESTS,
            Refusal::Denied(_) => FAILURES,
        }
    }
}

impl Caller<'_> {
    /// The name for events and audits.
    pub(crate) fn name(&self) -> &str {
        match self {
            Caller::Anybody => NOBODY,
            Caller::Trusted(name) => name,
            Caller::User(user) => &user.name,
        }
    }

    /// Whether they may make a call.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may(&self, call: &Call) -> Result<(), Refusal> {
        let Caller::User(user) = self else {
            return Ok(());
        };
        let Some(needed) = Needed::of(call)? else {
            return Ok(());
        };
        match user.is_permitted(&needed.parts()) {
            true => Ok(()),
            false => Err(Refusal::Denied(needed.refusal(&user.name))),
        }
    }
}

impl Gate {
    /// Whoever sent a request that changes something.
    ///
    /// # Errors
    /// Nobody who is known: the answer to give instead.
    #[allow(
        clippy::result_large_err,
        reason = "the error is the answer, made once per refusal"
    )]
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller<'_>, Response> {
        let secret = self.guard.check_secret(headers);
        let basic = basic(headers);
        let Some(realm) = &self.realm else {
            secret?;
            return Ok(match self.guard.token() {
                None => Caller::Anybody,
                Some(_) => trusted(basic),
            });
        };
        if self.guard.token().is_some() && secret.is_ok() {
            return Ok(trusted(basic));
        }
        let user = basic.and_then(|(name, password)| realm.user(&name, &password));
        user.map(Caller::User).ok_or_else(challenge)
    }

    /// Refuses who reads with a name and a password that are wrong, as upstream does; nobody needs any.
    ///
    /// # Errors
    /// The answer to give instead.
    #[allow(
        clippy::result_large_err,
        reason = "the error is the answer, made once per refusal"
    )]
    pub(crate) fn check_reader(&self, headers: &HeaderMap) -> Result<(), Response> {
        if self.realm.is_some() && basic(headers).is_some() {
            self.caller(headers)?;
        }
        Ok(())
    }
}

fn trusted(basic: Option<(String, String)>) -> Caller<'static> {
    let name = basic.map(|(name, _)| name).filter(|name| {
        !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control)
    });
    Caller::Trusted(name.unwrap_or_else(|| "aurora".to_owned()))
}

/// The name and the password of a request.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

fn challenge() -> Response {
    let mut response = reply::text(
        StatusCode::UNAUTHORIZED,
        "A user's name and password are required here.\n",
    );
    let challenge = HeaderValue::from_static(CHALLENGE);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests;
