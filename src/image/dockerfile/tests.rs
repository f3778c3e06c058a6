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

#[test]
fn the_line_that_reads_a_file_is_the_first_of_the_stages_that_are_built() {
    let text = "\
FROM python AS base
COPY requirements*.txt ./
FROM base AS docs
COPY docs/ /docs
FROM base AS dev
COPY --from=shared . /shared
COPY --chown=1:1 [\"./src/\", \"pyproject.toml\", \"/app/\"]
RUN --mount=type=bind,source=lock.txt,target=/lock --mount=type=cache,target=/c pip install
COPY ${WHERE}/x <<EOF /app/
EOF
ADD --exclude=*.md . /app
";
    let file = Dockerfile::parse(text);
    let cases = [
        (None, None, "requirements.txt", Some(2)),
        (None, None, "requirements-dev.txt", Some(2)),
        (None, None, "src/a/b.py", Some(7)),
        (None, None, "pyproject.toml", Some(7)),
        (None, None, "lock.txt", Some(8)),
        (None, None, "docs/a.py", Some(11)),
        (None, None, "README.md", None),
        (None, Some("shared"), "a.txt", Some(6)),
        (None, Some("other"), "a.txt", None),
        (Some("docs"), None, "docs/a.py", Some(4)),
        (Some("docs"), None, "src/a.py", None),
        (Some("1"), None, "requirements.txt", Some(2)),
        (Some("nobody"), None, "src/a.py", None),
    ];
    for (target, context, path, expected) in cases {
        let line = file.line_reading(target, context, path);
        assert_eq!(line, expected, "{target:?} {context:?} {path}");
    }
    let by_base = Dockerfile::parse("FROM shared\nCOPY . .\n");
    assert_eq!(by_base.line_reading(None, Some("shared"), "x"), Some(1));
}
