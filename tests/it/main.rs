//! The one integration-test binary.

mod architecture;
mod llm_openai;
mod media_ports;
mod phone_rtp;
mod server;
mod settings;
mod store;
