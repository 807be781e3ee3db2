//! The one integration-test binary.

mod agent_ahead;
mod agent_dialogue;
mod agent_flows;
mod agent_random;
mod agent_session;
mod agent_turns;
mod architecture;
mod audio_line;
mod calls;
mod cli_commands;
mod llm_openai;
mod media_ports;
mod phone_call;
mod phone_demo;
mod phone_rtp;
mod server;
mod settings;
mod sim_relay;
mod sip_calls;
mod sip_inbound;
mod sip_registration;
mod sip_support;
mod store;
mod tts_lines;
mod vad_corpus;
mod vad_signals;
