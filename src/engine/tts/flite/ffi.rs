//! Debian's flite libraries, opened at run time (`cst_wave.h`, `flite.h` of flite 2.2).

use libloading::Library;
use std::ffi::{CString, c_char, c_int, c_short};
use std::sync::OnceLock;

/// A voice of the library: opaque here.
#[repr(C)]
struct CstVoice {
    _private: [u8; 0],
}

/// `cst_wave`: sound as the library gives it.
#[repr(C)]
struct CstWave {
    kind: *const c_char,
    sample_rate: c_int,
    num_samples: c_int,
    num_channels: c_int,
    samples: *mut c_short,
}

type RegisterVoice = unsafe extern "C" fn(*const c_char) -> *mut CstVoice;
type TextToWave = unsafe extern "C" fn(*const c_char, *mut CstVoice) -> *mut CstWave;
type DeleteWave = unsafe extern "C" fn(*mut CstWave);

/// The voices that are looked for: name, library, function that registers it.
const KNOWN: [(&str, &str, &[u8]); 4] = [
    ("slt", "libflite_cmu_us_slt.so.1", b"register_cmu_us_slt\0"),
    ("rms", "libflite_cmu_us_rms.so.1", b"register_cmu_us_rms\0"),
    ("awb", "libflite_cmu_us_awb.so.1", b"register_cmu_us_awb\0"),
    ("kal16", "libflite_cmu_us_kal16.so.1", b"register_cmu_us_kal16\0"),
];

/// The opened libraries, with every voice that is installed. One per process: the library keeps its voices in globals.
pub(super) struct Libflite {
    text_to_wave: TextToWave,
    delete_wave: DeleteWave,
    voices: Vec<(&'static str, VoicePtr)>,
    /// Never closed: the voices point into them.
    _libraries: Vec<Library>,
}

/// A registered voice.
#[derive(Clone, Copy)]
struct VoicePtr(*mut CstVoice);

// SAFETY: after registration a voice is only read. `flite_text_to_wave` makes its own utterance, to which the voice's
// features are linked and not copied, so that not even a reference count is written; nothing here sets a feature.
unsafe impl Send for VoicePtr {}
// SAFETY: as above.
unsafe impl Sync for VoicePtr {}

impl Libflite {
    /// Opens the libraries and registers the voices, the first time; the same answer from then on.
    ///
    /// # Errors
    /// The loader's message, when a library or every voice is missing.
    pub fn get() -> Result<&'static Self, &'static str> {
        static OPENED: OnceLock<Result<Libflite, String>> = OnceLock::new();
        OPENED.get_or_init(|| Self::open().map_err(|e| e.to_string())).as_ref().map_err(String::as_str)
    }

    fn open() -> Result<Self, libloading::Error> {
        // SAFETY: these libraries have no initialisers beyond their C runtime's, and the declared types are those of the
        // headers of this soname. The function pointers outlive nothing: the libraries are kept for ever.
        unsafe {
            let flite = Library::new("libflite.so.1")?;
            let init: unsafe extern "C" fn() -> c_int = *flite.get(b"flite_init\0")?;
            let text_to_wave: TextToWave = *flite.get(b"flite_text_to_wave\0")?;
            let delete_wave: DeleteWave = *flite.get(b"delete_wave\0")?;
            let mut libraries =
                vec![flite, Library::new("libflite_usenglish.so.1")?, Library::new("libflite_cmulex.so.1")?];
            init();
            let mut voices = Vec::new();
            let mut missing = None;
            for (name, file, register) in KNOWN {
                match Library::new(file) {
                    Ok(library) => {
                        let register: RegisterVoice = *library.get(register)?;
                        // Not thread-safe, and not called again: we are inside the cell's initialiser.
                        let voice = register(std::ptr::null());
                        if !voice.is_null() {
                            voices.push((name, VoicePtr(voice)));
                        }
                        libraries.push(library);
                    }
                    Err(error) => missing = Some(error),
                }
            }
            match missing {
                Some(error) if voices.is_empty() => Err(error),
                _ => Ok(Self { text_to_wave, delete_wave, voices, _libraries: libraries }),
            }
        }
    }

    /// Names of the voices that are installed.
    pub fn voices(&self) -> impl Iterator<Item = &'static str> {
        self.voices.iter().map(|(name, _)| *name)
    }

    /// Speaks one sentence: mono samples and their rate in Hz. None for an unknown voice or when the library gives nothing.
    ///
    /// `text` must hold a word; the library's error handler ends the process on some texts without one.
    pub fn speak(&self, voice: &str, text: &str) -> Option<(Vec<i16>, u32)> {
        let (_, voice) = self.voices.iter().find(|(name, _)| *name == voice)?;
        let text = CString::new(text).ok()?;
        // SAFETY: the text is a C string that outlives the call, the voice is registered and never deleted. The wave that
        // comes back is ours: its fields are read while it lives, its samples are `num_samples` times `num_channels` shorts,
        // and it is deleted exactly once.
        unsafe {
            let wave = (self.text_to_wave)(text.as_ptr(), voice.0);
            let given = wave.as_ref()?;
            let mono = given.num_channels == 1 && !given.samples.is_null();
            let count = usize::try_from(given.num_samples).ok().filter(|_| mono);
            let rate = u32::try_from(given.sample_rate).ok();
            let samples = count.map(|count| std::slice::from_raw_parts(given.samples, count).to_vec());
            (self.delete_wave)(wave);
            samples.zip(rate)
        }
    }
}
