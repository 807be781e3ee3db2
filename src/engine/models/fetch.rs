//! Fetches a file over HTTP into `NAME.part`, takes up what was cut, and gives it its name when its sum is right.

use super::stock::{self, FileState, Verdict};
use super::{Config, ModelError, ModelFile};
use crate::engine::remote::bare;
use futures_util::StreamExt;
use reqwest::{Client, Response, StatusCode, Url, header};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// The largest file that is taken where the list does not say its size: 4 GiB.
const MAX_BYTES: u64 = 4 << 30;
/// Wait before a download that was cut is taken up again; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How far a download is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes that are there, those of an earlier attempt among them.
    pub done: u64,
    /// Bytes of the whole file, once known.
    pub total: Option<u64>,
}

/// Fetches models.
pub struct Fetcher {
    client: Client,
    config: Config,
}

/// How one attempt ended that did not bring the file to its end.
enum Ended {
    /// The rest can be asked for.
    Cut(String),
    /// What is there cannot be continued: from the beginning. Why.
    Anew(String),
    /// It cannot be helped.
    Failed(ModelError),
}

impl Fetcher {
    /// Makes the client; nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Address`] when there is no client to be had (the system's certificates cannot be read).
    pub fn new(config: &Config) -> Result<Self, ModelError> {
        // Another part of the process may have installed it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("tipring/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms));
        if config.mirror.as_ref().is_some_and(|mirror| mirror.starts_with("http://")) {
            // No certificates are needed, so that a system without any will do.
            builder = builder.tls_certs_only([]);
        }
        builder
            .build()
            .map_err(|error| ModelError::Address {
                url: "models".to_owned(),
                what: format!("no HTTPS client: {}; install the package ca-certificates", causes(&error)),
            })
            .map(|client| Self { client, config: config.clone() })
    }

