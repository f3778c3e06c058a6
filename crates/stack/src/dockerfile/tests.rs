use std::collections::BTreeMap;

use super::bases;

fn of(text: &str, args: &[(&str, &str)], target: Option<&str>) -> Vec<String> {
    let args: BTreeMap<String, String> = args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    bases(text, &args, target).into_iter().collect()
}

const STAGES: &str = "\
FROM golang:1 AS tools
FROM tools AS build
COPY --from=helper:2 --chown=1:1 /a /a
RUN --mount=type=bind,from=cache:3,target=/c --network=none make
FROM nginx:1 AS other
FROM scratch AS last
COPY --from=build /a /a
COPY --from=0 /b /b
";

#[test]
fn what_the_target_stands_on_and_nothing_else() {
    let all = ["cache:3", "golang:1", "helper:2"];
    assert_eq!(of(STAGES, &[], None), all);
    assert_eq!(of(STAGES, &[], Some("last")), all);
    assert_eq!(of(STAGES, &[], Some("TOOLS")), ["golang:1"]);
    assert_eq!(of(STAGES, &[], Some("2")), ["nginx:1"]);
    assert_eq!(of("", &[], None), [""; 0]);
    assert_eq!(of("FROM scratch\n", &[], Some("nowhere")), [""; 0]);
}

#[test]
fn arguments_are_filled_in_and_what_is_not_known_is_left_out() {
    let text = "\
ARG TAG=1 BASE
ARG NAME=\"python:$TAG\"
FROM --platform=$BUILDPLATFORM ${NAME}-slim AS a
FROM ${BASE:-alpine}:${TAG} AS b
FROM x${BASE:+-y} AS c
FROM $UNKNOWN AS d
FROM scratch
COPY --from=a / /
COPY --from=b / /
COPY --from=c / /
COPY --from=d / /
";
    assert_eq!(of(text, &[], None), ["alpine:1", "python:1-slim", "x"]);
    let said = [("TAG", "2"), ("BASE", "debian")];
    assert_eq!(of(text, &said, None), ["debian:2", "python:2-slim", "x-y"]);
}

#[test]
fn a_stage_of_an_image_s_name_is_the_stage_once_it_is_there() {
    let text = "FROM python AS python\nFROM python\n";
    assert_eq!(of(text, &[], None), ["python"]);
    let text = "FROM later\nFROM scratch AS later\n";
    assert_eq!(of(text, &[], Some("0")), ["later"]);
}

#[test]
fn what_a_document_or_a_comment_says_is_no_instruction() {
    let text = "FROM a\n# FROM b\nRUN <<EOF\nFROM c\nEOF\nRUN x \\\n # comment\n  --from=d\n";
    assert_eq!(of(text, &[], None), ["a"]);
}
