//! What parses, and cannot be meant.

use super::world::{World, told};

#[test]
fn words_and_properties() {
    insta::assert_snapshot!(told(
        "stack app
servcie db { image \"x\" }
service a {
    imgae \"x\"
    prot 80
    limits cpu=1 memroy=\"5M\"
    ignore \"x\"
    frobnicate
    A: \"b\"
    image \"x\" port 80
}
port 80
overlay ci { }
"
    ));
}

#[test]
fn words_of_compose() {
    insta::assert_snapshot!(told(
        "version \"3\"
services {
}
stack app
service a {
    image \"x\"
    depends_on db
    ports \"80:80\"
    volumes \"x:/y\"
    env_file \".env\"
    container_name x
    deploy { }
    healthcheck { test \"x\" }
    healthcheck \"CMD\" \"x\"
    port \"8000:80\"
    restart \"on-failure:3\"
    networks x
    replicas 3
}
"
    ));
}

#[test]
fn references_to_what_is_not_there() {
    insta::assert_snapshot!(told(
        "stack app
volume postgres-data
service db {
    image \"x\"
    volume postgres-dta to=\"/a\"
    volume \"./src\" to=\"/b\"
    volume \"./src:/c:ro\" to=\"/c\"
    depends-on redsi db2
}
service redis { image \"x\"; volume postgres-data to=\"/d\" }
check c { exec redsi \"x\" }
"
    ));
}

#[test]
fn both_places_of_what_is_said_twice() {
    insta::assert_snapshot!(told(
        "stack app
stack app2
var A 1
var A 2
volume v
volume v
service a {
    image \"x\"
    image \"y\"
    port 80 to=1
    port 81 to=1
    environment { K 1; K 2 }
    volume v to=\"/v\"
    volume v to=\"/v\"
    depends-on b b
    limits cpus=1 cpus=2
}
service b { image \"x\"; port 81 }
service b { image \"x\" }
"
    ));
}

#[test]
fn ports_and_routes_that_clash() {
    let world = World::new(
        "stack app
proxy p { image \"x\"; config \"n\"; port 80 }
proxy q { image \"x\"; config \"n\" }
service a { image \"x\"; port 8000; route \"/api/*\" }
service b { image \"x\"; port \"8000\" to=80 bind=\"0.0.0.0\"; route \"/api/*\" }
service c { image \"x\"; port \"8000/udp\"; route \"/c\" port=80 }
service d { image \"x\"; route \"/d\" \"e\" \"/*/f\" \"/g {\" }
service e { image \"x\"; port 1; port 2; route \"/h\" }
",
    )
    .file("n", "");
    insta::assert_snapshot!(world.told());
}

#[test]
fn profiles_that_never_meet_may_share_a_port() {
    let world = World::new(
        "stack app\nservice a { image \"x:1\"; port 1; profile a }\nservice b { image \"x:1\"; port 1; profile b }\n",
    );
    assert_eq!(world.told(), "");
}

#[test]
fn circles() {
    insta::assert_snapshot!(told(
        "stack app
service a { image \"x\"; depends-on b }
service b { image \"x\"; depends-on c d }
service c { image \"x\"; depends-on a }
service d { image \"x\"; depends-on d }
"
    ));
}

#[test]
fn variables() {
    insta::assert_snapshot!(told(
        "stack app
var DB_NAME \"x\"
var LATE \"${LATER} ${DB_NAME}\"
var LATER 1
var NOTHING
var NEEDED required=#true doc=\"the licence key\"
var MODE \"dev\" choices=\"test prod\"
var DEVRUN_X 1
var \"A-B\" 1
service a {
    image \"x:${DBNAME}\"
    command \"a ${DB_NAM} ${HOME:?say where} ${X%y}\"
    environment {
        URL \"${DEVRUN_URL}\"
        A: \"b\"
        C #true
        D #null
        E
        F-G 1
    }
}
"
    ));
}

#[test]
fn values() {
    insta::assert_snapshot!(told(
        "stack App
service a {
    image \"\"
    limits cpus=\"many\" memory=512
    reservations
    healthcheck \"x\" interval=10 timeout=\"0s\" retries=0 start-period=\"10 s\"
    ready-timeout \"5 minutes\"
    restart sometimes
    init \"yes\"
    port 70000
    port 80 bind=\"everywhere\"
    port \"80/icmp\"
    logging json-file max_size=\"1M\"
    depends-on b condition=service_healthy
    command \"\"
}
service b { image \"x\"; healthcheck; port 1; healthcheck http=\"https://x\" }
service c { image \"x\"; healthcheck \"x\" tcp=5; restart always retries=3; on \"*\" { signal \"FOO\" } }
service d { image \"x\"; healthcheck none interval=\"5s\" }
service e { image \"x\"; healthcheck http=\"/x\" }
"
    ));
}

#[test]
fn variables_show_what_they_stood_for() {
    let world = World::new("stack app\nvar PORT 80\nservice a { image \"x\"; port \"${PORT}\" }\n")
        .shell("PORT", "http");
    insta::assert_snapshot!(world.told());
}

#[test]
fn paths() {
    let world = World::new(
        "stack app
service a {
    build \"gone\"
    bind \"gone\" to=\"/x\"
    bind \"there\" to=\"relative\"
    env-file \"gone.env\"
    sync to=\"app\"
}
service b { build \"there\"; sync \"there/file\" to=\"/app\"; sync to=\"/\" }
service c { build \"there\" dockerfile=\"Other\"; sync }
service d { image \"x\"; sync to=\"/app\"; bind \"there\" to=\"/src\"; sync \"there\" to=\"/src/a\" { on \"*\" { rebuild } } }
proxy p { image \"x\"; config \"there\"; health \"x\" }
service e { image \"x\"; bind \"there\" }
service f { }
proxy q { image \"x\" }
",
    )
    .file("there/file", "");
    insta::assert_snapshot!(world.told());
}

#[test]
fn env_files() {
    let world = World::new("stack app\nservice a { image \"x\"; env-file \"a.env\" }\n")
        .file("a.env", "A=1\nB\nC=${NOWHERE}\n")
        .file(".env", "1=2\n");
    insta::assert_snapshot!(world.told());
}

#[test]
fn tasks() {
    insta::assert_snapshot!(told(
        "stack app
task t { image \"x\"; restart always }
service a { image \"x\"; depends-on b condition=completed }
service b { image \"x\"; task \"yes\" }
service c { image \"x\" }
service d { image \"x\"; depends-on c condition=completed }
service e { image \"x\"; on \"*\" { run b }; sync \"s\" to=\"/s\" { on \"*\" { run c } }; on \"x\" { run bb } }
task u { image \"x\"; on \"*\" { run t } }
"
    ));
}

#[test]
fn incomplete_checks_and_rules() {
    insta::assert_snapshot!(told(
        "stack app
service a {
    image \"x\"
    on \"*\" { }
    on { restart }
    on \"../x\" { explode; sync; restart now }
}
check one
check two { }
check three { http \"/\" }
check four { exec a }
check five { http \"x\"; http \"http://h/\" }
check five { ping }
task
"
    ));
}

#[test]
fn a_stack_without_a_name_and_one_with_a_bad_one() {
    insta::assert_snapshot!(told("service a { image \"x\" }\n"));
    let mut world = World::new("stack app\n");
    world.options.project_name = Some("My Copy".into());
    insta::assert_snapshot!(world.told());
}

#[test]
fn what_is_hardly_meant_is_a_warning() {
    let world = World::new("stack app\nvolume unused\nservice a { image \"x\" }\n");
    assert!(world.load().stack.is_ok());
    insta::assert_snapshot!(world.told());
}

#[test]
fn programs_get_the_same() {
    let Err(rejected) = World::new("stack app\nservice db { imgae \"x\" }\n")
        .load()
        .stack
    else {
        panic!("accepted");
    };
    let first = &rejected.0[0];
    assert_eq!(first.location().to_string(), "Stackfile.kdl:2");
    assert_eq!(
        (first.location().column, first.code()),
        (14, "stackfile::unknown-word")
    );
    assert_eq!(first.message(), "`imgae` is not a word of a service");
    assert_eq!(first.help(), Some("did you mean `image`?"));
    assert_eq!(rejected.to_string(), "1 problem in Stackfile.kdl");
}

#[test]
fn an_env_file_of_the_command_line_that_is_not_there() {
    let mut world = World::new("stack app\n");
    world.options.env_file = Some("/elsewhere/ci.env".into());
    let loaded = world.load();
    assert!(loaded.reads.contains(&"/elsewhere/ci.env".into()));
    let told = world.told();
    assert!(
        told.contains("--env-file /elsewhere/ci.env cannot be read"),
        "{told}"
    );
}
