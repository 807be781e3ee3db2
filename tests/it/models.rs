//! `tipring models` against a server on the loopback: resume, sums, a full disk, and what goes wrong on the way.

use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How the server answers its next request; after the last one it serves what is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// So many bytes of the body, then the connection ends.
    CutAfter(usize),
    /// The same, without an end of the connection.
    StallAfter(usize),
    /// The whole file, whatever range was asked for.
    NoRanges,
    /// A range that was not asked for.
    WrongRange,
    /// This status and no file.
    Status(&'static str),
    /// More bytes than there should be.
    TooMuch,
}

/// A server of one file. Its address, and the heads of the requests that it got.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(body: Vec<u8>, faults: &[Fault]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, mut faults) = (Arc::clone(&requests), faults.to_vec());
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let head = head(&mut stream);
                seen.lock().unwrap().push(head.clone());
                let fault = (!faults.is_empty()).then(|| faults.remove(0));
                let body = body.clone();
                // One that stalls keeps nobody else waiting.
                thread::spawn(move || serve(&mut stream, &head, &body, fault));
            }
        });
        Self { address, requests }
    }

    /// The value of the range header of each request.
    fn ranges(&self) -> Vec<Option<String>> {
        let requests = self.requests.lock().unwrap();
        let range =
            |head: &String| head.lines().find_map(|l| l.to_lowercase().strip_prefix("range: ").map(str::to_owned));
        requests.iter().map(range).collect()
    }
}

