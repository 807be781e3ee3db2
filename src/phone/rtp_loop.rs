//! The telephone's RTP: one socket, a thread that does nothing but date what arrives, and a thread that sends every 20 ms on
//! an absolute clock.

use super::PhoneError;
use super::audible::Spurt;
use super::ear::{Ear, HeardStats};
use super::measure::Said;
use super::mouth::{Mouth, Outgoing};
use super::record::Recording;
use super::script::{Cue, Script};
use super::surroundings::{Background, EchoPath, Send, Surroundings, Transmission};
use crate::audio::{CodecKind, Encoder, FRAME_BYTES};
use crate::rtp::{HEADER_BYTES, Header};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// One packet each.
const TICK: Duration = Duration::from_millis(20);
/// After a delay of this many ticks (a suspended machine) the clock is set anew; shorter delays are made up for.
const MAX_BEHIND: u32 = 10;
/// Datagrams that can wait for the sending thread: more than a second of any stream. Beyond that they are dropped and counted.
const ARRIVALS: usize = 256;
/// Happenings that can wait to be shown. Beyond that they are dropped; the log has them all.
const HAPPENINGS: usize = 256;
/// RTP ticks of 8 kHz in a packet; all our codecs count so.
const CLOCK_PER_TICK: u32 = 160;
/// How often the receiving thread looks whether it is wanted.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Where and how to send, as agreed on by signalling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// Where the peer wants RTP.
    pub remote: SocketAddr,
    /// The codec, both ways.
    pub codec: CodecKind,
    /// Its payload type.
    pub payload_type: u8,
    /// Payload type of telephone events; without one, keys cannot be sent.
    pub event_payload_type: Option<u8>,
    /// False while the peer does not want to hear us (hold).
    pub sends: bool,
}

/// What the telephone is to do in a call.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it says and when.
    pub script: Script,
    /// White noise on the line, RMS in dBFS.
    pub noise_dbfs: Option<f32>,
    /// Keep the samples of both sides.
    pub record: bool,
    /// Hang up after this time from the answer, whatever happens.
    pub longest: Duration,
    /// Where the caller is.
    pub surroundings: Surroundings,
}

impl Plan {
    /// A script on a clean line in a quiet room, for three minutes at most, without a recording.
    pub fn new(script: Script) -> Self {
        Self {
            script,
            noise_dbfs: None,
            record: false,
            longest: Duration::from_secs(180),
            surroundings: Surroundings::default(),
        }
    }
}

/// Something worth showing while the call goes on. Times count from the telephone's origin.
#[derive(Clone, PartialEq, Debug)]
pub enum Happening {
    /// The caller begins to speak or to press keys: index of the step.
    Begins(usize),
    /// The caller has ended.
    Said(Said),
    /// The agent begins to speak; with the gap in milliseconds when it is the answer to what was said before.
    AgentSpeaks {
        /// First audible sample.
        at: Duration,
        /// From the caller's last speech sample.
        gap_ms: Option<f64>,
    },
    /// The script is at its end, or the time is up: hang up.
    Over {
        /// The time was up.
        time_over: bool,
    },
}

/// All that the RTP side knows of a call. Times count from `origin`.
#[derive(Debug)]
pub struct CallLog {
    /// The telephone's time zero.
    pub origin: Instant,
    /// The answer; none when there was none.
    pub answered: Option<Duration>,
    /// The end.
    pub ended: Duration,
    /// What the caller did, in order.
    pub said: Vec<Said>,
    /// What the agent was heard to say, in order.
    pub spurts: Vec<Spurt>,
    /// Both sides' sound, where it was asked for.
    pub recording: Option<Recording>,
    /// Packets sent.
    pub packets_sent: u64,
    /// How late the worst of them was, in milliseconds.
    pub send_late_max_ms: f64,
    /// How the peer's stream came in.
    pub heard: HeardStats,
}

enum Control {
    Path(Path),
    Stop,
}

