//! TLS, client certificates and users with passwords, by `--web.config.file`; asked with curl, as
//! operators do. Certificates are made anew for every test.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};

use crate::support::external::programs;
use crate::support::server::program;
use crate::support::{Request, Server, Setup, wait};

const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";
const REQUIRED: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n";

/// Whom the test believes.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key, for a server on loopback or for a client of these names.
    fn issue(&self, names: Vec<SanType>, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn server(&self) -> (String, String) {
        let names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        self.issue(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn client(&self, name: SanType) -> (String, String) {
        self.issue(vec![name], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A server with a certificate of this authority, on a file of this text.
    fn setup(&self, web: &str) -> Setup {
        let (certificate, key) = self.server();
        Setup::new()
            .file("ca.crt", &self.0.pem())
            .file("server.crt", &certificate)
            .file("server.key", &key)
            .web(web)
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A line of `basic_auth_users`.
fn user(name: &str, password: &str) -> String {
    let hash = bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap();
    format!("basic_auth_users:\n  {name}: {hash}\n")
}

/// What curl said.
struct Said {
    /// 0 when curl was content.
    exit: i32,
    status: u16,
    version: String,
    /// Head and body.
    text: String,
}

/// Asks the server with curl over https, with more arguments, in its folder.
fn curl(server: &Server, path: &str, arguments: &[&str]) -> Said {
    let output = Command::new("curl")
        .current_dir(server.folder())
        .args(["--silent", "--show-error", "--include", "--max-time", "30", "--noproxy", "*"])
        .args(["--write-out", "\n%{http_code} %{http_version}"])
        .args(arguments)
        .arg(format!("https://{}{path}", server.address))
        .output()
        .expect("curl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default().to_owned();
    let (status, version) = last.split_once(' ').unwrap_or_default();
    Said {
        exit: output.status.code().unwrap_or(-1),
        status: status.parse().unwrap_or_default(),
        version: version.to_owned(),
        text: text + &String::from_utf8_lossy(&output.stderr),
    }
}

/// Writes a certificate and its key where the server or curl finds them.
fn write(folder: &Path, name: &str, pair: &(String, String)) {
    // Each appears at once: a server that looks in between must not find half of one.
    for (ending, text) in [("key", &pair.1), ("crt", &pair.0)] {
        let target = folder.join(format!("{name}.{ending}"));
        let draft = folder.join("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, &target).unwrap();
    }
}

#[test]
fn https_works_with_the_authority_and_not_without() {
    let Some(_) = programs(["curl"]) else { return };
    let server = Authority::new()
        .setup(&format!(
            "{TLS}http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=63072000\n"
        ))
        .start();
    let said = curl(&server, "/-/ready", &["--cacert", "ca.crt", "--http1.1"]);
    assert_eq!((said.exit, said.status, said.version.as_str()), (0, 200, "1.1"), "{}", said.text);
    assert!(said.text.contains("strict-transport-security: max-age=63072000"), "{}", said.text);
    let doubted = curl(&server, "/-/ready", &[]);
    assert_eq!((doubted.exit, doubted.status), (60, 0), "{}", doubted.text);
}

#[test]
fn the_command_line_believes_the_authority_it_is_given_and_nobody_else() {
    let token = "command-line-token";
    let server = Authority::new()
        .setup(TLS)
        .file("token", token)
        .config("auth:\n  tokens: [{name: ana, token_file: token, scopes: [read, write]}]\n")
        .start();
    let run = |arguments: &[&str]| {
        let output = program(server.folder()).args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let url = format!("--url=https://{}", server.address);
    let change = ["change", "web 1.2", "--service=web", "--token-file=token"];
    let (code, text) = run(&[&change[..], &[&url, "--ca-file=ca.crt"]].concat());
    assert_eq!((code, text.as_str()), (Some(0), "Change c1\n"));
    // Neither one that it was not given, nor one with another name.
    fs::write(server.folder().join("other.crt"), Authority::new().0.pem()).unwrap();
    let (code, text) = run(&[&change[..], &[&url, "--ca-file=other.crt"]].concat());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("cannot speak TLS with") && text.contains("--ca-file"), "{text}");
    let by_name = url.replace("127.0.0.1", "localhost");
    let (code, text) = run(&[&change[..], &[&by_name, "--ca-file=ca.crt"]].concat());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("cannot speak TLS with"), "{text}");
    let (code, text) = run(&[&change[..], &[&url, "--ca-file=none.crt"]].concat());
    assert_eq!(code, Some(2), "{text}");
    let (_, text) = run(&["incident", "list", &url.replace("https", "http")]);
    assert!(text.contains("this port speaks https; write https in the URL"), "{text}");
}

#[test]
fn http2_is_spoken_to_who_asks_for_it_unless_it_is_switched_off() {
    let Some(_) = programs(["curl"]) else { return };
    let authority = Authority::new();
    let arguments = ["--cacert", "ca.crt", "--http2"];
    let server = authority.setup(TLS).start();
    let said = curl(&server, "/api/v1/status", &arguments);
    assert_eq!((said.exit, said.status, said.version.as_str()), (0, 200, "2"), "{}", said.text);
    let body = r#"{"summary":"Deploy of web","service":"web"}"#;
    let told = curl(
        &server,
        "/api/v1/changes",
        &[&arguments[..], &["--header", "content-type: application/json", "--data", body]].concat(),
    );
    assert!(told.exit == 0 && (200..300).contains(&told.status), "{}", told.text);
    assert_eq!(told.version, "2");
    let server = authority.setup(&format!("{TLS}http_server_config:\n  http2: false\n")).start();
    let said = curl(&server, "/api/v1/status", &arguments);
    assert_eq!((said.exit, said.status, said.version.as_str()), (0, 200, "1.1"), "{}", said.text);
}

#[test]
fn a_connection_that_is_no_tls_ends_cleanly_and_is_counted() {
    let Some(_) = programs(["curl"]) else { return };
    let server =
        Authority::new().setup(TLS).config("web:\n  timeouts:\n    header: 300ms\n").start();
    let answer = server.send(&Request::new("GET", "/-/ready")).expect(400);
    assert!(answer.text().contains("this port speaks https"), "{}", answer.text());

    let closes = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("it is closed, not reset and not left open");
    };
    closes(b"");
    // The beginning of a handshake, and then nothing more.
    closes(b"\x16\x03\x01\x02\x00\x01");
    closes(&[0; 600]);
    let metrics = curl(&server, "/metrics", &["--cacert", "ca.crt"]).text;
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix("scribed_tls_handshake_errors_total "))
        .and_then(|count| count.parse::<u64>().ok());
    // The start of the server was asked over http as well.
    assert!(count.is_some_and(|count| count >= 4), "{count:?}");
}

#[test]
fn who_must_show_a_certificate_gets_in_with_one_of_the_right_name_alone() {
    let Some(_) = programs(["curl"]) else { return };
    let (authority, stranger) = (Authority::new(), Authority::new());
    let web = format!("{TLS}{REQUIRED}  client_allowed_sans: [prometheus.example]\n");
    let server = authority.setup(&web).start();
    let folder = server.folder();
    write(folder, "good", &authority.client(dns("prometheus.example")));
    write(folder, "other", &authority.client(dns("prometheus.example.org")));
    write(folder, "forged", &stranger.client(dns("prometheus.example")));
    let with = |path: &str, name: &str, more: &[&str]| {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        let shown = ["--cacert", "ca.crt", "--cert", &certificate, "--key", &key];
        curl(&server, path, &[&shown[..], more].concat())
    };
    assert_eq!(with("/api/v1/status", "good", &[]).status, 200);
    assert_eq!(with("/api/v1/status", "good", &["--tlsv1.2", "--tls-max", "1.2"]).status, 200);
    for name in ["other", "forged"] {
        let said = with("/-/healthy", name, &[]);
        assert!(said.exit != 0 && said.status == 0, "{name}: {}", said.text);
    }
    let bare = curl(&server, "/-/healthy", &["--cacert", "ca.crt"]);
    assert!(bare.exit != 0 && bare.status == 0, "{}", bare.text);

    // Whoever asks by its certificate is somebody, also under a name that is not local.
    let host = ["--header", "host: scribed.example"];
    assert_eq!(with("/api/v1/status", "good", &host).status, 200);
    // A browser would show it for any page: a change that another page asks for is refused.
    let forged = [&host[..], &["--request", "POST", "--header", "origin: https://evil.example"]];
    assert_eq!(with("/-/reload", "good", &forged.concat()).status, 403);
    assert_eq!(with("/-/reload", "good", &["--request", "POST"]).status, 200);
}

#[test]
fn certificates_may_be_asked_for_and_not_be_needed() {
    let Some(_) = programs(["curl"]) else { return };
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (policy, with_good, with_forged, without) in [
        ("RequestClientCert", true, true, true),
        ("RequireAnyClientCert", true, true, false),
        ("VerifyClientCertIfGiven", true, false, true),
        ("RequireAndVerifyClientCert", true, false, false),
    ] {
        let web = format!("{TLS}  client_auth_type: {policy}\n  client_ca_file: ca.crt\n");
        let server = authority.setup(&web).start();
        write(server.folder(), "good", &authority.client(dns("a.example")));
        write(server.folder(), "forged", &stranger.client(dns("a.example")));
        let asked = |more: &[&str]| {
            let said = curl(&server, "/-/ready", &[&["--cacert", "ca.crt"], more].concat());
            said.exit == 0 && said.status == 200
        };
        let shown = |name: &str| {
            asked(&["--cert", &format!("{name}.crt"), "--key", &format!("{name}.key")])
        };
        let got = (shown("good"), shown("forged"), asked(&[]));
        assert_eq!(got, (with_good, with_forged, without), "{policy}");
    }
}

#[test]
fn users_get_in_with_their_password_and_nobody_else_but_tokens_and_sources() {
    let config = "auth:\n  tokens:\n    - name: ci\n      token_file: token\n      scopes: [read]\n\
                  sources:\n  - name: am\n    type: alertmanager\n    basic_auth:\n      \
                  username: am\n      password_file: password\n";
    let server = Setup::new()
        .web(&user("ada", "open sesame"))
        .file("token", "hunter2\n")
        .file("password", "hunter3\n")
        .config(config)
        .start();
    // "ada:open sesame", "ada:wrong", "eve:open sesame", "am:hunter3".
    let (ada, wrong) = ("Basic YWRhOm9wZW4gc2VzYW1l", "Basic YWRhOndyb25n");
    let (eve, am) = ("Basic ZXZlOm9wZW4gc2VzYW1l", "Basic YW06aHVudGVyMw==");
    let ci = "Bearer hunter2";
    let door = "/api/v1/ingest/am";
    for (method, path, credentials, expect) in [
        ("GET", "/-/healthy", None, 200),
        ("GET", "/-/ready", None, 200),
        ("GET", "/", None, 401),
        ("GET", "/login", None, 401),
        ("GET", "/metrics", None, 401),
        ("GET", "/nowhere", None, 401),
        ("GET", "/api/v1/status", None, 401),
        ("GET", "/api/v1/status", Some(wrong), 401),
        ("GET", "/api/v1/status", Some(eve), 401),
        ("GET", "/api/v1/status", Some(am), 401),
        ("GET", "/api/v1/status", Some("Bearer wrong"), 401),
        ("GET", "/api/v1/status", Some(ada), 200),
        ("GET", "/", Some(ada), 200),
        ("GET", "/metrics", Some(ada), 200),
        ("GET", "/nowhere", Some(ada), 404),
        ("POST", "/-/reload", Some(ada), 200),
        ("GET", "/api/v1/status", Some(ci), 200),
        ("POST", "/-/reload", Some(ci), 403),
        // An empty body is no delivery; to be told so, one must have come through the door.
        ("POST", door, None, 401),
        ("POST", door, Some(am), 400),
        ("POST", door, Some(wrong), 401),
        ("POST", "/api/v1/ingest/generic", Some(ada), 400),
        ("POST", "/api/v1/ingest/generic", None, 401),
    ] {
        let mut request = Request::new(method, path);
        if let Some(credentials) = credentials {
            request = request.header("Authorization", credentials);
        }
        let answer = server.send(&request);
        assert_eq!(answer.status, expect, "{method} {path} {credentials:?}: {}", answer.text());
    }
    let challenged = server.get("/");
    let heads = format!("{challenged:?}");
    assert!(heads.contains(r#"Basic realm=\"scribed\""#), "{heads}");
    // Browsers send the password along whichever page asks.
    let forged = Request::new("POST", "/-/reload")
        .header("Authorization", ada)
        .header("Origin", "https://evil.example");
    assert_eq!(server.send(&forged).status, 403);
    assert!(!server.log().contains("sesame"), "{}", server.log());
}

#[test]
fn a_new_certificate_and_new_users_are_taken_up_without_a_restart() {
    let Some(_) = programs(["curl"]) else { return };
    let (before, after) = (Authority::new(), Authority::new());
    let server = before.setup(TLS).file("new-ca.crt", &after.0.pem()).start();
    let trusts = |authority: &str, more: &[&str]| {
        let said = curl(&server, "/api/v1/status", &[&["--cacert", authority], more].concat());
        (said.exit == 0).then_some(said.status)
    };
    assert_eq!((trusts("ca.crt", &[]), trusts("new-ca.crt", &[])), (Some(200), None));

    // A key that does not fit: nothing changes, and the log says why.
    write(server.folder(), "server", &(before.server().0, after.server().1));
    wait::until("the bad pair to be seen", || {
        trusts("ca.crt", &[]);
        server.log().contains("is not the key of the certificate").then_some(())
    });
    assert_eq!(trusts("ca.crt", &[]), Some(200));

    write(server.folder(), "server", &after.server());
    wait::until("the new certificate", || trusts("new-ca.crt", &[]));
    assert_eq!(trusts("ca.crt", &[]), None);

    fs::write(server.folder().join("web.yml"), format!("{TLS}{}", user("ada", "p"))).unwrap();
    wait::until("the users", || trusts("new-ca.crt", &[]).filter(|status| *status == 401));
    assert_eq!(trusts("new-ca.crt", &["--user", "ada:p"]), Some(200));

    // TLS never ends by a slip in a file, and a reload says so.
    fs::write(server.folder().join("web.yml"), user("ada", "p")).unwrap();
    let reload = ["--cacert", "new-ca.crt", "--user", "ada:p", "--request", "POST"];
    let said = curl(&server, "/-/reload", &reload);
    assert_eq!(said.status, 500, "{}", said.text);
    assert!(said.text.contains("only a restart ends TLS"), "{}", said.text);
    assert_eq!(trusts("new-ca.crt", &["--user", "ada:p"]), Some(200));
}

#[test]
fn a_bad_web_configuration_is_refused_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("web.yml"), "tls_server_config:\n  cert_fil: x\n").unwrap();
    let refused = |arguments: &[&str]| {
        let output = program(folder.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap()
    };
    for arguments in [
        &["serve", "--web.config.file=web.yml", "--web.listen-address=127.0.0.1:0"][..],
        &["check-config", "--web.config.file=web.yml"],
    ] {
        let text = refused(arguments);
        assert!(text.contains("web.yml:2:3: tls_server_config.cert_fil: unknown key"), "{text}");
    }
}

#[test]
fn with_users_or_required_certificates_others_may_reach_it() {
    let authority = Authority::new();
    let others = "--web.listen-address=0.0.0.0:0";
    for web in [format!("{TLS}{REQUIRED}"), user("ada", "p")] {
        drop(authority.setup(&web).flag(others).start());
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "server", &authority.server());
    fs::write(folder.path().join("web.yml"), TLS).unwrap();
    let mut serve = program(folder.path());
    let output = serve.args(["serve", "--web.config.file=web.yml", others]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("can be reached from other machines"), "{text}");
}
