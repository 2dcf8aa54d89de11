//! A request from beginning to end.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, EXPECT, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body as HttpBody;
use tracing::Instrument;
use wharf_auth::{Authorizer, ClientCertificate, Sender};
use wharf_core::{BoxError, Cause, Registry};
use wharf_oci::{ErrorCode, Route, RouteError};

use crate::accounts::Account;
use crate::addresses::{Addresses, Reached, TrustedProxies};
use crate::asked::Asked;
use crate::body::Body;
use crate::body_budget::{BodyAccount, BodyBudget};
use crate::connections::Busy;
use crate::context::Cx;
use crate::dispatch::dispatch;
use crate::errors::{ApiError, from_body};
use crate::handlers::token;
use crate::host_header;
use crate::limits::{Limits, Options};
use crate::lingering::Lingering;
use crate::log::{LoggedBody, LoggedClient, Record};
use crate::origin::{origin, unverified};
use crate::page_writes;
use crate::panics::catch;
use crate::request_body::RequestBody;
use crate::request_id;
use crate::respond::{self, SetHeader};
use crate::rest::Rests;
use crate::sending::{Permit, SendingShare};

/// A registry as a service: takes HTTP requests, gives HTTP responses. Cheap to clone.
///
/// It is a `tower` service, so it can be mounted in any server; [`serve`](crate::serve) is ours.
#[derive(Debug, Clone)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    authorizer: Arc<dyn Authorizer>,
    options: Options,
    account: Arc<Account>,
    bodies: Arc<BodyBudget>,
    rests: Rests,
    lingering: Lingering,
}

/// The connection of ours that a request has come by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Via<'a> {
    pub(crate) share: &'a Arc<SendingShare>,
    pub(crate) busy: &'a Busy,
}

/// Who is at the other end of the connection; a server puts it into the request's extensions for the access log.
#[derive(Debug, Clone, Copy)]
pub struct Remote(pub SocketAddr);

/// That a connection is secure; a server puts it into the request's extensions.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// What the client proved to be, if it was asked to and did.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl Service {
    /// The registry behind an authorizer.
    pub fn new(registry: Registry, authorizer: Arc<dyn Authorizer>, options: Options) -> Self {
        let account = Arc::new(Account::of_process(&options.limits));
        let bodies = Arc::new(BodyBudget::new(&options.limits));
        let (rests, lingering) = (Rests::default(), Lingering::default());
        Self(Arc::new(Inner { registry, authorizer, options, account, bodies, rests, lingering }))
    }

    /// The registry that is served.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    pub(crate) fn trusted_proxies(&self) -> &TrustedProxies {
        &self.0.options.addresses.trusted
    }

    /// What is taken on all connections of all listeners.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.0.account
    }

    /// The connections that are being closed while their clients still send.
    pub(crate) fn lingering(&self) -> &Lingering {
        &self.0.lingering
    }

    pub(crate) fn speaks_h2c(&self) -> bool {
        self.0.options.h2c
    }

    /// Answers one request.
    pub async fn respond<B>(&self, request: Request<B>) -> Response<LoggedBody>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.respond_via(None, request).await.0
    }

    /// Answers one request, and counts what of the answer is in memory for the connection that it goes out by.
    pub(crate) async fn respond_via<B>(
        &self,
        via: Option<Via<'_>>,
        request: Request<B>,
    ) -> (Response<LoggedBody>, Option<Permit>)
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        let request_id = request_id::next();
        let addresses = &self.0.options.addresses;
        let address = origin(Reached::by(&head), &addresses.trusted);
        let access_log = self.0.options.access_log.clone();
        // Also where only errors are logged: they are what needs it.
        let span = tracing::error_span!("request", http.request.id = &*request_id);
        let client = logged_client(&head, addresses, address);
        let mut record = Record::begin(&head, client, Arc::clone(&request_id), access_log, span.clone());
        let body = RequestBody::new(body, BodyAccount { budget: Arc::clone(&self.0.bodies), address });

        // Boxed where it is made, as it is as large as what the longest request does, and is moved from here on.
        let answer = Box::pin(self.answer(via, &head, address, &body, Arc::clone(&request_id), &mut record));
        let answered = catch(answer).instrument(span).await;
        let mut response = match answered.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(response) => response,
            Err(error) => {
                let error = error.of_request(&request_id);
                if let Some(details) = record.details() {
                    details.error(&error);
                }
                error.into_response(|| addresses.here(Reached::by(&head)))
            }
        };
        let kept = keep(via, &head, &response);
        let replaced = if response.is_incomplete() { Err(ApiError::new(ErrorCode::Unknown)) } else { kept };
        let permit = replaced.unwrap_or_else(|error| {
            let error = error.of_request(&request_id);
            if let Some(details) = record.details() {
                details.error(&error);
            }
            response = error.into_response(String::new);
            None
        });
        // A client that waits for our word before it sends has it now; another one may be in the middle of a body.
        if let Some(rest) = body.into_rest(head.headers.contains_key(EXPECT)) {
            self.0.rests.drop_after(head.version, &mut response, rest);
        }
        self.finish(&head, &mut response);
        // Over HTTP/1 hyper leaves it out by itself; over HTTP/2 a client would take it for a broken protocol.
        if head.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        if let Some(details) = record.details() {
            details.response(response.headers());
        }
        let status = response.status();
        (response.map(|body| record.follow(status, body)), permit)
    }

    async fn answer(
        &self,
        via: Option<Via<'_>>,
        head: &Parts,
        address: Option<IpAddr>,
        body: &RequestBody,
        request_id: Arc<str>,
        record: &mut Record,
    ) -> Result<Response<Body>, ApiError> {
        let inner = &*self.0;
        host_header::check(head)?;
        let head_bytes = bytes_of(head);
        if head_bytes > inner.options.limits.head_bytes {
            return Err(ApiError::head_too_large(head_bytes, inner.options.limits.head_bytes));
        }
        let _room = body.room_for_head(head_bytes).await.map_err(|error| from_body(&error.into()))?;
        let path = inner.options.addresses.inside(head.uri.path()).ok_or(RouteError::NotFound)?;
        let sender = Sender {
            // A line that is no text must not be taken for none.
            authorization: head.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default()),
            certificate: head.extensions.get::<Tls>().and_then(|tls| tls.certificate.as_ref()),
            address,
            forwarded: unverified(Reached::by(head), &inner.options.addresses.trusted),
        };
        if let Some(issuer) = &inner.options.token_issuer
            && path == token::PATH
        {
            let busy = via.map(|via| via.busy);
            return token::answer(&**issuer, head, body, busy, sender, &inner.options.limits, record).await;
        }
        let route = Route::parse(head.method.as_str(), path, head.uri.query())?;
        if let Some(details) = record.details() {
            details.route(&route);
        }
        if inner.options.read_only && changes(&route) {
            return Err(ApiError::from(RouteError::MethodNotAllowed { allow: "GET, HEAD" }));
        }
        if changes(&route) {
            page_writes::check(&head.headers, &inner.options)?;
        }
        let asked = || Asked::by(Route::parse(head.method.as_str(), path, head.uri.query()).ok()?);
        let caller = inner.authorizer.caller(sender).await;
        let caller = caller.map_err(|refusal| ApiError::from(refusal).about(asked, None))?;
        // Who has only a certificate is still somebody to the log.
        let certified = || caller.certificate.as_ref()?.common_name.as_deref().map(Arc::from);
        let actor = caller.name.clone().or_else(certified);
        record.user(actor.clone());
        let cause = Cause { actor, request_id };
        let cx = Cx {
            registry: &inner.registry,
            authorizer: &*inner.authorizer,
            limits: &inner.options.limits,
            account: via.map_or(&inner.account, |via| via.share.account()),
            head,
            caller,
            cause,
        };
        let answer = dispatch(&cx, route, body).await;
        answer.map_err(|error| error.about(asked, cx.caller.known_name()))
    }

    /// What every answer below `/v2` has, whatever it is about.
    fn finish(&self, head: &Parts, response: &mut Response<Body>) {
        let options = &self.0.options;
        if head.uri.path() == "/" {
            return;
        }
        options.addresses.localize(Reached::by(head), response.headers_mut());
        response.headers_mut().insert(respond::API_VERSION, HeaderValue::from_static("registry/2.0"));
        options.headers.add(&head.headers, response.headers_mut());
    }
}

