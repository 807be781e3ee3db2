//! ONNX Runtime, which runs the models of several engines: opened at run time, once per process.
//!
//! [`session`] is all that an engine needs. The first call looks for the library in these places, in this order:
//!
//! 1. `engine.onnxruntime` of the settings, or else the variable `ORT_DYLIB_PATH`: then nowhere else;
//! 2. `onnxruntime/libonnxruntime.so` beside the program or up to three folders above it: `scripts/onnxruntime.sh` puts it
//!    into `target/onnxruntime`;
//! 3. `/usr/local/lib/tipring` and `/usr/lib/tipring`, for an installed program.
//!
//! A library that is missing or too old is [`EngineError::Unavailable`] with the sentence that says what to do.

use crate::speech::EngineError;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Name of the library's file.
const FILE: &str = "libonnxruntime.so";
/// Where an installed program finds it.
const INSTALLED: [&str; 2] = ["/usr/local/lib/tipring", "/usr/lib/tipring"];
/// How many folders above the program are looked at.
const FOLDERS_UP: usize = 3;

/// A model to be opened.
#[derive(Clone, Copy)]
pub enum Model<'a> {
    /// A file.
    File(&'a Path),
    /// The bytes of one that is compiled in, and its name for messages.
    Bytes(&'static str, &'a [u8]),
}

/// Opens a model. Its work runs on `threads` threads, the one that calls included; a session that many callers share behind a
/// queue wants 1. The threads do not spin while they wait, numbers too small to matter count as zero.
///
/// `engine` is the name for errors, `library` is `engine.onnxruntime` of the settings. The process opens the library once:
/// once it is open, another path has no effect.
///
/// # Errors
/// [`EngineError::Unavailable`]: the library or the model is missing, too old or broken.
pub fn session(engine: &str, library: Option<&Path>, model: Model<'_>, threads: usize) -> Result<Session, EngineError> {
    let unavailable = |what: String| EngineError::Unavailable { engine: engine.to_owned(), what };
    if let Model::File(path) = model
        && !path.is_file()
    {
        return Err(unavailable(format!("there is no model {}", path.display())));
    }
    let environment = environment(library).map_err(unavailable)?;
    open(&environment, model, threads.max(1)).map_err(|why| {
        let name = match model {
            Model::File(path) => path.display().to_string(),
            Model::Bytes(name, _) => name.to_owned(),
        };
        unavailable(format!("the model {name} cannot be opened: {why}"))
    })
}

/// Whether the library can be opened, and from where it was.
///
/// # Errors
/// Says why not, and what to do.
pub fn available(library: Option<&Path>) -> Result<PathBuf, String> {
    environment(library)?;
    Ok(opened().as_ref().map(|(_, path)| path.clone()).unwrap_or_default())
}

fn open(environment: &Environment, model: Model<'_>, threads: usize) -> Result<Session, String> {
    let mut builder = Session::builder(environment).map_err(|e| e.to_string())?;
    builder = builder.with_intra_threads(threads).map_err(|e| e.to_string())?;
    builder = builder.with_inter_threads(1).map_err(|e| e.to_string())?;
    builder = builder.with_intra_op_spinning(false).map_err(|e| e.to_string())?;
    builder = builder.with_flush_to_zero().map_err(|e| e.to_string())?;
    match model {
        Model::File(path) => builder.commit_from_file(path),
        Model::Bytes(_, bytes) => builder.commit_from_memory(bytes),
    }
    .map_err(|e| e.to_string())
}

/// The open library. It is never closed: `ort` permits one environment in the life of a process.
fn opened() -> std::sync::MutexGuard<'static, Option<(Environment, PathBuf)>> {
    static OPENED: Mutex<Option<(Environment, PathBuf)>> = Mutex::new(None);
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn environment(library: Option<&Path>) -> Result<Environment, String> {
    let mut opened = opened();
    if let Some((environment, _)) = &*opened {
        return Ok(environment.clone());
    }
    let path = find(library, std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from), std::env::current_exe().ok())?;
    let environment = ort::init_from(&path)
        .map_err(|e| format!("{e}; scripts/onnxruntime.sh brings a library that fits"))?
        .with_name("tipring")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, _, _, place: &str, what: &str| match level {
            LogLevel::Verbose | LogLevel::Info => tracing::trace!(target: "onnxruntime", place, "{what}"),
            LogLevel::Warning => tracing::debug!(target: "onnxruntime", place, "{what}"),
            LogLevel::Error | LogLevel::Fatal => tracing::warn!(target: "onnxruntime", place, "{what}"),
        }))
        .build()
        .map_err(|e| format!("{} cannot be used: {e}; scripts/onnxruntime.sh brings one that fits", path.display()))?;
    environment.set_log_level(LogLevel::Warning);
    *opened = Some((environment.clone(), path));
    Ok(environment)
}

