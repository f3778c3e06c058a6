//! Private images, from a registry of the test's own that wants a login.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::kit::{Scratch, docker};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What is served, by its path: what kind it is, and its bytes.
type Content = BTreeMap<String, (&'static str, Vec<u8>)>;

/// A registry with one image, `private:1`, for `me` with `secret`; its address.
fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let content = Arc::new(image());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let content = content.clone();
            std::thread::spawn(move || answer(stream, &content));
        }
    });
    address
}

fn image() -> Content {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find_map(|path| std::fs::read(path).ok())
        .expect("these tests need a static busybox: apt-get install busybox-static");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(busybox.len() as u64);
    tar.append_data(&mut header, "bin/busybox", busybox.as_slice())
        .unwrap();
    // No two runs of the test share a layer, so that it is really fetched.
    let salt = std::process::id().to_string();
    let mut header = tar::Header::new_gnu();
    header.set_size(salt.len() as u64);
    tar.append_data(&mut header, "salt", salt.as_bytes())
        .unwrap();
    let layer = tar.into_inner().unwrap();
    let config = json!({
        "architecture": std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64"),
        "os": "linux",
        "config": {"Cmd": ["/bin/busybox", "sleep", "1000"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": config.len(), "digest": digest(&config),
        },
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
            "size": layer.len(), "digest": digest(&layer),
        }],
    });
    let manifest = manifest.to_string().into_bytes();
    let blob = |bytes: &[u8]| format!("/v2/private/blobs/{}", digest(bytes));
    BTreeMap::from([
        ("/v2/".to_owned(), ("application/json", b"{}".to_vec())),
        (
            "/v2/private/manifests/1".to_owned(),
            (MANIFEST, manifest.clone()),
        ),
        (
            format!("/v2/private/manifests/{}", digest(&manifest)),
            (MANIFEST, manifest),
        ),
        (blob(&config), ("application/octet-stream", config)),
        (blob(&layer), ("application/octet-stream", layer)),
    ])
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

fn answer(mut stream: TcpStream, content: &Content) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let Some(first) = lines.next() else {
        return;
    };
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let mut words = first.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let wanted = format!("basic {}", STANDARD.encode("me:secret"));
    let known = head
        .iter()
        .filter_map(|line| line.split_once(": "))
        .any(|(name, value)| {
            name.eq_ignore_ascii_case("authorization") && value.eq_ignore_ascii_case(&wanted)
        });
    let (status, kind, body) = match content.get(path) {
        _ if !known => (
            "401 Unauthorized",
            "application/json",
            &br#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}"#[..],
        ),
        Some((kind, body)) => ("200 OK", *kind, body.as_slice()),
        None => ("404 Not Found", "application/json", &b"{}"[..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\
         Docker-Distribution-Api-Version: registry/2.0\r\nWww-Authenticate: Basic realm=\"test\"\r\nConnection: close\r\n\r\n",
        body.len(),
        digest(body),
    );
    let _ = stream.write_all(head.as_bytes());
    if method != "HEAD" {
        let _ = stream.write_all(body);
    }
}

/// A stack of that registry's image, as it is and as a base; its client's configuration is this.
fn stack(test: &str, address: &str, config: &str) -> Scratch {
    let stackfile = format!(
        "stack app\nservice plain {{ image \"{address}/private:1\" }}\nservice made {{\n    build \".\"\n}}\n"
    );
    let dockerfile = format!("FROM {address}/private:1\nCOPY note.txt /\n");
    let mut stack = Scratch::new(
        test,
        &[
            ("Stackfile.kdl", &stackfile),
            ("Dockerfile", &dockerfile),
            ("note.txt", "one\n"),
        ],
    );
    std::fs::write(stack.state.join("config.json"), config).unwrap();
    let helper = stack.state.join("docker-credential-test");
    let script = format!(
        "#!/bin/sh\nread -r server\n[ \"$1 $server\" = \"get {address}\" ] || {{ echo 'credentials not found in native keychain'; exit 1; }}\n\
         echo '{{\"ServerURL\":\"{address}\",\"Username\":\"me\",\"Secret\":\"secret\"}}'\n"
    );
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    stack.environment = vec![
        (
            "DOCKER_CONFIG".to_owned(),
            stack.state.display().to_string(),
        ),
        (
            "PATH".to_owned(),
            format!("{}:{path}", stack.state.display()),
        ),
    ];
    stack
}

/// Removed from the engine whatever became of the test.
struct Image(String);

impl Drop for Image {
    fn drop(&mut self) {
        docker(&["rmi", "-f", &self.0]);
    }
}

#[test]
fn private_images_are_pulled_and_built_on_with_what_a_helper_keeps() {
    let address = registry();
    let _image = Image(format!("{address}/private:1"));
    for (test, config) in [
        ("helper", json!({"credHelpers": {&address: "test"}})),
        ("store", json!({"credsStore": "test"})),
        (
            "auths",
            json!({"auths": {&address: {"auth": STANDARD.encode("me:secret")}}}),
        ),
    ] {
        let stack = stack(test, &address, &config.to_string());
        // First on what is built: that pulls nothing which the other would find.
        stack.ok(&["build", "--no-cache"]);
        stack.ok(&["up", "-d"]);
        assert_eq!(stack.service("plain")["state"], "ready", "{test}");
        assert_eq!(stack.service("made")["state"], "ready", "{test}");
        stack.ok(&["down"]);
        docker(&["rmi", "-f", &format!("{address}/private:1")]);
    }
}

#[test]
fn without_a_login_it_is_said_who_refused_or_who_failed() {
    let address = registry();
    let nobody = stack("nologin", &address, "{}");
    let ran = nobody.run(&["up", "-d", "plain"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = format!("{}{}", ran.out, ran.err);
    assert!(told.contains("docker login"), "{told}");
    let config = json!({"credHelpers": {&address: "nowhere"}}).to_string();
    let missing = stack("nohelper", &address, &config);
    let ran = missing.run(&["up", "-d", "plain"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let told = format!("{}{}", ran.out, ran.err);
    assert!(told.contains("docker-credential-nowhere"), "{told}");
}
