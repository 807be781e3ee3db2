//! What peers of every kind get from us, told in raw text.

use crate::sip_support::{Raw, config, header, last, next, sdp, start, status, within};
use std::net::SocketAddr;
use tipring::pii::Secret;
use tipring::sdp::Direction;
use tipring::ua::{Account, Dialog, DialogEvent, EndCause, IncomingCall, OutgoingCall, UserAgent};
use tokio::sync::mpsc;

/// A call of a raw peer that is up, and what its further requests have to carry.
struct RawCall {
    raw: Raw,
    agent: UserAgent,
    dialog: Dialog,
    to: String,
    contact: String,
    cseq: u32,
}

impl RawCall {
    async fn up() -> Self {
        let (agent, mut calls) = start(config(&["127.0.0.0/8"])).await;
        Self::up_with(agent, &mut calls).await
    }

    async fn up_with(agent: UserAgent, calls: &mut mpsc::Receiver<IncomingCall>) -> Self {
        let raw = Raw::on("127.0.0.1:0").await;
        raw.send(agent.local_addr(), &raw.invite("c1", "")).await;
        let dialog = within(calls.recv()).await.unwrap().accept(sdp(5000, Direction::SendRecv)).unwrap();
        let ok = raw.final_response().await;
        assert_eq!(status(&ok), 200);
        let mut call = Self {
            to: header(&ok, "To").unwrap().to_owned(),
            contact: header(&ok, "Contact").unwrap().trim_matches(['<', '>']).to_owned(),
            raw,
            agent,
            dialog,
            cseq: 1,
        };
        call.request("ACK", 1, "", "").await;
        assert!(matches!(next(&mut call.dialog).await, DialogEvent::Acknowledged { sdp: None }));
        call
    }

    async fn request(&self, method: &str, cseq: u32, extra: &str, body: &str) {
        let own = self.raw.address();
        let text = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{cseq};rport\r\n\
             From: <sip:raw@{own}>;tag=tc1\r\nTo: {}\r\nCall-ID: c1\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:raw@{own}>\r\nMax-Forwards: 70\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            self.contact,
            self.to,
            body.len()
        );
        self.raw.send(self.agent.local_addr(), &text).await;
    }

    async fn ask(&mut self, method: &str, extra: &str, body: &str) -> String {
        self.cseq += 1;
        self.request(method, self.cseq, extra, body).await;
        self.raw.final_response().await
    }

    /// Answers a request that we received.
    async fn reply(&self, request: &str, line: &str) {
        let copied: String = ["Via", "From", "To", "Call-ID", "CSeq"]
            .iter()
            .map(|name| format!("{name}: {}\r\n", header(request, name).unwrap()))
            .collect();
        let text = format!("SIP/2.0 {line}\r\n{copied}Content-Length: 0\r\n\r\n");
        self.raw.send(self.agent.local_addr(), &text).await;
    }

    /// The next request that we receive, retransmissions of responses passed over.
    async fn asked(&self, method: &str) -> String {
        loop {
            let text = self.raw.read().await;
            if text.starts_with(method) {
                return text;
            }
        }
    }
}

#[tokio::test]
async fn strangers_get_no_answer_of_any_kind() {
    let (agent, mut calls) = start(config(&["127.0.0.2"])).await;
    let (stranger, friend) = (Raw::on("127.0.0.3:0").await, Raw::on("127.0.0.2:0").await);
    for text in [
        stranger.request("OPTIONS", "s1", "", ""),
        stranger.invite("s2", ""),
        stranger.request("REGISTER", "s3", "", ""),
        stranger.request("CANCEL", "s4", "", ""),
        "\r\n\r\n".to_owned(),
        "hello".to_owned(),
    ] {
        stranger.send(agent.local_addr(), &text).await;
    }
    stranger.silence().await;
    assert_eq!(agent.dropped().strangers, 6);
    assert!(calls.try_recv().is_err());
    friend.send(agent.local_addr(), &friend.request("OPTIONS", "f1", "", "")).await;
    assert_eq!(status(&friend.final_response().await), 200);
}

#[tokio::test]
async fn those_we_call_may_answer_but_not_call_us() {
    let (agent, mut calls) = start(config(&[])).await;
    let callee = Raw::on("127.0.0.5:0").await;
    let call = OutgoingCall {
        target: format!("sip:x@{}", callee.address()),
        offer: sdp(4000, Direction::SendRecv),
        ..OutgoingCall::default()
    };
    let mut dialog = agent.invite(call).await.unwrap();
    let invite = callee.read().await;
    callee.send(agent.local_addr(), &callee.invite("back", "")).await;
    callee.send(agent.local_addr(), &callee.request("OPTIONS", "back2", "", "")).await;
    callee.silence().await;
    assert!(calls.try_recv().is_err());
    let copied: String = ["Via", "From", "Call-ID", "CSeq"]
        .iter()
        .map(|name| format!("{name}: {}\r\n", header(&invite, name).unwrap()))
        .collect();
    let busy = format!("SIP/2.0 600 Busy Everywhere\r\n{copied}To: <sip:x@x>;tag=1\r\nContent-Length: 0\r\n\r\n");
    callee.send(agent.local_addr(), &busy).await;
    assert!(matches!(last(&mut dialog).await, DialogEvent::Failed { status: 600, .. }));
}

