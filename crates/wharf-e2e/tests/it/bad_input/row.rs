//! One line of the table: a request, and how it is refused.

use std::fmt;

use bytes::Bytes;
use wharf_oci::{ErrorBody, ErrorCode, Route, RouteError};
use wharf_testkit::wire::{Connection, Request, Response};

use super::operations::{Method, Operation, Refusal};
use super::world::{Listing, Place, World, fill_for_show};

/// A request and how it is refused. Targets name what there is: `{open}` is the id of an upload of repository `a` that
/// holds `12345`, `{blob}` a blob and `{image}` a manifest that are there, `{none}` a digest that nothing has.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) operation: Option<Operation>,
    pub(super) place: Place,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
    upload: Upload,
    /// Whether the upload may have more bytes after it.
    grows: bool,
    status: u16,
    code: ErrorCode,
}

#[derive(Clone)]
enum Body {
    Absent,
    /// With the length that a header says, or its own.
    Whole(Bytes),
    Chunked(Bytes),
}

/// What became of the upload meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upload {
    Open,
    /// Another request is writing to it.
    Busy,
    Purged,
    Cancelled,
}

/// A row for a request line; `operation` is what was meant, `None` if nothing was.
pub(super) fn ask(operation: impl Into<Option<Operation>>, line: impl AsRef<str>) -> Row {
    let (method, target) = line.as_ref().split_once(' ').expect("a method and a target");
    Row {
        operation: operation.into(),
        place: Place::Usual,
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Body::Absent,
        upload: Upload::Open,
        grows: false,
        status: 0,
        code: ErrorCode::Unknown,
    }
}

// === impl Row ===

impl Row {
    /// A row for the example of an operation.
    pub(super) fn of(operation: Operation, method: Method) -> Self {
        ask(operation, format!("{method} {}", operation.example()))
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(bytes.into());
        self
    }

    pub(super) fn chunked(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = Body::Chunked(bytes.into());
        self
    }

    /// With chunks that are none, byte for byte.
    pub(super) fn broken_chunks(self, bytes: &'static str) -> Self {
        self.header("Transfer-Encoding", "chunked").body(bytes)
    }

    pub(super) fn after(mut self, upload: Upload) -> Self {
        self.upload = upload;
        self
    }

    /// What came of the body before it broke stays in the upload.
    pub(super) fn grows(mut self) -> Self {
        self.grows = true;
        self
    }

    pub(super) fn is(mut self, status: u16, code: ErrorCode) -> Self {
        (self.status, self.code) = (status, code);
        self
    }

    /// In another repository than `a`.
    pub(super) fn elsewhere(mut self, name: &str) -> Self {
        self.target = self.target.replacen("/v2/a/", &format!("/v2/{name}/"), 1);
        self
    }

