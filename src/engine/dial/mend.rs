//! What to do where no engine answers, by how it is reached and what was said.

use crate::engine::Endpoint;

/// The mend for an engine that cannot be reached.
pub(crate) fn mend(endpoint: &Endpoint, detail: &str) -> String {
    let known = match endpoint {
        Endpoint::Unix(_) | Endpoint::Tcp(_) => plain(detail),
        Endpoint::Ssh(ssh) => through_ssh(&ssh.to_string(), detail),
        Endpoint::Tls(tls) => with_tls(&tls.address, detail),
    };
    known.unwrap_or_else(|| match endpoint {
        Endpoint::Unix(_) => "is Docker installed and started (sudo systemctl start docker)? \
            Another engine is named by DOCKER_HOST=unix:///PATH or `docker context use NAME`"
            .into(),
        Endpoint::Ssh(ssh) => {
            format!("does `ssh {ssh} docker version` answer? The engine must run there, and this user may use it")
        }
        Endpoint::Tcp(address) => {
            format!("is {address} right, is that machine on, and does its engine listen there?")
        }
        Endpoint::Tls(tls) => format!(
            "is {} right, is that machine on, and does its engine listen there with TLS?",
            tls.address
        ),
    })
}

fn plain(detail: &str) -> Option<String> {
    if detail.to_lowercase().contains("permission") {
        return Some("run as root, or join the group of the socket: sudo usermod -aG docker $USER, then log in again".into());
    }
    detail
        .contains("HTTP request to an HTTPS server")
        .then(|| "the engine wants TLS: DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH with ca.pem, cert.pem and key.pem".into())
}

fn through_ssh(target: &str, detail: &str) -> Option<String> {
    let has = |text: &str| detail.contains(text);
    let mend = if has("IDENTIFICATION HAS CHANGED") {
        format!(
            "if that machine was set up anew, forget its old key (ssh-keygen -R), connect once by hand (ssh {target}) and compare the fingerprint; if not, somebody may listen in between"
        )
    } else if has("Host key verification failed") {
        format!("connect once by hand (ssh {target}), compare the fingerprint and say yes")
    } else if has("Permission denied") {
        format!(
            "does `ssh -o BatchMode=yes {target}` get in? Add the key to the agent (ssh-add), name it in ~/.ssh/config (IdentityFile), or send it there (ssh-copy-id {target}); passwords are not asked for"
        )
    } else if has("Could not resolve hostname") {
        "is the name right? A short name stands in ~/.ssh/config (Host)".into()
    } else if has("not installed") {
        "install ssh: sudo apt-get install openssh-client".into()
    } else if has("administratively prohibited") {
        "the ssh server there forbids forwarding: AllowStreamLocalForwarding yes in its sshd_config"
            .into()
    } else if has("open failed") {
        format!(
            "the engine does not run there, or this user may not use it: ssh {target} docker version"
        )
    } else {
        return None;
    };
    Some(mend)
}

fn with_tls(address: &str, detail: &str) -> Option<String> {
    let has = |text: &str| detail.contains(text);
    let mend = if has("peer certificate") && has("xpired") {
        "the engine's certificate has run out, or this machine's clock is wrong (date): make a new one there".to_owned()
    } else if has("UnknownIssuer") || has("BadSignature") {
        "the engine's certificate does not come from the authority in ca.pem: take the ca.pem of that engine (DOCKER_CERT_PATH, or docker context update)".to_owned()
    } else if has("not valid for name") || has("NotValidForName") {
        format!(
            "the engine's certificate is for other names: use one of those instead of {address}, or make it anew with this one (subjectAltName)"
        )
    } else if has("alert") && has("xpired") {
        "your own certificate (cert.pem) has run out: make a new one".to_owned()
    } else if has("ertificateRequired")
        || has("BadCertificate")
        || has("UnknownCA")
        || has("DecryptError")
    {
        "the engine does not take your certificate: cert.pem and key.pem must come from the authority that it trusts (DOCKER_CERT_PATH)".to_owned()
    } else if has("corrupt message") {
        format!(
            "what listens at {address} does not speak TLS: unset DOCKER_TLS_VERIFY and DOCKER_TLS, or take the port with TLS (2376)"
        )
    } else if has("ProtocolVersion") || has("HandshakeFailure") {
        "devrun speaks TLS 1.3, and what answers is older: bring that engine up to date, or use ssh://".to_owned()
    } else {
        return None;
    };
    Some(mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::locate::{Ssh, Tls};

    #[test]
    fn each_failure_of_ssh_has_its_mend() {
        let endpoint = Endpoint::Ssh(Ssh {
            user: Some("me".into()),
            host: "far".into(),
            port: Some(22022),
            path: None,
        });
        let cases = [
            ("Host key verification failed.", "ssh -p 22022 me@far"),
            (
                "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!; Host key verification failed.",
                "ssh-keygen -R",
            ),
            ("me@far: Permission denied (publickey).", "ssh-add"),
            (
                "ssh: Could not resolve hostname far: Name or service not known",
                "~/.ssh/config",
            ),
            (
                "channel 2: open failed: connect failed: open failed",
                "docker version",
            ),
            ("Connection refused", "docker version"),
        ];
        for (detail, wanted) in cases {
            let mend = mend(&endpoint, detail);
            assert!(mend.contains(wanted), "{detail}: {mend}");
        }
    }

    #[test]
    fn each_failure_of_tls_has_its_mend() {
        let endpoint = Endpoint::Tls(Tls {
            address: "far:2376".into(),
            folder: None,
            verify: true,
        });
        let cases = [
            ("invalid peer certificate: UnknownIssuer", "ca.pem"),
            (
                "invalid peer certificate: certificate expired: verification time 1 (UNIX), but certificate is not valid after 0",
                "run out",
            ),
            (
                "invalid peer certificate: certificate not valid for name \"far\"",
                "subjectAltName",
            ),
            ("received fatal alert: CertificateRequired", "cert.pem"),
            (
                "received corrupt message of type InvalidContentType",
                "does not speak TLS",
            ),
            ("Connection refused (os error 111)", "is that machine on"),
        ];
        for (detail, wanted) in cases {
            let mend = mend(&endpoint, detail);
            assert!(mend.contains(wanted), "{detail}: {mend}");
        }
    }

    #[test]
    fn a_socket_without_permission_leads_to_the_group() {
        let socket = Endpoint::Unix("/run/docker.sock".into());
        assert!(mend(&socket, "Permission denied (os error 13)").contains("usermod -aG docker"));
    }
}
