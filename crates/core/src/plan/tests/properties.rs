//! What holds for any paths and any rules.

use proptest::prelude::*;

use super::*;

fn any_path() -> impl Strategy<Value = PathBuf> {
    let name = prop::sample::select(vec![
        "web",
        "src",
        "dist",
        "docs",
        "a.py",
        "requirements.txt",
        "package.json",
        "Dockerfile",
        ".git",
        "__pycache__",
        "used.md",
        "a.log",
        "shared",
        "a.proto",
        "stack.json",
        ".dockerignore",
        "x~",
    ]);
    prop::collection::vec(name, 0..5)
        .prop_map(|names| Path::new("/p").join(names.iter().collect::<PathBuf>()))
}

proptest! {
    #[test]
    fn the_order_of_paths_does_not_matter(paths in prop::collection::vec(any_path(), 0..6)) {
        let rules = rules(django());
        let mut turned = paths.clone();
        turned.reverse();
        turned.extend(paths.first().cloned());
        prop_assert_eq!(rules.decide("web", &paths), rules.decide("web", &turned));
    }

    #[test]
    fn what_is_covered_rebuilds_only_if_a_rule_says_so(path in any_path()) {
        let rules = rules(django());
        let decision = rules.decide("web", std::slice::from_ref(&path));
        prop_assert_eq!(rules.covers("web", &path), decision.sync.contains(&path));
        let by_name = path.file_name().is_some_and(|name| {
            name == "requirements.txt" || name == "Dockerfile" || name == ".dockerignore"
        });
        if rules.covers("web", &path) && !by_name {
            prop_assert!(!decision.follow.contains(&Follow::Rebuild));
        }
        // What asks for a new image is what the image is known by.
        if decision.follow.contains(&Follow::Rebuild) {
            prop_assert!(rules.image_input("web", &path));
        }
    }

    #[test]
    fn what_matters_is_reached_by_a_walk_from_a_root(path in any_path()) {
        let rules = rules(django());
        if !rules.decide("web", std::slice::from_ref(&path)).is_nothing() {
            prop_assert!(rules.concerns(&path, false));
            let roots = rules.roots();
            let reached = roots.iter().any(|root| {
                path.strip_prefix(root).is_ok_and(|rel| {
                    let folders = rel.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
                    folders.into_iter().all(|folder| !rules.prunes(&root.join(folder)))
                })
            });
            prop_assert!(reached, "{:?}", path);
        }
    }

    #[test]
    fn any_text_is_a_rule(pattern in ".*", ignore in ".*", text in "(?s).*", path in any_path()) {
        let mut web = web();
        web.sync = vec![sync("/p/web", &[&ignore], vec![on(1, &[&pattern], &[Action::Restart])])];
        web.on = vec![on(2, &[&pattern], &[Action::Rebuild])];
        let ignores = texts(&[("/p/.gitignore", &text), ("/p/web/.dockerignore", &text)]);
        let rules = Rules::compile(&stack(vec![web]), &ignores);
        let decision = rules.decide("web", std::slice::from_ref(&path));
        prop_assert!(decision.follow.len() <= 1);
        let _ = (rules.prunes(&path), rules.concerns(&path, true), rules.image_input("web", &path));
    }
}