/// The RTP side of one call, on its own threads.
pub struct RtpLoop {
    local: SocketAddr,
    control: SyncSender<Control>,
    sender: Option<JoinHandle<CallLog>>,
    receiver: Option<JoinHandle<()>>,
    wanted: Arc<AtomicBool>,
}

impl RtpLoop {
    /// Opens a socket at `local` (port 0: any) and starts to listen. Sends nothing before a path is [`set`](Self::set_path).
    ///
    /// # Errors
    /// [`PhoneError::Socket`], [`PhoneError::Thread`].
    pub fn start(local: SocketAddr, plan: Plan) -> Result<(Self, mpsc::Receiver<Happening>), PhoneError> {
        let at = |source| PhoneError::Socket { address: local, source };
        let socket = UdpSocket::bind(local).map_err(at)?;
        socket.set_read_timeout(Some(LOOK_UP)).map_err(at)?;
        let bound = socket.local_addr().map_err(at)?;
        let ear_socket = socket.try_clone().map_err(at)?;
        let (control, commands) = sync_channel(16);
        let (arrivals, arrived) = sync_channel(ARRIVALS);
        let (happenings, shown) = mpsc::channel(HAPPENINGS);
        let wanted = Arc::new(AtomicBool::new(true));
        let still_wanted = Arc::clone(&wanted);
        let origin = Instant::now();
        let receiver = std::thread::Builder::new()
            .name("phone-recv".to_owned())
            .spawn(move || receive(&ear_socket, &arrivals, &still_wanted))
            .map_err(PhoneError::Thread)?;
        let talk = Talk::new(origin, socket, plan, happenings);
        let sender = std::thread::Builder::new()
            .name("phone-send".to_owned())
            .spawn(move || talk.run(&commands, &arrived))
            .map_err(PhoneError::Thread)?;
        let this = Self { local: bound, control, sender: Some(sender), receiver: Some(receiver), wanted };
        Ok((this, shown))
    }

    /// Where the socket is.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends there from now on. The first path is the answer of the call: the script begins.
    pub fn set_path(&self, path: Path) {
        // A thread that is gone has nothing to send.
        let _ = self.control.try_send(Control::Path(path));
    }

    /// Ends the stream and gives what was measured. Waits for the threads, about 100 ms at most.
    pub fn stop(mut self) -> Result<CallLog, PhoneError> {
        let log = self.end().and_then(|sender| sender.join().ok());
        log.ok_or_else(|| PhoneError::Thread(std::io::Error::other("it panicked")))
    }

    fn end(&mut self) -> Option<JoinHandle<CallLog>> {
        let _ = self.control.try_send(Control::Stop);
        self.wanted.store(false, Ordering::Relaxed);
        if let Some(receiver) = self.receiver.take() {
            let _ = receiver.join();
        }
        self.sender.take()
    }
}

impl Drop for RtpLoop {
    fn drop(&mut self) {
        if let Some(sender) = self.end() {
            let _ = sender.join();
        }
    }
}

struct Arrival {
    at: Instant,
    datagram: Box<[u8]>,
}

fn receive(socket: &UdpSocket, arrivals: &SyncSender<Arrival>, wanted: &AtomicBool) {
    let mut buffer = [0u8; 2048];
    while wanted.load(Ordering::Relaxed) {
        // Errors are time-outs, or ICMP answers to our own packets: the peer may not listen yet.
        if let Ok((len, _)) = socket.recv_from(&mut buffer) {
            let at = Instant::now();
            let datagram = buffer.get(..len).unwrap_or(&[]).into();
            // Full: the sending thread has stood still for seconds. The call is lost to measuring anyway.
            let _ = arrivals.try_send(Arrival { at, datagram });
        }
    }
}

struct Talk {
    origin: Instant,
    socket: UdpSocket,
    plan: Plan,
    happenings: mpsc::Sender<Happening>,
    mouth: Mouth,
    echo: Option<EchoPath>,
    background: Option<Background>,
    stream: Option<Stream>,
    answered: Option<Duration>,
    said: Vec<Said>,
    last_gap_told: bool,
    over: bool,
    packets_sent: u64,
    late_max: Duration,
}

