//! The end of what a command prints.

/// How much of it is kept.
const KEPT: usize = 64 << 10;

/// The last [`KEPT`] bytes of all that was added.
#[derive(Debug, Default)]
pub(crate) struct Tail(Vec<u8>);

impl Tail {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        // Twice the size before it is cut, so that each byte is moved once on average.
        if self.0.len() > 2 * KEPT {
            self.cut();
        }
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.cut();
        std::mem::take(&mut self.0)
    }

    fn cut(&mut self) {
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Tail};

    #[test]
    fn the_last_bytes_are_kept_in_order() {
        let all: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
        let mut tail = Tail::default();
        for piece in all.chunks(1000) {
            tail.add(piece);
        }
        assert_eq!(tail.take(), all[all.len() - KEPT..]);
        tail.add(b"short");
        assert_eq!(tail.take(), b"short");
    }
}
