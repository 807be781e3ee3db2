//! Accounts against a small registrar: digest, renewal, backoff, and calls through it.

use crate::sip_support::{Raw, config, header, last, next, sdp, start, status, within};
use rsipstack::dialog::authenticate::compute_digest;
use rsipstack::sip::Method;
use rsipstack::sip::headers::auth::{Algorithm, AuthQop};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tipring::pii::Secret;
use tipring::sdp::Direction;
use tipring::ua::{
    Account, Config, DialogEvent, OutgoingCall, RegistrationFailure, RegistrationState, Trunk, UserAgent,
};
use tokio::sync::mpsc;

const MD5: &str = "WWW-Authenticate: Digest realm=\"test\", nonce=\"abc\", algorithm=MD5, qop=\"auth\"\r\n";
const SHA256: &str = "WWW-Authenticate: Digest realm=\"test\", nonce=\"abc\", algorithm=SHA-512-256, qop=\"auth\"\r\n\
    WWW-Authenticate: Digest realm=\"test\", nonce=\"abc\", algorithm=SHA-256, qop=\"auth,auth-int\", opaque=\"o\"\r\n";

/// What a registrar saw: the requests that it let pass.
struct Registrar {
    raw: Arc<Raw>,
    seen: mpsc::UnboundedReceiver<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Registrar {
    /// One that challenges with these header lines (none: it takes everybody) and grants this many seconds.
    fn run(raw: Raw, challenge: &'static str, grants_s: u32) -> Self {
        let raw = Arc::new(raw);
        let (sender, seen) = mpsc::unbounded_channel();
        let task = tokio::spawn({
            let raw = Arc::clone(&raw);
            async move {
                loop {
                    let (request, from) = raw.read_from().await;
                    let method = request.split(' ').next().unwrap_or_default();
                    if !["REGISTER", "INVITE"].contains(&method) {
                        continue;
                    }
                    let authorization = header(&request, "Authorization");
                    let response = if challenge.is_empty() || authorization.is_some_and(|a| is_right(a, method)) {
                        sender.send(request.clone()).ok();
                        reply(&request, &ok(method, &request, raw.address(), grants_s))
                    } else {
                        reply(&request, &format!("401 Unauthorized\r\n{challenge}Content-Length: 0\r\n"))
                    };
                    raw.send(from, &response).await;
                }
            }
        });
        Self { raw, seen, task }
    }

    async fn next(&mut self) -> String {
        within(self.seen.recv()).await.unwrap()
    }
}

fn ok(method: &str, request: &str, own: SocketAddr, grants_s: u32) -> String {
    match method {
        "REGISTER" => {
            let contact = header(request, "Contact").unwrap();
            format!("200 OK\r\nContact: {contact};expires={grants_s}\r\nContent-Length: 0\r\n")
        }
        _ => format!("486 Busy Here\r\nContact: <sip:{own}>\r\nContent-Length: 0\r\n"),
    }
}

fn reply(request: &str, rest: &str) -> String {
    let copied: String = ["Via", "From", "Call-ID", "CSeq"]
        .iter()
        .map(|name| format!("{name}: {}\r\n", header(request, name).unwrap()))
        .collect();
    let (line, headers) = rest.split_once("\r\n").unwrap();
    format!("SIP/2.0 {line}\r\n{copied}To: {};tag=r\r\n{headers}\r\n", header(request, "To").unwrap())
}

/// The digest of user 1001 with the password `right` (RFC 7616 section 3.4).
fn is_right(authorization: &str, method: &str) -> bool {
    let fields: HashMap<_, _> = authorization
        .trim_start_matches("Digest ")
        .split(", ")
        .filter_map(|f| f.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    let algorithm = match fields["algorithm"] {
        "MD5" => Algorithm::Md5,
        "SHA-256" => Algorithm::Sha256,
        other => panic!("algorithm {other} was not offered"),
    };
    assert_eq!(fields["nc"], "00000001");
    assert!(authorization.contains("qop=auth,") || authorization.ends_with("qop=auth"), "{authorization}");
    let qop = AuthQop::Auth { cnonce: fields["cnonce"].to_owned(), nc: 1 };
    let method: Method = method.parse().unwrap();
    let expected = compute_digest(
        "1001",
        "right",
        fields["realm"],
        fields["nonce"],
        &method,
        fields["uri"],
        algorithm,
        Some(&qop),
    );
    fields["username"] == "1001" && fields["response"] == expected
}

fn account(registrar: SocketAddr, password: &str) -> Account {
    Account {
        name: "pbx".to_owned(),
        registrar: registrar.to_string(),
        username: "1001".to_owned(),
        password: Secret::from(password),
        expires_s: 60,
        ..Account::default()
    }
}

fn registering(account: Account) -> Config {
    Config { accounts: vec![account], register_timeout_ms: 250, retry_min_ms: 50, retry_max_ms: 2_000, ..config(&[]) }
}

async fn until(agent: &UserAgent, wanted: impl Fn(&RegistrationState) -> bool) -> RegistrationState {
    let mut statuses = agent.watch_registrations();
    let found = within(statuses.wait_for(|s| wanted(&s[0].state))).await.unwrap();
    found[0].state.clone()
}

fn registered(state: &RegistrationState) -> bool {
    matches!(state, RegistrationState::Registered { .. })
}

#[tokio::test]
async fn an_account_registers_with_either_digest_and_may_be_called_by_its_registrar() {
    for challenge in [MD5, SHA256] {
        let mut registrar = Registrar::run(Raw::on("127.0.0.6:0").await, challenge, 90);
        let (agent, mut calls) = start(registering(account(registrar.raw.address(), "right"))).await;
        assert_eq!(until(&agent, registered).await, RegistrationState::Registered { expires_s: 90 });
        let request = registrar.next().await;
        assert_eq!(header(&request, "Expires"), Some("60"));
        let contact = format!("<sip:1001@127.0.0.1:{}>", agent.local_addr().port());
        assert_eq!(header(&request, "Contact"), Some(contact.as_str()));
        assert_eq!(agent.registrations()[0].account, "pbx");

        let raw = &registrar.raw;
        raw.send(agent.local_addr(), &raw.invite("in", "")).await;
        assert_eq!(within(calls.recv()).await.unwrap().sip_call_id, "in");

        // Leaving takes the registration back.
        agent.shutdown().await;
        let request = registrar.next().await;
        assert_eq!(header(&request, "Expires"), Some("0"));
    }
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_hammered() {
    let registrar = Registrar::run(Raw::on("127.0.0.1:0").await, MD5, 60);
    let (agent, _calls) = start(registering(account(registrar.raw.address(), "wrong"))).await;
    let state = until(&agent, |s| !matches!(s, RegistrationState::Trying)).await;
    let RegistrationState::Failed { why } = state else { panic!("{state:?}") };
    assert_eq!(why, RegistrationFailure::WrongPassword { status: 401 });
    assert!(why.to_string().contains("check username, password"), "{why}");
    let mut statuses = agent.watch_registrations();
    statuses.mark_unchanged();
    assert!(tokio::time::timeout(Duration::from_millis(500), statuses.changed()).await.is_err());
}

#[tokio::test]
async fn an_unreachable_registrar_is_named_and_found_again() {
    let silent = Raw::on("127.0.0.1:0").await;
    let address = silent.address();
    let (agent, _calls) = start(registering(account(address, "right"))).await;
    let state = until(&agent, |s| !matches!(s, RegistrationState::Trying)).await;
    let why = RegistrationFailure::Unreachable { registrar: address };
    assert_eq!(state, RegistrationState::Failed { why: why.clone() });
    assert!(why.to_string().contains(&address.to_string()), "{why}");
    let _registrar = Registrar::run(silent, MD5, 60);
    until(&agent, registered).await;
}

#[tokio::test]
async fn a_registrar_without_an_address_is_named() {
    let mut nowhere = account("127.0.0.1:1".parse().unwrap(), "right");
    nowhere.registrar = "nobody.invalid:5060".to_owned();
    let (agent, _calls) = start(registering(nowhere)).await;
    let state = until(&agent, |s| !matches!(s, RegistrationState::Trying)).await;
    let RegistrationState::Failed { why } = state else { panic!("{state:?}") };
    assert!(why.to_string().contains("cannot resolve nobody.invalid:5060"), "{why}");
}

#[tokio::test]
async fn a_registration_is_renewed_at_half_its_time() {
    let mut registrar = Registrar::run(Raw::on("127.0.0.1:0").await, "", 1);
    let (_agent, _calls) = start(registering(account(registrar.raw.address(), "right"))).await;
    let first = registrar.next().await;
    let begun = std::time::Instant::now();
    let second = registrar.next().await;
    assert!((300..900).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(header(&first, "Call-ID"), header(&second, "Call-ID"));
    assert_ne!(header(&first, "CSeq"), header(&second, "CSeq"));
}

#[tokio::test]
async fn a_number_is_called_through_its_account_and_the_challenge_answered() {
    let mut registrar = Registrar::run(Raw::on("127.0.0.1:0").await, MD5, 60);
    let mut line = account(registrar.raw.address(), "right");
    line.register = false;
    let (agent, _calls) = start(registering(line)).await;
    let call = OutgoingCall {
        target: "1002".to_owned(),
        caller_id: Some("+15550100".to_owned()),
        offer: sdp(4000, Direction::SendRecv),
        ..OutgoingCall::default()
    };
    let mut dialog = agent.invite(call).await.unwrap();
    let invite = registrar.next().await;
    assert!(invite.starts_with(&format!("INVITE sip:1002@{} ", registrar.raw.address())), "{invite}");
    assert!(header(&invite, "From").unwrap().contains("<sip:1001@127.0.0.1>"));
    assert_eq!(header(&invite, "P-Preferred-Identity"), Some("<sip:+15550100@127.0.0.1>"));
    assert!(matches!(last(&mut dialog).await, DialogEvent::Failed { status: 486, .. }));
}

#[tokio::test]
async fn a_stranger_who_challenges_our_call_gets_no_digest() {
    let registrar = Raw::on("127.0.0.1:0").await;
    let stranger = Raw::on("127.0.0.1:0").await;
    let mut line = account(registrar.address(), "right");
    line.register = false;
    let (agent, _calls) = start(registering(line)).await;
    let call = OutgoingCall {
        target: format!("sip:bob@{}", stranger.address()),
        from_account: Some("pbx".to_owned()),
        offer: sdp(4000, Direction::SendRecv),
        ..OutgoingCall::default()
    };
    let mut dialog = agent.invite(call).await.unwrap();
    let invite = stranger.read().await;
    stranger
        .send(agent.local_addr(), &reply(&invite, &format!("401 Unauthorized\r\n{MD5}Content-Length: 0\r\n")))
        .await;
    assert!(matches!(last(&mut dialog).await, DialogEvent::Failed { status: 401, .. }));
    assert!(stranger.read().await.starts_with("ACK"));
    stranger.silence().await;
}

#[tokio::test]
async fn a_trunk_is_called_and_may_call() {
    let trunk = Raw::on("127.0.0.7:0").await;
    let with_trunk = Config {
        trunks: vec![Trunk { name: "carrier".to_owned(), address: trunk.address().to_string(), ..Trunk::default() }],
        ..config(&[])
    };
    let (agent, _calls) = start(with_trunk).await;
    trunk.send(agent.local_addr(), &trunk.request("OPTIONS", "q", "", "")).await;
    assert_eq!(status(&trunk.final_response().await), 200);
    let call = OutgoingCall {
        target: "+15550123".to_owned(),
        from_account: Some("carrier".to_owned()),
        caller_id: Some("+15550100".to_owned()),
        offer: sdp(4000, Direction::SendRecv),
        ..OutgoingCall::default()
    };
    let mut dialog = agent.invite(call).await.unwrap();
    let invite = trunk.read().await;
    assert!(invite.starts_with(&format!("INVITE sip:+15550123@{} ", trunk.address())), "{invite}");
    assert!(header(&invite, "From").unwrap().contains("<sip:+15550100@127.0.0.1:"), "{invite}");
    let early = format!(
        "183 Session Progress\r\nContact: <sip:{}>\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n",
        trunk.address()
    );
    trunk.send(agent.local_addr(), &(reply(&invite, &early) + "v=0\n")).await;
    let DialogEvent::Progress { status: 183, sdp: Some(sdp), .. } = next(&mut dialog).await else {
        panic!("no early media")
    };
    assert_eq!(sdp, b"v=0\n");
}