/// What exists once a path is known.
struct Stream {
    path: Path,
    encoder: Encoder,
    ear: Ear,
    said_track: Option<super::record::Track>,
    header: Header,
    event_timestamp: u32,
    /// Where the device sends nothing in silence.
    transmission: Option<Transmission>,
}

impl Talk {
    fn new(origin: Instant, socket: UdpSocket, plan: Plan, happenings: mpsc::Sender<Happening>) -> Self {
        let mouth = Mouth::new(plan.noise_dbfs);
        let echo = plan.surroundings.echo.map(EchoPath::new);
        let background = plan.surroundings.background.clone().map(Background::new);
        Self {
            echo,
            background,
            origin,
            socket,
            plan,
            happenings,
            mouth,
            stream: None,
            answered: None,
            said: Vec::new(),
            last_gap_told: false,
            over: false,
            packets_sent: 0,
            late_max: Duration::ZERO,
        }
    }

    fn run(mut self, commands: &Receiver<Control>, arrived: &Receiver<Arrival>) -> CallLog {
        let mut due = self.origin;
        loop {
            due += TICK;
            let now = Instant::now();
            if let Some(wait) = due.checked_duration_since(now) {
                std::thread::sleep(wait);
            } else if now.duration_since(due) > TICK * MAX_BEHIND {
                due = now;
            }
            loop {
                match commands.try_recv() {
                    Ok(Control::Path(path)) => self.take_path(path),
                    Ok(Control::Stop) | Err(TryRecvError::Disconnected) => return self.finish(arrived),
                    Err(TryRecvError::Empty) => break,
                }
            }
            self.hear(arrived);
            self.tick(due);
        }
    }

    fn tell(&self, happening: Happening) {
        let _ = self.happenings.try_send(happening);
    }

    fn take_path(&mut self, path: Path) {
        match &mut self.stream {
            Some(stream) => {
                stream.ear.switch(path.codec, path.payload_type);
                if stream.path.codec != path.codec {
                    stream.encoder = Encoder::new(path.codec);
                }
                stream.path = path;
            }
            None => {
                let now = self.origin.elapsed();
                self.answered = Some(now);
                self.plan.script.answered(now);
                self.stream = Some(Stream {
                    path,
                    encoder: Encoder::new(path.codec),
                    ear: Ear::new(path.codec, path.payload_type, self.plan.record),
                    said_track: self.plan.record.then(Default::default),
                    header: Header {
                        marker: true,
                        payload_type: path.payload_type,
                        sequence: rand::random(),
                        timestamp: rand::random(),
                        ssrc: rand::random(),
                    },
                    event_timestamp: 0,
                    transmission: self
                        .plan
                        .surroundings
                        .network
                        .is_some_and(|(network, _)| network.dtx)
                        .then(Transmission::default),
                });
            }
        }
    }

    fn hear(&mut self, arrived: &Receiver<Arrival>) {
        while let Ok(Arrival { at, datagram }) = arrived.try_recv() {
            // What comes before the answer is early media: not the conversation.
            let Some(stream) = &mut self.stream else { continue };
            let at = at.saturating_duration_since(self.origin);
            let echo = &mut self.echo;
            let began = stream.ear.datagram(at, &datagram, |samples| {
                if let Some(echo) = echo {
                    echo.heard(at, samples);
                }
            });
            if !began {
                continue;
            }
            let Some(spurt) = stream.ear.latest() else { continue };
            let gap =
                self.said.last().filter(|_| !self.last_gap_told).and_then(|said| spurt.began.checked_sub(said.ended));
            self.last_gap_told |= gap.is_some();
            self.tell(Happening::AgentSpeaks { at: spurt.began, gap_ms: gap.map(|gap| gap.as_secs_f64() * 1000.0) });
        }
    }

