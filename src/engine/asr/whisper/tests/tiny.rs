//! Models of Whisper's architecture with one small layer, made here: weights that are not trained but put together, or drawn.
//! Every line of whisper.cpp runs with them; of speech they know nothing.

use std::path::Path;

/// Width of the model.
const STATE: usize = 64;
const N_VOCAB: usize = 51_865;
const N_AUDIO_CTX: usize = 1_500;
const N_TEXT_CTX: usize = 448;
const N_MELS: usize = 80;
const N_FFT: usize = 201;
/// The end of the text, and the first position at which a text token is predicted when there is no prompt.
const EOT: usize = 50_257;
const FIRST: usize = 3;
/// What the counting model says; a token each, from this number on.
pub const WORDS: [&str; 6] = [" one", " two", " three", " four", " five", " six"];
const FIRST_WORD: usize = 100;

/// A model that counts: the more of what it hears is loud, the further. It never reads its prompt, but a prompt moves its
/// positions, so that with one it says something else.
pub fn counting(path: &Path) {
    write(path, 1, &mut |name, at| {
        let (row, column) = (at / STATE, at % STATE);
        match name {
            // The mean of the mel bands becomes channel 0, a constant channel 1.
            "encoder.conv1.weight" => {
                conv(at, N_MELS, |out, _, tap| if out == 0 && tap == 1 { 2.0 / 80.0 } else { 0.0 })
            }
            "encoder.conv1.bias" if at == 1 => 1.0,
            "encoder.conv2.weight" => conv(at, STATE, |out, input, tap| match (out, input, tap) {
                (0, 0, 1) => 2.0,
                (1, 1, 1) => 1.0,
                _ => 0.0,
            }),
            // Attention without a preference is the mean over the window: how much of it is loud.
            "decoder.blocks.0.cross_attn.value.weight" if at == 0 => 0.125,
            "decoder.blocks.0.cross_attn.out.weight" if (row, column) == (63, 0) => -100.0,
            // Token k of the words is dimension k, the end is dimension 63.
            "decoder.token_embedding.weight" if row == EOT && column == 63 => 6.0,
            "decoder.token_embedding.weight"
                if (FIRST_WORD..FIRST_WORD + WORDS.len()).contains(&row) && column == row - FIRST_WORD =>
            {
                6.0
            }
            "decoder.positional_embedding" => {
                // A word is said when more than so much of the window is loud; 100 * 0.3 more and the end wins over its 30.
                const ENOUGH: [f32; 6] = [-1.0, 0.1, 0.25, 0.38, 0.48, 0.6];
                match row.checked_sub(FIRST) {
                    Some(word) if word < WORDS.len() && column == word => 30.0,
                    Some(word) if word < WORDS.len() && column == 63 => 100.0 * (ENOUGH[word] + 0.3),
                    Some(word) if word >= WORDS.len() && column == 63 => 200.0,
                    _ => 0.0,
                }
            }
            name if name.ends_with("ln.weight") || name.ends_with("ln_post.weight") => 1.0,
            _ => 0.0,
        }
    });
}

/// A model whose weights are drawn: it talks nonsense, to the end of what it may.
pub fn drawn(path: &Path, layers: usize, seed: u64) {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    write(path, layers, &mut |name, _| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 2.0;
        match name {
            name if name.ends_with("ln.weight") || name.ends_with("ln_post.weight") => 1.0,
            "decoder.token_embedding.weight" => drawn * 0.5,
            _ => drawn * 0.2,
        }
    });
}

/// The weight of a convolution at an index of the file: output by input by tap.
fn conv(at: usize, inputs: usize, weight: impl Fn(usize, usize, usize) -> f32) -> f32 {
    weight(at / (3 * inputs), at / 3 % inputs, at % 3)
}

