//! Memory that a large comparison needed for a while.
#![cfg_attr(
    target_env = "gnu",
    allow(unsafe_code, reason = "the standard library has no malloc_trim(3)")
)]

use devrun_core::event::Outcome;

/// From so many files on a transfer leaves room behind that is worth a look.
const MANY: usize = 1_000;

/// Whether what ended may have needed much.
pub(super) fn is_much(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Attached { compared, .. } => compared.is_none_or(|count| count >= MANY),
        Outcome::Synced(synced) => synced.files >= MANY,
        _ => false,
    }
}

/// Gives it back to the system. The allocator by itself keeps what lies below something that is
/// still in use: for a hundred thousand files as much again as they need.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            fn malloc_trim(keep: usize) -> std::ffi::c_int;
        }
        // SAFETY: it takes the allocator's own locks, and touches only memory that nobody has.
        unsafe { malloc_trim(0) };
    }
}
