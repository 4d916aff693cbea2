//! A web configuration as text, with certificates made for the test.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

use super::*;

/// Two pairs of certificate and key, an authority, and texts that are none of these.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    for name in ["a", "b"] {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        write(&format!("{name}.crt"), &made.cert.pem());
        write(&format!("{name}.key"), &made.signing_key.serialize_pem());
    }
    write("ca.crt", &authority().pem());
    write("text", "hunter2\n");
    folder
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What is wrong with a text, the folder's name cut away.
fn problems(folder: &tempfile::TempDir, text: &str) -> Vec<String> {
    let path = folder.path().join("web.yml");
    fs::write(&path, text).unwrap();
    let Err(errors) = load_web_file(&path).0 else { return Vec::new() };
    let prefix = format!("{}/", folder.path().display());
    errors.to_string().lines().map(|line| line.replace(&prefix, "")).collect()
}

/// The file that a text makes.
fn file(folder: &tempfile::TempDir, text: &str) -> WebFile {
    let path = folder.path().join("web.yml");
    fs::write(&path, text).unwrap();
    load_web_file(&path).0.unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

fn tls(more: &str) -> String {
    format!("tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n{more}")
}

#[test]
fn an_empty_file_asks_for_nothing() {
    let folder = folder();
    for text in ["", "~\n", "tls_server_config:\nbasic_auth_users: {}\n"] {
        let file = file(&folder, text);
        assert!(file.tls.is_none() && file.users.is_empty() && file.headers.is_empty(), "{text}");
        assert!(!file.keeps_strangers_out());
    }
}

#[test]
fn what_the_toolkit_knows_is_read() {
    let folder = folder();
    let suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    let more = format!(
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  \
         client_allowed_sans: [prometheus.example]\n  min_version: TLS12\n  max_version: TLS13\n  \
         cipher_suites: [{suite}]\n  curve_preferences: [X25519, CurveP256]\n  \
         prefer_server_cipher_suites: false\nhttp_server_config:\n  http2: false\n  headers:\n    \
         Strict-Transport-Security: max-age=1\n    X-Frame-Options: deny\n"
    );
    let file = file(&folder, &tls(&more));
    assert!(file.keeps_strangers_out());
    let tls = file.tls.unwrap();
    assert_eq!(tls.clients, ClientCertificates::Required);
    assert_eq!(tls.server.alpn_protocols, [b"http/1.1"]);
    assert!(!tls.server.ignore_client_order);
    assert_eq!(file.headers[0].0, "strict-transport-security");
    let suites = &tls.server.crypto_provider().cipher_suites;
    assert_eq!(suites.len(), 4, "the one that was named, and those of TLS 1.3: {suites:?}");
    assert_eq!(tls.server.crypto_provider().kx_groups.len(), 2);
}

#[test]
fn certificates_may_stand_in_the_file_itself() {
    let folder = folder();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let block = |text: String| text.replace('\n', "\n    ");
    let text = format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n",
        block(read("a.crt")),
        block(read("a.key"))
    );
    let tls = file(&folder, &text).tls.unwrap();
    assert_eq!(tls.server.alpn_protocols, [&b"h2"[..], b"http/1.1"]);
}

/// Every line of `expect` must begin a problem of the text, in order, and there must be no other.
fn check_refused(folder: &tempfile::TempDir, text: &str, expect: &[&str]) {
    let found = problems(folder, text);
    let fits = found.len() == expect.len()
        && found.iter().zip(expect).all(|(found, expect)| found.starts_with(expect));
    assert!(fits, "{text}\nexpected {expect:#?}\nfound {found:#?}");
    assert!(!found.iter().any(|line| line.contains("hunter2")), "{found:?}");
}

