use super::Dockerfile;

const TWO_STAGES: &str = "\
# syntax comment

ARG VERSION=1
FROM --platform=linux/amd64 python:3.13 AS build
WORKDIR /app
ENV A=1
COPY requirements.txt .
RUN pip install \\
    # a comment inside
    -r requirements.txt

FROM build AS dev
RUN first
RUN <<EOF
RUN not an instruction
EOF
RUN last
FROM scratch
COPY --from=build /app /app
";

#[test]
fn steps_are_found_by_their_place_in_their_stage() {
    let file = Dockerfile::parse(TWO_STAGES);
    let cases = [
        (
            "[build 1/4] FROM registry.example/library/python:3.13",
            Some(4),
        ),
        ("[build 2/4] WORKDIR /app", Some(5)),
        ("[build 3/4] COPY requirements.txt .", Some(7)),
        (
            "[build 4/4] RUN pip install     -r requirements.txt",
            Some(8),
        ),
        ("[linux/amd64 build  4/4] RUN pip", Some(8)),
        ("[dev 1/3] RUN first", Some(13)),
        ("[dev 2/3] RUN <<EOF (RUN not...)", Some(14)),
        ("[dev 3/3] RUN last", Some(17)),
        ("[stage-2 1/1] COPY --from=build /app /app", Some(19)),
        (
            "[internal] load metadata for registry.example/library/python:3.13",
            Some(4),
        ),
        (
            "[internal] load metadata for registry.example/library/other:3.13",
            None,
        ),
        ("[internal] load build context", None),
        ("exporting to image", None),
        ("[gone 1/1] RUN x", None),
        ("[dev 9/9] RUN x", None),
    ];
    for (step, line) in cases {
        assert_eq!(file.line_of(step), line, "{step}");
    }
}

#[test]
fn a_single_stage_needs_no_name() {
    let file = Dockerfile::parse("FROM base\nUSER 1\nRUN a\nRUN b");
    assert_eq!(file.line_of("[3/3] RUN b"), Some(4));
    assert_eq!(
        file.line_of("[internal] load metadata for example.com/x/base:latest"),
        Some(1)
    );
}

#[test]
fn instructions_that_the_base_adds_do_not_mislead() {
    let file = Dockerfile::parse("FROM base\nCOPY . /app\nRUN a");
    assert_eq!(file.line_of("[4/5] COPY . /app"), Some(2));
}

#[test]
fn another_escape_character_is_honoured() {
    let file = Dockerfile::parse("# escape=`\nFROM base\nRUN a `\n b\nRUN c:\\\nRUN d");
    assert_eq!(file.line_of("[2/4] RUN a  b"), Some(3));
    assert_eq!(file.line_of("[4/4] RUN d"), Some(6));
}
