//! Two user agents call each other over loopback.

use crate::sip_support::{config, last, media, next, pair, sdp, start, within};
use std::time::{Duration, Instant};
use tipring::sdp::{Direction, accept, answer};
use tipring::ua::{DialogEvent, EndCause, OutgoingCall, UaError};

#[tokio::test]
async fn a_call_is_answered_and_the_caller_hangs_up() {
    let mut pair = pair().await;
    let (mut ours, call) = pair.place().await;
    assert!(call.from.contains("tipring@127.0.0.1"), "{}", call.from);
    assert_eq!(call.sip_call_id, ours.id());
    assert_eq!(call.peer, pair.caller.local_addr());
    assert_eq!(call.local_ip.to_string(), "127.0.0.1");
    call.ringing().unwrap();
    assert!(matches!(next(&mut ours).await, DialogEvent::Progress { status: 180, sdp: None, .. }));
    let (text, theirs) = answer(call.offer.as_deref().unwrap(), &media(5000)).unwrap();
    let mut callee = call.accept(text).unwrap();
    let DialogEvent::Answered { sdp: Some(text) } = next(&mut ours).await else { panic!("not answered") };
    let agreed = accept(&text, &media(4000)).unwrap();
    assert_eq!((agreed.encoding.as_str(), theirs.encoding.as_str()), ("G722", "G722"));
    assert_eq!((agreed.remote.port(), theirs.remote.port()), (5000, 4000));
    assert!(matches!(next(&mut callee).await, DialogEvent::Acknowledged { sdp: None }));

    ours.hangup(Some("SIP;cause=200;text=\"Call completed\""));
    let DialogEvent::Bye { reason } = last(&mut callee).await else { panic!("no BYE") };
    assert_eq!(reason.as_deref(), Some("SIP;cause=200;text=\"Call completed\""));
    assert!(matches!(last(&mut ours).await, DialogEvent::Ended(EndCause::HungUp)));
}

#[tokio::test]
async fn the_callee_hangs_up() {
    let mut pair = pair().await;
    let (mut ours, mut theirs) = pair.up().await;
    theirs.hangup(None);
    assert!(matches!(last(&mut ours).await, DialogEvent::Bye { reason: None }));
    assert!(matches!(last(&mut theirs).await, DialogEvent::Ended(EndCause::HungUp)));
    theirs.hangup(None);
    assert!(matches!(theirs.refer("1002").await, Err(UaError::Over)));
}

#[tokio::test]
async fn dropping_a_dialog_hangs_up() {
    let mut pair = pair().await;
    let (ours, mut theirs) = pair.up().await;
    drop(ours);
    assert!(matches!(last(&mut theirs).await, DialogEvent::Bye { .. }));
}

#[tokio::test]
async fn hanging_up_before_the_peer_has_acknowledged_waits_for_it() {
    let mut pair = pair().await;
    let (mut ours, call) = pair.place().await;
    let mut theirs = call.accept(sdp(5000, Direction::SendRecv)).unwrap();
    theirs.hangup(None);
    assert!(matches!(next(&mut ours).await, DialogEvent::Answered { .. }));
    assert!(matches!(last(&mut ours).await, DialogEvent::Bye { .. }));
    assert!(matches!(next(&mut theirs).await, DialogEvent::Acknowledged { .. }));
    assert!(matches!(last(&mut theirs).await, DialogEvent::Ended(EndCause::HungUp)));
}

#[tokio::test]
async fn a_cancelled_call_ends_with_487_on_both_sides() {
    let mut pair = pair().await;
    let (mut ours, call) = pair.place().await;
    call.ringing().unwrap();
    assert!(matches!(next(&mut ours).await, DialogEvent::Progress { status: 180, .. }));
    ours.hangup(None);
    within(call.cancelled()).await;
    assert!(matches!(call.accept(sdp(5000, Direction::SendRecv)), Err(UaError::Over)));
    assert!(matches!(last(&mut ours).await, DialogEvent::Failed { status: 487, .. }));
    assert_eq!(pair.callee.admission().inside(), 0);
}

#[tokio::test]
async fn busy_and_other_refusals_carry_their_status_and_headers() {
    let mut pair = pair().await;
    let (mut ours, call) = pair.place().await;
    call.reject(486, "", &[]).unwrap();
    let DialogEvent::Failed { status, reason } = last(&mut ours).await else { panic!("not refused") };
    assert_eq!((status, reason.as_str()), (486, "Busy Here"));

    let (mut ours, call) = pair.place().await;
    let injected = ("X-Why".to_owned(), "a\r\nX: b".to_owned());
    assert!(matches!(call.reject(488, "no common codec", &[injected]), Err(UaError::Header { .. })));
    assert!(matches!(last(&mut ours).await, DialogEvent::Failed { status: 488, .. }));

    let (mut ours, call) = pair.place().await;
    drop(call);
    assert!(matches!(last(&mut ours).await, DialogEvent::Failed { status: 480, .. }));
}