#[test]
fn certificates_that_cannot_be_served_are_told_with_their_place() {
    let folder = folder();
    let check = |text: &str, expect: &[&str]| check_refused(&folder, text, expect);
    check(
        &tls("  cert_flie: x\n"),
        &["web.yml:4:3: tls_server_config.cert_flie: unknown key; the keys here are cert_file"],
    );
    check(
        "tls_server_config: {}\n",
        &[
            "web.yml:1:20: tls_server_config.cert_file: is missing",
            "web.yml:1:20: tls_server_config.key_file: is missing",
        ],
    );
    check(
        "tls_server_config:\n  cert_file: none\n  key_file: text\n",
        &[
            "web.yml:2:14: tls_server_config.cert_file: the file none cannot be read: No such",
            "web.yml:3:13: tls_server_config.key_file: holds no private key",
        ],
    );
    check(
        "tls_server_config:\n  cert_file: text\n  key_file: a.key\n",
        &["web.yml:2:14: tls_server_config.cert_file: holds no certificate"],
    );
    check(
        "tls_server_config:\n  cert_file: a.crt\n  key_file: b.key\n",
        &["web.yml:3:13: tls_server_config.key_file: is not the key of the certificate"],
    );
    check(
        &tls("  min_version: TLS10\n"),
        &["web.yml:4:16: tls_server_config.min_version: TLS10 is too old"],
    );
    check(
        &tls("  min_version: TLS13\n  max_version: TLS12\n"),
        &["web.yml:5:16: tls_server_config.max_version: is below min_version"],
    );
    check(
        &tls("  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n"),
        &["web.yml:4:19: tls_server_config.cipher_suites: `TLS_RSA_WITH_RC4_128_SHA` is not"],
    );
    check(
        &tls("  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"),
        &["web.yml:5:18: tls_server_config.cipher_suites: cannot be served"],
    );
    check(
        &tls("  curve_preferences: [CurveP521]\n"),
        &["web.yml:4:23: tls_server_config.curve_preferences: `CurveP521` is not supported"],
    );
    check(
        &tls("  client_auth_type: Maybe\n"),
        &["web.yml:4:21: tls_server_config.client_auth_type: `Maybe` is unknown; write one of"],
    );
    check(
        &tls("  client_auth_type: RequireAndVerifyClientCert\n"),
        &["web.yml:2:3: tls_server_config.client_ca_file: is missing"],
    );
    check(
        &tls("  client_ca_file: ca.crt\n"),
        &["web.yml:2:3: tls_server_config.client_auth_type: asks no client for a certificate"],
    );
}

#[test]
fn what_does_not_hold_is_told_with_its_place_and_without_secrets() {
    let folder = folder();
    let check = |text: &str, expect: &[&str]| check_refused(&folder, text, expect);
    check("[]\n", &["web.yml:1:1: web configuration: is a list; write a mapping"]);
    check("tls: {}\n", &["web.yml:1:1: tls: unknown key; the keys here are tls_server_config"]);
    check("rate_limit: {}\n", &["web.yml:1:1: rate_limit: is not supported"]);
    check(
        "http_server_config:\n  http3: true\n  http2: perhaps\n",
        &[
            "web.yml:2:3: http_server_config.http3: unknown key",
            "web.yml:3:10: http_server_config.http2: `perhaps` is neither true nor false",
        ],
    );
    check(
        "http_server_config:\n  headers:\n    Server: x\n    X-Frame-Options: sometimes\n",
        &[
            "web.yml:3:5: http_server_config.headers.Server: cannot be set here",
            "web.yml:4:22: http_server_config.headers.X-Frame-Options: `sometimes` is not one of",
        ],
    );
    let costly = format!("$2y$31${}", "u".repeat(53));
    check(
        &format!("basic_auth_users:\n  ada: hunter2\n  'a:b': x\n  eve: {costly}\n"),
        &[
            "web.yml:2:8: basic_auth_users.ada: is no bcrypt hash",
            "web.yml:3:3: basic_auth_users.a:b: `a:b` holds a colon",
            "web.yml:4:8: basic_auth_users.eve: the hash has the cost 31",
        ],
    );
}

#[test]
fn the_example_of_the_documentation_holds() {
    let documentation = include_str!("../../../docs/configuration.md");
    let (_, section) = documentation.split_once("### The web configuration file").unwrap();
    let example = section.split("```").nth(1).unwrap().strip_prefix("yaml\n").unwrap();
    let example = example.replace("server.", "a.").replace("clients-ca.", "ca.");
    let file = file(&folder(), &example);
    assert_eq!(file.tls.unwrap().clients, ClientCertificates::Required);
    assert_eq!((file.users.len(), file.headers.len()), (1, 1));
}

#[test]
fn a_changed_file_is_noticed_also_when_it_could_not_be_read() {
    let folder = folder();
    let path = folder.path().join("web.yml");
    fs::write(&path, tls("  client_auth_type: NoClientCert\n")).unwrap();
    let (read, watched) = load_web_file(&path);
    assert!(read.is_ok() && !watched.has_changed());
    fs::remove_file(folder.path().join("a.crt")).unwrap();
    assert!(watched.has_changed());
    let (read, watched) = load_web_file(&path);
    assert!(read.is_err() && !watched.has_changed());
    fs::write(folder.path().join("a.crt"), "x").unwrap();
    assert!(watched.has_changed());
}

#[test]
fn a_client_is_named_by_what_stands_in_its_certificate() {
    let check = |names: Vec<SanType>, expect: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "somebody");
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(clients::name_of(certificate.der()), Name::from(expect));
    };
    let text = |text: &str| text.try_into().unwrap();
    check(vec![SanType::DnsName(text("a.example"))], "a.example");
    check(vec![SanType::Rfc822Name(text("ada@example.org"))], "ada@example.org");
    check(vec![SanType::URI(text("spiffe://x/y"))], "spiffe://x/y");
    check(vec![SanType::IpAddress([192, 0, 2, 7].into())], "192.0.2.7");
    check(vec![SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into())], "::1");
    check(Vec::new(), "CN=somebody");
    assert_eq!(clients::name_of(&CertificateDer::from(vec![1])), "a client's certificate".into());
}
