//! On a real nginx, by the docker command line.

use std::process::Stdio;
use std::time::Duration;

use devrun_core::routes::CONFIG_PATH;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::super::error::ProxyError;
use super::super::{Inside, InsideError, Ran, apply_config};

const URL: &str = "http://127.0.0.1:80/.devrun/generation";

struct Nginx(String);

impl Nginx {
    async fn start() -> Nginx {
        let name = format!("devrun-proxy-{}", std::process::id());
        let started = docker(&["run", "-d", "--name", &name, "nginx:1.26"], "").await;
        assert_eq!(started.code, 0, "{}", started.output);
        Nginx(name)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let remove = ["rm", "-f", "-v", &self.0];
        let _ = std::process::Command::new("docker").args(remove).output();
    }
}

impl Inside for Nginx {
    async fn write(&self, path: &str, content: &str, mode: u32) -> Result<(), InsideError> {
        let line = format!("mkdir -p $(dirname {path}) && cat > {path} && chmod {mode:o} {path}");
        let ran = docker(&["exec", "-i", &self.0, "sh", "-c", &line], content).await;
        assert_eq!(ran.code, 0, "{}", ran.output);
        Ok(())
    }

    async fn remove(&self, path: &str) -> Result<(), InsideError> {
        self.run(&["rm", "-f", path], Duration::MAX)
            .await
            .map(|_| ())
    }

    async fn run(&self, argv: &[&str], _: Duration) -> Result<Ran, InsideError> {
        let mut words = vec!["exec", &self.0];
        words.extend(argv);
        Ok(docker(&words, "").await)
    }

    async fn arrange(&self, argv: &[&str], timeout: Duration) -> Result<Ran, InsideError> {
        self.run(argv, timeout).await
    }

    async fn http(&self, url: &str, timeout: Duration) -> Result<Ran, InsideError> {
        self.run(&["curl", "-sS", url], timeout).await
    }
}

async fn docker(words: &[&str], input: &str) -> Ran {
    let mut child = Command::new("docker")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    Ran {
        code: output.status.code().unwrap(),
        output: String::from_utf8_lossy(&text).into_owned(),
    }
}

fn config(generation: u64, more: &str) -> String {
    format!(
        "events {{}}\nhttp {{\n  include mime.types;\n  server {{\n    listen 80;\n    {more}\n    \
         location = /.devrun/generation {{ return 200 {generation}; }}\n  }}\n}}\n"
    )
}

async fn live(nginx: &Nginx) -> String {
    let ran = nginx.run(&["cat", CONFIG_PATH], Duration::MAX).await;
    ran.unwrap().output
}

#[tokio::test]
async fn nginx_takes_a_good_configuration_and_keeps_it_when_worse_ones_come() {
    let nginx = Nginx::start().await;
    assert_eq!(
        apply_config(&nginx, &config(1, ""), None, 1, URL).await,
        Ok(1)
    );
    assert_eq!(
        apply_config(&nginx, &config(2, ""), None, 2, URL).await,
        Ok(2)
    );

    let refused = apply_config(&nginx, &config(3, "lisen 81;"), None, 3, URL).await;
    let Err(ProxyError::Rejected { output }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(output.len(), 1, "{output:?}");
    assert!(
        output[0].contains("unknown directive \"lisen\""),
        "{output:?}"
    );

    let elsewhere = config(3, "listen 192.0.2.1:81;");
    let refused = apply_config(&nginx, &elsewhere, None, 3, URL).await;
    assert!(
        matches!(refused, Err(ProxyError::Rejected { .. })),
        "{refused:?}"
    );

    let other_number = apply_config(&nginx, &config(3, ""), None, 4, URL).await;
    assert!(
        matches!(other_number, Err(ProxyError::NotTaken { .. })),
        "{other_number:?}"
    );
    assert_eq!(live(&nginx).await, config(2, ""));
    let left = nginx
        .run(&["find", "/etc/nginx", "-name", "devrun-*"], Duration::MAX)
        .await;
    assert_eq!(left.unwrap().output, "");
    assert_eq!(
        apply_config(&nginx, &config(5, ""), None, 5, URL).await,
        Ok(5)
    );
}
