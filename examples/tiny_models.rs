//! Writes the tiny models that the tests of `whisper` and `piper` use, to try these engines without fetching anything:
//!
//!     cargo run --example tiny_models -- /tmp/tiny
//!
//! They have the architecture and the file formats of the real ones and no idea of speech: `tiny-counting.bin` counts, the more it
//! hears the further; `tiny-random.bin` has weights that are drawn and talks nonsense; `en_US-tiny-whistle.onnx` whistles.

use std::path::PathBuf;

#[path = "../src/engine/tts/piper/tests/tiny.rs"]
mod piper;
#[path = "../src/engine/asr/whisper/tests/tiny.rs"]
mod whisper;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("name a folder: cargo run --example tiny_models -- FOLDER");
        std::process::exit(2);
    };
    std::fs::create_dir_all(&folder)?;
    whisper::counting(&folder.join("tiny-counting.bin"));
    whisper::drawn(&folder.join("tiny-random.bin"), 2, 7);
    piper::write(&folder.join("en_US-tiny-whistle.onnx"), "en-us", 1);
    piper::write(&folder.join("zh_CN-tiny-whistle.onnx"), "cmn", 1);
    let folder = folder.display();
    println!("TIPRING__ENGINE__ASR=whisper TIPRING__ENGINE__WHISPER__MODEL={folder}/tiny-counting.bin \\");
    println!(
        "  TIPRING__ENGINE__TTS=piper TIPRING__ENGINE__PIPER__VOICES={folder}/en_US-tiny-whistle.onnx tipring check"
    );
    Ok(())
}
