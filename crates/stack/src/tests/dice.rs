//! Choices that a test makes by chance, and that become fewer and smaller when it fails.

use proptest::prelude::*;

/// Numbers that were thrown beforehand; when they are used up, every choice is the simplest.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    thrown: Vec<u32>,
    next: usize,
}

impl Dice {
    /// So many throws at most.
    pub(super) fn thrown(most: usize) -> impl Strategy<Value = Dice> {
        prop::collection::vec(any::<u32>(), 0..most).prop_map(|thrown| Dice { thrown, next: 0 })
    }

    fn throw(&mut self) -> u32 {
        let thrown = self.thrown.get(self.next).copied().unwrap_or_default();
        self.next += 1;
        thrown
    }

    /// From 0 up to this, itself not.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.throw() as usize % end.max(1)
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Some of them, each once, in their order; one at least.
    pub(super) fn some_of<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let mut some: Vec<T> = all.iter().copied().filter(|_| self.once_in(2)).collect();
        if some.is_empty() {
            some.push(self.one_of(all));
        }
        some
    }

    /// In another order.
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, end - self.below(end + 1));
        }
    }
}
