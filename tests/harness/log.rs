//! What the gateway says: its log, a JSON object a line, read as it comes, kept whole, and waited for.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::sync::watch;

use super::within;

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event(pub Value);

impl Event {
    /// What it is about: `listening`, `swap`, `exchange`, and so on.
    pub fn message(&self) -> &str {
        self.text("message")
    }

    /// A field as text; empty if it is not there.
    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// A field as a number; 0 if it is not there.
    pub fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or_default()
    }
}

/// The log of a child.
pub struct Log {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

struct Shared {
    events: Mutex<Vec<Event>>,
    /// Lines that are no JSON: a panic speaks like that.
    other: Mutex<Vec<String>>,
    count: watch::Sender<(usize, bool)>,
}

impl Log {
    /// Reads until the child closes its end.
    pub fn read(from: impl Read + Send + 'static) -> Self {
        let (count, _) = watch::channel((0, false));
        let shared = Arc::new(Shared { events: Mutex::default(), other: Mutex::default(), count });
        let reader = std::thread::spawn({
            let shared = shared.clone();
            move || {
                for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                    shared.take(&String::from_utf8_lossy(&line));
                }
                shared.count.send_modify(|(_, ended)| *ended = true);
            }
        });
        Self { shared, reader: Some(reader) }
    }

    /// All lines so far.
    pub fn events(&self) -> Vec<Event> {
        self.shared.events.lock().unwrap().clone()
    }

    /// Those that fit.
    pub fn filter(&self, message: &str, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        let events = self.shared.events.lock().unwrap();
        events.iter().filter(|event| event.message() == message && fits(event)).cloned().collect()
    }

    /// The first line that fits, now or later.
    pub async fn wait_for(&self, message: &str, fits: impl Fn(&Event) -> bool) -> Event {
        self.wait_for_all(message, 1, fits).await.remove(0)
    }

    /// That many lines that fit, now or later.
    pub async fn wait_for_all(&self, message: &str, count: usize, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut changes = self.shared.count.subscribe();
        within(&format!("{count} log lines `{message}`"), async {
            loop {
                let ended = changes.borrow_and_update().1;
                let found = self.filter(message, &fits);
                if found.len() >= count {
                    return found;
                }
                assert!(!ended, "the gateway ended without saying `{message}`:\n{}", self.tail());
                // The sender lives as long as this log.
                changes.changed().await.unwrap();
            }
        })
        .await
    }

    /// Waits for the child to close its end.
    pub fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Signs of a panic of the gateway itself. A guest's panic is a guest's line.
    pub fn panics(&self) -> Vec<String> {
        let events = self.events().into_iter().filter(|event| event.text("target") != "guest");
        let lines = events.map(|event| event.0.to_string()).chain(self.shared.other.lock().unwrap().clone());
        lines.filter(|line| line.contains("panicked at") || line.contains("host panic")).collect()
    }

    /// The last lines, for a failing test's report; access lines are left out unless they tell why.
    pub fn tail(&self) -> String {
        let quiet = |event: &Event| event.text("target") == "access" && event.text("why").is_empty();
        let events: Vec<String> = self.events().iter().filter(|event| !quiet(event)).map(|e| e.0.to_string()).collect();
        let other = self.shared.other.lock().unwrap().join("\n");
        format!("{}\n{other}", events[events.len().saturating_sub(30)..].join("\n"))
    }
}

impl Shared {
    fn take(&self, line: &str) {
        match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => self.events.lock().unwrap().push(Event(value)),
            _ => self.other.lock().unwrap().push(line.to_owned()),
        }
        self.count.send_modify(|(count, _)| *count += 1);
    }
}
