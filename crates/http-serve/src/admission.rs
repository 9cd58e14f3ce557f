//! The checks a request must pass before its service sees it: host, origin, length of the path, rate limit, password, announced size. Also the time
//! limit of the service and the extra headers of every response.
//!
//! Leaves out how a refusal is worded, which is `refusal`'s.

use std::{pin::Pin, time::Duration};

use http::{Request, Response};
use http_body::Body;
use http_body_util::Either;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::{
    Handler, Limits, Peer, Refusal, Whole,
    auth::{Denied, User},
    cross_site,
    host::{self, AllowedHosts, Host},
    refusal::Wording,
    request::bounded,
    web_config::{Live, WebConfig},
};

/// The checks in front of the service.
pub(crate) struct Admission {
    web: Live,
    allowed_hosts: AllowedHosts,
    /// What the service's settings call them.
    hosts_name: &'static str,
    max_target_bytes: usize,
    max_body_bytes: usize,
    request_timeout: Duration,
    wording: Wording,
}

/// A response of the service, or one to a refused request.
type Answer<B> = Response<Either<Pin<Box<B>>, Whole>>;

impl Admission {
    pub(crate) fn new(
        limits: &Limits,
        web: Live,
        allowed_hosts: AllowedHosts,
        hosts_name: &'static str,
        wording: Wording,
    ) -> Self {
        let &Limits { max_target_bytes, max_body_bytes, request_timeout, .. } = limits;
        Self { web, allowed_hosts, hosts_name, max_target_bytes, max_body_bytes, request_timeout, wording }
    }

    /// The web-config in force.
    pub(crate) fn web(&self) -> &Live {
        &self.web
    }

    /// Answers a request, by the service if it passes.
    pub(crate) async fn answer<H: Handler>(
        &self,
        handler: H,
        peer: Peer,
        mut request: Request<Incoming>,
    ) -> Answer<H::Body> {
        let deadline = Instant::now() + self.request_timeout;
        let web = self.web.current();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        // A password may have to wait in turn to be compared.
        let checked = timeout_at(deadline, self.check(&web, peer, &request)).await;
        let checked = checked.unwrap_or_else(|_elapsed| Err(Refusal::busy()));
        if web.users.is_some()
            && checked.is_ok()
            && let Some(user) = User::of(request.headers())
        {
            request.extensions_mut().insert(user);
        }
        let (request, unread) = bounded(request, self.max_body_bytes);
        let answered = match checked {
            Ok(()) => timeout_at(deadline, handler.handle(request))
                .await
                .map_err(|_elapsed| Refusal::not_in_time(self.request_timeout)),
            Err(refusal) => {
                drop(request);
                Err(refusal)
            }
        };
        let mut response = match answered {
            Ok(response) => response.map(|body| Either::Left(Box::pin(body))),
            Err(refusal) => refusal.answer(&self.wording, &method, &uri).map(Either::Right),
        };
        unread.discard().await;
        web.headers.add_to(response.headers_mut());
        response
    }

    /// Runs the checks, the cheapest first.
    async fn check(&self, web: &WebConfig, peer: Peer, request: &Request<Incoming>) -> Result<(), Refusal> {
        let (method, headers) = (request.method(), request.headers());
        let host = host::of_request(request.version(), request.uri(), headers)?;
        if !self.allowed_hosts.allow(host.as_ref()) {
            let named = host.as_ref().map(Host::name).unwrap_or_default();
            return Err(Refusal::foreign_host(named, self.hosts_name));
        }
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target > self.max_target_bytes {
            return Err(Refusal::target_too_long(target, self.max_target_bytes));
        }
        cross_site::check(method, host.as_ref(), headers)?;
        if let Some(limit) = &web.rate_limit {
            limit.take(Instant::now().into_std()).map_err(Refusal::too_many)?;
        }
        if let Some(users) = &web.users {
            users.admit(headers, peer).await.map_err(|denied| match denied {
                Denied::Unauthorized => Refusal::unauthorized(),
                Denied::Busy => Refusal::busy(),
            })?;
        }
        let announced = request.body().size_hint().lower();
        if announced > self.max_body_bytes as u64 {
            return Err(Refusal::too_large(announced, self.max_body_bytes));
        }
        Ok(())
    }
}
