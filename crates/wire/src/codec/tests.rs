//! Whatever goes in comes out again, and no bytes do harm.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Decoder, Frame, FrameError, decode, encode, read, write};
use crate::frames::{Behind, Entry, Item, Kind, MAX_FRAME, Request, Response, VERSION, Version};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        any::<u32>().prop_map(|version| Request::Hello { version }),
        (".*", vec(bytes(), 0..5)).prop_map(|(root, paths)| Request::Inspect { root, paths }),
        (".*", bytes(), any::<u32>(), bytes(), any::<bool>()).prop_map(
            |(root, path, mode, data, last)| Request::Write {
                root,
                path,
                mode,
                data,
                last
            }
        ),
        (".*", bytes()).prop_map(|(root, path)| Request::Remove { root, path }),
        (".*", bytes(), any::<u32>()).prop_map(|(root, path, mode)| Request::Mkdir {
            root,
            path,
            mode
        }),
        (".*", bytes(), bytes()).prop_map(|(root, path, target)| Request::Symlink {
            root,
            path,
            target
        }),
        (".*", bytes(), any::<(u32, u32)>()).prop_map(|(root, path, (uid, gid))| {
            Request::Owner {
                root,
                path,
                uid,
                gid,
            }
        }),
        (vec(".*", 0..4), any::<u64>())
            .prop_map(|(argv, timeout_ms)| Request::Run { argv, timeout_ms }),
        (".*", any::<u64>()).prop_map(|(url, timeout_ms)| Request::Http { url, timeout_ms }),
        any::<(u16, u64)>().prop_map(|(port, timeout_ms)| Request::Tcp { port, timeout_ms }),
        any::<(u32, i32)>().prop_map(|(pid, signal)| Request::Signal { pid, signal }),
        (".*", vec(bytes(), 0..5), bytes()).prop_map(|(root, folders, after)| Request::List {
            root,
            folders,
            after
        }),
        (".*", bytes(), any::<u64>(), any::<u32>()).prop_map(|(root, path, offset, length)| {
            Request::Read {
                root,
                path,
                offset,
                length,
            }
        }),
        (".*", vec(bytes(), 0..5)).prop_map(|(root, folders)| Request::Await { root, folders }),
        (".*", vec(behind(), 0..4))
            .prop_map(|(socket, services)| Request::Hold { socket, services }),
        (
            vec(any::<u32>(), 0..4),
            vec(any::<u16>(), 0..4),
            any::<u64>()
        )
            .prop_map(|(addresses, ports, timeout_ms)| Request::Drain {
                addresses,
                ports,
                timeout_ms,
            }),
    ]
}

