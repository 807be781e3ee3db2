//! The C side: Debian's PocketSphinx 0.8 (5prealpha), opened at run time.
//!
//! The libraries are asked for by their exact sonames, so that another ABI is refused by the dynamic linker and not found
//! out by a crash. They stay open for the life of the process. Nothing outside this file sees a pointer.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const POCKETSPHINX: &str = "libpocketsphinx.so.3";
const SPHINXBASE: &str = "libsphinxbase.so.3";

// Opaque C objects; only pointers to them cross this file.
type Raw = *mut c_void;

/// Declares the functions that are used and how to find them.
macro_rules! functions {
    ($($library:ident . $name:ident: fn($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
        }

        impl Functions {
            fn resolve(base: &Library, sphinx: &Library) -> Result<Self, libloading::Error> {
                $(let $name = {
                    let library = functions!(@ $library base sphinx);
                    // SAFETY: the signature is that of the 0.8 headers, and the soname fixes the ABI.
                    *unsafe { library.get::<unsafe extern "C" fn($($arg),*) $(-> $ret)?>(stringify!($name).as_bytes()) }?
                };)*
                Ok(Self { $($name,)* })
            }
        }
    };
    (@ base $base:ident $sphinx:ident) => { $base };
    (@ sphinx $base:ident $sphinx:ident) => { $sphinx };
}

functions! {
    base.err_set_logfp: fn(*mut libc::FILE);
    base.cmd_ln_parse_r: fn(Raw, Raw, i32, *mut *mut c_char, i32) -> Raw;
    base.cmd_ln_free_r: fn(Raw) -> c_int;
    base.cmd_ln_set_float_r: fn(Raw, *const c_char, f64);
    base.fe_init_auto_r: fn(Raw) -> Raw;
    base.fe_free: fn(Raw) -> c_int;
    base.fe_get_output_size: fn(Raw) -> c_int;
    base.fe_start_stream: fn(Raw);
    base.fe_start_utt: fn(Raw) -> c_int;
    base.fe_process_frames: fn(Raw, *mut *const i16, *mut usize, *mut *mut f32, *mut i32, *mut i32) -> c_int;
    base.fsg_model_read: fn(*mut libc::FILE, Raw, f32) -> Raw;
    base.fsg_model_free: fn(Raw) -> c_int;
    sphinx.ps_args: fn() -> Raw;
    sphinx.ps_init: fn(Raw) -> Raw;
    sphinx.ps_free: fn(Raw) -> c_int;
    sphinx.ps_get_config: fn(Raw) -> Raw;
    sphinx.ps_get_logmath: fn(Raw) -> Raw;
    sphinx.ps_add_word: fn(Raw, *const c_char, *const c_char, c_int) -> c_int;
    sphinx.ps_set_fsg: fn(Raw, *const c_char, Raw) -> c_int;
    sphinx.ps_set_search: fn(Raw, *const c_char) -> c_int;
    sphinx.ps_unset_search: fn(Raw, *const c_char) -> c_int;
    sphinx.ps_start_utt: fn(Raw) -> c_int;
    sphinx.ps_process_cep: fn(Raw, *mut *mut f32, c_int, c_int, c_int) -> c_int;
    sphinx.ps_end_utt: fn(Raw) -> c_int;
    sphinx.ps_seg_iter: fn(Raw) -> Raw;
    sphinx.ps_seg_next: fn(Raw) -> Raw;
    sphinx.ps_seg_word: fn(Raw) -> *const c_char;
    sphinx.ps_seg_frames: fn(Raw, *mut c_int, *mut c_int);
    sphinx.ps_seg_prob: fn(Raw, *mut i32, *mut i32, *mut i32) -> i32;
}

struct Api {
    call: Functions,
    // Never closed: the functions above point into them.
    _base: Library,
    _sphinx: Library,
}

fn open(soname: &str) -> Result<Library, String> {
    // SAFETY: loading runs the initialisers of a system library, which have no preconditions.
    unsafe { Library::open(Some(soname), RTLD_NOW | RTLD_GLOBAL) }.map_err(|e| format!("cannot open {soname}: {e}"))
}

fn api() -> Result<&'static Api, String> {
    static API: OnceLock<Result<Api, String>> = OnceLock::new();
    let opened = API.get_or_init(|| {
        let base = open(SPHINXBASE)?;
        let sphinx = open(POCKETSPHINX)?;
        let call = Functions::resolve(&base, &sphinx).map_err(|e| format!("{POCKETSPHINX} is not version 0.8: {e}"))?;
        // SAFETY: null is documented to switch the library's log off. Done once, before any other call: the log file is
        // a global without a lock.
        unsafe { (call.err_set_logfp)(ptr::null_mut()) };
        Ok(Api { call, _base: base, _sphinx: sphinx })
    });
    opened.as_ref().map_err(Clone::clone)
}