    pub(super) fn target(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    pub(super) fn refusal(&self) -> Refusal {
        let method = self.operation.map_or(Method::Any, |_| Method::named(&self.method));
        Refusal { operation: self.operation, method, code: self.code }
    }

    /// What the request line asks for.
    pub(super) fn route(&self) -> Result<Route, RouteError> {
        let target = fill_for_show(&self.target);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target.as_str(), None),
        };
        Route::parse(&self.method, path, query)
    }

    /// Sends it, and looks at everything there is to see.
    pub(super) async fn check(&self, world: &World) -> Result<(), String> {
        let upload = self.prepare(world).await;
        let busy = match self.upload {
            Upload::Busy => Some(write_half(world, &upload).await),
            _ => None,
        };
        let before = self.stable(world.listing());
        let mut connection = world.asked.connect().await;
        let sent = connection.try_send(self.request(world, &self.method, &upload)).await;
        let response = sent.map_err(|error| format!("no answer: {error}"))?;
        self.check_answer(world, &upload, &response).await?;
        check_next(world, &mut connection).await?;
        let after = self.stable(world.listing());
        if before != after {
            return Err(format!("the store changed:\n{before:#?}\n{after:#?}"));
        }
        let latest = world.whole.get("/v2/a/manifests/latest").send().await;
        if latest.status != 200 || latest.body != world.image() {
            return Err(format!("afterwards the image is {latest:?}"));
        }
        if let Some(mut writer) = busy {
            writer.write("890").await;
            let _ = writer.response("PATCH").await.expect(202);
        }
        Ok(())
    }

    async fn prepare(&self, world: &World) -> String {
        if !self.target.contains("{open}") {
            return String::new();
        }
        let path = world.upload().await;
        match self.upload {
            Upload::Open | Upload::Busy => {}
            Upload::Purged => world.purge().await,
            Upload::Cancelled => {
                let _ = world.whole.delete(&path).send().await.expect(204);
            }
        }
        path.rsplit_once('/').expect("an id").1.to_owned()
    }

    fn request(&self, world: &World, method: &str, upload: &str) -> Request {
        let mut request = world.asked.request(method, world.fill(&self.target, upload));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match &self.body {
            Body::Absent => request,
            Body::Whole(bytes) => request.body(bytes.clone()),
            Body::Chunked(bytes) => request.chunks([bytes.clone()]),
        }
    }

    /// The answer to a HEAD has no body to look into, so the same GET tells the code.
    async fn check_answer(&self, world: &World, upload: &str, response: &Response) -> Result<(), String> {
        if self.method != "HEAD" {
            return self.check_error(response);
        }
        let get = self.request(world, "GET", upload).send().await;
        self.check_error(&get)?;
        let told = (response.status, response.header("Content-Length"), response.header("Content-Type"));
        let expected = (get.status, get.header("Content-Length"), get.header("Content-Type"));
        if told != expected || !response.body.is_empty() {
            return Err(format!("HEAD is not GET without its body: {response:?}"));
        }
        Ok(())
    }

    fn check_error(&self, response: &Response) -> Result<(), String> {
        let codes = codes(response)?;
        if response.status != self.status || codes.iter().any(|code| *code != self.code) {
            return Err(format!("answered {} {codes:?}", response.status));
        }
        Ok(())
    }

    fn stable(&self, mut listing: Listing) -> Listing {
        if self.grows {
            listing.retain(|path, _| !path.contains("/_uploads/"));
        }
        listing
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, status, code, place, upload, .. } = self;
        let target: String = target.chars().take(200).collect();
        write!(f, "{method} {target}")?;
        for (name, value) in &self.headers {
            write!(f, " | {name}: {}", value.chars().take(60).collect::<String>())?;
        }
        match &self.body {
            Body::Absent => {}
            Body::Whole(bytes) | Body::Chunked(bytes) => {
                write!(f, " | {:?} of {}", bytes.slice(..bytes.len().min(60)), bytes.len())?;
            }
        }
        write!(f, " -> {status} {code} ({place:?}, {upload:?})")
    }
}

/// The codes of an error in the spec's form: a list that is not empty, each with a code and words for people.
pub(super) fn codes(response: &Response) -> Result<Vec<ErrorCode>, String> {
    let length = response.body.len().to_string();
    let labels = (response.header("Content-Type"), response.header("Content-Length"));
    if labels != (Some("application/json"), Some(&length)) {
        return Err(format!("not labelled as an error: {response:?}"));
    }
    let body: ErrorBody = serde_json::from_slice(&response.body).map_err(|error| error.to_string())?;
    let names_and_words = body.errors.iter().all(|entry| !entry.message.is_empty());
    if body.errors.is_empty() || !names_and_words {
        return Err(format!("not an error of the spec: {response:?}"));
    }
    Ok(body.errors.into_iter().map(|entry| entry.code).collect())
}

/// The connection is closed, or fit for the next request; nothing of the last one is taken for a request.
async fn check_next(world: &World, connection: &mut Connection) -> Result<(), String> {
    match connection.try_send(world.asked.get("/")).await {
        Ok(next) if next.status != 200 => Err(format!("the connection is confused: {next:?}")),
        Ok(_) | Err(_) => Ok(()),
    }?;
    match world.asked.get("/").try_send().await {
        Ok(next) if next.status == 200 => Ok(()),
        next => Err(format!("a new connection gets {next:?}")),
    }
}

/// A writer that has the upload and is in no hurry: asked to go on, it has sent two of five bytes.
async fn write_half(world: &World, upload: &str) -> Connection {
    let mut writer = world.asked.connect().await;
    let request = world.asked.patch(format!("/v2/a/blobs/uploads/{upload}"));
    let request = request.header("Content-Length", "5").header("Expect", "100-continue");
    writer.begin(&request).await;
    let _ = writer.response("PATCH").await.expect(100);
    writer.write("67").await;
    writer
}
