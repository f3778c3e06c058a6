//! Whatever arrives on the wire: frames or an error, in any portions the same, and what was read
//! is written as it was.

#![no_main]

use std::fmt::Debug;

use devrun_wire::codec::{Decoder, Frame, FrameError, decode, encode, holds_frame, read};
use devrun_wire::frames::{Request, Response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (cut, bytes) = input.split_first().unwrap_or((&0, input));
    one::<Request>(bytes);
    one::<Response>(bytes);
    let (start, end) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    all::<Request>(bytes, &[start, end]);
    all::<Response>(bytes, &[start, end]);
});

fn all<F: Frame + Debug>(bytes: &[u8], portions: &[&[u8]]) {
    let told = stream::<F>(&[bytes]);
    assert_eq!(told, stream::<F>(portions), "portions matter");
    assert_eq!(told, read_all::<F>(bytes), "who waits reads something else");
}

fn one<F: Frame + Debug + PartialEq>(bytes: &[u8]) {
    if let Ok((number, frame)) = decode::<F>(bytes) {
        let written = encode(number, &frame).expect("is no larger than it was");
        let (again, same) = decode::<F>(&written[4..]).expect("is read again");
        assert_eq!((again, same), (number, frame));
    }
}

/// What is told of a stream until it cannot be read any more. What is no frame, or none that is
/// known, does not bring it out of step.
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
                    if matches!(error, FrameError::TooLarge(_)) {
                        return told;
                    }
                }
            }
        }
    }
    told.push(decoder.is_between_frames().to_string());
    told
}

/// The same, by who waits for each frame to be whole.
fn read_all<F: Frame + Debug>(mut input: &[u8]) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let (whole, before) = (holds_frame(input), input.len());
        match read::<F>(&mut input) {
            Ok(Some(frame)) => told.push(format!("{frame:?}")),
            Ok(None) => {
                told.push(true.to_string());
                return told;
            }
            // It ended in the middle of a frame.
            Err(FrameError::Short) if !whole => {
                told.push(false.to_string());
                return told;
            }
            Err(error) => {
                told.push(error.to_string());
                if matches!(error, FrameError::TooLarge(_)) {
                    return told;
                }
            }
        }
        assert!(input.len() < before, "nothing was read");
    }
}
