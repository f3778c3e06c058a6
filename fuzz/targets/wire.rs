//! Whatever arrives on the wire: frames or an error, in any portions the same, and what was read
//! is written as it was.

#![no_main]

use std::fmt::Debug;

use devrun_wire::codec::{Decoder, Frame, decode, encode};
use devrun_wire::frames::{Request, Response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (cut, bytes) = input.split_first().unwrap_or((&0, input));
    one::<Request>(bytes);
    one::<Response>(bytes);
    let (start, end) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    assert_eq!(
        stream::<Request>(&[bytes]),
        stream::<Request>(&[start, end])
    );
    assert_eq!(
        stream::<Response>(&[bytes]),
        stream::<Response>(&[start, end])
    );
});

fn one<F: Frame + Debug + PartialEq>(bytes: &[u8]) {
    if let Ok((number, frame)) = decode::<F>(bytes) {
        let written = encode(number, &frame).expect("is no larger than it was");
        let (again, same) = decode::<F>(&written[4..]).expect("is read again");
        assert_eq!((again, same), (number, frame));
    }
}

/// What is told of a stream until it cannot be read any more.
fn stream<F: Frame + Debug>(portions: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut told = Vec::new();
    for portion in portions {
        decoder.feed(portion);
        loop {
            match decoder.take::<F>() {
                Ok(Some(frame)) => told.push(format!("{frame:?}")),
                Ok(None) => break,
                Err(error) => {
                    told.push(error.to_string());
                    return told;
                }
            }
        }
    }
    told.push(decoder.is_between_frames().to_string());
    told
}
