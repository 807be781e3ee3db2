//! What the standard library does not offer: real-time scheduling.
#![allow(unsafe_code)]

use std::io;

/// Priority asked for: low among the real-time ones. Media must go before ordinary threads, not before the kernel's own.
const PRIORITY: libc::c_int = 10;

/// Asks for real-time scheduling (`SCHED_FIFO`) of the calling thread. Threads that it starts do not inherit it.
///
/// # Errors
/// The system's refusal, usually for want of `CAP_SYS_NICE` or an `rtprio` limit. The thread then runs as before.
pub(super) fn request_realtime() -> io::Result<()> {
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: sched_param is plain data of which all zeroes is a valid value.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = PRIORITY;
    // SAFETY: 0 names the calling thread; the parameters outlive the call, which keeps no pointer to them.
    if unsafe { libc::sched_setscheduler(0, policy, &parameters) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_granted_or_refused_with_a_reason() {
        std::thread::spawn(|| match request_realtime() {
            Ok(()) => {
                // SAFETY: asks for the policy of the calling thread.
                let policy = unsafe { libc::sched_getscheduler(0) };
                assert_eq!(policy & libc::SCHED_FIFO, libc::SCHED_FIFO);
            }
            Err(error) => assert!(error.raw_os_error().is_some(), "{error}"),
        })
        .join()
        .unwrap();
    }
}
