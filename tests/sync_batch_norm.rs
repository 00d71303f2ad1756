//! How the processes of the example `sync_batch_norm` find each other, and what they say where one is gone.

#[allow(dead_code, reason = "the example has the rest")]
#[path = "../examples/sync_batch_norm/parallel/mod.rs"]
mod parallel;
#[path = "../examples/sync_batch_norm/tcp.rs"]
mod tcp;

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use parallel::{Exchange, Meter, Result, Split};
use tcp::{Hub, Peer};

const TOKEN: u64 = 0x0123_4567_89ab_cdef;
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

/// What goes wrong where the second of three processes does `second`.
fn error(timeout: Duration, second: fn(Peer)) -> String {
    let (listener, address) = listener();
    let connect = move |rank| Peer::connect(&address, rank, 3, TOKEN, LONG).expect("the first process");
    let connect_first = connect.clone();
    thread::spawn(move || second(connect_first(1)));
    thread::spawn(move || connect(2).gather(&[2.0]).map(drop).map_err(|e| e.to_string()));
    let mut hub = Hub::accept(&listener, 3, TOKEN, LONG, || Ok(())).expect("all");
    if timeout == SHORT {
        hub.set_timeout(SHORT).expect("a timeout");
    }
    hub.gather(&[0.0]).expect_err("one is gone").to_string()
}

#[test]
fn tables_arrive_in_the_order_of_ranks() {
    let (listener, address) = listener();
    let own = |rank: usize| (0..2 * rank).map(|i| rank as f32 + 0.5 * i as f32).collect::<Vec<_>>();
    let expected: Vec<Vec<f32>> = (0..4).map(own).collect();
    let threads: Vec<_> = [3, 1, 2]
        .map(|rank| {
            let (address, own, expected) = (address.clone(), own(rank), expected.clone());
            thread::spawn(move || {
                let mut peer = Peer::connect(&address, rank, 4, TOKEN, LONG).expect("the first process");
                for _ in 0..3 {
                    assert_eq!(peer.gather(&own).expect("tables"), expected);
                }
            })
        })
        .into();
    // A stranger is not counted, whatever it says.
    TcpStream::connect(&address).expect("the port").write_all(&[7; 12]).expect("a greeting");
    let mut hub = Hub::accept(&listener, 4, TOKEN, LONG, || Ok(())).expect("all");
    for _ in 0..3 {
        assert_eq!(hub.gather(&own(0)).expect("tables"), expected);
    }
    threads.into_iter().for_each(|thread| thread.join().expect("a process"));
}

#[test]
fn a_process_that_ends_or_is_silent_ends_the_run() {
    assert_eq!(error(LONG, drop), "process 1 has ended");
    assert_eq!(error(SHORT, |_peer| thread::sleep(LONG)), "process 1 does not answer");
}

#[test]
fn a_process_that_never_comes_ends_the_run() {
    let missing = Hub::accept(&listener().0, 2, TOKEN, SHORT, || Ok(())).map(drop).expect_err("nobody came");
    assert_eq!(missing.to_string(), "process 1 has not connected after 300ms");
    let ended = Hub::accept(&listener().0, 2, TOKEN, LONG, || Err("process 1 has ended early".into()));
    assert_eq!(ended.map(drop).expect_err("it has ended").to_string(), "process 1 has ended early");
    let (listener, address) = listener();
    let _far = Peer::connect(&address, 7, 2, TOKEN, LONG).expect("the port");
    let far = Hub::accept(&listener, 2, TOKEN, LONG, || Ok(())).map(drop).expect_err("a rank too many");
    assert_eq!(far.to_string(), "process 7 of 2 has connected");
}

/// A process among others that send what it sends, or other bits.
struct Echo(f32);

impl Exchange for Echo {
    fn rank(&self) -> usize {
        0
    }

    fn processes(&self) -> usize {
        2
    }

    fn gather(&mut self, own: &[f32]) -> Result<Vec<Vec<f32>>> {
        Ok(vec![own.to_vec(), own.iter().map(|x| x * self.0).collect()])
    }
}

#[test]
fn tables_of_several_layers_go_in_one_exchange() {
    let mut echo = Echo(10.0);
    let mut meter = Meter::new(&mut echo);
    let tables = meter.gather_tables(&[vec![1.0, 2.0], vec![3.0]]).expect("tables");
    assert_eq!(tables, [vec![1.0, 2.0, 10.0, 20.0], vec![3.0, 30.0]]);
    assert_eq!((meter.exchanges, meter.bytes), (1, 12));
    let apart = meter.hold_alike("weights", &[1.0]).expect_err("they differ");
    assert_eq!(apart.to_string(), "weights of processes 0 and 1 differ");
    assert!(Meter::new(&mut Echo(1.0)).hold_alike("weights", &[1.0, -0.0]).is_ok());
}

#[test]
fn splits_have_all_samples() {
    for processes in 1..9 {
        for split in Split::ALL {
            let parts = split.of(24, processes);
            assert_eq!((parts.len(), parts.iter().sum()), (processes, 24_usize), "{processes}");
        }
    }
    assert_eq!(Split::Even.of(12, 4), [3, 3, 3, 3]);
    assert_eq!(Split::Uneven.of(12, 4), [1, 2, 4, 5]);
    assert_eq!(Split::Empty.of(12, 4), [0, 4, 4, 4]);
}
