//! A network of the test's own, whose line it can make bad: packets are lost, few bytes pass, or none. It needs root, `ip`, `tc` and
//! `nft`; where one of them is missing, the test is left out, and that is said.

use std::future::Future;
use std::process::Command;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Everything in it talks over the loopback device.
pub struct Network(());

impl Network {
    /// Runs a test in a network of its own: on a thread of its own, since it is the thread that changes its network; what is
    /// started there is in it too.
    pub fn run<F: Future<Output = ()>>(test: impl FnOnce(Self) -> F + Send + 'static) {
        let thread = std::thread::spawn(move || {
            // SAFETY: the network of a thread has nothing to do with its memory or its descriptors.
            if let Err(error) = unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
                eprintln!("no network of its own ({error}): not tried");
                return;
            }
            let network = Self(());
            // As on an Ethernet; in larger packets there are too few to lose.
            let begun = ["ip link set lo up mtu 1500", "nft add table inet line"];
            let chain = "nft add chain inet line out { type filter hook output priority 0 ; }";
            if !begun.into_iter().chain([chain]).all(|command| network.order(command)) {
                return;
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(test(network));
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }

    /// Loses one packet in `one_in`, either way.
    pub fn loses(&self, one_in: u32) {
        self.must(&format!("nft add rule inet line out numgen random mod {one_in} == 0 counter drop"));
    }

    /// How many it has lost.
    pub fn lost(&self) -> u64 {
        let listed = Command::new("nft").args(["list", "chain", "inet", "line", "out"]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let counts = listed.split("counter packets ").skip(1);
        counts.map(|rest| rest.split(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Lets nothing pass to and from these ports.
    pub fn cuts(&self, ports: &[u16]) {
        let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        self.must(&format!("nft add rule inet line out tcp dport {{ {ports} }} counter drop"));
        self.must(&format!("nft add rule inet line out tcp sport {{ {ports} }} counter drop"));
    }

    /// Loses nothing any more.
    pub fn heals(&self) {
        self.must("nft flush chain inet line out");
    }

    /// Lets so much pass: `1mbit`.
    pub fn narrows(&self, rate: &str) {
        self.must(&format!("tc qdisc replace dev lo root tbf rate {rate} burst 16kb latency 200ms"));
    }

    fn must(&self, command: &str) {
        assert!(self.order(command), "{command}");
    }

    /// False if it cannot be had; said then.
    fn order(&self, command: &str) -> bool {
        let mut words = command.split_whitespace();
        let mut program = Command::new(words.next().unwrap());
        match program.args(words).output() {
            Ok(output) if output.status.success() => true,
            Ok(output) => {
                eprintln!("{command}: {}: not tried", String::from_utf8_lossy(&output.stderr).trim());
                false
            }
            Err(error) => {
                eprintln!("{command}: {error}: not tried");
                false
            }
        }
    }
}