    fn tick(&mut self, due: Instant) {
        let Some(stream) = &mut self.stream else { return };
        let now = self.origin.elapsed();
        if !self.over {
            let time_over = self.answered.is_some_and(|answered| now.saturating_sub(answered) >= self.plan.longest);
            let cue = if time_over { Some(Cue::HangUp) } else { self.plan.script.poll(now, stream.ear.latest()) };
            match cue {
                Some(Cue::Begin(index)) => {
                    if let Some(step) = self.plan.script.steps().get(index) {
                        self.mouth.begin(step);
                    }
                    // What the agent says from here on is no answer to what was said before.
                    self.last_gap_told = true;
                    let _ = self.happenings.try_send(Happening::Begins(index));
                }
                Some(Cue::HangUp) => {
                    self.over = true;
                    let _ = self.happenings.try_send(Happening::Over { time_over });
                }
                None => {}
            }
        }
        let mut outgoing = self.mouth.next();
        if let Outgoing::Audio(frame) = &mut outgoing {
            if let Some(background) = &mut self.background {
                background.add(frame);
            }
            if let Some(echo) = &self.echo {
                echo.add(now, frame);
            }
        }
        self.late_max = self.late_max.max(Instant::now().saturating_duration_since(due));
        // Before sending: on a loaded machine the thread may be put aside within the call, and the gap is not to profit.
        let at = self.origin.elapsed();
        let sent = stream.send(&self.socket, &outgoing);
        self.packets_sent += u64::from(sent);
        if let (Some(track), Outgoing::Audio(samples)) = (&mut stream.said_track, &outgoing) {
            track.place(at, &samples[..]);
        }
        if let Some(said) = self.mouth.sent(at) {
            self.plan.script.done(said.ended);
            self.last_gap_told = false;
            self.said.push(said.clone());
            self.tell(Happening::Said(said));
        }
    }

    fn finish(mut self, arrived: &Receiver<Arrival>) -> CallLog {
        self.hear(arrived);
        let ended = self.origin.elapsed();
        self.said.extend(self.mouth.cut(ended));
        let (mut spurts, mut recording, mut heard) = (Vec::new(), None, HeardStats::default());
        if let Some(stream) = self.stream {
            let track;
            (spurts, track, heard) = stream.ear.finish();
            recording = stream.said_track.zip(track).map(|(said, heard)| Recording { said, heard });
        }
        CallLog {
            origin: self.origin,
            answered: self.answered,
            ended,
            said: self.said,
            spurts,
            recording,
            packets_sent: self.packets_sent,
            send_late_max_ms: self.late_max.as_secs_f64() * 1000.0,
            heard,
        }
    }
}

impl Stream {
    /// Sends this tick's packet, unless the peer does not want any. Time passes for the timestamps either way.
    fn send(&mut self, socket: &UdpSocket, outgoing: &Outgoing) -> bool {
        let mut datagram = [0u8; HEADER_BYTES + FRAME_BYTES];
        let (head, payload) = datagram.split_first_chunk_mut::<HEADER_BYTES>().expect("the datagram holds a header");
        let mut header = self.header;
        // Speech itself is never silence for long: its pauses are, and what is behind it.
        let send = match (outgoing, &mut self.transmission) {
            (Outgoing::Audio(frame), Some(transmission)) => transmission.of(frame),
            _ => Send::Yes,
        };
        header.marker |= send == Send::First;
        let length = match outgoing {
            Outgoing::Audio(samples) => {
                header.payload_type = self.path.payload_type;
                Some(self.encoder.encode(samples, payload))
            }
            Outgoing::Event { code, end, duration, first } => self.path.event_payload_type.map(|payload_type| {
                if *first {
                    self.event_timestamp = header.timestamp;
                }
                header.payload_type = payload_type;
                header.timestamp = self.event_timestamp;
                header.marker = *first;
                let [d0, d1] = duration.to_be_bytes();
                payload[..4].copy_from_slice(&[*code, if *end { 0x80 } else { 0 } | 10, d0, d1]);
                4
            }),
        };
        self.header.timestamp = self.header.timestamp.wrapping_add(CLOCK_PER_TICK);
        let Some(length) = length.filter(|_| self.path.sends && send != Send::No) else { return false };
        header.write(head);
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.marker = false;
        socket.send_to(&datagram[..HEADER_BYTES + length], self.path.remote).is_ok()
    }
}
