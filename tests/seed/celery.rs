//! The worker is started only when it is asked for, and then works.

use serde_json::Value;

use crate::kit::{eventually, http};
use crate::stack::{Seed, containers, inspect, json};

const COUNT: &str = "http://localhost/api/v1/items/count/";

#[test]
fn true_ports_celery_runs_only_with_its_profile_and_then_does_its_task() {
    let seed = Seed::new();
    let said = seed.ok("devrun up -d").out;
    assert!(
        said.contains("celery    off              --profile with-celery"),
        "{said}"
    );
    assert!(!containers().contains_key("celery"));
    assert_eq!(seed.service("celery")["state"], "off");

    // What is asked for while nobody works is done once somebody does.
    seed.ok("devrun exec redis redis-cli del backend:1:items.count");
    post(COUNT);
    assert_eq!(json(COUNT)["count"], Value::Null);
    let before = containers();
    seed.ok("devrun up -d celery");
    let mut after = containers();
    assert!(
        after.remove("celery").is_some(),
        "naming it activates its profile"
    );
    assert_eq!(after, before, "the others are left alone");
    assert_eq!(seed.service("celery")["state"], "ready");
    counted();

    // One more item, one more counted.
    let item = http(&[
        "-X",
        "POST",
        "-d",
        "name=counted",
        "http://localhost/api/v1/items/",
    ])
    .unwrap();
    let item: Value = serde_json::from_str(&item.body).unwrap();
    post(COUNT);
    counted();
    http(&[
        "-X",
        "DELETE",
        &format!("http://localhost/api/v1/items/{}/", item["id"]),
    ])
    .unwrap();

    let log = seed.ok("devrun logs celery").out;
    assert!(log.contains("items.tasks.count_items"), "{log}");
    seed.ok("devrun down");

    seed.ok("devrun --profile with-celery up -d");
    assert_eq!(seed.service("celery")["state"], "ready");
    assert_eq!(
        inspect("celery")["HostConfig"]["RestartPolicy"]["Name"],
        "no"
    );
    post(COUNT);
    counted();
    seed.ok("devrun down");

    seed.ok("devrun up -d db redis");
    assert_eq!(
        containers().into_keys().collect::<Vec<_>>(),
        ["db", "redis"],
        "the profile was for that one start"
    );
    seed.ok("devrun up -d celery");
    assert_eq!(
        containers().into_keys().collect::<Vec<_>>(),
        ["celery", "db", "redis"],
        "it comes with what it depends on, and with nothing else"
    );
}

fn post(url: &str) {
    let answer = http(&["-X", "POST", url]).unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// The worker's number becomes the number of items.
fn counted() {
    let items = json("http://localhost/api/v1/items/")["count"].clone();
    eventually("the worker counts", 30, || {
        (json(COUNT)["count"] == items).then_some(())
    });
}
