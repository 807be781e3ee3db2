//! The SIP user agent: registration, calls in and out, re-INVITE, transfer.
