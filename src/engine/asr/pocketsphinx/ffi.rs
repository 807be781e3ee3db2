//! The C side: Debian's PocketSphinx 0.8 (5prealpha), opened at run time.
//!
//! The libraries are asked for by their exact sonames, so that another ABI is refused by the dynamic linker and not found
//! out by a crash. They stay open for the life of the process. Nothing outside this file sees a pointer.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

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
    base.fsg_model_read: fn(*mut libc::FILE, Raw, f32) -> Raw;
    base.fsg_model_free: fn(Raw) -> c_int;
    sphinx.ps_args: fn() -> Raw;
    sphinx.ps_init: fn(Raw) -> Raw;
    sphinx.ps_free: fn(Raw) -> c_int;
    sphinx.ps_get_logmath: fn(Raw) -> Raw;
    sphinx.ps_add_word: fn(Raw, *const c_char, *const c_char, c_int) -> c_int;
    sphinx.ps_set_fsg: fn(Raw, *const c_char, Raw) -> c_int;
    sphinx.ps_set_search: fn(Raw, *const c_char) -> c_int;
    sphinx.ps_unset_search: fn(Raw, *const c_char) -> c_int;
    sphinx.ps_start_utt: fn(Raw) -> c_int;
    sphinx.ps_process_raw: fn(Raw, *const i16, usize, c_int, c_int) -> c_int;
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

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} contains a zero byte"))
}

impl Decoder {
    /// A decoder without words or grammars, from options such as `("-hmm", "/usr/share/…")`.
    pub fn new(options: &[(&str, &str)]) -> Result<Self, String> {
        let api = api()?;
        let words = std::iter::once("tipring").chain(options.iter().flat_map(|(key, value)| [*key, *value]));
        let owned = words.map(c_string).collect::<Result<Vec<_>, _>>()?;
        let mut argv: Vec<*mut c_char> = owned.iter().map(|word| word.as_ptr().cast_mut()).collect();
        let argc = i32::try_from(argv.len()).map_err(|_| "too many options".to_owned())?;
        // SAFETY: argv holds argc valid strings that outlive the call; the parser copies what it keeps and writes to none.
        // The definitions come from the library itself.
        let config =
            unsafe { (api.call.cmd_ln_parse_r)(ptr::null_mut(), (api.call.ps_args)(), argc, argv.as_mut_ptr(), 1) };
        let config = NonNull::new(config).ok_or("the decoder refused its options")?;
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

    /// Decodes some samples at the model's rate, inside an utterance.
    pub fn process(&mut self, samples: &[i16]) -> Result<(), String> {
        if !self.speaking {
            return Err("no utterance was begun".to_owned());
        }
        // SAFETY: the decoder is live and inside an utterance; pointer and length are those of a slice that is only read.
        let frames =
            unsafe { (self.api.call.ps_process_raw)(self.raw.as_ptr(), samples.as_ptr(), samples.len(), 0, 0) };
        if frames < 0 { Err("the decoder failed on audio".to_owned()) } else { Ok(()) }
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
                    segments.push(Segment { word, first, last, acoustic });
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
