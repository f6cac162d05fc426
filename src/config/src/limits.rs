//! Limits on an evaluation, and an answer even when one is met.
//!
//! A job file is a program: it can loop, take all memory or nest without end. The kernel's limits stop it with a signal; the
//! handlers here then write a ready-made answer and end the process. This is a limit on accidents, not a sandbox.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering};
use std::time::Duration;

use aurora_api::eval::{Diagnostic, DiagnosticKind, EvalAnswer, Limits};
use nix::sys::resource::{Resource, setrlimit};

const DEFAULT_CPU_SECS: u64 = 30;
const DEFAULT_MEMORY_MB: u64 = 2048;
/// Time for waiting (files, sleeping) beyond the processor time.
const WAIT_SECS: u64 = 15;

/// Signals that a limit ends in, with what they mean.
const SIGNALS: [i32; 5] = [
    libc::SIGXCPU,
    libc::SIGALRM,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGABRT,
];

static ANSWER_FD: AtomicI32 = AtomicI32::new(-1);
static ANSWERS: [AtomicPtr<u8>; SIGNALS.len()] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; SIGNALS.len()];
static LENGTHS: [AtomicUsize; SIGNALS.len()] = [const { AtomicUsize::new(0) }; SIGNALS.len()];

/// Sets the limits of this process. From here on, whoever meets one leaves an answer in `answer` and ends with exit code 0.
///
/// # Errors
/// When the kernel refuses a limit.
pub fn apply(limits: &Limits, path: &str, answer: &OwnedFd) -> std::io::Result<()> {
    let or = |value: u64, default: u64| if value == 0 { default } else { value };
    let cpu = or(limits.cpu_secs, DEFAULT_CPU_SECS);
    let memory = or(limits.memory_mb, DEFAULT_MEMORY_MB);
    let wall = Duration::from_secs(cpu + WAIT_SECS);
    ANSWER_FD.store(answer.as_raw_fd(), Ordering::Relaxed);
    let messages = [
        (
            format!("evaluating {path} took more than {cpu} seconds of processor time"),
            "look for a loop that does not end",
        ),
        (
            format!(
                "evaluating {path} took longer than {} seconds",
                wall.as_secs()
            ),
            "look for something that waits: a file, a sleep, a program",
        ),
        (
            format!("evaluating {path} nests too deeply and exhausted the stack"),
            "look for expressions nested thousands of levels deep",
        ),
        (
            format!("evaluating {path} nests too deeply and exhausted the stack"),
            "look for expressions nested thousands of levels deep",
        ),
        (
            format!("evaluating {path} needs more than {memory} MiB of memory"),
            "look for data that grows without end",
        ),
    ];
    for (index, (message, hint)) in messages.into_iter().enumerate() {
        let text = limit_answer(path, message, hint);
        LENGTHS[index].store(text.len(), Ordering::Relaxed);
        // Kept for the life of the process: a handler may need it at any moment.
        let kept: &'static mut [u8] = Box::leak(text.into_boxed_slice());
        ANSWERS[index].store(kept.as_mut_ptr(), Ordering::Release);
    }
    handlers::install(&SIGNALS)?;
    setrlimit(Resource::RLIMIT_CPU, cpu, cpu + 2)?;
    let bytes = memory.saturating_mul(1 << 20);
    setrlimit(Resource::RLIMIT_AS, bytes, bytes)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    handlers::alarm(wall);
    Ok(())
}

fn limit_answer(path: &str, message: String, hint: &str) -> Vec<u8> {
    let answer = EvalAnswer {
        errors: vec![Diagnostic {
            kind: DiagnosticKind::Limit,
            message,
            file: Some(path.to_owned()),
            hint: Some(hint.to_owned()),
            ..Diagnostic::default()
        }],
        ..EvalAnswer::default()
    };
    // Texts and enumerations always have a JSON form.
    serde_json::to_vec(&answer).unwrap_or_default()
}

#[allow(unsafe_code, reason = "signal handlers have no safe interface")]
mod handlers {
    use super::{ANSWER_FD, ANSWERS, Duration, LENGTHS, Ordering, SIGNALS};

    extern "C" fn met(signal: libc::c_int) {
        if let Some(index) = SIGNALS.iter().position(|known| *known == signal) {
            let start = ANSWERS[index].load(Ordering::Acquire);
            let length = LENGTHS[index].load(Ordering::Relaxed);
            let mut written = 0;
            while written < length {
                // SAFETY: write(2) is safe in a handler; `start` points to `length` bytes that are never freed or changed.
                let count = unsafe {
                    libc::write(
                        ANSWER_FD.load(Ordering::Relaxed),
                        start.add(written).cast(),
                        length - written,
                    )
                };
                match usize::try_from(count) {
                    Ok(count) if count > 0 => written += count,
                    _ => break,
                }
            }
        }
        // SAFETY: _exit(2) is safe in a handler and does not return.
        unsafe { libc::_exit(0) }
    }

    /// Handles the signals on the alternate stack that the standard library gives every thread.
    pub(super) fn install(signals: &[i32]) -> std::io::Result<()> {
        for signal in signals {
            // SAFETY: the structure is plain data for which zero is valid; the handler calls only async-signal-safe functions.
            let result = unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = met as *const () as usize;
                action.sa_flags = libc::SA_ONSTACK;
                libc::sigaction(*signal, &raw const action, std::ptr::null_mut())
            };
            if result != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    }

    /// Ends the process after this time.
    pub(super) fn alarm(after: Duration) {
        let seconds = libc::c_uint::try_from(after.as_secs()).unwrap_or(libc::c_uint::MAX);
        // SAFETY: alarm(2) takes a number and cannot fail.
        unsafe {
            libc::alarm(seconds);
        }
    }
}
