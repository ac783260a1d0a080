//! The promises, end to end: each file is a subject, each test a promise with its name. They run the real program as a
//! child, between real clients and real backends; `harness` has what they share, `guests` the components that
//! misbehave.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]
#![allow(clippy::print_stderr, reason = "what a failing test tells goes to its reader")]
#![allow(unreachable_pub, missing_docs, reason = "nothing here is anybody's library")]

mod harness;

mod admin; // operators come in from this machine only
mod admin_access; // who may ask and order
mod admin_api; // operators see upstreams and drain endpoints
mod admin_orders; // they reload, swap, roll back, take plugins out, and follow events
mod author; // what authors of plugins are told
mod bad_configurations; // a bad configuration changes nothing
mod bad_files; // a bad plugin file changes nothing
#[cfg(target_os = "linux")]
mod bad_lines; // packets are lost, and nothing else

mod balancing; // each way to choose an endpoint keeps its figures
mod bandwidth; // the fewest bytes a second
mod check; // everything that is wrong is told at once, at its place
mod chunks; // a chunked body that breaks the rules is the client's fault
#[cfg(target_os = "linux")]
mod clock; // the time of day jumps
mod commands; // arguments, exit codes, the demo
mod contract; // wit/ is as recorded, and the default plugins keep to it
mod contract_page; // docs/contract.md says what wit/ says
mod crowds; // too many clients
mod dashboard; // the page for operators is served whole, and asks nobody else
mod dead_processes; // backends that are killed or stopped
mod deadlines; // nothing waits for ever
mod dev; // an author saves, and what is good serves
mod discipline; // plugins that fail, take too much, or grow
mod disconnects; // clients that leave leave nothing behind
mod discovery; // endpoints that come and go
mod documents; // what the documents show is true
mod drain; // SIGTERM answers all that was accepted
mod duties; // what an intermediary owes to both sides
mod ejection; // endpoints that fail are taken out, never too many, and come back
mod endpoint_h2; // HTTP/2 to endpoints
mod endpoint_streams; // its streams
mod endpoint_tls; // TLS to endpoints
mod endpoints; // who may be chosen, retry, ejection, the pool
mod errors; // causes become statuses by one map
mod explain; // why a request went where it went
mod explained; // recorded exchanges are decided alike, whenever
mod extended_connect; // WebSocket over HTTP/2
mod failover; // who takes over when those that come first cannot
mod faults; // backends that fail, by the bytes that they fail by
mod floods; // clients that ask for more work than they bring
mod forwarding; // what happens to messages that pass
mod framing; // where a message ends, nobody sees differently
mod health; // endpoints are asked whether they may be used
mod honoured; // a plugin gets what it asks for
mod hostile; // plugins that mean harm
mod house; // the house is as its map says
mod instances; // one instance of a use on each worker
mod interim; // answers before the answer, and bodies that wait to be asked for
mod large_heads; // what is large is refused at its limit
mod limits; // what a route takes of each client
mod malformed_streams; // what is no request of HTTP/2
mod metrics; // operators are told figures, and they are right
mod misbehaviour; // plugins that misbehave hurt themselves
mod mutual_tls; // clients with certificates
mod openapi; // the admin API answers as its document says
mod outputs; // a log that cannot be written harms nobody
mod overload; // who waits before an upstream that is full
mod parts; // figures of endpoints, listeners and plugins
mod policies; // the plugins that route and edit
mod proxy_protocol; // who the client is, said in front of the first byte
mod redirect; // a listener that sends everybody to HTTPS
mod reference; // docs/configuration.md says what the schema says
mod rehearsed; // where a request would go: sluice explain
mod reload; // the configuration is read again under load
mod renewal; // certificates and keys are replaced under load
mod replicas; // gateways that do not know of each other decide alike
mod reported; // load that endpoints report of themselves
mod retries; // what is sent once more, and how often
mod routes; // which route takes a request
mod schema; // editors know the keys, those of plugins too
mod session_table; // sessions of the backends themselves
mod simulator; // sluice simulate: theory, determinism, mistakes
mod slow_clients; // slow heads, bodies and readers
mod slow_start; // endpoints that join or come back begin with little
mod sticky; // sessions
mod strange_handshakes; // what comes instead of one
mod strangers; // what strangers write into fields
mod streaming; // bodies stream past
mod supervisor; // sockets from systemd, and what it is told
mod swap; // plugins are replaced under load
mod take_over; // a gateway in place of one that runs
mod targets; // one host and one path for routes, plugins and origins
mod tls; // certificates, protocols, resumption, handshakes
mod told_client; // PROXY protocol to endpoints
mod tools; // curl, openssl, h2load
mod traces; // what a collector of traces is told
mod traces_lost; // how it is reached, and what becomes of what it does not take
mod upgrades; // WebSocket and other protocols after HTTP
mod zero_loss; // every request is answered once, whatever happens to the gateway meanwhile
