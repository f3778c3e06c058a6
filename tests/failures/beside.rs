//! What is not ours: a Compose project of the same name, somebody's own stack under the name of
//! a run.

use crate::kit::{Scratch, docker, identity, said};

const CACHE: &str = "stack app
service cache { image \"redis:7\"; healthcheck \"redis-cli ping\"; }
";

/// What Compose would have made: a container under that name, a volume and a network, all with its
/// labels.
struct Project {
    name: String,
    container: String,
}

impl Project {
    fn of(stack: &Scratch, container: String) -> Project {
        let project = format!("com.docker.compose.project={}", stack.name);
        let place = "com.docker.compose.project.working_dir=/home/me/shop";
        let (volume, network) = (
            format!("{}_data", stack.name),
            format!("{}_default", stack.name),
        );
        for (kind, name) in [("volume", &volume), ("network", &network)] {
            let made = docker(&[kind, "create", "--label", &project, name]);
            assert_eq!(made.code, 0, "{}", said(&made));
        }
        let mount = format!("{volume}:/data");
        let made = docker(&[
            "create",
            "--name",
            &container,
            "--label",
            &project,
            "--label",
            place,
            "--network",
            &network,
            "-v",
            &mount,
            "redis:7",
        ]);
        assert_eq!(made.code, 0, "{}", said(&made));
        Project {
            name: stack.name.clone(),
            container,
        }
    }

    /// All that can be seen of it.
    fn whole(&self) -> String {
        let name = &self.name;
        let container = docker(&[
            "inspect",
            "-f",
            "{{.Id}} {{.State.Status}} {{.State.StartedAt}}",
            &self.container,
        ]);
        let volume = docker(&[
            "volume",
            "inspect",
            "-f",
            "{{.CreatedAt}}",
            &format!("{name}_data"),
        ]);
        let network = docker(&[
            "network",
            "inspect",
            "-f",
            "{{.Id}}",
            &format!("{name}_default"),
        ]);
        [container, volume, network].map(|ran| said(&ran)).concat()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        docker(&["rm", "-f", &self.container]);
        docker(&["volume", "rm", &format!("{}_data", self.name)]);
        docker(&["network", "rm", &format!("{}_default", self.name)]);
    }
}

#[test]
fn a_stopped_compose_project_of_the_same_name_is_not_touched() {
    let stack = Scratch::new("project", &[("Stackfile.kdl", CACHE)]);
    let project = Project::of(&stack, format!("{}-cache-1", stack.name));
    let before = project.whole();
    stack.ok(&["up", "-d"]);
    stack.ok(&["stop"]);
    stack.ok(&["up", "-d", "--recreate", "--remove-orphans"]);
    stack.ok(&["down", "--volumes"]);
    assert_eq!(project.whole(), before);
}

#[test]
fn a_container_of_a_compose_project_under_our_name_is_called_so() {
    let stack = Scratch::new("projectname", &[("Stackfile.kdl", CACHE)]);
    let project = Project::of(&stack, stack.container("cache"));
    let before = project.whole();
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    let told = format!(
        "belongs to the Compose project {} in /home/me/shop",
        stack.name
    );
    let mend = format!("docker compose -p {} down", stack.name);
    for part in [told.as_str(), &mend, "-p OTHER-NAME"] {
        assert!(said(&up).contains(part), "{part} in:\n{}", said(&up));
    }
    stack.ok(&["down", "--volumes"]);
    assert_eq!(project.whole(), before);
}

#[test]
fn a_compose_project_that_runs_under_our_name_goes_on() {
    let stack = Scratch::new("projectruns", &[("Stackfile.kdl", CACHE)]);
    let project = Project::of(&stack, stack.container("cache"));
    assert_eq!(docker(&["start", &project.container]).code, 0);
    let before = project.whole();
    assert!(before.contains("running"), "{before}");
    let up = stack.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    for part in [
        &project.container,
        &format!("docker compose -p {} down", stack.name),
    ] {
        assert!(
            said(&up).contains(part.as_str()),
            "{part} in:\n{}",
            said(&up)
        );
    }
    stack.ok(&["stop"]);
    stack.ok(&["down", "--volumes"]);
    assert_eq!(project.whole(), before);
}

#[test]
fn a_run_does_not_take_the_name_of_a_stack_that_somebody_started() {
    let stack = Scratch::new("cibeside", &[("Stackfile.kdl", CACHE)]);
    stack.ok(&["up", "-d"]);
    let before = identity(&stack.container("cache"));
    let refused = stack.run(&["ci"]);
    assert_eq!(refused.code, 1, "{}", said(&refused));
    let folder = stack.folder.display().to_string();
    assert!(refused.err.contains(&folder), "{}", refused.err);
    assert_eq!(identity(&stack.container("cache")), before);

    let mut named = stack.command(&["ci"]);
    named.env_remove("DEVRUN_PROJECT_NAME");
    assert!(named.output().unwrap().status.success());
    assert_eq!(identity(&stack.container("cache")), before);
}
