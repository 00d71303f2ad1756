//! Tables between processes over loopback TCP, by way of the first process. A message is the number of its elements,
//! u32, and the elements, all little-endian.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::parallel::{Exchange, Result};

/// The most elements of a message.
const MOST: usize = 1 << 28;

/// The first process, to which all others are connected.
pub struct Hub {
    /// Those of processes 1, 2 and so on.
    streams: Vec<TcpStream>,
}

/// Another process.
pub struct Peer {
    rank: usize,
    processes: usize,
    stream: TcpStream,
}

impl Hub {
    /// Waits for processes 1 to `processes - 1`, each of which says `token`. `check` runs while it waits, and fails if
    /// one of them has ended.
    pub fn accept(
        listener: &TcpListener,
        processes: usize,
        token: u64,
        timeout: Duration,
        mut check: impl FnMut() -> Result<()>,
    ) -> Result<Self> {
        let deadline = Instant::now() + timeout;
        let mut streams: Vec<Option<TcpStream>> = (1..processes).map(|_| None).collect();
        listener.set_nonblocking(true)?;
        while streams.iter().any(Option::is_none) {
            match listener.accept() {
                Ok((stream, _)) => {
                    if let Some((rank, stream)) = greeted(stream, token, deadline)? {
                        let place = rank.checked_sub(1).and_then(|i| streams.get_mut(i));
                        *place.ok_or_else(|| format!("process {rank} of {processes} has connected"))? = Some(stream);
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    check()?;
                    if Instant::now() > deadline {
                        let missing = streams.iter().position(Option::is_none).map_or(0, |i| i + 1);
                        return Err(format!("process {missing} has not connected after {timeout:?}").into());
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                Err(e) => return Err(e.into()),
            }
        }
        let streams: Vec<TcpStream> = streams.into_iter().flatten().collect();
        let hub = Self { streams };
        hub.set_timeout(timeout)?;
        Ok(hub)
    }

    /// Sets how long this process waits for one of the others.
    pub fn set_timeout(&self, timeout: Duration) -> Result<()> {
        self.streams.iter().try_for_each(|stream| prepare(stream, timeout))
    }
}

/// The rank of a process that has connected, unless it is none of this run.
fn greeted(mut stream: TcpStream, token: u64, deadline: Instant) -> Result<Option<(usize, TcpStream)>> {
    stream.set_nonblocking(false)?;
    // A stranger that says nothing must not hold up the run.
    let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(5));
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    let mut greeting = [0; 12];
    if stream.read_exact(&mut greeting).is_err() || greeting[..8] != token.to_le_bytes() {
        return Ok(None);
    }
    let [.., a, b, c, d] = greeting;
    Ok(Some((u32::from_le_bytes([a, b, c, d]) as usize, stream)))
}

impl Peer {
    /// Connects to the first process.
    pub fn connect(address: &str, rank: usize, processes: usize, token: u64, timeout: Duration) -> Result<Self> {
        let mut stream = TcpStream::connect(address).map_err(|e| format!("process 0 at {address}: {e}"))?;
        prepare(&stream, timeout)?;
        stream.write_all(&token.to_le_bytes())?;
        stream.write_all(&(rank as u32).to_le_bytes())?;
        Ok(Self { rank, processes, stream })
    }
}

fn prepare(stream: &TcpStream, timeout: Duration) -> Result<()> {
    // Small tables do not wait for more.
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(())
}

impl Exchange for Hub {
    fn rank(&self) -> usize {
        0
    }

    fn processes(&self) -> usize {
        1 + self.streams.len()
    }

    fn gather(&mut self, own: &[f32]) -> Result<Vec<Vec<f32>>> {
        let mut all = vec![own.to_vec()];
        for (i, stream) in self.streams.iter_mut().enumerate() {
            all.push(receive(stream, i + 1)?);
        }
        let message: Vec<u8> = all.iter().flat_map(|table| encoded(table)).collect();
        for (i, stream) in self.streams.iter_mut().enumerate() {
            stream.write_all(&message).map_err(|e| lost(i + 1, &e))?;
        }
        Ok(all)
    }
}

impl Exchange for Peer {
    fn rank(&self) -> usize {
        self.rank
    }

    fn processes(&self) -> usize {
        self.processes
    }

    fn gather(&mut self, own: &[f32]) -> Result<Vec<Vec<f32>>> {
        self.stream.write_all(&encoded(own)).map_err(|e| lost(0, &e))?;
        (0..self.processes).map(|_| receive(&mut self.stream, 0)).collect()
    }
}

fn encoded(table: &[f32]) -> Vec<u8> {
    let len = (table.len() as u32).to_le_bytes();
    len.into_iter().chain(table.iter().flat_map(|x| x.to_le_bytes())).collect()
}

/// A message. `from`: the process at the other end.
fn receive(stream: &mut TcpStream, from: usize) -> Result<Vec<f32>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).map_err(|e| lost(from, &e))?;
    let len = u32::from_le_bytes(len) as usize;
    if len > MOST {
        return Err(format!("process {from} sends {len} elements, at most {MOST} are expected").into());
    }
    let mut bytes = vec![0; 4 * len];
    stream.read_exact(&mut bytes).map_err(|e| lost(from, &e))?;
    Ok(bytes.chunks_exact(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect())
}

fn lost(process: usize, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("process {process} does not answer"),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            format!("process {process} has ended")
        }
        _ => format!("process {process}: {error}"),
    }
}
