//! Ends the program quietly when nobody reads its output any more, as after `| head`.
//!
//! Rust's programs are told of that by an error of the write, over which `println!` panics. The system's own way, a signal
//! that ends the process, would end a server when a child of it does not read its input.

use std::any::Any;

/// How a shell reports a program that was ended for that: 128 and the number of SIGPIPE.
const CODE: i32 = 141;
/// How the panic of a print begins, and what the system calls the reason.
const FAILED: &str = "failed printing to stdout";

/// From now on a print that nobody reads ends the program, without a word.
pub(super) fn watch() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if is_unread(panic.payload()) {
            std::process::exit(CODE);
        }
        usual(panic);
    }));
}

/// A panic because of standard output that was closed at the other end.
fn is_unread(payload: &dyn Any) -> bool {
    let closed = std::io::Error::from_raw_os_error(libc::EPIPE).to_string();
    payload.downcast_ref::<String>().is_some_and(|text| text.starts_with(FAILED) && text.ends_with(&closed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_print_that_nobody_reads_is_one() {
        let unread = |text: &str| is_unread(&text.to_owned());
        assert!(unread("failed printing to stdout: Broken pipe (os error 32)"));
        assert!(!unread("failed printing to stdout: No space left on device (os error 28)"));
        assert!(!unread("cannot send: Broken pipe (os error 32)"));
        assert!(!is_unread(&"failed printing to stdout"));
    }
}
