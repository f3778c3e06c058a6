//! What is different where the engine runs on another machine, said before anybody wonders.

use devrun_stack::{MountSource, Stack};

/// What to say of this stack on that machine.
pub(super) fn warnings(stack: &Stack, host: &str) -> Vec<String> {
    let mut said: Vec<String> = ports(stack, host).into_iter().collect();
    for service in &stack.services {
        for mount in &service.mounts {
            if let MountSource::Bind(path) = &mount.source {
                said.push(format!(
                    "{}: {} is mounted from {host}, where the engine runs, and not from here: \
                     `sync` brings files over",
                    mount.at,
                    path.display()
                ));
            }
        }
    }
    said
}

fn ports(stack: &Stack, host: &str) -> Option<String> {
    let all = stack.services.iter().flat_map(|service| &service.ports);
    let mut near: Vec<u16> = Vec::new();
    let mut any = false;
    for port in all.filter(|port| port.host != 0) {
        any = true;
        let reached_from_afar = port.bind.iter().any(|bind| !is_loopback(bind));
        if port.protocol == "tcp" && !reached_from_afar && !near.contains(&port.host) {
            near.push(port.host);
        }
    }
    let published =
        format!("engine at {host}: ports are published there, so `localhost` means that machine");
    if near.is_empty() {
        return any.then_some(published);
    }
    let forwards: Vec<String> = near
        .iter()
        .map(|port| format!("-L {port}:localhost:{port}"))
        .collect();
    Some(format!(
        "{published}. To have them here too: ssh -N {} {host}; `bind=\"0.0.0.0\"` on a port opens it there",
        forwards.join(" ")
    ))
}

fn is_loopback(bind: &str) -> bool {
    let bind = bind.trim_start_matches('[').trim_end_matches(']');
    bind.parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::load::LoadOptions;
    use super::super::load::load;
    use super::warnings;

    #[test]
    fn ports_and_binds_of_another_machine_are_said_with_what_helps() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Stackfile.kdl");
        let text = "stack app\n\
            service web {\n    image \"x:1\"\n    port 8080 to=80\n    port 9090 to=90 bind=\"0.0.0.0\"\n    bind \".\" to=\"/src\"\n}\n";
        std::fs::write(&file, text).unwrap();
        let loaded = load(&LoadOptions {
            file,
            shown: "Stackfile.kdl".into(),
            project_name: None,
            shell: Default::default(),
            env_file: None,
            ports: std::collections::BTreeMap::new(),
        });
        let stack = loaded.unwrap().stack.unwrap();
        let said = warnings(&stack, "far");
        assert!(
            said[0].contains("ssh -N -L 8080:localhost:8080 far;"),
            "{said:?}"
        );
        assert!(said[1].starts_with("Stackfile.kdl:6: /"), "{said:?}");
        assert_eq!(said.len(), 2);
    }
}
