//! A fixed rate over kept connections, in bursts a thousand times a second. A request's time begins when it is due,
//! whether or not a connection is free to send it: a proxy that stalls for a while is not asked less for it. Of the
//! bench's own, since wrk has no rate, and h2load counts from the sending, in bursts of ten milliseconds.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::thread::set_current_timer_slack;

use super::answer::Head;
use super::wire::connect;
use super::{Outcome, Target};
use crate::case::IN_FLIGHT;

/// Between two bursts. Requests that came one by one would cost origin and load so much that their core were what is
/// measured.
const BURST: Duration = Duration::from_millis(1);

/// A load that takes this much longer than it should is more than the proxy can do.
const LATE: f64 = 1.1;

/// A gap in what the load itself does, that is not of its own making: its core was not to be had, or the machine stood
/// still.
const GAP: Duration = Duration::from_millis(1);

/// When requests are due.
struct Schedule {
    begin: Instant,
    rate: f64,
    /// Time that does not count, by which all has moved.
    lost: Duration,
}

/// One client on its connection.
struct Client {
    stream: TcpStream,
    /// When the request in flight was due.
    due: Instant,
    buffer: Vec<u8>,
    filled: usize,
}

/// The clients, and who of them is free.
struct Clients {
    epoll: OwnedFd,
    all: Vec<Client>,
    free: VecDeque<usize>,
    /// What came last.
    events: Vec<Event>,
}

/// Sends so many requests per second for that time. Without `p50` and `p99` if the proxy cannot keep up.
pub(crate) fn steady(target: &Target, rate: f64, time: Duration) -> Result<Outcome> {
    // Else the kernel may wake us fifty microseconds late, and we would call that latency.
    set_current_timer_slack(NonZeroU64::new(1))?;
    let (request, total) = (target.request(), (rate * time.as_secs_f64()) as usize);
    let mut clients = Clients::connect(target)?;
    let (mut times, mut sent) = (Vec::with_capacity(total), 0);
    let mut schedule = Schedule { begin: Instant::now(), rate, lost: Duration::ZERO };
    let mut awake = schedule.begin;
    while times.len() < total && schedule.begin.elapsed() < time.mul_f64(LATE) {
        while sent < total && schedule.due(sent) <= Instant::now() {
            let Some(number) = clients.free.pop_front() else { break };
            clients.all[number].send(&request, schedule.due(sent))?;
            sent += 1;
        }
        let asleep = Instant::now();
        // Until the next request is due, if somebody is free to send it. If nobody is, it is the proxy that we wait for.
        let is_for_us = sent < total && !clients.free.is_empty();
        let sleep = if is_for_us { schedule.due(sent).saturating_duration_since(asleep) } else { time };
        clients.wait(sleep)?;
        let gap = gap(asleep - awake) + gap(asleep.elapsed().saturating_sub(sleep));
        if !gap.is_zero() {
            schedule.lose(gap);
            clients.all.iter_mut().for_each(|client| client.due += gap);
        }
        awake = Instant::now();
        clients.receive(target.answer, &mut times)?;
    }
    let kept_up = times.len() == total;
    let outcome =
        Outcome { lost: schedule.lost.as_secs_f64(), ..Outcome::of(times, schedule.begin.elapsed().as_secs_f64()) };
    Ok(if kept_up { outcome } else { Outcome { p50: None, p99: None, ..outcome } })
}

fn gap(duration: Duration) -> Duration {
    if duration > GAP { duration } else { Duration::ZERO }
}

impl Schedule {
    /// When the request of that number is due: in the burst that it belongs to.
    fn due(&self, number: usize) -> Instant {
        let burst = number as f64 / (self.rate * BURST.as_secs_f64());
        self.begin + BURST.mul_f64(burst.floor())
    }

    /// All that is to come is due later.
    fn lose(&mut self, gap: Duration) {
        self.begin += gap;
        self.lost += gap;
    }
}

impl Clients {
    fn connect(target: &Target) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut all = Vec::with_capacity(IN_FLIGHT);
        for number in 0..IN_FLIGHT {
            let stream = connect(target.address)?;
            stream.set_nonblocking(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(number as u64), EventFlags::IN)?;
            all.push(Client { stream, due: Instant::now(), buffer: vec![0; 4 << 10], filled: 0 });
        }
        Ok(Self { epoll, free: (0..all.len()).collect(), all, events: Vec::with_capacity(IN_FLIGHT) })
    }

    /// Until something comes, or for that time.
    fn wait(&mut self, time: Duration) -> Result<()> {
        let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
        self.events.clear();
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&time))?;
        Ok(())
    }

    /// Takes what has come, and the times of the answers that are complete with it.
    fn receive(&mut self, length: u64, times: &mut Vec<u64>) -> Result<()> {
        for event in &self.events {
            let number = event.data.u64() as usize;
            if self.all[number].receive(length)? {
                times.push(self.all[number].due.elapsed().as_micros() as u64);
                self.free.push_back(number);
            }
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_in_bursts_that_lost_time_moves() {
        let begin = Instant::now();
        let mut schedule = Schedule { begin, rate: 2_000.0, lost: Duration::ZERO };
        let due = |schedule: &Schedule| [0, 1, 2, 3, 8_000].map(|number| (schedule.due(number) - begin).as_millis());
        assert_eq!(due(&schedule), [0, 0, 1, 1, 4_000]);
        schedule.lose(Duration::from_millis(2));
        assert_eq!(due(&schedule), [2, 2, 3, 3, 4_002]);
        assert_eq!(schedule.lost, Duration::from_millis(2));
    }

    #[test]
    fn only_long_gaps_are_gaps() {
        assert_eq!(gap(Duration::from_micros(900)), Duration::ZERO);
        assert_eq!(gap(Duration::from_millis(3)), Duration::from_millis(3));
    }
}
