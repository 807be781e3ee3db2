use super::*;
use std::sync::mpsc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// Holds the pool's only thread until the returned sender is dropped.
fn hold(pool: &Pool) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel();
    let job = Box::new(move || {
        started.send(()).unwrap();
        let _ = held.recv();
    });
    pool.submit(Instant::now(), job).unwrap();
    running.recv_timeout(SOON).unwrap();
    release
}

struct Counter {
    slices: u32,
    order: mpsc::Sender<&'static str>,
    name: &'static str,
}
impl Slices for Counter {
    fn slice(&mut self) -> Next {
        self.slices -= 1;
        self.order.send(self.name).unwrap();
        if self.slices == 0 { Next::Idle } else { Next::Again(Instant::now() + SOON) }
    }
}

#[test]
fn the_earliest_deadline_runs_first() {
    let pool = Pool::start("test", 1).unwrap();
    let release = hold(&pool);
    let (order, seen) = mpsc::channel();
    let now = Instant::now();
    for (name, ms) in [("c", 300), ("a", 100), ("b", 200), ("b2", 200)] {
        let order = order.clone();
        pool.submit(now + Duration::from_millis(ms), Box::new(move || order.send(name).unwrap())).unwrap();
    }
    assert_eq!(pool.backlog(), 4);
    drop((release, order));
    assert_eq!(seen.iter().collect::<Vec<_>>(), ["a", "b", "b2", "c"]);
}

#[test]
fn a_full_queue_refuses_and_recovers() {
    let pool = Pool::with_bounds("small", 1, 2, 1).unwrap();
    let release = hold(&pool);
    let (done, seen) = mpsc::channel();
    for _ in 0..2 {
        let done = done.clone();
        pool.submit(Instant::now(), Box::new(move || done.send(()).unwrap())).unwrap();
    }
    let refused = pool.submit(Instant::now(), Box::new(|| ()));
    assert!(matches!(refused, Err(EngineError::Overloaded { engine }) if engine == "small"));
    drop(release);
    seen.recv_timeout(SOON).unwrap();
    seen.recv_timeout(SOON).unwrap();
    pool.submit(Instant::now(), Box::new(|| ())).unwrap();
}

#[test]
fn streams_share_a_thread_slice_by_slice_and_a_flush_overtakes() {
    let pool = Pool::start("test", 1).unwrap();
    let release = hold(&pool);
    let (order, seen) = mpsc::channel();
    let stream = |name, slices| pool.register(Box::new(Counter { slices, order: order.clone(), name })).unwrap();
    let (long, flushed) = (stream("long", 3), stream("flushed", 1));
    let now = Instant::now();
    long.wake(now + Duration::from_millis(100));
    flushed.wake(now + Duration::from_secs(60));
    flushed.wake(now);
    drop(release);
    let heard: Vec<_> = (0..4).map(|_| seen.recv_timeout(SOON).unwrap()).collect();
    assert_eq!(heard, ["flushed", "long", "long", "long"]);
}

#[test]
fn a_stream_woken_while_it_runs_runs_again() {
    struct Waits(mpsc::Receiver<()>, mpsc::Sender<()>);
    impl Slices for Waits {
        fn slice(&mut self) -> Next {
            self.1.send(()).unwrap();
            self.0.recv_timeout(SOON).unwrap();
            Next::Idle
        }
    }
    let pool = Pool::start("test", 2).unwrap();
    let (go, wait) = mpsc::channel();
    let (ran, seen) = mpsc::channel();
    let stream = pool.register(Box::new(Waits(wait, ran))).unwrap();
    stream.wake(Instant::now());
    seen.recv_timeout(SOON).unwrap();
    stream.wake(Instant::now());
    stream.wake(Instant::now());
    go.send(()).unwrap();
    seen.recv_timeout(SOON).unwrap();
    go.send(()).unwrap();
    assert!(seen.recv_timeout(Duration::from_millis(50)).is_err(), "woken twice while it ran is one more slice");
}

#[test]
fn places_for_streams_are_bounded_and_given_back() {
    let pool = Pool::with_bounds("test", 1, 8, 1).unwrap();
    let (order, _seen) = mpsc::channel();
    let work = || Box::new(Counter { slices: 1, order: order.clone(), name: "x" });
    let first = pool.register(work()).unwrap();
    assert!(matches!(pool.register(work()), Err(EngineError::Overloaded { .. })));
    drop(first);
    pool.register(work()).unwrap();
}

#[test]
fn a_panicking_job_or_stream_does_not_take_the_thread_with_it() {
    struct Dies;
    impl Slices for Dies {
        fn slice(&mut self) -> Next {
            panic!("expected by the test")
        }
    }
    let pool = Pool::start("test", 1).unwrap();
    let stream = pool.register(Box::new(Dies)).unwrap();
    stream.wake(Instant::now());
    pool.submit(Instant::now(), Box::new(|| panic!("expected by the test"))).unwrap();
    let (done, seen) = mpsc::channel();
    pool.submit(Instant::now() + SOON, Box::new(move || done.send(()).unwrap())).unwrap();
    seen.recv_timeout(SOON).unwrap();
}

#[test]
fn dropping_the_pool_ends_its_threads_and_drops_what_waits() {
    let pool = Pool::start("test", 1).unwrap();
    let release = hold(&pool);
    let token = Arc::new(());
    let kept = Arc::clone(&token);
    pool.submit(Instant::now(), Box::new(move || drop(kept))).unwrap();
    drop(release);
    drop(pool);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn a_job_may_hold_the_last_clone_of_its_pool() {
    let pool = Pool::start("test", 1).unwrap();
    let (done, seen) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let last = pool.clone();
    let job = Box::new(move || {
        wait.recv_timeout(SOON).unwrap();
        drop(last);
        done.send(()).unwrap();
    });
    pool.submit(Instant::now(), job).unwrap();
    drop(pool);
    go.send(()).unwrap();
    seen.recv_timeout(SOON).unwrap();
}