/// Whether the libraries are there.
///
/// # Errors
/// Says which one is not.
pub(super) fn available() -> Result<(), String> {
    api().map(|_| ())
}

/// How long a copy of the process may take to end.
const COPY_PATIENCE: Duration = Duration::from_secs(20);
/// Memory that a copy may take beside what it begins with: a model takes some tens of MB.
const COPY_BYTES: u64 = 1 << 30;
/// How a copy ends in which the work went well, in which it did not, and which the library ended.
const COPY_GOOD: c_int = 0;
const COPY_REFUSED: c_int = 2;
const COPY_ENDED: c_int = 3;

/// Does something in a copy of the process first. Over some of what can be wrong with the bytes of a model the library ends the
/// process that it runs in, or breaks it: so that is a copy. What went well there can be done here.
///
/// # Errors
/// Says how the copy ended; what `work` said, where it could say something.
pub(super) fn apart(work: impl Fn() -> Result<(), String>) -> Result<(), String> {
    let space = std::fs::read_to_string("/proc/self/statm").ok().and_then(|s| s.split(' ').next()?.parse::<u64>().ok());
    let most = space.map(|pages| pages * 4096 + COPY_BYTES);
    // SAFETY: the copy has this thread alone. It uses the allocator, which glibc makes whole in a copy, the library, which has
    // no lock and no thread, and what `work` was given; then it ends without a word to the rest of the process's state.
    let copy = unsafe { libc::fork() };
    match copy {
        -1 => Err(format!("the system gives no process to try it in: {}", std::io::Error::last_os_error())),
        0 => copied(&work, most),
        copy => match waited(copy) {
            Some(COPY_GOOD) => Ok(()),
            None => Err("it cannot be tried here: the system does not tell how a copy of the program ended (is SIGCHLD ignored by what \
                         started it?)".to_owned()),
            // It can be asked here, too.
            Some(COPY_REFUSED) => work(),
            Some(_) => Err("the library cannot read it and would end the program".to_owned()),
        },
    }
}

/// The copy's life.
fn copied(work: &impl Fn() -> Result<(), String>, most: Option<u64>) -> ! {
    extern "C" fn ended() {
        // SAFETY: ends the copy before anything of the process it was copied from is taken down a second time.
        unsafe { libc::_exit(COPY_ENDED) }
    }
    let limit = |bytes: u64| libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: both limits are live; neither changes anything but this copy. What is registered last is called first when the
    // library ends the process.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &limit(0));
        if let Some(most) = most {
            libc::setrlimit(libc::RLIMIT_AS, &limit(most));
        }
        libc::atexit(ended);
    }
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    // SAFETY: as in `ended`.
    unsafe { libc::_exit(if matches!(done, Ok(Ok(()))) { COPY_GOOD } else { COPY_REFUSED }) }
}

/// How a copy ended; none where the system does not say. One that takes too long is ended.
fn waited(copy: libc::pid_t) -> Option<c_int> {
    let until = Instant::now() + COPY_PATIENCE;
    let mut status = 0;
    loop {
        // SAFETY: the process is a child of this one that nobody else waits for, the status is live.
        match unsafe { libc::waitpid(copy, &mut status, libc::WNOHANG) } {
            0 if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            0 => {
                // SAFETY: the child has not been waited for, so that its number is still its own.
                unsafe {
                    libc::kill(copy, libc::SIGKILL);
                    libc::waitpid(copy, &mut status, 0);
                }
                return Some(COPY_ENDED);
            }
            -1 => return None,
            _ if libc::WIFEXITED(status) => return Some(libc::WEXITSTATUS(status)),
            _ => return Some(COPY_ENDED),
        }
    }
}

