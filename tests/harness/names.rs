//! A DNS server of a test's own: it knows what it is told, over UDP and, where that is too long, over TCP.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

/// What fits into an answer over UDP without further agreement.
const UDP_BYTES: usize = 512;

/// A DNS server.
pub struct Names {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _servers: JoinSet<()>,
}

#[derive(Default)]
struct State {
    records: Vec<Record>,
    is_silent: bool,
    asked: usize,
}

/// `name` has that address for so many seconds.
pub fn address(name: &str, seconds: u32, address: IpAddr) -> Record {
    Record::from_rdata(Name::from_ascii(name).unwrap(), seconds, RData::from(address))
}

/// `name` is served at that port of `target`.
pub fn service(name: &str, seconds: u32, (priority, weight): (u16, u16), target: &str, port: u16) -> Record {
    let target = Name::from_ascii(target).unwrap();
    Record::from_rdata(Name::from_ascii(name).unwrap(), seconds, RData::SRV(SRV::new(priority, weight, port, target)))
}

impl Names {
    /// Starts one on a port of its own.
    pub async fn start(records: Vec<Record>) -> Self {
        let state = Arc::new(Mutex::new(State { records, ..State::default() }));
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = udp.local_addr().unwrap();
        let mut servers = JoinSet::new();
        // Another process may have that one; then long answers do not come, and a test that needs them fails.
        if let Ok(tcp) = TcpListener::bind(address).await {
            servers.spawn(over_tcp(tcp, state.clone()));
        }
        servers.spawn(over_udp(udp, state.clone()));
        Self { address, state, _servers: servers }
    }

    /// From now on it knows these.
    pub fn knows(&self, records: Vec<Record>) {
        self.state.lock().unwrap().records = records;
    }

    /// From now on it says nothing, or speaks again.
    pub fn is_silent(&self, is_silent: bool) {
        self.state.lock().unwrap().is_silent = is_silent;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }
}

async fn over_udp(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut bytes = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut bytes).await {
        let Some(answer) = state.lock().unwrap().answer(&bytes[..length]) else { continue };
        let whole = answer.to_vec().unwrap();
        let sent = if whole.len() > UDP_BYTES { answer.truncate().to_vec().unwrap() } else { whole };
        // The other side may have gone.
        let _ = socket.send_to(&sent, peer).await;
    }
}

async fn over_tcp(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut bytes = vec![0; length.into()];
                stream.read_exact(&mut bytes).await.ok()?;
                let answer = state.lock().unwrap().answer(&bytes)?.to_vec().unwrap();
                stream.write_u16(answer.len().try_into().unwrap()).await.ok()?;
                stream.write_all(&answer).await.ok()?;
            }
            Some(())
        });
    }
}

impl State {
    fn answer(&mut self, question: &[u8]) -> Option<Message> {
        let question = Message::from_vec(question).unwrap();
        self.asked += 1;
        if self.is_silent {
            return None;
        }
        let query = question.queries[0].clone();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.add_query(query.clone());
        let named: Vec<&Record> = self.records.iter().filter(|record| record.name == *query.name()).collect();
        if named.is_empty() {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        let wanted = named.iter().filter(|record| record.record_type() == query.query_type());
        answer.add_answers(wanted.map(|record| (*record).clone()));
        Some(answer)
    }
}
