//! A graph with the inputs and the output of Piper's voices, written by hand in the wire format of ONNX. It is no voice: it
//! whistles a tone for every number, the higher the larger the number is, and silence for the pad.

use std::path::Path;

/// Samples of one number's tone.
pub const TONE: usize = 256;
pub const RATE: u32 = 22_050;
/// The signs that Piper's voices of espeak have, numbered from 3 on; 0 to 2 are pad, begin and end.
pub const SIGNS: &str = " !'(),-.:;?abcdefghijklmnopqrstuvwxyzæçðøħŋœɐɑɒɔɕɖəɚɛɜɟɡɣɥɦɨɪɫɬɭɯɲɳɵɸɹɻɾʀʁʂʃʈʉʊʋʌʎʏʐʑʒʔʝˈˌːˑβθχᵻ0123456789\u{327}\u{303}\u{329}\u{32a}";

/// The number of a sign.
pub fn id(sign: char) -> i64 {
    3 + SIGNS.chars().position(|known| known == sign).unwrap() as i64
}

/// Writes `NAME.onnx` and `NAME.onnx.json`.
pub fn write(path: &Path, espeak: &str, speakers: i64) {
    std::fs::write(path, model(speakers > 1)).unwrap();
    let mut map: serde_json::Map<String, serde_json::Value> =
        SIGNS.chars().map(|sign| (sign.to_string(), serde_json::json!([id(sign)]))).collect();
    for (number, sign) in ["_", "^", "$"].iter().enumerate() {
        map.insert((*sign).to_owned(), serde_json::json!([number]));
    }
    let settings = serde_json::json!({
        "audio": {"sample_rate": RATE, "quality": "tiny, not a voice"},
        "espeak": {"voice": espeak},
        "inference": {"noise_scale": 0.5, "length_scale": 1.0, "noise_w": 0.5},
        "num_speakers": speakers,
        "phoneme_type": "espeak",
        "phoneme_id_map": map,
    });
    std::fs::write(format!("{}.json", path.display()), settings.to_string()).unwrap();
}

fn model(many: bool) -> Vec<u8> {
    let node = |kind: &str, inputs: &[&str], output: &str, attribute: Option<Vec<u8>>| {
        let mut node: Vec<u8> = inputs.iter().flat_map(|name| text(1, name)).collect();
        node.extend(text(2, output));
        node.extend(text(4, kind));
        node.extend(attribute.into_iter().flat_map(|attribute| bytes(5, &attribute)));
        bytes(1, &node)
    };
    // Attribute "to" of Cast: float.
    let to_float = || Some([text(1, "to"), number(3, 1), number(20, 2)].concat());
    let mut graph = [
        node("Cast", &["input"], "numbers", to_float()),
        node("Unsqueeze", &["numbers", "last"], "column", None),
        node("Mul", &["column", "time"], "phase", None),
        node("Sin", &["phase"], "tone", None),
        node("ReduceSum", &["scales"], "loudness", None),
        node("Mul", &["tone", "loudness"], "loud", None),
    ]
    .concat();
    if many {
        graph.extend(node("Cast", &["sid"], "speaker", to_float()));
        graph.extend(node("Mul", &["loud", "speaker"], "spoken", None));
    }
    graph.extend(node("Reshape", &[if many { "spoken" } else { "loud" }, "shape"], "output", None));
    graph.extend(text(2, "tiny"));
    let tensor = |name: &str, kind: u64, dims: &[u64], raw: Vec<u8>| {
        let mut tensor: Vec<u8> = dims.iter().flat_map(|dim| number(1, *dim)).collect();
        tensor.extend(number(2, kind));
        tensor.extend(text(8, name));
        tensor.extend(bytes(9, &raw));
        bytes(5, &tensor)
    };
    let time = (0..TONE).flat_map(|n| (n as f32 * 0.01).to_le_bytes()).collect();
    graph.extend(tensor("time", 1, &[1, 1, TONE as u64], time));
    graph.extend(tensor("last", 7, &[1], 2_i64.to_le_bytes().to_vec()));
    graph.extend(tensor("shape", 7, &[4], [1_i64, 1, 1, -1].iter().flat_map(|n| n.to_le_bytes()).collect()));
    let value = |field: u64, name: &str, kind: u64, dims: &[&str]| {
        let dims: Vec<u8> = dims.iter().flat_map(|dim| bytes(1, &text(2, dim))).collect();
        let tensor = [number(1, kind), bytes(2, &dims)].concat();
        bytes(field, &[text(1, name), bytes(2, &bytes(1, &tensor))].concat())
    };
    graph.extend(value(11, "input", 7, &["batch", "signs"]));
    graph.extend(value(11, "input_lengths", 7, &["batch"]));
    graph.extend(value(11, "scales", 1, &["three"]));
    if many {
        graph.extend(value(11, "sid", 7, &["batch"]));
    }
    graph.extend(value(12, "output", 1, &["batch", "a", "b", "samples"]));
    [number(1, 8), bytes(7, &graph), bytes(8, &[text(1, ""), number(2, 13)].concat())].concat()
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn number(field: u64, n: u64) -> Vec<u8> {
    [varint(field << 3), varint(n)].concat()
}

fn bytes(field: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn text(field: u64, text: &str) -> Vec<u8> {
    bytes(field, text.as_bytes())
}
