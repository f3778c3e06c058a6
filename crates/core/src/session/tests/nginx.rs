//! The nginx in the simulated proxy: what it works with, and whom that names.

use std::collections::BTreeSet;

use devrun_stack::{Service, Stack};

use super::simulation::Simulation;
use super::stacks::NGINX;
use super::world::{Body, World};
use crate::effect::PutFile;
use crate::event::{Failure, Outcome};
use crate::invariants::heeded;
use crate::routes::{CONFIG_PATH, render};
use crate::session::State;

/// What nginx does not know.
pub(super) const MISTAKE: &str = "gzzip";

/// What an entrypoint of the person's image writes over whatever lies there.
const OF_AN_IMAGE: &str = "http { }";

/// The configurations of one container.
#[derive(Debug, Clone, Default)]
pub(super) struct Nginx {
    /// What its next process begins with.
    pub(super) lies: String,
    /// What its process works with.
    pub(super) at_work: String,
}

impl Nginx {
    /// It ends at once.
    pub(super) fn is_mistaken(&self) -> bool {
        self.lies.contains(MISTAKE)
    }

    /// Its process begins; with what lies there, unless the entrypoint writes something else.
    pub(super) fn begin(&mut self, written_over: bool) {
        if written_over && !self.lies.is_empty() && !self.is_mistaken() {
            OF_AN_IMAGE.clone_into(&mut self.lies);
        }
        self.at_work.clone_from(&self.lies);
    }

    /// The services that requests may be passed to.
    fn names(&self) -> BTreeSet<&str> {
        let lines = self.at_work.lines().map(str::trim);
        let names = lines.filter_map(|line| line.strip_prefix(SERVICE)?.strip_suffix(';'));
        names.filter(|name| !name.starts_with('$')).collect()
    }
}

const SERVICE: &str = "set $devrun_service ";

impl World {
    pub(super) fn put(&mut self, id: &str, files: &[PutFile]) {
        let config = files.iter().find(|file| file.path == CONFIG_PATH);
        if let (Some(config), Some(body)) = (config, self.container_mut(id)) {
            body.nginx.lies = String::from_utf8_lossy(&config.content.0).into_owned();
        }
    }

    /// Tested, put into its place, reloaded.
    pub(super) fn apply(&mut self, id: &str, config: &str, generation: u64) -> Outcome {
        if config.contains(MISTAKE) {
            return Outcome::Failed(Failure {
                message: "nginx does not accept it".to_owned(),
                impossible: true,
                ..Failure::default()
            });
        }
        if let Some(body) = self.container_mut(id) {
            config.clone_into(&mut body.nginx.lies);
            config.clone_into(&mut body.nginx.at_work);
        }
        Outcome::ProxyApplied { generation }
    }

    /// Asked for its number.
    pub(super) fn read(&mut self, nginx: &Nginx, generation: u64) -> Outcome {
        let number = format!("return 200 \"{generation}\";");
        if nginx.at_work.contains(&number) {
            return Outcome::ProxyApplied { generation };
        }
        // Its process may have begun just before the file came.
        if nginx.at_work != OF_AN_IMAGE && !nginx.lies.contains(&number) {
            self.collision = Some(format!("number {generation} is asked for, and lay nowhere"));
        }
        Outcome::ProxyOther {
            answer: "HTTP/1.1 404 Not Found".to_owned(),
        }
    }
}

impl Simulation {
    /// Once all is calm nginx works with what was saved last, or with what was there before a
    /// mistake; and of all that it names the proxy knows whether they serve.
    pub(super) fn check_routes(&self) {
        let view = self.session.view();
        if !view.settled || !self.world.is_heard() {
            return;
        }
        let Some((proxy, body)) = self.proxy() else {
            return;
        };
        let state = view.services.iter().find(|it| it.name == proxy.name);
        if state.is_none_or(|it| it.state != State::Ready) {
            return;
        }
        if body.nginx.at_work.is_empty() || body.nginx.at_work.contains(MISTAKE) {
            self.fail("nginx works with a mistake");
        }
        let wanted = wanted(&self.world.stack, proxy);
        let said = self.session.machines[&proxy.name].routing.why().is_some();
        let equal = heeded(&wanted) == heeded(&body.nginx.at_work);
        if !equal && !said {
            self.fail("nginx works with other routes than were saved, and nobody says so");
        }
        let states = self
            .session
            .told_proxy
            .iter()
            .flat_map(|(_, states)| states);
        let ready: BTreeSet<&str> = states
            .filter(|state| state.ready)
            .map(|state| state.service.as_str())
            .collect();
        for name in body.nginx.names() {
            let serves = view.services.iter().find(|it| it.name == name);
            let serves = serves.is_some_and(|it| it.state == State::Ready);
            if serves && !ready.contains(name) {
                self.fail(&format!(
                    "nginx passes on to {name}, which is told not to serve"
                ));
            }
        }
    }

    /// What was saved last is at work.
    pub(super) fn check_routes_live(&self) {
        let Some((proxy, body)) = self.proxy() else {
            self.fail("there is no proxy");
        };
        if heeded(&wanted(&self.world.stack, proxy)) != heeded(&body.nginx.at_work) {
            self.fail(&format!(
                "nginx works with old routes: {}",
                body.nginx.at_work
            ));
        }
    }

    fn proxy(&self) -> Option<(&Service, &Body)> {
        let mut services = self.world.stack.services.iter();
        let proxy = services.find(|service| service.proxy.is_some())?;
        let body = self.world.of_service(&proxy.name).filter(|it| it.running)?;
        Some((proxy, body))
    }
}

fn wanted(stack: &Stack, proxy: &Service) -> String {
    render(stack, proxy, NGINX, 0, None).unwrap()
}
