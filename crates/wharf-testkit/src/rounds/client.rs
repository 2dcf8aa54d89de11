//! A client of one round: a few requests one after the other, each recorded with its answer.

use super::state::{Answer, IMAGES, Image, Operation, Record, TAGS, Tag};
use super::{CLIENTS, SOURCE, TARGET, World, tag_name};
use crate::images::Blob;
use crate::push;
use crate::wire::{Connection, Request, Response, Server};

/// What each client does in a round, after which all are waited for.
const OPERATIONS: usize = 2;

pub(super) struct Client<'a> {
    world: &'a World,
    server: Server,
    random: Random,
    records: Vec<Record>,
}

/// Xorshift: the same seed asks for the same things.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

// === impl Client ===

impl<'a> Client<'a> {
    pub(super) fn new(world: &'a World, round: u64, number: usize) -> Self {
        let seed = (world.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ round)
            .wrapping_mul(0xd134_2543_de82_ef95)
            .wrapping_add(number as u64);
        let mut random = Random(seed | 1);
        // The first numbers of seeds that are near each other are near each other, too.
        for _ in 0..8 {
            let _ = random.below(2);
        }
        Self { world, server: world.servers[number / CLIENTS], random, records: Vec::new() }
    }

    pub(super) async fn run(mut self) -> Vec<Record> {
        let mut connection = self.server.connect().await;
        for _ in 0..OPERATIONS {
            let (image, tag) = (self.random.below(IMAGES), self.random.below(TAGS));
            match self.random.below(10) {
                0..=3 => self.push(&mut connection, image, tag).await,
                4 | 5 => self.delete(&mut connection, Operation::DeleteTag(tag), &tag_name(tag)).await,
                6 | 7 => {
                    let digest = self.world.slots[image].image.manifest.digest;
                    self.delete(&mut connection, Operation::DeleteManifest(image), &digest.to_string()).await;
                }
                8 => self.delete_source(&mut connection, image).await,
                _ => self.get(&mut connection, tag).await,
            }
        }
        self.records
    }

    /// A push of an image whose layer is mounted if it can be; a retag if the repository has its blobs.
    async fn push(&mut self, connection: &mut Connection, image: Image, tag: Tag) {
        let slot = &self.world.slots[image];
        if !slot.complete {
            self.mount(connection, image).await;
            self.upload(connection, &slot.image.config, None).await;
        }
        let manifest = &slot.image.manifest;
        let put = self
            .server
            .put(format!("/v2/{TARGET}/manifests/{}", tag_name(tag)))
            .header("Content-Type", manifest.media_type.as_str())
            .body(manifest.bytes.clone());
        let done = |response: &Response| (response.status == 201).then_some(Answer::Done);
        let _ = self.record(connection, Operation::Put(image, tag), put, done).await;
    }

    /// Mounts the layer of an image, or uploads it if the other repository does not have it any more.
    async fn mount(&mut self, connection: &mut Connection, image: Image) {
        let layer = &self.world.slots[image].image.layers[0];
        let post = self
            .server
            .post(format!("/v2/{TARGET}/blobs/uploads/?mount={}&from={SOURCE}", layer.digest))
            .body("");
        let mounted = |response: &Response| match response.status {
            201 => Some(Answer::Done),
            202 => Some(Answer::Absent),
            _ => None,
        };
        let response = self.record(connection, Operation::Mount(image), post, mounted).await;
        if response.status == 202 {
            self.upload(connection, layer, Some(response.location())).await;
        }
    }

    async fn upload(&self, connection: &mut Connection, blob: &Blob, begun: Option<&str>) {
        let location = match begun {
            Some(location) => location.to_owned(),
            None => {
                let post = self.server.post(format!("/v2/{TARGET}/blobs/uploads/")).body("");
                connection.send(post).await.expect(202).location().to_owned()
            }
        };
        let put = self.server.put(push::finish(&location, &blob.digest)).body(blob.bytes.clone());
        let _ = connection.send(put).await.expect(201);
    }

    async fn delete(&mut self, connection: &mut Connection, operation: Operation, reference: &str) {
        let request = self.server.delete(format!("/v2/{TARGET}/manifests/{reference}"));
        let _ = self.record(connection, operation, request, deleted).await;
    }

    async fn delete_source(&mut self, connection: &mut Connection, image: Image) {
        let digest = self.world.slots[image].image.layers[0].digest;
        let request = self.server.delete(format!("/v2/{SOURCE}/blobs/{digest}"));
        let _ = self.record(connection, Operation::DeleteSource(image), request, deleted).await;
    }

    async fn get(&mut self, connection: &mut Connection, tag: Tag) {
        let world = self.world;
        let request = self.server.get(format!("/v2/{TARGET}/manifests/{}", tag_name(tag)));
        let found = |response: &Response| Some(world.found(response).map_or(Answer::Absent, Answer::Found));
        let _ = self.record(connection, Operation::Get(tag), request, found).await;
    }

    /// Sends a request and records it with its answer, which must be one that `answer` takes.
    async fn record(
        &mut self,
        connection: &mut Connection,
        operation: Operation,
        request: Request,
        answer: impl Fn(&Response) -> Option<Answer>,
    ) -> Response {
        let begun = self.world.tick();
        let response = connection.send(request).await;
        let ended = self.world.tick();
        let Some(answer) = answer(&response) else { panic!("{operation:?} is answered with {response:?}") };
        self.records.push(Record { operation, answer, begun, ended });
        response
    }
}

fn deleted(response: &Response) -> Option<Answer> {
    match response.status {
        202 => Some(Answer::Done),
        404 => Some(Answer::Absent),
        _ => None,
    }
}
