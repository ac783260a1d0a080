//! Plugins that keep clients where they are: `sticky-session` by a sealed cookie, `session-table` by the backends' own. Both
//! in their two hooks, for a client that is bound and for one that is new.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use http::HeaderValue;
use http::header::SET_COOKIE;
use sluice_gateway::message::{RequestHead, cookies};
use sluice_gateway::plugin::{ResponseHead, Selected, Slot};

use crate::exchange::{BATCH, Moments, answer, cookie_of, ended, request};
use crate::gateway::{Gateway, SIZES};

/// What `sticky-session` says of a client without a session.
const BIND: u64 = 1;

pub fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sessions");
    for size in SIZES {
        sticky(&mut group, size);
        table(&mut group, size);
    }
    natively(&mut group);
    group.finish();
}

fn sticky(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
    let gateway = Gateway::selecting("\"sticky-session\"", size);
    let (middle, moments) = (gateway.members().endpoints[size / 2].clone(), &mut Moments::begin());
    let mut first = answer(middle, &[]);
    gateway.slots[0].respond(&request(""), &mut first, &ended(BIND), moments.next()).unwrap();
    let bound = request(&cookie_of(&first));
    select(group, BenchmarkId::new("sticky-session select bound", size), (&gateway, moments), &bound, true);
    select(group, BenchmarkId::new("sticky-session select new", size), (&gateway, moments), &request(""), false);
    respond(group, BenchmarkId::new("sticky-session respond new", size), (&gateway, moments), BIND, &[]);
}

fn table(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
    let gateway = Gateway::selecting("\"session-table\"", size);
    let (middle, moments) = (gateway.members().endpoints[size / 2].clone(), &mut Moments::begin());
    let begins = [("set-cookie", "JSESSIONID=0A1B2C3D4E5F60718293A4B5C6D7E8F9; Path=/; HttpOnly")];
    gateway.slots[0].respond(&request(""), &mut answer(middle, &begins), &ended(0), moments.next()).unwrap();
    let bound = request("JSESSIONID=0A1B2C3D4E5F60718293A4B5C6D7E8F9");
    select(group, BenchmarkId::new("session-table select bound", size), (&gateway, moments), &bound, true);
    select(group, BenchmarkId::new("session-table select new", size), (&gateway, moments), &request(""), false);
    respond(group, BenchmarkId::new("session-table respond", size), (&gateway, moments), 0, &[]);
    respond(group, BenchmarkId::new("session-table respond new", size), (&gateway, moments), 0, &begins);
}

fn select(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    (gateway, moments): (&Gateway, &mut Moments),
    head: &Arc<RequestHead>,
    is_bound: bool,
) {
    let (slot, members) = (&gateway.slots[0], gateway.members());
    group.bench_function(id, |bencher| {
        bencher.iter(|| match slot.select(head, &members, &[], moments.next()) {
            Ok(Selected::Endpoint(endpoint, _)) if is_bound => endpoint,
            Ok(Selected::Pass(_)) if !is_bound => members.endpoints.len(),
            other => panic!("not what a client in this state gets: {other:?}"),
        });
    });
}

fn respond(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    (gateway, moments): (&Gateway, &mut Moments),
    tag: u64,
    more: &[(&'static str, &str)],
) {
    let slot: &Slot = &gateway.slots[0];
    let (members, head) = (gateway.members(), request(""));
    let middle = &members.endpoints[members.endpoints.len() / 2];
    group.bench_function(id, |bencher| {
        let answer = || answer(middle.clone(), more);
        let ask = |answer: &mut ResponseHead| slot.respond(&head, answer, &ended(tag), moments.next()).unwrap();
        bencher.iter_batched_ref(answer, ask, BATCH);
    });
}

fn natively(group: &mut BenchmarkGroup<'_, WallTime>) {
    let serving: BTreeMap<String, usize> = (0..SIZES[1]).map(|number| (format!("app-{number}"), number)).collect();
    let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, &[7; 32]).unwrap();
    let gateway = Gateway::selecting("", SIZES[1]);
    let middle = gateway.members().endpoints[SIZES[1] / 2].clone();
    let head = request(&format!("sluice={}", seal(&key, &middle.settings.id)));
    let id = |name: &str| BenchmarkId::new(format!("{name} natively"), SIZES[1]);
    group.bench_function(id("sticky-session select bound"), |bencher| {
        bencher.iter(|| serving[&open(&key, cookies::cookie(&black_box(&head).headers, "sluice").unwrap()).unwrap()]);
    });
    group.bench_function(id("sticky-session respond new"), |bencher| {
        let respond = |answer: &mut ResponseHead| {
            let token = seal(&key, &answer.endpoint.as_ref().unwrap().settings.id);
            let cookie = format!("sluice={token}; Path=/; SameSite=Lax; Secure; HttpOnly");
            answer.headers.append(SET_COOKIE, HeaderValue::try_from(cookie).unwrap());
        };
        bencher.iter_batched_ref(|| answer(middle.clone(), &[]), respond, BATCH);
    });
    let known: Mutex<HashMap<Vec<u8>, String>> = Mutex::default();
    known.lock().unwrap().insert(b"0A1B2C3D4E5F60718293A4B5C6D7E8F9".into(), "app-50".into());
    let head = request("JSESSIONID=0A1B2C3D4E5F60718293A4B5C6D7E8F9");
    group.bench_function(id("session-table select bound"), |bencher| {
        bencher.iter(|| {
            let session = cookies::cookie(&black_box(&head).headers, "JSESSIONID").unwrap();
            serving[&known.lock().unwrap()[session]]
        });
    });
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// As the gateway seals: when it ends, and what it says, padded.
fn seal(key: &RandomizedNonceKey, id: &str) -> String {
    let mut sealed = (now() + Duration::from_hours(24)).as_secs().to_be_bytes().to_vec();
    sealed.extend((id.len() as u16).to_be_bytes());
    sealed.extend(id.as_bytes());
    sealed.resize(10 + id.len().next_multiple_of(32), 0);
    let nonce = key.seal_in_place_append_tag(Aad::empty(), &mut sealed).unwrap();
    sealed.extend(nonce.as_ref());
    URL_SAFE_NO_PAD.encode(sealed)
}

fn open(key: &RandomizedNonceKey, token: &[u8]) -> Option<String> {
    let mut sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
    let nonce = Nonce::try_assume_unique_for_key(&sealed.split_off(sealed.len() - NONCE_LEN)).ok()?;
    let plain = key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
    let (ends, plain) = plain.split_first_chunk::<8>()?;
    let (length, plain) = plain.split_first_chunk::<2>()?;
    let is_alive = u64::from_be_bytes(*ends) > now().as_secs();
    let id = plain.get(..usize::from(u16::from_be_bytes(*length)))?;
    is_alive.then(|| String::from_utf8_lossy(id).into_owned())
}