fn write(path: &Path, layers: usize, weight: &mut dyn FnMut(&str, usize) -> f32) {
    let mut out: Vec<u8> = Vec::new();
    let number = |out: &mut Vec<u8>, n: usize| out.extend((n as u32).to_le_bytes());
    number(&mut out, 0x6767_6d6c);
    for n in [N_VOCAB, N_AUDIO_CTX, STATE, 1, layers, N_TEXT_CTX, STATE, 1, layers, N_MELS, 1, N_MELS, N_FFT] {
        number(&mut out, n);
    }
    for band in 0..N_MELS {
        for bin in 0..N_FFT {
            let inside = (bin * N_MELS / N_FFT) == band;
            out.extend(f32::from(u8::from(inside)).to_le_bytes());
        }
    }
    let letters = (b' '..=b'~').map(|letter| vec![letter]);
    let filler = (95..FIRST_WORD).map(|n| format!("<{n}>").into_bytes());
    let tokens: Vec<Vec<u8>> = letters.chain(filler).chain(WORDS.iter().map(|word| word.as_bytes().to_vec())).collect();
    number(&mut out, tokens.len());
    for token in &tokens {
        number(&mut out, token.len());
        out.extend(token);
    }
    let mut tensor = |name: &str, shape: &[usize]| {
        // Matrices in 16 bits, everything else in 32, as the conversion of the real ones does it.
        let half = shape.len() > 1 && !name.ends_with("bias") && !name.ends_with("positional_embedding");
        number(&mut out, shape.len());
        number(&mut out, name.len());
        number(&mut out, usize::from(half));
        shape.iter().for_each(|n| number(&mut out, *n));
        out.extend(name.as_bytes());
        for at in 0..shape.iter().product() {
            let value = weight(name, at);
            match half {
                true => out.extend(half_float(value).to_le_bytes()),
                false => out.extend(value.to_le_bytes()),
            }
        }
    };
    tensor("encoder.positional_embedding", &[STATE, N_AUDIO_CTX]);
    tensor("encoder.conv1.weight", &[3, N_MELS, STATE]);
    tensor("encoder.conv1.bias", &[1, STATE]);
    tensor("encoder.conv2.weight", &[3, STATE, STATE]);
    tensor("encoder.conv2.bias", &[1, STATE]);
    tensor("encoder.ln_post.weight", &[STATE]);
    tensor("encoder.ln_post.bias", &[STATE]);
    tensor("decoder.positional_embedding", &[STATE, N_TEXT_CTX]);
    tensor("decoder.token_embedding.weight", &[STATE, N_VOCAB]);
    tensor("decoder.ln.weight", &[STATE]);
    tensor("decoder.ln.bias", &[STATE]);
    for layer in 0..layers {
        for (side, attentions) in [("encoder", &["attn"][..]), ("decoder", &["attn", "cross_attn"])] {
            let block = format!("{side}.blocks.{layer}");
            tensor(&format!("{block}.mlp_ln.weight"), &[STATE]);
            tensor(&format!("{block}.mlp_ln.bias"), &[STATE]);
            tensor(&format!("{block}.mlp.0.weight"), &[STATE, 4 * STATE]);
            tensor(&format!("{block}.mlp.0.bias"), &[4 * STATE]);
            tensor(&format!("{block}.mlp.2.weight"), &[4 * STATE, STATE]);
            tensor(&format!("{block}.mlp.2.bias"), &[STATE]);
            for attention in attentions {
                tensor(&format!("{block}.{attention}_ln.weight"), &[STATE]);
                tensor(&format!("{block}.{attention}_ln.bias"), &[STATE]);
                for part in ["query", "key", "value", "out"] {
                    tensor(&format!("{block}.{attention}.{part}.weight"), &[STATE, STATE]);
                    if part != "key" {
                        tensor(&format!("{block}.{attention}.{part}.bias"), &[STATE]);
                    }
                }
            }
        }
    }
    std::fs::write(path, out).unwrap();
}

/// A number in 16 bits; what is too small for them is 0.
fn half_float(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = ((bits >> 23) & 0xff) as i32 - 127 + 15;
    match exponent {
        ..=0 => sign,
        1..=30 => sign | (exponent as u16) << 10 | (bits >> 13) as u16 & 0x3ff,
        _ => sign | 0x7bff,
    }
}
