//! The one integration-test binary.

mod architecture;
mod phone_rtp;
mod server;
mod settings;
mod store;