#[tokio::test]
async fn hold_and_resume_reach_the_session_and_are_answered() {
    let mut pair = pair().await;
    let (ours, mut theirs) = pair.up().await;
    for (direction, expected) in
        [(Direction::SendOnly, Direction::RecvOnly), (Direction::SendRecv, Direction::SendRecv)]
    {
        let control = ours.control();
        let asked = tokio::spawn(async move { control.reinvite(sdp(4000, direction)).await });
        let DialogEvent::Reinvite { offer: Some(offer), responder } = next(&mut theirs).await else {
            panic!("no re-INVITE")
        };
        let (text, agreed) = answer(&offer, &media(5000)).unwrap();
        assert_eq!(agreed.direction, expected);
        responder.accept(text);
        let agreed = accept(&within(asked).await.unwrap().unwrap(), &media(4000)).unwrap();
        assert_eq!(agreed.direction, expected.reversed());
    }

    // The other way round, refused; the call goes on.
    let control = theirs.control();
    let asked = tokio::spawn(async move { control.reinvite(sdp(5002, Direction::SendRecv)).await });
    let mut ours = ours;
    let DialogEvent::Reinvite { responder, .. } = next(&mut ours).await else { panic!("no re-INVITE") };
    responder.reject(488);
    assert!(matches!(within(asked).await.unwrap(), Err(UaError::Refused { status: 488, .. })));
    ours.hangup(None);
    assert!(matches!(last(&mut theirs).await, DialogEvent::Bye { .. }));
}

#[tokio::test]
async fn headers_arrive_and_dangerous_ones_are_refused() {
    let mut pair = pair().await;
    let mut call = pair.call();
    call.headers = vec![("X-Lead-Id".to_owned(), "42".to_owned()), ("Subject".to_owned(), "hello".to_owned())];
    call.caller_id = Some("+15550100".to_owned());
    let _dialog = pair.caller.invite(call.clone()).await.unwrap();
    let arrived = within(pair.calls.recv()).await.unwrap();
    assert_eq!(arrived.header("x-lead-id"), Some("42"));
    assert_eq!(arrived.header("Subject"), Some("hello"));
    assert_eq!(arrived.header("Via"), None);
    assert!(arrived.from.contains("sip:+15550100@"), "{}", arrived.from);
    assert!(arrived.request_uri.starts_with("sip:1001@"), "{}", arrived.request_uri);

    call.headers = vec![("X-Lead-Id".to_owned(), "42\r\nVia: x".to_owned())];
    assert!(matches!(pair.caller.invite(call.clone()).await, Err(UaError::Header { .. })));
    call.headers = vec![("Call-ID".to_owned(), "1".to_owned())];
    assert!(matches!(pair.caller.invite(call).await, Err(UaError::Header { .. })));
}

#[tokio::test]
async fn targets_that_cannot_be_called_say_why() {
    let (agent, _calls) = start(config(&[])).await;
    let place = async |target: &str, account: Option<&str>| {
        let call = OutgoingCall {
            target: target.to_owned(),
            from_account: account.map(str::to_owned),
            ..OutgoingCall::default()
        };
        agent.invite(call).await.err().unwrap().to_string()
    };
    assert!(place("1001", None).await.contains("a number needs an account or trunk"));
    assert!(place("1001", Some("pbx")).await.contains("no account or trunk named \"pbx\""));
    assert!(place("sip:1001@nobody.invalid:5060", None).await.starts_with("cannot resolve nobody.invalid:5060"));
}

#[tokio::test]
async fn a_callee_that_does_not_respond_is_given_up() {
    let (agent, _calls) = start(config(&[])).await;
    let hole = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let begun = Instant::now();
    let call = OutgoingCall {
        target: format!("sip:x@{}", hole.local_addr().unwrap()),
        offer: sdp(4000, Direction::SendRecv),
        ..OutgoingCall::default()
    };
    let mut dialog = agent.invite(call).await.unwrap();
    let DialogEvent::Failed { status: 408, reason } = last(&mut dialog).await else { panic!("not given up") };
    assert_eq!(reason, "the callee does not respond");
    assert!(begun.elapsed() >= Duration::from_millis(1400));
}

#[tokio::test]
async fn a_taken_port_names_itself_and_the_remedy() {
    let (agent, _calls) = start(config(&[])).await;
    let mut again = config(&[]);
    again.listen = agent.local_addr();
    let (sender, _receiver) = tokio::sync::mpsc::channel(1);
    let error = tipring::ua::UserAgent::start(again, sender).await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("udp {} is taken", agent.local_addr())), "{error}");
    assert!(error.contains("set sip.listen"), "{error}");
    agent.shutdown().await;
}

#[tokio::test]
async fn a_full_house_and_a_draining_one_answer_503() {
    let mut pair = pair().await;
    pair.callee.admission().set_limit(1);
    let (ours, theirs) = pair.up().await;
    let refused = async |pair: &crate::sip_support::Pair| {
        let begun = Instant::now();
        let mut second = pair.caller.invite(pair.call()).await.unwrap();
        let end = last(&mut second).await;
        assert!(matches!(end, DialogEvent::Failed { status: 503, .. }), "{end:?}");
        begun.elapsed()
    };
    assert!(refused(&pair).await < Duration::from_millis(500));
    drop((ours, theirs));
    pair.callee.set_draining(true);
    refused(&pair).await;
    pair.callee.set_draining(false);
    pair.up().await;
}

#[tokio::test]
async fn a_shut_down_agent_gives_its_port_back() {
    let (agent, _calls) = start(config(&[])).await;
    let address = agent.local_addr();
    agent.shutdown().await;
    within(async {
        while tokio::net::UdpSocket::bind(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
