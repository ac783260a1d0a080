//! Tries to get out: a file, a socket, a name, the environment. It prints what came of it.

use std::net::{TcpListener, TcpStream, ToSocketAddrs};

sluice_guests::misbehaves!(open);

fn open() {
    println!("file: {}", outcome(std::fs::File::open("/etc/passwd")));
    println!("folder: {}", outcome(std::fs::read_dir("/")));
    println!("written: {}", outcome(std::fs::write("/tmp/sluice-guest", "x")));
    println!("connected: {}", outcome(TcpStream::connect("127.0.0.1:80")));
    println!("listening: {}", outcome(TcpListener::bind("127.0.0.1:0")));
    println!("resolved: {}", outcome("localhost:80".to_socket_addrs()));
    println!("environment: {} variables, {} arguments", std::env::vars().count(), std::env::args().count());
}

fn outcome<T>(result: std::io::Result<T>) -> &'static str {
    if result.is_ok() { "open" } else { "denied" }
}
