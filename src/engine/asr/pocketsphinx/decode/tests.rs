use super::super::{Config, PocketSphinx, ffi};
use super::*;
use crate::audio::FrameOrigin;
use crate::engine::batch::Pool;
use crate::speech::Expectation;

#[test]
fn who_goes_on_and_on_is_not_decoded_again_at_every_pause() {
    if ffi::available().is_err() || !Config::default().model.is_dir() {
        return crate::engine::skip("the packages of PocketSphinx are not installed");
    }
    let pool = Pool::start("test", 1).unwrap();
    let engine = PocketSphinx::open(&Config::default(), &pool).unwrap();
    let phrases = ["yes", "no thank you", "call me back", "tomorrow morning"].map(str::to_owned).to_vec();
    let what = Arc::new(Expectation { phrases, ..Expectation::default() });
    let model = engine.model(&what.language).unwrap();
    let mut decoding = Decoding::new(model, model.grammar(&what)).unwrap();
    let mut seed = 1_u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 18) as i16 - 8192
    };
    let mut n = 0;
    // A third of a second of noise and a seventh of silence, for 35 s.
    for _ in 0..80 {
        for frame in 0..22 {
            let samples = std::array::from_fn(|_| if frame < 15 { noise() } else { 0 });
            let at = MediaTime::from_frames(n);
            n += 1;
            decoding.push(&AudioFrame { samples, origin: FrameOrigin::Received, ..AudioFrame::silence(at) }).unwrap();
            while decoding.step().unwrap() != Left::Nothing {}
        }
        while decoding.finalize(false).unwrap().is_none() {}
        assert!(decoding.utterance.audio.len() < 2 * SHIFT * STRETCH, "it is not heard from its beginning for ever");
    }
    // What is decoded when nothing is left may be all that there is once more, by all.
    let audio = n as usize * FRAME_SAMPLES / SHIFT;
    let most = Budget::SAVED + Budget::EACH * audio + 4 * STRETCH;
    assert!((2 * audio..most).contains(&decoding.decoded()), "{} frames for {audio}", decoding.decoded());
}
