//! Certificates of clients: who is let in, what is said of them, and what becomes of their tickets.

use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::SupportedProtocolVersion;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::config::model::{ClientCertificates, ClientFact};

/// Somebody who signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let pem = parameters.self_signed(&key).expect("a certificate").pem();
    Authority { issuer: Issuer::new(parameters, key), pem }
}

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn signed(authority: &Authority, parameters: &CertificateParams) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let certificate = parameters.signed_by(&key, &authority.issuer).expect("a certificate");
    (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
}

fn parameters(common_name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters
}

/// A listener with mutual TLS, whose authority is in the file `ca`.
struct Site {
    folder: TempDir,
    settings: model::Tls,
}

impl Site {
    fn new(authority: &Authority, required: bool) -> Self {
        let (folder, certificates) = folder(&[&["a.example"]]);
        let facts = [ClientFact::Subject, ClientFact::Names, ClientFact::Sha256, ClientFact::Certificate];
        let headers = ["x-subject", "x-names", "x-sha256", "client-cert"].map(str::to_owned).into_iter().zip(facts);
        let clients = ClientCertificates { ca: folder.path().join("ca"), required, headers: headers.collect() };
        let site = Self { settings: model::Tls { certificates, clients: Some(clients) }, folder };
        site.believe(&authority.pem);
        site
    }

    fn believe(&self, ca: &str) {
        std::fs::write(self.folder.path().join("ca"), ca).expect("written");
    }

    fn load(&self, before: Option<&Arc<Server>>) -> Arc<Server> {
        Server::load(&self.settings, true, true, before).expect("a server")
    }

    fn client(&self, version: &'static SupportedProtocolVersion, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(own(&self.settings.certificates[0])).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .expect("versions")
            .with_root_certificates(roots);
        Arc::new(match identity {
            Some((certificate, key)) => {
                builder.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).expect("an identity")
            }
            None => builder.with_no_client_auth(),
        })
    }
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

#[test]
fn clients_are_let_in_by_their_authority() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let known = signed(&ours, &parameters("known"));
    let foreign = signed(&theirs, &parameters("known"));
    let mut past = parameters("past");
    (past.not_before, past.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let past = signed(&ours, &past);
    for version in VERSIONS {
        for required in [true, false] {
            let site = Site::new(&ours, required);
            let server = site.load(None);
            let let_in = |identity| shake(&server, &site.client(version, identity), "a.example").is_ok();
            let found = [Some(&known), Some(&foreign), Some(&past), None].map(let_in);
            assert_eq!(found, [true, false, false, !required], "{version:?} {required}");
        }
    }
}

/// What became of a handshake.
fn kind(server: &Server, client: &Arc<ClientConfig>) -> Option<HandshakeKind> {
    shake(server, client, "a.example").ok().map(|client| client.handshake_kind().expect("a kind"))
}

