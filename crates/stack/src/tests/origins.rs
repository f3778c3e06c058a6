//! Where values come from, as the printed Stackfile tells it.

use super::world::{World, printed};

const TEXT: &str = r#"stack app
var TOKEN "none" secret=#true
var PORT 8000
var TAG "3.13"
var PLAIN "plain"
volume data doc="of ${PLAIN}"
defaults {
    restart always
    environment { LEVEL "info"; MODE "defaults" }
}
template python {
    build "web" { args { TAG "${TAG}"; SIZE 1 } }
    env-file "web.env"
    environment { MODE "template"; URL "http://${DEVRUN_STACK}:${PORT}" }
    cap-drop ALL
    sync to="/app" { ignore "*.pyc"; on "*.txt" { rebuild } }
}
service web {
    use python
    command "serve" "--token=${TOKEN}" "${EDITOR:-vi}"
    environment { MODE "own" }
    port "${PORT}" to=80
    cap-drop CHOWN
    volume data to="/data"
    sync to="/app" { ignore "out/"; on "*.${PLAIN}" { exec "touch ${PLAIN}" } }
}
check web { http "http://localhost:${PORT}/" }
"#;

fn world() -> World {
    World::new(TEXT)
        .file("web/Dockerfile", "")
        .file(".env", "# mine\nPORT=9000\n")
        .file(
            "web.env",
            "\nWORDS=\"a b\"\nLEVEL=${LEVEL_OUTSIDE:-low}\nSHELL_SAYS=${TOKEN}\n",
        )
        .shell("TOKEN", "t0ken")
}

#[test]
fn each_line_says_from_where_its_value_is() {
    let world = world();
    let Ok(stack) = world.load().stack else {
        panic!("{}", world.told());
    };
    insta::assert_snapshot!(printed(&stack));
}

#[test]
fn programs_are_told_the_same() {
    let stack = world().load().stack.expect("is read");
    let origins = serde_json::to_value(&stack.origins).expect("plain data");
    let web = &origins["service web"];
    assert_eq!(
        web["environment URL"],
        serde_json::json!({
            "from": "template python",
            "at": {"file": "Stackfile.kdl", "line": 14, "column": 36},
            "variables": [
                {"name": "DEVRUN_STACK", "from": "the stack's name"},
                {"name": "PORT", "from": ".env:2"},
            ],
        })
    );
    assert_eq!(web["environment WORDS"]["from"], "env-file");
    assert_eq!(web["environment WORDS"]["at"]["file"], "web.env");
    assert_eq!(web["restart"]["from"], "defaults");
    assert_eq!(
        web["command"]["variables"][1]["from"],
        serde_json::Value::Null
    );
    assert_eq!(web["init"], serde_json::Value::Null);
    assert_eq!(
        origins["var TOKEN"]["declaration"]["variables"][0]["from"],
        "shell"
    );
}