#[tokio::test]
async fn options_tell_whether_we_take_calls() {
    let (agent, _calls) = start(config(&["127.0.0.0/8"])).await;
    let raw = Raw::on("127.0.0.1:0").await;
    raw.send(agent.local_addr(), &raw.request("OPTIONS", "o1", "", "")).await;
    let ok = raw.final_response().await;
    assert_eq!(status(&ok), 200);
    assert!(header(&ok, "Allow").unwrap().contains("INVITE"));
    assert_eq!(header(&ok, "User-Agent"), Some("tipring"));
    agent.set_draining(true);
    raw.send(agent.local_addr(), &raw.request("OPTIONS", "o2", "", "")).await;
    let no = raw.final_response().await;
    assert_eq!((status(&no), header(&no, "Retry-After")), (503, Some("5")));
}

#[tokio::test]
async fn what_we_do_not_do_is_refused_with_the_right_status() {
    let (agent, mut calls) = start(config(&["127.0.0.0/8"])).await;
    let raw = Raw::on("127.0.0.1:0").await;
    let requests = [
        (raw.request("MESSAGE", "n1", "", ""), 405),
        (raw.request("SUBSCRIBE", "n2", "", ""), 405),
        (raw.request("REGISTER", "n3", "", ""), 405),
        (raw.request("REFER", "n4", "Refer-To: <sip:x@y>\r\n", ""), 405),
        (raw.request("BYE", "n5", "", ""), 481),
        (raw.invite("n6", "").replace("To: <sip:1001@127.0.0.1>", "To: <sip:1001@127.0.0.1>;tag=gone"), 481),
        (raw.invite("n7", "Require: gruu, 100rel\r\n"), 420),
        (raw.request("INVITE", "n8", "Content-Type: text/plain\r\n", "hello"), 415),
        (raw.invite("n9", "").replace("INVITE sip:1001@127.0.0.1", "INVITE tel:+15550100"), 416),
    ];
    for (text, expected) in requests {
        raw.send(agent.local_addr(), &text).await;
        let response = raw.final_response().await;
        assert_eq!(status(&response), expected, "{text}");
        match expected {
            405 => assert!(header(&response, "Allow").unwrap().contains("INVITE")),
            420 => assert_eq!(header(&response, "Unsupported"), Some("gruu, 100rel")),
            415 => assert_eq!(header(&response, "Accept"), Some("application/sdp")),
            _ => {}
        }
    }
    assert!(calls.try_recv().is_err());
    assert_eq!(agent.admission().inside(), 0);
}

#[tokio::test]
async fn a_full_house_answers_at_once_with_retry_after() {
    let (agent, mut calls) = start(config(&["127.0.0.0/8"])).await;
    agent.admission().set_limit(0);
    let raw = Raw::on("127.0.0.1:0").await;
    raw.send(agent.local_addr(), &raw.invite("b1", "")).await;
    let no = raw.final_response().await;
    assert_eq!((status(&no), header(&no, "Retry-After")), (503, Some("5")));
    assert!(calls.try_recv().is_err());

    // Nobody takes calls any more.
    agent.admission().set_limit(9);
    drop(calls);
    raw.send(agent.local_addr(), &raw.invite("b2", "")).await;
    let mut no = raw.final_response().await;
    while header(&no, "Call-ID") == Some("b1") {
        no = raw.final_response().await;
    }
    assert_eq!((status(&no), header(&no, "Retry-After")), (503, Some("5")));
    assert_eq!(agent.admission().inside(), 0);
}

#[tokio::test]
async fn a_refusal_carries_the_reason_and_extra_headers() {
    let (agent, mut calls) = start(config(&["127.0.0.0/8"])).await;
    let raw = Raw::on("127.0.0.1:0").await;
    raw.send(agent.local_addr(), &raw.invite("r1", "")).await;
    let call = within(calls.recv()).await.unwrap();
    call.reject(488, "no common codec,\r\n\"opus\"", &[("Retry-After".to_owned(), "30".to_owned())]).unwrap();
    let no = raw.final_response().await;
    assert_eq!((status(&no), header(&no, "Retry-After")), (488, Some("30")));
    assert_eq!(header(&no, "Warning"), Some("399 tipring \"no common codec,opus\""));
    assert!(header(&no, "To").unwrap().contains(";tag="));
}

