//! The one integration-test binary.

mod architecture;
mod server;
mod store;