/// A word of the best path.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Segment {
    /// As in the grammar, with `(2)` and so on after a second pronunciation; `<sil>` and the like for fillers.
    pub word: String,
    /// First frame of 10 ms, counted from the start of the utterance.
    pub first: i32,
    /// Last frame.
    pub last: i32,
    /// Acoustic score: the sum over its frames of the distance to each frame's best sound; 0 is perfect, else negative.
    pub acoustic: i32,
    /// What the grammar makes of it: a penalty for silence and for phones of unknown speech.
    pub language: i32,
}

impl Segment {
    /// Length in frames of 10 ms.
    pub fn frames(&self) -> i32 {
        (self.last - self.first + 1).max(1)
    }
}

/// A decoder with its acoustic model, dictionary and grammars. Freed on drop.
pub(super) struct Decoder {
    api: &'static Api,
    raw: NonNull<c_void>,
    speaking: bool,
}

// SAFETY: a decoder has no thread affinity and shares nothing mutable with other decoders (the log is off); `&mut self`
// everywhere keeps two threads from using one at the same time.
unsafe impl Send for Decoder {}

/// Parses options such as `("-hmm", "/usr/share/…")`; the reference is the caller's to give back.
fn configuration(api: &Api, options: &[(&str, &str)]) -> Result<NonNull<c_void>, String> {
    let words = std::iter::once("tipring").chain(options.iter().flat_map(|(key, value)| [*key, *value]));
    let owned = words.map(c_string).collect::<Result<Vec<_>, _>>()?;
    let mut argv: Vec<*mut c_char> = owned.iter().map(|word| word.as_ptr().cast_mut()).collect();
    let argc = i32::try_from(argv.len()).map_err(|_| "too many options".to_owned())?;
    // SAFETY: argv holds argc valid strings that outlive the call; the parser copies what it keeps and writes to none.
    // The definitions come from the library itself.
    let config =
        unsafe { (api.call.cmd_ln_parse_r)(ptr::null_mut(), (api.call.ps_args)(), argc, argv.as_mut_ptr(), 1) };
    NonNull::new(config).ok_or_else(|| "the decoder refused its options".to_owned())
}

/// Cepstra of one frame.
pub(super) const CEPSTRA: usize = 13;
/// What a frame of 10 ms sounds like: the cepstrum of its spectrum in mel bands, loudness first.
pub(super) type Cepstrum = [f32; CEPSTRA];

/// The library's front end: samples in, cepstra out. Freed on drop.
pub(super) struct Frontend {
    api: &'static Api,
    raw: NonNull<c_void>,
    rows: Vec<Cepstrum>,
}

// SAFETY: a front end has no thread affinity and shares nothing mutable with others (its configuration is only read);
// `&mut self` everywhere keeps two threads from using one at the same time.
unsafe impl Send for Frontend {}

impl Frontend {
    /// Frames that the front end may hold back and give at once: it waits to be sure that speech begins.
    const HELD: usize = 64;
    /// Samples between two frames at the model's rate.
    const SHIFT: usize = 160;

    /// A front end with the same options as its decoder.
    pub fn new(options: &[(&str, &str)]) -> Result<Self, String> {
        let api = api()?;
        let config = configuration(api, options)?;
        // SAFETY: config is a live configuration; the front end takes its own reference, so that ours is given back.
        let raw = unsafe {
            let raw = (api.call.fe_init_auto_r)(config.as_ptr());
            (api.call.cmd_ln_free_r)(config.as_ptr());
            raw
        };
        let raw = NonNull::new(raw).ok_or("the acoustic model's features cannot be made")?;
        let mut new = Self { api, raw, rows: Vec::new() };
        // SAFETY: the front end is live.
        let size = unsafe { (api.call.fe_get_output_size)(new.raw.as_ptr()) };
        if usize::try_from(size) != Ok(CEPSTRA) {
            return Err(format!("the acoustic model takes {size} cepstra a frame and not {CEPSTRA}"));
        }
        new.restart();
        Ok(new)
    }

    /// Begins an utterance: forgets the samples and the noise of the one before.
    pub fn restart(&mut self) {
        // SAFETY: the front end is live.
        unsafe {
            (self.api.call.fe_start_stream)(self.raw.as_ptr());
            (self.api.call.fe_start_utt)(self.raw.as_ptr());
        }
    }