/// Counts what of a response is in memory; an error if there is no room for it.
fn keep(via: Option<Via<'_>>, head: &Parts, response: &Response<Body>) -> Result<Option<Permit>, ApiError> {
    let bytes = if head.method == Method::HEAD { 0 } else { response.body().buffered_bytes() };
    match via {
        Some(via) if bytes > 0 => {
            via.share.try_keep(bytes).map(Some).ok_or_else(ApiError::no_room_for_response)
        }
        Some(_) | None => Ok(None),
    }
}

/// What the logs have of where a request comes from; `address` is what may be believed of it.
fn logged_client(head: &Parts, addresses: &Addresses, address: Option<IpAddr>) -> LoggedClient {
    let peer = head.extensions.get::<Remote>().map(|remote| remote.0);
    let claimed = addresses.claimed(Reached::by(head));
    // Only a local proxy connects to a Unix socket, and what it says is all that is known.
    let remote = address.or(peer.map(|peer| peer.ip())).or(claimed);
    LoggedClient { remote, claimed, peer }
}

/// How long a head is, as over HTTP/1: over HTTP/2 the same head has fewer bytes on the wire and as many in memory.
fn bytes_of(head: &Parts) -> usize {
    const LINE: usize = ": \r\n".len();
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let lines = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE);
    head.method.as_str().len() + target + lines.sum::<usize>()
}

/// Whether a route changes anything, or begins to.
fn changes(route: &Route) -> bool {
    match route {
        Route::PutManifest { .. }
        | Route::DeleteManifest { .. }
        | Route::DeleteBlob { .. }
        | Route::BeginUpload { .. }
        | Route::AppendUpload { .. }
        | Route::FinishUpload { .. }
        | Route::CancelUpload { .. } => true,
        Route::Root
        | Route::Base
        | Route::BaseWithoutSlash
        | Route::Options { .. }
        | Route::Catalog { .. }
        | Route::ListTags { .. }
        | Route::ListReferrers { .. }
        | Route::GetManifest { .. }
        | Route::HeadManifest { .. }
        | Route::GetBlob { .. }
        | Route::HeadBlob { .. }
        | Route::UploadStatus { .. } => false,
    }
}

type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<LoggedBody>, Infallible>> + Send>>;

impl<B> tower_service::Service<Request<B>> for Service
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<LoggedBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.respond(request).await) })
    }
}