fn head(stream: &mut TcpStream) -> String {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        bytes.push(byte[0]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn serve(stream: &mut TcpStream, head: &str, body: &[u8], fault: Option<Fault>) {
    let asked =
        head.lines().find_map(|l| l.to_lowercase().strip_prefix("range: bytes=")?.trim_end_matches('-').parse().ok());
    let from = match fault {
        Some(Fault::NoRanges) => None,
        _ => asked,
    };
    if let Some(Fault::Status(status)) = fault {
        let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    }
    let rest = &body[from.unwrap_or(0).min(body.len())..];
    if from.is_some_and(|from| from >= body.len()) {
        let _ = write!(stream, "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    }
    let shift = usize::from(fault == Some(Fault::WrongRange));
    let status = match from {
        Some(from) => {
            format!("206 Partial Content\r\ncontent-range: bytes {}-{}/{}", from + shift, body.len() - 1, body.len())
        }
        None => "200 OK".to_owned(),
    };
    let extra = if fault == Some(Fault::TooMuch) { vec![0; 100] } else { Vec::new() };
    let length = rest.len() + extra.len();
    let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    match fault {
        Some(Fault::CutAfter(n)) => drop(stream.write_all(&rest[..n.min(rest.len())])),
        Some(Fault::StallAfter(n)) => {
            let _ = stream.write_all(&rest[..n.min(rest.len())]);
            thread::sleep(Duration::from_secs(2));
        }
        _ => drop(stream.write_all(&[rest, &extra].concat())),
    }
}

fn body() -> Vec<u8> {
    (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder with a list of one model.
struct Place {
    folder: tempfile::TempDir,
    address: String,
}

impl Place {
    fn new(server: &Server, size: Option<usize>, sum: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = size.map(|size| format!("size = {size}\n")).unwrap_or_default();
        let sum = sum.map(|sum| format!("sha256 = '{sum}'\n")).unwrap_or_default();
        let list = format!(
            "[[model]]\nname = 'little'\nkind = 'asr'\nfor = 'tests'\nlicence = 'MIT'\nsource = 'here'\n\
             setting = 'engine.whisper.model'\n[[model.file]]\nname = 'little.bin'\n\
             url = 'http://unreachable.invalid/some/where/little.bin'\n{size}{sum}"
        );
        std::fs::write(folder.path().join("list.toml"), list).unwrap();
        Self { folder, address: server.address.clone() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("here").join(name)
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &str) -> (Option<i32>, String, String) {
        run(self.folder.path(), &self.address, arguments)
    }
}

fn run(folder: &Path, mirror: &str, arguments: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tipring"))
        .args(arguments.split(' '))
        .current_dir(folder)
        .env_clear()
        .env("TIPRING__MODELS__DIR", "here")
        .env("TIPRING__MODELS__MIRROR", mirror)
        .env("TIPRING__MODELS__MANIFEST", "list.toml")
        .env("TIPRING__MODELS__STALL_TIMEOUT_MS", "500")
        .env("TIPRING__MODELS__RETRIES", "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_model_is_fetched_from_the_mirror_summed_and_named() {
    let server = Server::start(body(), &[]);
    let place = Place::new(&server, Some(200_000), Some(&hex(&body())));
    let (code, out, _) = place.run("models list");
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = out.lines().skip_while(|line| !line.starts_with("little")).take(2).collect();
    assert!(lines[0].contains("0.2 MB") && lines[1].contains("missing; licence: MIT (here)"), "{out}");
    assert_eq!(place.run("models verify little").0, Some(1), "what is asked for and missing is no success");

    let (code, out, error) = place.run("models fetch little");
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("little.bin: good") && out.contains("name here/little.bin in engine.whisper.model"), "{out}");
    assert_eq!(error, "", "no progress bar without a terminal");
    assert_eq!(std::fs::read(place.at("little.bin")).unwrap(), body());
    assert!(!place.at("little.bin.part").exists());
    let requests = server.requests.lock().unwrap().clone();
    assert!(requests.len() == 1 && requests[0].starts_with("GET /some/where/little.bin "), "{requests:?}");

    assert!(place.run("models list").1.contains("here; licence: MIT"));
    let (code, out, _) = place.run("models verify");
    assert_eq!((code, out.as_str()), (Some(0), "here/little.bin: good\n1 good, 0 not\n"));
    assert_eq!(place.run("models fetch little").0, Some(0));
    assert_eq!(server.requests.lock().unwrap().len(), 1, "what is there and right is not fetched again");

    std::fs::write(place.at("little.bin"), "spoilt").unwrap();
    assert!(place.run("models list").1.contains("wrong size"));
    let (code, out, _) = place.run("models verify little");
    assert!(code == Some(1) && out.contains("WRONG"), "{out}");
    assert_eq!(place.run("models fetch little").0, Some(0));
    assert_eq!(std::fs::read(place.at("little.bin")).unwrap(), body());
}

#[test]
fn what_was_cut_is_taken_up_within_a_run_and_in_the_next_one() {
    let server = Server::start(body(), &[Fault::CutAfter(50_000), Fault::StallAfter(30_000)]);
    let place = Place::new(&server, Some(200_000), Some(&hex(&body())));
    let (code, _, error) = place.run("models fetch little");
    assert_eq!(code, Some(1));
    let url = format!("{}/some/where/little.bin", server.address);
    assert!(error.contains(&url) && error.contains("takes it up again") && error.contains("models.mirror"), "{error}");
    let kept = std::fs::metadata(place.at("little.bin.part")).unwrap().len();
    assert!((50_000..=80_000).contains(&kept), "{kept}");
    assert!(place.run("models list").1.contains("begun"));
    assert_eq!(place.run("models fetch little").0, Some(0));
    assert_eq!(std::fs::read(place.at("little.bin")).unwrap(), body());
    let ranges = server.ranges();
    assert_eq!(ranges.len(), 3);
    assert_eq!((&ranges[0], &ranges[2]), (&None, &Some(format!("bytes={kept}-"))));
}

#[test]
fn a_server_that_cannot_continue_is_asked_from_the_beginning() {
    for fault in [Fault::NoRanges, Fault::WrongRange, Fault::Status("416 Range Not Satisfiable")] {
        let server = Server::start(body(), &[fault]);
        let place = Place::new(&server, None, Some(&hex(&body())));
        std::fs::create_dir_all(place.at("")).unwrap();
        std::fs::write(place.at("little.bin.part"), &body()[..1000]).unwrap();
        let (code, _, error) = place.run("models fetch little");
        assert_eq!(code, Some(0), "{error}");
        assert_eq!(std::fs::read(place.at("little.bin")).unwrap(), body());
    }
    // To a first request it is the server's fault: once it is borne, for ever it is told.
    let wrong = Fault::Status("416 Range Not Satisfiable");
    for (faults, good) in [(1, true), (9, false)] {
        let server = Server::start(body(), &vec![wrong; faults]);
        let place = Place::new(&server, None, Some(&hex(&body())));
        let (code, _, error) = place.run("models fetch little");
        assert_eq!(code == Some(0), good, "{error}");
        assert!(good || error.contains("answers 416") && !error.contains("cannot remove"), "{error}");
    }
    // Longer than it can be: nothing of it is of use.
    let server = Server::start(body(), &[]);
    let place = Place::new(&server, Some(200_000), Some(&hex(&body())));
    std::fs::create_dir_all(place.at("")).unwrap();
    std::fs::write(place.at("little.bin.part"), vec![1; 300_000]).unwrap();
    assert_eq!(place.run("models fetch little").0, Some(0));
}

#[test]
fn a_wrong_file_gets_no_name_and_is_removed() {
    let server = Server::start(body(), &[]);
    let sum = "0".repeat(64);
    let place = Place::new(&server, Some(200_000), Some(&sum));
    let (code, _, error) = place.run("models fetch little");
    assert_eq!(code, Some(1));
    assert!(error.contains("here/little.bin") && error.contains(&hex(&body())) && error.contains(&sum), "{error}");
    assert!(!place.at("little.bin").exists() && !place.at("little.bin.part").exists());

    let server = Server::start(body(), &[Fault::TooMuch]);
    let place = Place::new(&server, Some(200_000), Some(&hex(&body())));
    let (code, _, error) = place.run("models fetch little");
    assert!(code == Some(1) && error.contains("more than the 200000 bytes"), "{error}");
    assert!(!place.at("little.bin").exists() && !place.at("little.bin.part").exists());
}

#[test]
fn a_file_without_a_sum_is_taken_only_when_that_is_said() {
    let server = Server::start(body(), &[]);
    let place = Place::new(&server, None, None);
    assert!(place.run("models list").1.contains("cannot be verified"));
    let (code, _, error) = place.run("models fetch little");
    assert!(code == Some(1) && error.contains("--allow-unverified"), "{error}");
    assert!(server.requests.lock().unwrap().is_empty(), "nothing was asked for");
    let (code, out, _) = place.run("models fetch little --allow-unverified");
    assert_eq!(code, Some(0));
    assert!(out.contains(&format!("not verified (sha256 {})", hex(&body()))), "{out}");
    let (code, out, _) = place.run("models verify little");
    assert!(code == Some(0) && out.contains("not verified"), "{out}");
}

/// A device that is always full stands in for a disk that is.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_as_that() {
    let server = Server::start(body(), &[]);
    let place = Place::new(&server, Some(200_000), Some(&hex(&body())));
    std::fs::create_dir_all(place.at("")).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.at("little.bin.part")).unwrap();
    let (code, _, error) = place.run("models fetch little");
    assert_eq!(code, Some(1));
    assert!(
        error.contains("no space left") && error.contains("models.dir") && error.contains("MB are still"),
        "{error}"
    );
    assert!(!place.at("little.bin").exists());
}

#[test]
fn errors_name_the_address_or_the_file_and_what_to_do() {
    for (status, says) in
        [("404 Not Found", "has moved"), ("401 Unauthorized", "who asks"), ("418 Teapot", "models.mirror")]
    {
        let server = Server::start(body(), &[Fault::Status(status)]);
        let place = Place::new(&server, Some(200_000), Some(&hex(&body())));
        let (code, _, error) = place.run("models fetch little");
        assert_eq!(code, Some(1));
        assert!(error.contains(&server.address) && error.contains(says), "{error}");
        assert_eq!(server.requests.lock().unwrap().len(), 1, "a refusal is not asked for again");
    }
    let server = Server::start(body(), &[Fault::Status("503 Service Unavailable")]);
    let place = Place::new(&server, Some(200_000), Some(&hex(&body())));
    assert_eq!(place.run("models fetch little").0, Some(0), "a server that is busy is asked again");

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (code, _, error) = run(place.folder.path(), &format!("http://127.0.0.1:{port}"), "models fetch silero-vad");
    assert!(code == Some(1) && error.contains(&format!("127.0.0.1:{port}")) && error.contains("refused"), "{error}");
    // A mirror may be told with a password; a model that is a folder has none before there is something for it.
    for what in ["127.0.0.1", "127.0.0.1.invalid", "127.0.0.1 "] {
        let mirror = format!("http://me:hush123@{what}:{port}");
        let (code, out, error) = run(place.folder.path(), &mirror, "models fetch hub4wsj-8k --log tipring=debug");
        assert_eq!(code, Some(1));
        assert!(error.contains(what.trim()) && !format!("{out}{error}").contains("hush123"), "{error}");
        assert!(!place.at("hub4wsj-8k").exists());
    }
    for password in ["hush123/x", "hush123?x", "hush123#x"] {
        let mirror = format!("http://me:{password}@127.0.0.1:{port}/here");
        let (code, out, error) = run(place.folder.path(), &mirror, "models fetch hub4wsj-8k --log tipring=debug");
        assert_eq!(code, Some(1));
        assert!(error.contains("http://127.0.0.1:") && !format!("{out}{error}").contains("hush123"), "{error}");
    }
    let (code, _, error) = place.run("models fetch nothing");
    assert!(code == Some(1) && error.contains("whisper-tiny-q5_1"), "{error}");
    std::fs::write(place.folder.path().join("list.toml"), "[[model]]\nname = 1\n").unwrap();
    let (code, _, error) = place.run("models list");
    assert!(code == Some(1) && error.contains("list.toml"), "{error}");
}

#[test]
fn the_list_is_there_for_programs_too() {
    let server = Server::start(body(), &[]);
    let place = Place::new(&server, Some(200_000), None);
    let (code, out, _) = place.run("models list --json");
    assert_eq!(code, Some(0));
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    let models = list["models"].as_array().unwrap();
    assert!(models.len() > 5);
    let little = models.iter().find(|model| model["name"] == "little").unwrap();
    assert_eq!(little["files"][0]["here"]["state"], "missing");
    assert_eq!(little["files"][0]["size"], 200_000);
}
