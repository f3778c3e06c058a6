use std::collections::BTreeMap;

use super::{Stored, Why, kept, kept_of, old};
use crate::session::tests::stacks::stack;

fn image(id: &str, names: &[&str], named_at: i128) -> Stored {
    Stored {
        id: id.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        named_at,
        size: 1,
        in_use: false,
        leaves: false,
        made_like: id.to_owned(),
    }
}

fn ids(stored: &[Stored], kept: &[(&str, u32)], others: bool) -> Vec<String> {
    let kept = kept.iter().map(|(name, keep)| ((*name).to_owned(), *keep));
    let kept: BTreeMap<String, u32> = kept.collect();
    let found = old(stored, "app", &kept, others).into_iter();
    found.map(|image| image.id).collect()
}

#[test]
fn the_newest_of_each_name_stay() {
    let stored = [
        image("a", &["app-web:00000000000a"], 1),
        image("b", &["app-web:00000000000b"], 2),
        image("c", &["app-web:00000000000c"], 3),
        image("d", &["app-api:00000000000d"], 1),
    ];
    assert_eq!(
        ids(&stored, &[("app-web", 2), ("app-api", 1)], false),
        ["a"]
    );
    assert_eq!(ids(&stored, &[("app-web", 1)], false), ["a", "b"]);
    assert_eq!(ids(&stored, &[("app-web", 9)], false), [""; 0]);
}

#[test]
fn what_a_build_that_was_cut_off_left_without_a_name_goes() {
    let like = |id: &str, names: &[&str], made_like: &str| Stored {
        made_like: made_like.to_owned(),
        ..image(id, names, 1)
    };
    let used = Stored {
        in_use: true,
        ..like("d", &[], "3 of web")
    };
    let stored = [
        like("a", &["app-web:00000000000a"], "3 of web"),
        like("b", &[], "3 of web"),
        like("c", &[], "4 of web, and more"),
        used,
    ];
    assert_eq!(ids(&stored, &[("app-web", 3)], false), ["b"]);
    assert_eq!(ids(&stored, &[("app-api", 3)], false), [""; 0]);
}

#[test]
fn one_in_use_stays_however_old_it_is() {
    let mut stored = [
        image("a", &["app-web:00000000000a"], 1),
        image("b", &["app-web:00000000000b"], 2),
        image("c", &["app-web:00000000000c"], 3),
    ];
    stored[0].in_use = true;
    assert_eq!(ids(&stored, &[("app-web", 1)], false), ["b"]);
}

#[test]
fn what_has_no_name_of_ours_is_not_ours() {
    let stored = [
        image("a", &["app-web:latest"], 1),
        image("b", &["mine:00000000000b"], 1),
        image("c", &["app-web:00000000000G"], 1),
        image("d", &["app-web:0000000000"], 1),
        image("e", &[], 1),
        image("f", &["localhost:5000/app-web"], 1),
        image("g", &["other-web:00000000000a"], 1),
    ];
    assert_eq!(ids(&stored, &[("app-web", 0)], true), [""; 0]);
}

#[test]
fn an_image_loses_the_names_that_it_has_from_us_and_no_other() {
    let names = [
        "app-web:00000000000a",
        "mine:1",
        "app-web:00000000000b-c0ffee",
    ];
    let stored = [
        image("a", &names, 1),
        image("b", &["app-web:00000000000c"], 2),
    ];
    let found = old(&stored, "app", &[("app-web".to_owned(), 1)].into(), false);
    assert_eq!(found[0].names, [names[0], names[2]]);
    assert_eq!(found[0].why, Why::Newer(1));
}

#[test]
fn names_of_services_that_are_gone_are_for_those_who_ask() {
    let stored = [
        image("a", &["app-gone:00000000000a"], 1),
        image("b", &["application-web:00000000000b"], 1),
    ];
    assert_eq!(ids(&stored, &[("app-web", 3)], false), [""; 0]);
    assert_eq!(ids(&stored, &[("app-web", 3)], true), ["a"]);
}

#[test]
fn the_most_that_is_said_of_a_name_counts() {
    let stack = stack(
        "stack app
        service base { build \"base\" keep=1 }
        service web { build \"web\" keep=5 { additional-context lib \"lib\"; additional-context base \"service:base\" } }
        service worker { build \"web\" { additional-context lib \"lib\"; additional-context base \"service:base\" } }
        service db { image \"db:1\" }",
    );
    let list = |kept: BTreeMap<String, u32>| -> Vec<String> {
        let kept = kept.into_iter();
        kept.map(|(name, keep)| format!("{name} {keep}")).collect()
    };
    assert_eq!(
        list(kept(&stack)),
        ["app-base 5", "app-web 5", "app-web-lib 5"]
    );
    assert_eq!(list(kept_of(&stack, "base")), ["app-base 1"]);
    assert_eq!(list(kept_of(&stack, "db")), [""; 0]);
}