    /// Takes in samples at the model's rate and appends the frames that they complete.
    pub fn process(&mut self, samples: &[i16], out: &mut Vec<Cepstrum>) -> Result<(), String> {
        let (mut at, mut left) = (samples.as_ptr(), samples.len());
        while left > 0 {
            let before = left;
            self.rows.resize(left / Self::SHIFT + Self::HELD, [0.0; CEPSTRA]);
            let mut rows: Vec<*mut f32> = self.rows.iter_mut().map(|row| row.as_mut_ptr()).collect();
            let mut frames = i32::try_from(rows.len()).map_err(|_| "too many samples".to_owned())?;
            let mut first = 0;
            // SAFETY: the front end is live; `at` and `left` describe what is left of a live slice, and the library moves
            // both together; `rows` holds `frames` pointers to as many rows of CEPSTRA floats, its output size.
            let done = unsafe {
                let (rows, raw) = (rows.as_mut_ptr(), self.raw.as_ptr());
                (self.api.call.fe_process_frames)(raw, &mut at, &mut left, rows, &mut frames, &mut first)
            };
            if done < 0 {
                return Err("the front end failed on audio".to_owned());
            }
            out.extend(self.rows.iter().take(usize::try_from(frames).unwrap_or(0)));
            if frames == 0 && left == before {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Frontend {
    fn drop(&mut self) {
        // SAFETY: the front end is live, ours is the only reference, and it is not used again.
        unsafe { (self.api.call.fe_free)(self.raw.as_ptr()) };
    }
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} contains a zero byte"))
}

impl Decoder {
    /// A decoder without words or grammars, from options such as `("-hmm", "/usr/share/…")`.
    pub fn new(options: &[(&str, &str)]) -> Result<Self, String> {
        let api = api()?;
        let config = configuration(api, options)?;
        // SAFETY: config is a live configuration; ps_init takes its own reference, so that ours is given back either way.
        let raw = unsafe {
            let raw = (api.call.ps_init)(config.as_ptr());
            (api.call.cmd_ln_free_r)(config.as_ptr());
            raw
        };
        let raw = NonNull::new(raw).ok_or("the decoder cannot load its acoustic model")?;
        Ok(Self { api, raw, speaking: false })
    }

    /// Adds a word with its phones, separated by blanks. The active grammar learns of it when it is set again.
    pub fn add_word(&mut self, word: &str, phones: &str) -> Result<(), String> {
        let (c_word, c_phones) = (c_string(word)?, c_string(phones)?);
        // SAFETY: the decoder is live and both strings are valid; they are copied.
        let id = unsafe { (self.api.call.ps_add_word)(self.raw.as_ptr(), c_word.as_ptr(), c_phones.as_ptr(), 0) };
        if id < 0 { Err(format!("the acoustic model cannot say '{word}' as '{phones}'")) } else { Ok(()) }
    }

    /// How improbable, against the best, a path may become before it is given up; for grammars that are set after this.
    pub fn set_beams(&mut self, beams: &[(&str, f64)]) -> Result<(), String> {
        for (name, beam) in beams {
            let name = c_string(name)?;
            // SAFETY: the decoder is live and so is its configuration, which it lends; the name is one of its floats.
            unsafe {
                (self.api.call.cmd_ln_set_float_r)(
                    (self.api.call.ps_get_config)(self.raw.as_ptr()),
                    name.as_ptr(),
                    *beam,
                )
            };
        }
        Ok(())
    }

    /// Compiles a finite-state grammar in Sphinx's text format under `name`. All its words must have been added.
    pub fn set_grammar(&mut self, name: &str, text: &str, weight: f32) -> Result<(), String> {
        let c_name = c_string(name)?;
        let mut text = text.as_bytes().to_vec();
        // SAFETY: the buffer outlives the stream, which is only read and is closed before this function returns; the log
        // math belongs to the decoder, which outlives every search that uses it.
        let grammar = unsafe {
            let file = libc::fmemopen(text.as_mut_ptr().cast(), text.len(), c"r".as_ptr());
            if file.is_null() {
                return Err("out of memory".to_owned());
            }
            let math = (self.api.call.ps_get_logmath)(self.raw.as_ptr());
            let grammar = (self.api.call.fsg_model_read)(file, math, weight);
            libc::fclose(file);
            grammar
        };
        let grammar = NonNull::new(grammar).ok_or("the decoder cannot read the grammar")?;
        // SAFETY: decoder and grammar are live; the search takes its own reference to the grammar, so that ours is given
        // back either way.
        let done = unsafe {
            let done = (self.api.call.ps_set_fsg)(self.raw.as_ptr(), c_name.as_ptr(), grammar.as_ptr());
            (self.api.call.fsg_model_free)(grammar.as_ptr());
            done
        };
        if done < 0 { Err("the decoder cannot compile the grammar".to_owned()) } else { Ok(()) }
    }

    /// Makes the grammar set under `name` the one that is decoded with, from the next utterance on.
    pub fn select(&mut self, name: &str) -> Result<(), String> {
        let c_name = c_string(name)?;
        // SAFETY: the decoder is live and between utterances (callers end one first), the name valid.
        let done = unsafe { (self.api.call.ps_set_search)(self.raw.as_ptr(), c_name.as_ptr()) };
        if done < 0 { Err(format!("no grammar '{name}'")) } else { Ok(()) }
    }

    /// Frees the grammar set under `name`; it must not be the selected one.
    pub fn forget(&mut self, name: &str) {
        if let Ok(c_name) = c_string(name) {
            // SAFETY: as in `select`; an unknown name is an error code, which says that it is gone already.
            unsafe { (self.api.call.ps_unset_search)(self.raw.as_ptr(), c_name.as_ptr()) };
        }
    }

    /// Begins an utterance.
    pub fn start(&mut self) -> Result<(), String> {
        self.end();
        // SAFETY: the decoder is live and not inside an utterance.
        if unsafe { (self.api.call.ps_start_utt)(self.raw.as_ptr()) } < 0 {
            return Err("the decoder cannot begin an utterance".to_owned());
        }
        self.speaking = true;
        Ok(())
    }

    /// Decodes some frames, with the channel's mean taken out, inside an utterance.
    pub fn process(&mut self, frames: &mut [Cepstrum]) -> Result<(), String> {
        if !self.speaking {
            return Err("no utterance was begun".to_owned());
        }
        let mut rows: Vec<*mut f32> = frames.iter_mut().map(|row| row.as_mut_ptr()).collect();
        let count = c_int::try_from(rows.len()).map_err(|_| "too many frames".to_owned())?;
        // SAFETY: the decoder is live and inside an utterance; `rows` holds `count` pointers to rows of CEPSTRA floats, the
        // size that its configuration names, and they are copied.
        let done = unsafe { (self.api.call.ps_process_cep)(self.raw.as_ptr(), rows.as_mut_ptr(), count, 0, 0) };
        if done < 0 { Err("the decoder failed on audio".to_owned()) } else { Ok(()) }
    }

    /// Ends the utterance, if one was begun; its best path can still be read.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.speaking) {
            // SAFETY: the decoder is live and inside an utterance.
            unsafe { (self.api.call.ps_end_utt)(self.raw.as_ptr()) };
        }
    }

    /// The best path so far, in order of time.
    pub fn segments(&mut self) -> Vec<Segment> {
        let mut segments = Vec::new();
        // SAFETY: the decoder is live. The iterator is used until `ps_seg_next` returns null, by which it has freed
        // itself; no other call on the decoder comes in between, and the word is copied before the next step.
        unsafe {
            let mut at = (self.api.call.ps_seg_iter)(self.raw.as_ptr());
            while !at.is_null() {
                let word = (self.api.call.ps_seg_word)(at);
                let (mut first, mut last, mut acoustic, mut language, mut backoff) = (0, 0, 0, 0, 0);
                (self.api.call.ps_seg_frames)(at, &mut first, &mut last);
                (self.api.call.ps_seg_prob)(at, &mut acoustic, &mut language, &mut backoff);
                if !word.is_null() {
                    let word = CStr::from_ptr(word).to_string_lossy().into_owned();
                    segments.push(Segment { word, first, last, acoustic, language });
                }
                at = (self.api.call.ps_seg_next)(at);
            }
        }
        segments
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.end();
        // SAFETY: the decoder is live, ours is the only reference, and it is not used again.
        unsafe { (self.api.call.ps_free)(self.raw.as_ptr()) };
    }
}
