//! Streams of records, cut anywhere: however they arrive, the same records come out.
#![no_main]

use aurora_mesos::recordio::Decoder;
use libfuzzer_sys::fuzz_target;

fn records<'a>(limit: usize, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, bool) {
    let mut decoder = Decoder::new(limit);
    let mut found = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_record() {
                Ok(Some(record)) => found.push(record.to_vec()),
                Ok(None) => break,
                Err(_) => return (found, false),
            }
        }
    }
    (found, decoder.finish().is_ok())
}

fuzz_target!(|input: &[u8]| {
    let Some((size, bytes)) = input.split_first() else {
        return;
    };
    let limit = 64;
    let whole = records(limit, std::iter::once(bytes));
    let pieces = records(limit, bytes.chunks(usize::from(*size).max(1)));
    assert_eq!(whole, pieces);
    assert!(whole.0.iter().all(|record| record.len() <= limit));
});
