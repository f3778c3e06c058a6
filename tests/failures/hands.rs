//! What others do to our containers, and what of others stands in our way.

use crate::kit::{Scratch, docker, eventually, free_port, identity, said, shell};

const CACHE: &str = r#"stack app
service cache { image "redis:7"; healthcheck "redis-cli ping" }
service user { image "redis:7"; depends-on cache; healthcheck "redis-cli -h cache ping" }
"#;

#[test]
fn a_container_removed_by_hand_is_made_again() {
    let stack = Scratch::new("removed", &[("Stackfile.kdl", CACHE)]);
    let mut session = stack.up(&[]);
    session.ready();
    let (cache, user) = (
        identity(&stack.container("cache")),
        identity(&stack.container("user")),
    );
    assert_eq!(docker(&["rm", "-f", &stack.container("cache")]).code, 0);
    session.state("cache", "ready", 30);
    assert_ne!(identity(&stack.container("cache")), cache);
    assert_eq!(
        identity(&stack.container("user")),
        user,
        "it was touched without a reason"
    );
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn a_container_stopped_by_hand_stays_stopped_and_is_called_so() {
    let stack = Scratch::new(
        "stopped",
        &[(
            "Stackfile.kdl",
            "stack app\ndefaults { restart unless-stopped }\nservice cache { image \"redis:7\"; healthcheck \"redis-cli ping\" }\n",
        )],
    );
    let mut session = stack.up(&[]);
    session.ready();
    assert_eq!(docker(&["stop", &stack.container("cache")]).code, 0);
    let told = session.state("cache", "stopped", 60);
    assert!(
        told["reason"].as_str().unwrap().contains("stopped by hand"),
        "{told}"
    );
    let running = docker(&[
        "ps",
        "-q",
        "--filter",
        &format!("name={}", stack.container("cache")),
    ])
    .out;
    assert_eq!(running, "", "it was started again");
    let cache = stack.service("cache");
    assert_eq!(cache["state"], "stopped", "{cache}");
    assert!(stack.ok(&["ps"]).out.contains("stopped by hand"));

    // By hand it may also start again; so may it by devrun.
    assert_eq!(docker(&["start", &stack.container("cache")]).code, 0);
    session.state("cache", "ready", 60);
    assert_eq!(docker(&["stop", &stack.container("cache")]).code, 0);
    session.state("cache", "stopped", 60);
    stack.ok(&["start", "cache"]);
    assert_eq!(stack.service("cache")["state"], "ready");
}

#[test]
fn a_container_that_devrun_did_not_make_is_named_and_left_alone() {
    let stack = Scratch::new("foreign", &[("Stackfile.kdl", CACHE)]);
    let name = stack.container("cache");
    assert_eq!(docker(&["create", "--name", &name, "redis:7"]).code, 0);
    let before = docker(&["inspect", "-f", "{{.Id}}", &name]).out;
    let up = stack.run(&["up", "-d"]);
    let after = docker(&["inspect", "-f", "{{.Id}}", &name]).out;
    let down = stack.run(&["down"]);
    let still = docker(&["inspect", "-f", "{{.Id}}", &name]).out;
    docker(&["rm", "-f", &name]);
    assert_eq!(up.code, 1, "{}", said(&up));
    let told = format!("there is a container {name} that devrun did not make");
    assert!(said(&up).contains(&told), "{}", said(&up));
    assert!(
        said(&up).contains(&format!("docker rm {name}")) && said(&up).contains("-p OTHER-NAME"),
        "{}",
        said(&up)
    );
    assert_eq!((after, still), (before.clone(), before), "it was taken");
    assert_eq!(down.code, 0, "{}", said(&down));
}

#[test]
fn a_container_that_somebody_made_of_an_image_of_the_stack_is_none_of_it() {
    let text =
        "stack app\nservice web { build \".\"; init #true; command \"sleep\" \"infinity\" }\n";
    let files = [
        ("Stackfile.kdl", text),
        ("Dockerfile", "FROM redis:7\nRUN true\n"),
    ];
    let stack = Scratch::new("ofimage", &files);
    stack.ok(&["up", "-d"]);
    let image = stack.service("web")["image"].as_str().unwrap().to_owned();
    stack.ok(&["stop"]);
    let theirs = format!("{}-by-hand", stack.name);
    assert_eq!(
        docker(&["run", "-d", "--name", &theirs, &image, "sleep", "1000"]).code,
        0
    );
    let ran = stack.run(&["up", "-d"]);
    let down = stack.run(&["down"]);
    let left = docker(&["inspect", "-f", "{{.State.Status}}", &theirs]).out;
    docker(&["rm", "-f", &theirs]);
    assert_eq!(
        (ran.code, down.code),
        (0, 0),
        "{}{}",
        said(&ran),
        said(&down)
    );
    assert_eq!(left, "running\n");
}

#[test]
fn what_a_killed_session_left_of_its_agents_making_goes_with_down() {
    let text = "stack app\nservice web { image \"redis:7\" }\n";
    let stack = Scratch::new("filler", &[("Stackfile.kdl", text)]);
    stack.ok(&["up", "-d"]);
    let mounts = "{{range .Mounts}}{{.Name}} {{end}}";
    let mounts = docker(&["inspect", "-f", mounts, &stack.container("web")]).out;
    let mut volumes = mounts.split_whitespace();
    let volume = volumes
        .find(|name| name.starts_with("devrun-agent-"))
        .unwrap();
    let agent = format!(
        "devrun.agent={}",
        volume.trim_start_matches("devrun-agent-")
    );
    let mount = format!("{volume}:/.devrun");
    let make = [
        "create", "--name", volume, "--label", &agent, "-v", &mount, "redis:7",
    ];
    // Another session may make its own just now.
    let id = eventually("its making", 20, || {
        let made = docker(&make);
        (made.code == 0).then(|| made.out.trim().to_owned())
    });
    let down = stack.run(&["down"]);
    let there = docker(&["inspect", &id]).code == 0;
    docker(&["rm", "-f", &id]);
    assert!(down.code == 0 && !there, "{}", said(&down));
}

#[test]
fn the_same_stack_in_another_folder_is_named_and_can_run_beside() {
    let port = free_port();
    let text = format!(
        "stack app\nvar PORT {port}\nservice cache {{ image \"redis:7\"; port \"${{PORT}}\" to=6379; healthcheck \"redis-cli ping\" }}\n"
    );
    let first = Scratch::new("folder", &[("Stackfile.kdl", &text)]);
    let mut second = Scratch::new("folderb", &[("Stackfile.kdl", &text)]);
    let own_name = std::mem::replace(&mut second.name, first.name.clone());
    first.ok(&["up", "-d"]);
    let before = identity(&first.container("cache"));

    let up = second.run(&["up", "-d"]);
    let down = second.run(&["down", "--volumes"]);
    let stop = second.run(&["stop"]);
    second.name = own_name;
    assert_eq!(up.code, 1, "{}", said(&up));
    let folder = first.folder.display().to_string();
    assert!(
        said(&up).contains(&folder) && said(&up).contains("-p OTHER-NAME"),
        "{}",
        said(&up)
    );
    assert_eq!(down.code, 1, "{}", said(&down));
    assert!(
        said(&down).contains(&folder) && said(&down).contains("-p"),
        "{}",
        said(&down)
    );
    assert_eq!(stop.code, 1, "{}", said(&stop));
    assert_eq!(
        identity(&first.container("cache")),
        before,
        "the other folder's container was touched"
    );

    second.write(".env", &format!("PORT={}\n", free_port()));
    second.ok(&["up", "-d"]);
    assert_eq!(second.service("cache")["state"], "ready");
    second.ok(&["down"]);
    assert_eq!(identity(&first.container("cache")), before);
    assert_eq!(first.service("cache")["state"], "ready");
}

#[test]
fn a_second_up_starts_nothing() {
    let stack = Scratch::new("twice", &[("Stackfile.kdl", CACHE)]);
    stack.ok(&["up", "-d"]);
    let before = (
        identity(&stack.container("cache")),
        identity(&stack.container("user")),
    );
    let again = stack.ok(&["up", "-d"]);
    assert!(again.out.contains("ready"), "{}", said(&again));
    let now = (
        identity(&stack.container("cache")),
        identity(&stack.container("user")),
    );
    assert_eq!(now, before);

    // Nor does one that finds the containers of a session that is gone.
    let pid = stack.status()["session"]["pid"].to_string();
    assert_eq!(shell(&format!("kill -9 {pid}"), &stack.folder).code, 0);
    eventually("the session gone", 20, || {
        stack.status()["session"].is_null().then_some(())
    });
    stack.ok(&["up", "-d"]);
    let now = (
        identity(&stack.container("cache")),
        identity(&stack.container("user")),
    );
    assert_eq!(now, before);
}

#[test]
fn a_second_up_in_another_terminal_follows_and_leaves_the_session_running() {
    let stack = Scratch::new("follow", &[("Stackfile.kdl", CACHE)]);
    let mut session = stack.up(&[]);
    session.ready();
    let before = identity(&stack.container("cache"));
    let mut second = stack.up(&[]);
    second.ready();
    assert_eq!(
        docker(&["stop", "-t", "1", &stack.container("user")]).code,
        0
    );
    // Both terminals are told.
    session.state("user", "stopped", 60);
    second.state("user", "stopped", 60);
    let (code, errors) = second.interrupt();
    assert_eq!(code, 0, "{errors}");
    let status = stack.status();
    assert_eq!(
        status["session"]["pid"].as_u64(),
        Some(u64::from(session.child.id())),
        "{status}"
    );
    assert_eq!(stack.service("cache")["state"], "ready");
    assert_eq!(identity(&stack.container("cache")), before);
    let (code, errors) = session.interrupt();
    assert_eq!(code, 0, "{errors}");
}

#[test]
fn a_volume_of_another_stack_is_not_shared_by_accident_and_never_removed() {
    let volume = format!("devrun-test-shared-{}", std::process::id());
    let text = format!(
        "stack app\nvolume data name=\"{volume}\"\nservice cache {{ image \"redis:7\"; volume data to=\"/data\"; healthcheck \"redis-cli ping\" }}\n"
    );
    let first = Scratch::new("shareda", &[("Stackfile.kdl", &text)]);
    let second = Scratch::new("sharedb", &[("Stackfile.kdl", &text)]);
    first.ok(&["up", "-d"]);
    let up = second.run(&["up", "-d"]);
    assert_eq!(up.code, 1, "{}", said(&up));
    let told = format!(
        "the volume {volume} is in use by {}",
        first.container("cache")
    );
    assert!(
        said(&up).contains(&told) && said(&up).contains("-p OTHER-NAME"),
        "{}",
        said(&up)
    );

    first.ok(&["down"]);
    let up = second.ok(&["up", "-d"]);
    let told = format!("uses volumes that were there before: {volume}");
    assert!(said(&up).contains(&told), "{}", said(&up));
    second.ok(&["down", "--volumes"]);
    assert_eq!(
        docker(&["volume", "inspect", &volume]).code,
        0,
        "it belongs to the first"
    );
    first.ok(&["down", "--volumes"]);
    assert_ne!(docker(&["volume", "inspect", &volume]).code, 0);
}

#[test]
fn data_of_the_same_stack_in_another_folder_is_said_and_outlives_this_one() {
    let text = "stack app
volume data
service cache { image \"redis:7\"; volume data to=\"/data\"; healthcheck \"redis-cli ping\"; }
";
    let first = Scratch::new("data", &[("Stackfile.kdl", text)]);
    let mut second = Scratch::new("datab", &[("Stackfile.kdl", text)]);
    let own_name = std::mem::replace(&mut second.name, first.name.clone());
    first.ok(&["up", "-d"]);
    first.ok(&["down"]);

    let up = second.run(&["up", "-d"]);
    let down = second.run(&["down", "--volumes"]);
    second.name = own_name;
    let volume = format!("{}-data", first.name);
    assert_eq!((up.code, down.code), (0, 0), "{}{}", said(&up), said(&down));
    let told = format!("uses volumes that were there before: {volume}");
    assert!(said(&up).contains(&told), "{}", said(&up));
    let kept = format!(
        "volume {volume} kept: it was made from {}",
        first.folder.display()
    );
    assert!(said(&down).contains(&kept), "{}", said(&down));
    assert_eq!(docker(&["volume", "inspect", &volume]).code, 0);

    first.ok(&["down", "--volumes"]);
    assert_ne!(docker(&["volume", "inspect", &volume]).code, 0);
}