#[test]
fn no_ticket_goes_around_a_new_authority() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let known = signed(&ours, &parameters("known"));
    for version in VERSIONS {
        let site = Site::new(&ours, true);
        let server = site.load(None);
        let client = site.client(version, Some(&known));
        let kind = |server: &Server| kind(server, &client);
        assert_eq!([kind(&server), kind(&server)], [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
        let also = site.load(None);
        assert_eq!(kind(&also), Some(HandshakeKind::Full), "a ticket is good for one listener only");

        // Both authorities: the certificate is as good as before, and the ticket is not.
        assert!([kind(&server), kind(&server)].contains(&Some(HandshakeKind::Resumed)));
        site.believe(&format!("{}{}", theirs.pem, ours.pem));
        let both = site.load(Some(&server));
        assert!(!both.has_clients_of(&server));
        assert_eq!([kind(&both), kind(&both)], [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);

        // The authority is replaced: a full handshake, and it fails.
        site.believe(&theirs.pem);
        let replaced = site.load(Some(&both));
        let refused = shake(&replaced, &client, "a.example").expect_err("refused");
        assert!(refused.to_string().contains("invalid peer certificate"), "{version:?} {refused}");

        // A new certificate of our own is no new rule.
        site.believe(&format!("{}{}", theirs.pem, ours.pem));
        let (_folder, others) = folder(&[&["a.example"]]);
        std::fs::copy(&others[0].certificate, &site.settings.certificates[0].certificate).expect("copied");
        std::fs::copy(&others[0].key, &site.settings.certificates[0].key).expect("copied");
        let renewed = site.load(Some(&both));
        assert!(!Arc::ptr_eq(&renewed, &both) && renewed.has_clients_of(&both));
        assert_eq!(kind(&renewed), Some(HandshakeKind::Resumed));
    }
}

#[test]
fn no_ticket_of_a_client_without_certificate_is_good_where_one_is_required() {
    let ours = authority("ours");
    for version in VERSIONS {
        let mut site = Site::new(&ours, false);
        let optional = site.load(None);
        let nobody = site.client(version, None);
        let kind = |server: &Server| kind(server, &nobody);
        assert_eq!([kind(&optional), kind(&optional)], [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
        site.settings.clients.as_mut().expect("clients").required = true;
        let refused = shake(&site.load(Some(&optional)), &nobody, "a.example").expect_err("refused");
        assert!(refused.to_string().contains("no certificates"), "{version:?} {refused}");
    }
}

#[test]
fn a_session_ends_when_its_certificate_does() {
    let ours = authority("ours");
    let mut brief = parameters("brief");
    let (before, after) = (date_time_ymd(2099, 1, 1), date_time_ymd(2099, 1, 3));
    brief.not_after = date_time_ymd(2099, 1, 2);
    let brief = signed(&ours, &brief);
    for version in VERSIONS {
        let site = Site::new(&ours, true);
        let server = site.load(None);
        let clients = server.clients.as_ref().expect("clients");
        let client = site.client(version, Some(&brief));
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (_, session) = shake_hands(&server, &client, "a.example").expect("a handshake");
            assert_eq!(session.handshake_kind(), Some(kind));
            let good = [before, after].map(|moment| {
                let moment = u64::try_from(moment.unix_timestamp()).expect("after 1970");
                clients.fields(&session, UnixTime::since_unix_epoch(Duration::from_secs(moment))).is_ok()
            });
            // rustls looks at the certificate in a full handshake only, and nobody needs to look again.
            assert_eq!(good, [true, kind == HandshakeKind::Full], "{version:?}");
        }
    }
}

#[test]
fn what_is_said_of_a_client() {
    let ours = authority("ours");
    let site = Site::new(&ours, true);
    let server = site.load(None);
    let say = |parameters: &CertificateParams| {
        let identity = signed(&ours, parameters);
        let client = site.client(&TLS13, Some(&identity));
        let (_, session) = shake_hands(&server, &client, "a.example").expect("a handshake");
        let fields = server.client_fields(&session).expect("fields");
        let text = |name: &str| {
            let value = fields.iter().find(|(found, _)| found == name)?.1.to_str().expect("visible ASCII");
            Some(value.to_owned())
        };
        let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, &identity.0);
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text("x-sha256"), Some(hex));
        let whole = text("client-cert").expect("a certificate");
        let inner = whole.strip_prefix(':').and_then(|text| text.strip_suffix(':')).expect("colons");
        let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, inner).expect("base64");
        assert_eq!(decoded, identity.0.as_ref());
        (text("x-subject"), text("x-names"))
    };
    let dns = |name: &str| SanType::DnsName(Ia5String::try_from(name).expect("IA5"));
    let uri = |name: &str| SanType::URI(Ia5String::try_from(name).expect("IA5"));
    let mail = |name: &str| SanType::Rfc822Name(Ia5String::try_from(name).expect("IA5"));
    // common name, alternative names, subject, names
    type Case<'a> = (&'a str, Vec<SanType>, Option<&'a str>, Option<&'a str>);
    let cases: Vec<Case<'_>> = vec![
        ("known", vec![], Some("CN=known"), None),
        ("", vec![], Some("CN="), None),
        ("a,CN=admin", vec![], Some("CN=a\\,CN=admin"), None),
        (" a+b=\"c\" ", vec![], Some("CN=\\ a\\+b=\\\"c\\\"\\ "), None),
        ("a\r\nx-admin: yes", vec![], Some("CN=a\\0d\\0ax-admin: yes"), None),
        ("Zoë\u{85}\u{2028}", vec![], Some("CN=Zo\\c3\\ab\\c2\\85\\e2\\80\\a8"), None),
        (
            "all",
            vec![dns("a.example"), uri("spiffe://a.example/b"), mail("c@a.example"), SanType::IpAddress([1; 4].into())],
            Some("CN=all"),
            Some("a.example, spiffe://a.example/b, c@a.example"),
        ),
        (
            "none fits",
            vec![
                dns("a.example,admin.example"),
                dns("a.example\r\nx-admin: yes"),
                dns("spiffe://a.example/b"),
                dns("c@a.example"),
                uri("spiffe://a,admin.example"),
                uri("a.example"),
                mail("a.example"),
                mail("spiffe://c@a.example"),
            ],
            Some("CN=none fits"),
            None,
        ),
    ];
    for (name, alternatives, subject, names) in cases {
        let mut parameters = parameters(name);
        parameters.subject_alt_names = alternatives;
        let found = say(&parameters);
        assert_eq!((found.0.as_deref(), found.1.as_deref()), (subject, names), "{name:?}");
    }
    let mut nobody = CertificateParams::default();
    nobody.distinguished_name = rcgen::DistinguishedName::new();
    assert_eq!(say(&nobody), (None, None));
    // Outermost last, as RFC 4514 has it.
    let mut nested = parameters("known");
    nested.distinguished_name = rcgen::DistinguishedName::new();
    nested.distinguished_name.push(DnType::CountryName, "DE");
    nested.distinguished_name.push(DnType::OrganizationName, "Works");
    nested.distinguished_name.push(DnType::CommonName, "known");
    assert_eq!(say(&nested).0.as_deref(), Some("CN=known,O=Works,C=DE"));
}

#[test]
fn the_file_of_authorities_has_nothing_else_in_it() {
    let ours = authority("ours");
    let site = Site::new(&ours, true);
    let leaf = parameters("leaf").self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").pem();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        (String::new(), "ca: no certificate in this file"),
        ("no PEM".to_owned(), "ca: no certificate in this file"),
        (broken.to_owned(), "ca: not a usable certificate"),
        (format!("{}{leaf}", ours.pem), "ca: CN=leaf is not the certificate of an authority"),
    ];
    for (content, expected) in cases {
        site.believe(&content);
        let found = Server::load(&site.settings, true, true, None).expect_err("refused").to_string();
        assert!(found.contains(expected), "{expected} in {found}");
    }
    std::fs::remove_file(site.folder.path().join("ca")).expect("removed");
    let found = Server::load(&site.settings, true, true, None).expect_err("refused").to_string();
    assert!(found.contains("ca: No such file"), "{found}");

    site.believe(&format!("{}{}", ours.pem, authority("theirs").pem));
    let server = site.load(None);
    let names: Vec<_> = server.expiries().iter().map(|expiry| expiry.names.join(" ")).collect();
    assert_eq!(names, ["a.example", "CN=ours", "CN=theirs"]);
}
