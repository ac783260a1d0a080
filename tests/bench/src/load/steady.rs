//! A fixed rate over kept connections. A request's time begins when it is due, whether or not a connection is free to
//! send it: a proxy that stalls for a while is not asked less for it. Of the bench's own, since wrk has no rate, and
//! h2load's counts from the sending, in bursts of ten milliseconds.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::thread::set_current_timer_slack;

use super::answer::Head;
use super::wire::connect;
use super::{Outcome, Target};
use crate::case::IN_FLIGHT;

/// A load that takes this much longer than it should is more than the proxy can do.
const LATE: f64 = 1.1;

/// One client on its connection.
struct Client {
    stream: TcpStream,
    /// When the request in flight was due.
    due: Instant,
    buffer: Vec<u8>,
    filled: usize,
}

/// Sends so many requests per second for that time. Without `p50` and `p99` if the proxy cannot keep up.
pub(crate) fn steady(target: &Target, rate: f64, time: Duration) -> Result<Outcome> {
    // Else the kernel may wake us fifty microseconds late, and we would call that latency.
    set_current_timer_slack(NonZeroU64::new(1))?;
    let (request, total) = (target.request(), (rate * time.as_secs_f64()) as usize);
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut clients = clients(target, &epoll)?;
    let mut free: VecDeque<usize> = (0..clients.len()).collect();
    let (mut times, mut sent) = (Vec::with_capacity(total), 0);
    let mut events = Vec::with_capacity(IN_FLIGHT);
    let begin = Instant::now();
    let due = |number: usize| begin + Duration::from_secs_f64(number as f64 / rate);
    while times.len() < total && begin.elapsed() < time.mul_f64(LATE) {
        while sent < total && due(sent) <= Instant::now() {
            let Some(number) = free.pop_front() else { break };
            clients[number].send(&request, due(sent))?;
            sent += 1;
        }
        // Until the next request is due, if somebody is free to send it.
        let next =
            if free.is_empty() || sent == total { time } else { due(sent).saturating_duration_since(Instant::now()) };
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&timespec(next)))?;
        for event in &events {
            let number = event.data.u64() as usize;
            if clients[number].receive(target.answer)? {
                times.push(clients[number].due.elapsed().as_micros() as u64);
                free.push_back(number);
            }
        }
    }
    let kept_up = times.len() == total;
    let outcome = Outcome::of(times, begin.elapsed().as_secs_f64());
    Ok(if kept_up { outcome } else { Outcome { p50: None, p99: None, ..outcome } })
}

fn clients(target: &Target, epoll: &OwnedFd) -> Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(IN_FLIGHT);
    for number in 0..IN_FLIGHT {
        let stream = connect(target.address)?;
        stream.set_nonblocking(true)?;
        epoll::add(epoll, &stream, EventData::new_u64(number as u64), EventFlags::IN)?;
        clients.push(Client { stream, due: Instant::now(), buffer: vec![0; 4 << 10], filled: 0 });
    }
    Ok(clients)
}

impl Client {
    fn send(&mut self, request: &[u8], due: Instant) -> Result<()> {
        self.due = due;
        // Small, on a connection on which nothing waits: it goes at once or never.
        self.stream.write_all(request).context("cannot send a request")
    }

    /// Takes what has come; true if that completes the answer.
    fn receive(&mut self, length: u64) -> Result<bool> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("the connection was closed"),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("no answer"),
        }
        let Some(head) = Head::parse(&self.buffer[..self.filled])? else { return Ok(false) };
        if (head.status, head.body) != (200, length) {
            bail!("the answer is {} with {} bytes, not 200 with {length}", head.status, head.body);
        }
        let is_complete = self.filled as u64 >= head.bytes as u64 + head.body;
        if is_complete {
            self.filled = 0;
        }
        Ok(is_complete)
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) }
}