#[tokio::test]
async fn cancel_is_answered_and_the_invite_ends_with_487() {
    let (agent, mut calls) = start(config(&["127.0.0.0/8"])).await;
    let raw = Raw::on("127.0.0.1:0").await;
    raw.send(agent.local_addr(), &raw.invite("x1", "")).await;
    let call = within(calls.recv()).await.unwrap();
    assert_eq!(status(&raw.read().await), 100);
    raw.send(agent.local_addr(), &raw.request("CANCEL", "x1", "", "")).await;
    within(call.cancelled()).await;
    let mut statuses = [raw.final_response().await, raw.final_response().await]
        .map(|r| (header(&r, "CSeq").unwrap().to_owned(), status(&r)));
    statuses.sort();
    assert_eq!(statuses, [("1 CANCEL".to_owned(), 200), ("1 INVITE".to_owned(), 487)]);
}

#[tokio::test]
async fn an_invite_without_an_offer_is_answered_with_ours() {
    let (agent, mut calls) = start(config(&["127.0.0.0/8"])).await;
    let raw = Raw::on("127.0.0.1:0").await;
    raw.send(agent.local_addr(), &raw.request("INVITE", "d1", "", "")).await;
    let call = within(calls.recv()).await.unwrap();
    assert_eq!(call.offer, None);
    let offer = sdp(5000, Direction::SendRecv);
    let mut dialog = call.accept(offer.clone()).unwrap();
    let ok = raw.final_response().await;
    assert!(ok.ends_with(&offer), "{ok}");
    let body = sdp(6000, Direction::SendRecv);
    let ack = raw
        .request("ACK", "d1", "Content-Type: application/sdp\r\n", &body)
        .replace("To: <sip:1001@127.0.0.1>", &format!("To: {}", header(&ok, "To").unwrap()))
        .replace("branch=z9hG4bKd1", "branch=z9hG4bKd1ack");
    raw.send(agent.local_addr(), &ack).await;
    let DialogEvent::Acknowledged { sdp: Some(answer) } = next(&mut dialog).await else { panic!("no answer") };
    assert_eq!(answer, body.as_bytes());
}

#[tokio::test]
async fn requests_within_a_call_are_answered() {
    let mut call = RawCall::up().await;
    assert_eq!(status(&call.ask("UPDATE", "", "").await), 200);
    assert_eq!(status(&call.ask("OPTIONS", "", "").await), 200);
    assert_eq!(status(&call.ask("MESSAGE", "", "hi").await), 405);
    assert_eq!(status(&call.ask("REFER", "Refer-To: <sip:x@y>\r\n", "").await), 405);
    let relay = "Content-Type: application/dtmf-relay\r\n";
    assert_eq!(status(&call.ask("INFO", relay, "Signal=#\r\nDuration=160\r\n").await), 200);
    assert!(matches!(next(&mut call.dialog).await, DialogEvent::Dtmf('#')));
    assert_eq!(status(&call.ask("INFO", "Content-Type: text/plain\r\n", "x").await), 415);

    // A re-INVITE without an offer gets ours, and its ACK brings the answer.
    call.cseq += 1;
    call.request("INVITE", call.cseq, "", "").await;
    let DialogEvent::Reinvite { offer: None, responder } = next(&mut call.dialog).await else { panic!("no re-INVITE") };
    responder.accept(sdp(5000, Direction::SendRecv));
    let ok = call.raw.final_response().await;
    assert!(ok.contains("m=audio 5000"), "{ok}");
    let body = sdp(6002, Direction::SendRecv);
    call.request("ACK", call.cseq, "Content-Type: application/sdp\r\n", &body).await;
    let DialogEvent::Acknowledged { sdp: Some(answer) } = next(&mut call.dialog).await else { panic!("no answer") };
    assert_eq!(answer, body.as_bytes());

    // One that nobody replies to is refused, and the call goes on.
    call.cseq += 1;
    call.request("INVITE", call.cseq, "Content-Type: application/sdp\r\n", &body).await;
    let DialogEvent::Reinvite { responder, .. } = next(&mut call.dialog).await else { panic!("no re-INVITE") };
    drop(responder);
    assert_eq!(status(&call.raw.final_response().await), 500);
    call.request("ACK", call.cseq, "", "").await;

    let reason = "Reason: Q.850;cause=16\r\n";
    assert_eq!(status(&call.ask("BYE", reason, "").await), 200);
    let DialogEvent::Bye { reason } = last(&mut call.dialog).await else { panic!("no BYE") };
    assert_eq!(reason.as_deref(), Some("Q.850;cause=16"));
    assert_eq!(status(&call.ask("OPTIONS", "", "").await), 481);
}

