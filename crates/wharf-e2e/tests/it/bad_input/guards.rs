//! What stands between a client and an operation, for all operations alike: who is asking, whether anything may change,
//! and a store that fails.

use wharf_oci::ErrorCode;
use wharf_testkit::images::Image;

use super::operations::Operation as Op;
use super::row::Row;
use super::world::Place;

pub(super) fn rows() -> Vec<Row> {
    let examples: Vec<(Op, Row)> = Op::ALL.into_iter().flat_map(examples).collect();
    let mut rows = Vec::new();
    for (operation, row) in &examples {
        for &code in operation.between() {
            rows.extend(between(*operation, code).into_iter().map(|(place, name)| {
                let row = row.clone().at(place).is(code.status(), code);
                if name.is_empty() { row } else { row.header("Authorization", name) }
            }));
        }
        if operation.changes() {
            rows.push(row.clone().at(Place::ReadOnly).is(405, ErrorCode::Unsupported));
        }
        if [Op::DeleteManifest, Op::DeleteBlob].contains(operation) {
            rows.push(row.clone().at(Place::WithoutDeletes).is(405, ErrorCode::Unsupported));
        }
    }
    rows
}

/// Where, and by whose name, a request is answered with a code.
fn between(operation: Op, code: ErrorCode) -> Vec<(Place, &'static str)> {
    let asks_the_store = operation.between().contains(&ErrorCode::Unknown);
    match code {
        ErrorCode::Unauthorized => vec![(Place::Guarded, "")],
        ErrorCode::Denied => vec![(Place::Guarded, "somebody")],
        ErrorCode::TooManyRequests => vec![(Place::Guarded, "guesser")],
        ErrorCode::Unavailable if asks_the_store => vec![(Place::Guarded, "broken"), (Place::Later, "")],
        ErrorCode::Unavailable => vec![(Place::Guarded, "broken")],
        ErrorCode::Unknown => vec![(Place::Broken, "")],
        other => panic!("{other} does not come between"),
    }
}

/// The example with each of its methods, and with a body where one is needed to come as far as the store.
fn examples(operation: Op) -> Vec<(Op, Row)> {
    let methods = operation.methods().iter();
    let row = |row: Row| match operation {
        Op::PutManifest => {
            let manifest = Image::random(1).manifest;
            row.header("Content-Type", manifest.media_type.as_str()).body(manifest.bytes)
        }
        Op::AppendUpload => row.body("x"),
        _ => row,
    };
    methods.map(|&method| (operation, row(Row::of(operation, method)))).collect()
}