    /// Fetches one file into the folder, unless it is there and right. A file without a sum in the list is only taken when
    /// `unverified` permits it, and is then what the server gave.
    ///
    /// # Errors
    /// All of [`ModelError`]. After [`ModelError::Cut`] and [`ModelError::Full`] what came is kept and taken up by the next
    /// call; after [`ModelError::Wrong`] it is removed.
    pub async fn fetch(
        &self,
        file: &ModelFile,
        unverified: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Verdict, ModelError> {
        let dir = &self.config.dir;
        let target = dir.join(&file.name);
        if matches!(stock::state(dir, file), FileState::There(_)) {
            let verdict = aside(dir, file).await?;
            if !matches!(verdict, Verdict::Wrong(_) | Verdict::Missing) {
                return Ok(verdict);
            }
        }
        if file.sha256.is_none() && !unverified {
            return Err(ModelError::Unverifiable { file: file.name.clone() });
        }
        let url = file.address(self.config.mirror.as_deref())?;
        let disk = |path: &Path| {
            let path = path.to_owned();
            move |source| ModelError::disk(&path, source, None)
        };
        let part = PathBuf::from(format!("{}.part", target.display()));
        self.complete(&url, &part, file, progress).await?;
        self.judge(&part, file).await?;
        tokio::fs::rename(&part, &target).await.map_err(disk(&target))?;
        aside(dir, file).await
    }

    /// Brings the part to its end, over as many connections as are put up with.
    async fn complete(
        &self,
        url: &Url,
        part: &Path,
        file: &ModelFile,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), ModelError> {
        let mut wait = FIRST_WAIT;
        let mut attempts = 0;
        loop {
            let have = tokio::fs::metadata(part).await.map_or(0, |m| m.len());
            if file.size == Some(have) {
                return Ok(());
            }
            let what = match self.attempt(url, part, have, file, progress).await {
                Ok(()) => return Ok(()),
                Err(Ended::Failed(error)) => return Err(error),
                Err(Ended::Cut(what)) => what,
                Err(Ended::Anew(what)) => {
                    match tokio::fs::remove_file(part).await {
                        // To a first request it is the server's fault alone.
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        gone => gone.map_err(|source| ModelError::disk(part, source, None))?,
                    }
                    what
                }
            };
            if attempts >= self.config.retries {
                return Err(ModelError::Cut { url: bare(url.as_str()), what, dir: self.config.dir.clone() });
            }
            attempts += 1;
            tracing::debug!(url = bare(url.as_str()), what, "a download is taken up again");
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    /// One connection: asks for what is missing and appends it.
    async fn attempt(
        &self,
        url: &Url,
        part: &Path,
        have: u64,
        file: &ModelFile,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Ended> {
        if file.size.is_some_and(|size| have > size) {
            return Err(Ended::Anew("what is there is longer than the file should be".to_owned()));
        }
        // A compressed answer would have other bytes than those that are counted.
        let mut request = self.client.get(url.clone()).header(header::ACCEPT_ENCODING, "identity");
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let stall = Duration::from_millis(self.config.stall_timeout_ms);
        let silent = || Ended::Cut(format!("nothing came for {:.0} s", stall.as_secs_f64()));
        let response = timeout(stall, request.send()).await.map_err(|_| silent())?;
        let response = response.map_err(|error| Ended::Cut(causes(&error.without_url())))?;
        let begun = begin(&response, url, have)?;
        let total = file.size.or_else(|| response.content_length().map(|rest| begun + rest));
        let bound = total.unwrap_or(MAX_BYTES).min(file.size.unwrap_or(MAX_BYTES));
        let missing = |done: u64| total.map(|total| total.saturating_sub(done));
        let full = |source, done| Ended::Failed(ModelError::disk(part, source, missing(done)));
        // Not before there is something for it: an empty folder is no model.
        if let Some(folder) = part.parent() {
            let made = tokio::fs::create_dir_all(folder).await;
            made.map_err(|source| Ended::Failed(ModelError::disk(folder, source, None)))?;
        }
        let mut out = open(part, begun > 0).await.map_err(|source| full(source, begun))?;
        let mut done = begun;
        progress(Progress { done, total });
        let mut body = response.bytes_stream();
        loop {
            let piece = match timeout(stall, body.next()).await {
                Err(_) => Err(silent()),
                Ok(None) => break,
                Ok(Some(Err(error))) => Err(Ended::Cut(causes(&error.without_url()))),
                Ok(Some(Ok(piece))) => Ok(piece),
            };
            let piece = match piece {
                Ok(piece) => piece,
                Err(ended) => {
                    out.flush().await.map_err(|source| full(source, done))?;
                    return Err(ended);
                }
            };
            done += piece.len() as u64;
            if done > bound {
                let _ = tokio::fs::remove_file(part).await;
                let what = format!("the server gives more than the {bound} bytes that it should be");
                return Err(Ended::Failed(ModelError::Wrong { path: part.to_owned(), what }));
            }
            out.write_all(&piece).await.map_err(|source| full(source, done))?;
            progress(Progress { done, total });
        }
        out.flush().await.map_err(|source| full(source, done))?;
        out.sync_all().await.map_err(|source| full(source, done))?;
        match total {
            Some(total) if done < total => Err(Ended::Cut(format!("the connection ended at {done} of {total} bytes"))),
            _ => Ok(()),
        }
    }

    /// Whether the part is the file that the list means; otherwise it is removed.
    async fn judge(&self, part: &Path, file: &ModelFile) -> Result<(), ModelError> {
        let Some(known) = file.sha256.clone() else { return Ok(()) };
        let path = part.to_owned();
        let sum = spawned(move || stock::sum(&path), part).await?;
        if known.eq_ignore_ascii_case(&sum) {
            return Ok(());
        }
        tokio::fs::remove_file(part).await.map_err(|source| ModelError::disk(part, source, None))?;
        let what = format!("its sha256 is {sum}, it should be {}", known.to_ascii_lowercase());
        Err(ModelError::Wrong { path: self.config.dir.join(&file.name), what })
    }
}

/// Where in the file the answer begins.
fn begin(response: &Response, url: &Url, have: u64) -> Result<u64, Ended> {
    let status = response.status();
    let refused = |fix: &'static str| {
        Ended::Failed(ModelError::Status { url: bare(url.as_str()), status: status.to_string(), fix })
    };
    match status {
        StatusCode::OK => Ok(0),
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let from = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
            if from == Some(have) {
                return Ok(have);
            }
            Err(Ended::Anew(format!(
                "the server gives another part than the one from byte {have} on that it was asked for"
            )))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            Err(Ended::Anew(format!("the server answers {status} to a request from byte {have} on")))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refused(
            "it wants to know who asks: fetch the file with a browser, or name another source in models.mirror",
        )),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Err(refused("the file has moved: name another source in models.mirror or in a list of your own"))
        }
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(Ended::Cut(format!("the server answers {status}")))
        }
        _ => Err(refused("that is no answer to a download; see models.mirror")),
    }
}

async fn open(part: &Path, append: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true);
    match append {
        true => options.append(true),
        false => options.write(true).truncate(true),
    };
    options.open(part).await
}

/// Sums a file of the folder on a thread where that is no trouble.
async fn aside(dir: &Path, file: &ModelFile) -> Result<Verdict, ModelError> {
    let (folder, wanted) = (dir.to_owned(), file.clone());
    spawned(move || stock::verify(&folder, &wanted), &dir.join(&file.name)).await
}

async fn spawned<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
    path: &Path,
) -> Result<T, ModelError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ModelError::Disk { path: path.to_owned(), source: std::io::Error::other(error) }))
}

/// An error with its causes: what reqwest says at the top is seldom what is the matter.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}