#[tokio::test]
async fn a_transfer_is_followed_to_its_end() {
    let mut call = RawCall::up().await;
    let control = call.dialog.control();
    let asked = tokio::spawn(async move { control.refer("1002").await });
    let refer = call.asked("REFER").await;
    let host = call.raw.address();
    assert_eq!(header(&refer, "Refer-To"), Some(format!("<sip:1002@{host}>").as_str()));
    call.reply(&refer, "202 Accepted").await;
    within(asked).await.unwrap().unwrap();
    let notify = "Event: refer\r\nContent-Type: message/sipfrag\r\nSubscription-State: ";
    assert_eq!(status(&call.ask("NOTIFY", &format!("{notify}active\r\n"), "SIP/2.0 180 Ringing\r\n").await), 200);
    assert!(matches!(next(&mut call.dialog).await, DialogEvent::TransferProgress { status: 180, .. }));
    assert_eq!(status(&call.ask("NOTIFY", &format!("{notify}terminated\r\n"), "SIP/2.0 200 OK\r\n").await), 200);
    assert!(matches!(next(&mut call.dialog).await, DialogEvent::TransferEnded { accepted: true, status: 200, .. }));
    assert_eq!(status(&call.ask("BYE", "", "").await), 200);
    assert!(matches!(last(&mut call.dialog).await, DialogEvent::Bye { .. }));
}

#[tokio::test]
async fn a_peer_that_leaves_after_accepting_a_transfer_has_taken_it() {
    let mut call = RawCall::up().await;
    let control = call.dialog.control();
    let asked = tokio::spawn(async move { control.refer("sip:bob@192.0.2.1").await });
    let refer = call.asked("REFER").await;
    assert_eq!(header(&refer, "Refer-To"), Some("<sip:bob@192.0.2.1>"));
    call.reply(&refer, "202 Accepted").await;
    within(asked).await.unwrap().unwrap();
    assert_eq!(status(&call.ask("BYE", "", "").await), 200);
    assert!(matches!(next(&mut call.dialog).await, DialogEvent::TransferEnded { accepted: true, .. }));
    assert!(matches!(last(&mut call.dialog).await, DialogEvent::Bye { .. }));
}

#[tokio::test]
async fn a_challenge_within_a_call_in_is_never_answered() {
    let mut with_account = config(&["127.0.0.0/8"]);
    with_account.accounts = vec![Account {
        name: "pbx".to_owned(),
        registrar: "127.0.0.1:9".to_owned(),
        username: "1001".to_owned(),
        password: Secret::from("secret"),
        register: false,
        ..Account::default()
    }];
    let (agent, mut calls) = start(with_account).await;
    let mut call = RawCall::up_with(agent, &mut calls).await;
    call.dialog.hangup(None);
    let bye = call.asked("BYE").await;
    call.reply(&bye, "407 Proxy Authentication Required\r\nProxy-Authenticate: Digest realm=\"x\", nonce=\"1\"").await;
    call.raw.silence().await;
    assert!(matches!(last(&mut call.dialog).await, DialogEvent::Ended(EndCause::HungUp)));
}

/// Sends every message of a folder and tells how many there were.
async fn torture(raw: &Raw, to: SocketAddr, folder: &std::path::Path) -> usize {
    let mut sent = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        raw.socket.send_to(&bytes, to).await.unwrap();
        sent += 1;
    }
    sent
}

#[tokio::test]
async fn torture_messages_do_no_harm() {
    let Some(data) = std::env::var_os("TIPRING_TEST_DATA") else {
        println!("skipped: TIPRING_TEST_DATA is not set");
        return;
    };
    let (agent, mut calls) = start(config(&["127.0.0.0/8"])).await;
    let raw = Raw::on("127.0.0.1:0").await;
    let sip = std::path::Path::new(&data).join("sip");
    let mut sent = 0;
    for folder in ["rfc4475", "rfc5118", "kamailio_misc"] {
        sent += torture(&raw, agent.local_addr(), &sip.join(folder)).await;
    }
    assert!(sent >= 61, "only {sent} messages");
    raw.send(agent.local_addr(), &raw.request("OPTIONS", "alive", "", "")).await;
    loop {
        let response = raw.final_response().await;
        if header(&response, "Call-ID") == Some("alive") {
            assert_eq!(status(&response), 200);
            break;
        }
    }
    // A call still goes through.
    while calls.try_recv().is_ok() {}
    raw.send(agent.local_addr(), &raw.invite("alive2", "")).await;
    loop {
        let call = within(calls.recv()).await.unwrap();
        if call.sip_call_id == "alive2" {
            break;
        }
    }
}
