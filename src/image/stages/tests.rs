use super::*;

fn stages() -> BTreeMap<String, String> {
    let pair = |(name, image): (&str, &str)| (name.to_owned(), image.to_owned());
    [("base", "app-base:1"), ("shared", "app-web-shared:2")]
        .map(pair)
        .into()
}

#[test]
fn contexts_are_the_first_stages_and_numbers_go_on_meaning_the_same() {
    let text = "\
# syntax=docker/dockerfile:1
ARG TAG=3
FROM alpine:${TAG} AS tools
RUN --mount=type=bind,from=0,target=/x echo --from=0
FROM base
COPY --from=0 /a \\
     --from=0 /b
COPY --from=shared --chown=1 /c /c
";
    let begun = Begun::with(text, &stages());
    assert_eq!(
        begun.text,
        "\
# syntax=docker/dockerfile:1
ARG TAG=3
FROM app-base:1 AS base
FROM app-web-shared:2 AS shared
FROM alpine:${TAG} AS tools
RUN --mount=type=bind,from=2,target=/x echo --from=0
FROM base
COPY --from=2 /a \\
     --from=2 /b
COPY --from=shared --chown=1 /c /c
"
    );
    assert_eq!(begun.target("0"), "2");
    assert_eq!(begun.target("tools"), "tools");
    let written: Vec<Option<usize>> = (1..=6).map(|line| begun.written(line)).collect();
    assert_eq!(written, [Some(1), Some(2), None, None, Some(3), Some(4)]);
}

#[test]
fn a_context_takes_the_place_of_a_stage_of_its_name() {
    let begun = Begun::with("FROM alpine AS Base\nFROM base\n", &stages());
    let own: Vec<&str> = begun.text.lines().skip(2).collect();
    assert_eq!(own, ["FROM alpine", "FROM base"]);
}

#[test]
fn without_contexts_nothing_changes() {
    let text = "FROM alpine\nCOPY --from=0 a b";
    let begun = Begun::with(text, &BTreeMap::new());
    assert_eq!((begun.text.as_str(), begun.written(2)), (text, Some(2)));
}

#[test]
fn the_latest_image_of_a_context_s_name_is_the_context() {
    let text = "FROM base:latest\nCOPY --from=shared:latest /a /b\nRUN --mount=from=base:latest,target=/x ls\nFROM other:latest\n";
    let begun = Begun::with(text, &stages());
    let own: Vec<&str> = begun.text.lines().skip(2).collect();
    assert_eq!(
        own,
        [
            "FROM base",
            "COPY --from=shared /a /b",
            "RUN --mount=from=base,target=/x ls",
            "FROM other:latest"
        ]
    );
}
