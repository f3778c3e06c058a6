//! Connections to a service that nobody changes.

use crate::kit::get;
use crate::stage::{Open, app_with, up, url};

#[test]
fn open_ones_live_through_twenty_replacements_and_an_edited_route() {
    let declared = |round: u32| format!("environment {{ ROUND \"{round}\" }}");
    let stack = app_with("others", &declared(0));
    let mut session = up(&stack);
    let (mut socket, mut events) = (Open::socket(&stack), Open::events(&stack));
    for round in 1..=20 {
        if round == 10 {
            let one = "route \"/api/*\" port=8000";
            let two = format!("{one}\n    route \"/more/*\" port=8000");
            stack.edit("Stackfile.kdl", one, &two);
            session.wait("the other route", 60, |event| {
                event["event"] == "routes-applied"
            });
            let answer = get(&format!("{}more/word", url(&stack))).unwrap();
            assert_eq!((answer.status, answer.body.as_str()), (200, "one"));
        }
        stack.edit("Stackfile.kdl", &declared(round - 1), &declared(round));
        session.state("backend", "updating", 60);
        session.state("backend", "ready", 60);
        socket.echoes("still here");
    }
    events.goes_on();
}