/// The library's file: as configured, or in one of the places where it is put.
fn find(configured: Option<&Path>, variable: Option<PathBuf>, program: Option<PathBuf>) -> Result<PathBuf, String> {
    let named = configured.map(|path| (path.to_owned(), "engine.onnxruntime")).or_else(|| {
        variable.filter(|path| !path.as_os_str().is_empty()).map(|path| (path, "the variable ORT_DYLIB_PATH"))
    });
    if let Some((path, by)) = named {
        // The dynamic linker knows more places than this program: a bare name is for it.
        let bare = path.components().count() == 1 && !path.exists();
        return match path.is_file() || bare {
            true => Ok(path),
            false => Err(format!(
                "there is no library {}, which {by} names; leave it out and run scripts/onnxruntime.sh, which brings one",
                path.display()
            )),
        };
    }
    let beside = program.iter().flat_map(|program| program.ancestors().skip(1).take(FOLDERS_UP + 1));
    let beside = beside.map(|folder| folder.join("onnxruntime").join(FILE));
    let installed = INSTALLED.iter().map(|folder| Path::new(folder).join(FILE));
    beside.chain(installed).find(|path| path.is_file()).ok_or_else(|| {
        format!("{FILE} is missing; run scripts/onnxruntime.sh, which fetches it, or name it in engine.onnxruntime")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ort::value::TensorRef;

    /// `y = x · x` for a vector of two numbers, written by hand in the wire format of ONNX (IR 8, opset 13).
    const SQUARE: &[u8] = b"\x08\x08\x3a\x36\x0a\x0e\x0a\x01x\x0a\x01x\x12\x01y\x22\x03Mul\x12\x02sq\
        \x5a\x0f\x0a\x01x\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x02\
        \x62\x0f\x0a\x01y\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x02\x42\x04\x0a\x00\x10\x0d";

    #[test]
    fn a_library_is_looked_for_where_it_is_put() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("target/release/deps/it");
        let error = find(None, None, Some(program.clone()));
        // Unless this machine has it installed.
        if let Err(what) = &error {
            assert!(what.contains("scripts/onnxruntime.sh") && what.contains("engine.onnxruntime"), "{what}");
        }
        let library = folder.path().join("target/onnxruntime").join(FILE);
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        std::fs::write(&library, "").unwrap();
        assert_eq!(find(None, None, Some(program.clone())).unwrap(), library);
        assert_eq!(
            find(None, Some("".into()), Some(program.clone())).unwrap(),
            library,
            "an empty variable says nothing"
        );

        let missing = folder.path().join("none.so");
        for (configured, variable, by) in
            [(Some(missing.as_path()), None, "engine.onnxruntime"), (None, Some(missing.clone()), "ORT_DYLIB_PATH")]
        {
            let what = find(configured, variable, Some(program.clone())).unwrap_err();
            assert!(what.contains("none.so") && what.contains(by), "{what}");
        }
    }

    #[test]
    fn a_model_that_is_missing_is_named_before_anything_is_opened() {
        let error = session("silero", None, Model::File(Path::new("/nowhere/vad.onnx")), 1).unwrap_err().to_string();
        assert_eq!(error, "silero: there is no model /nowhere/vad.onnx");
    }

    #[test]
    fn a_model_runs_and_a_broken_one_is_refused() {
        if let Err(what) = available(None) {
            crate::engine::skip(what);
            return;
        }
        let mut square = session("test", None, Model::Bytes("square", SQUARE), 1).unwrap();
        let x = TensorRef::from_array_view(([2_usize], &[3.0_f32, -0.5][..])).unwrap();
        let outputs = square.run(ort::inputs!["x" => x]).unwrap();
        assert_eq!(outputs["y"].try_extract_tensor::<f32>().unwrap().1, [9.0, 0.25]);

        let error = session("test", None, Model::Bytes("broken", b"not a model"), 1).unwrap_err().to_string();
        assert!(error.contains("the model broken cannot be opened"), "{error}");
    }
}
