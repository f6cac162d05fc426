//! Memory that only the start of a process needed, given back: there is one coordinator for every running process of a machine,
//! and all that it does for the rest of its life is wait.
#![allow(
    unsafe_code,
    reason = "the allocator's and the kernel's functions for this have no safe interface"
)]

use nix::libc;

/// The smallest page of any machine that this runs on; larger ones are multiples of it.
const PAGE: usize = 4096;
/// What stays of the stack below the caller, for the system call.
const MARGIN: usize = 512;
/// How far below that anything may have been used: less than the kernel keeps free below a stack (1 MiB).
const REACH: usize = 512 << 10;

/// Gives back the free pages of the heap, and those of the stack that earlier, deeper calls have used. For the main thread
/// alone, whose stack has nothing below it.
pub(crate) fn give_back() {
    // SAFETY: takes no pointer and leaves what is allocated alone.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
    give_back_stack();
}

/// The frame of this function is the lowest in use, apart from that of the system call.
#[inline(never)]
fn give_back_stack() {
    let here = 0_u8;
    let end = (&raw const here).addr().saturating_sub(MARGIN) & !(PAGE - 1);
    let start = end.saturating_sub(REACH);
    // SAFETY: the range ends below the lowest live frames of this stack, and the kernel maps nothing else that near below the
    // main thread's. What is dropped holds no live value; a later, deeper call finds zeros there, as on a fresh stack. A part
    // that is not mapped yet is passed over, and a refusal of the kernel changes nothing.
    unsafe {
        libc::madvise(
            std::ptr::without_provenance_mut(start),
            end - start,
            libc::MADV_DONTNEED,
        );
    }
}