fn behind() -> impl Strategy<Value = Behind> {
    (".*", any::<bool>(), any::<u64>(), vec(any::<u32>(), 0..4)).prop_map(
        |(name, ready, hold_ms, addresses)| Behind {
            name,
            ready,
            hold_ms,
            addresses,
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        Just(Entry::Absent),
        any::<(u128, u32, u64)>().prop_map(|(hash, mode, size)| Entry::File { hash, mode, size }),
        Just(Entry::Folder),
        bytes().prop_map(Entry::Symlink),
        Just(Entry::Other),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let kind = prop_oneof![
        Just(Kind::File),
        Just(Kind::Folder),
        Just(Kind::Symlink),
        Just(Kind::Mount),
        Just(Kind::Other),
    ];
    (any::<(u32, u32, u64, u64)>(), bytes(), kind).prop_map(
        |((folder, mode, size, modified_ns), name, kind)| Item {
            folder,
            name,
            kind,
            mode,
            size,
            modified_ns,
        },
    )
}

fn response() -> impl Strategy<Value = Response> {
    prop_oneof![
        any::<(u32, u32, u32, u64, bool)>().prop_map(
            |(version, uid, gid, pid1_catches, pid1_is_init)| Response::Hello {
                version,
                uid,
                gid,
                pid1_catches,
                pid1_is_init,
            }
        ),
        vec(entry(), 0..6).prop_map(Response::Entries),
        Just(Response::Done),
        (any::<bool>(), ".*").prop_map(|(permission, message)| Response::Refused {
            permission,
            message
        }),
        (any::<i32>(), bytes(), any::<u64>()).prop_map(|(code, output, took_us)| {
            Response::Exited {
                code,
                output,
                took_us,
            }
        }),
        (any::<u32>(), vec(item(), 0..4))
            .prop_map(|(whole, items)| Response::Listed { whole, items }),
        (any::<(u64, u64, u64, u32)>(), bytes()).prop_map(
            |((inode, size, modified_ns, mode), data)| Response::Content {
                version: Version {
                    inode,
                    size,
                    modified_ns,
                },
                mode,
                data,
            }
        ),
        (vec(bytes(), 0..5), vec(bytes(), 0..5))
            .prop_map(|(folders, made)| Response::Stirred { folders, made }),
    ]
}

fn there_and_back<F: Frame + PartialEq + std::fmt::Debug>(number: u32, frame: &F) {
    let encoded = encode(number, frame).expect("small enough");
    let (back_number, back) = decode::<F>(&encoded[4..]).expect("our own frame");
    assert_eq!((back_number, &back), (number, frame));
    // Cut anywhere it is refused, and never mistaken for another frame.
    for cut in 4..encoded.len() {
        assert!(decode::<F>(&encoded[4..cut]).is_err());
    }
}

proptest! {
    #[test]
    fn requests_go_there_and_back(number: u32, frame in request()) {
        there_and_back(number, &frame);
    }

    #[test]
    fn responses_go_there_and_back(number: u32, frame in response()) {
        there_and_back(number, &frame);
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode::<Request>(&bytes);
        let _ = decode::<Response>(&bytes);
        let mut input = bytes.as_slice();
        while let Ok(Some(_)) = read::<Request>(&mut input) {}
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        while let Ok(Some(_)) = decoder.take::<Response>() {}
    }

    #[test]
    fn a_known_kind_with_any_fields_is_a_frame_or_an_error(
        kind in 0u8..30, bytes in vec(any::<u8>(), 0..200)
    ) {
        let frame: Vec<u8> = [&[kind, 0, 0, 0, 0], bytes.as_slice()].concat();
        let _ = decode::<Request>(&frame);
        let _ = decode::<Response>(&frame);
    }

    #[test]
    fn portions_do_not_matter(frames in vec(response(), 0..8), portion in 1usize..50) {
        let mut stream = Vec::new();
        for (number, frame) in (0u32..).zip(&frames) {
            write(&mut stream, number, frame).expect("small enough");
        }
        let mut decoder = Decoder::default();
        let mut got = Vec::new();
        for bytes in stream.chunks(portion) {
            decoder.feed(bytes);
            while let Some((_, frame)) = decoder.take::<Response>().expect("our own frames") {
                got.push(frame);
            }
        }
        prop_assert!(decoder.is_between_frames());
        prop_assert_eq!(got, frames);
    }
}

#[test]
fn a_stream_ends_between_frames_or_with_an_error() {
    let stream = encode(7, &Request::Hello { version: VERSION }).unwrap();
    let mut whole = stream.as_slice();
    assert!(matches!(read::<Request>(&mut whole), Ok(Some((7, _)))));
    assert!(matches!(read::<Request>(&mut whole), Ok(None)));
    for cut in 1..stream.len() {
        assert!(matches!(
            read::<Request>(&mut &stream[..cut]),
            Err(FrameError::Short)
        ));
    }
}

#[test]
fn a_frame_over_the_limit_is_neither_sent_nor_awaited() {
    let data = vec![0; MAX_FRAME];
    let frame = Request::Write {
        root: "/".into(),
        path: vec![],
        mode: 0,
        data,
        last: true,
    };
    assert!(matches!(encode(1, &frame), Err(FrameError::TooLarge(_))));
    let mut decoder = Decoder::default();
    decoder.feed(&u32::MAX.to_le_bytes());
    assert!(matches!(
        decoder.take::<Request>(),
        Err(FrameError::TooLarge(_))
    ));
    assert!(matches!(
        read::<Request>(&mut [255u8; 9].as_slice()),
        Err(FrameError::TooLarge(_))
    ));
}

#[test]
fn after_an_unknown_kind_the_stream_goes_on() {
    let mut stream = vec![5, 0, 0, 0, 99, 42, 0, 0, 0];
    write(
        &mut stream,
        43,
        &Request::Tcp {
            port: 80,
            timeout_ms: 1,
        },
    )
    .unwrap();
    let mut input = stream.as_slice();
    assert!(matches!(
        read::<Request>(&mut input),
        Err(FrameError::Unknown {
            number: 42,
            kind: 99
        })
    ));
    assert!(matches!(
        read::<Request>(&mut input),
        Ok(Some((43, Request::Tcp { .. })))
    ));
}

#[test]
fn content_in_pieces_hashes_as_the_whole() {
    let content: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let mut hasher = crate::Hasher::default();
    for piece in content.chunks(65_537) {
        hasher.update(piece);
    }
    assert_eq!(hasher.finish(), crate::hash(&content));
}
