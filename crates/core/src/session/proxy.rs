//! The proxy's configuration and what it has to know of the services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Session;
use super::machine::{Doing, ImageState, Machine, Wanted};
use super::routing::{Given, Heeded, Number};
use super::shown::Facts;
use super::state::State;
use crate::certificate;
use crate::effect::{Effect, PutFile, RouteState};
use crate::event::{Failure, Transport};
use crate::notice::NoticeEvent;
use crate::routes;
use devrun_stack::{Route, Service, Stack};

/// What to do where nginx never works with what lies in its container.
const READS_ANOTHER: &str = "let it read /etc/nginx/nginx.conf: without `-c` in `command`, without an \
                             entrypoint that writes that file; a server block that does not answer \
                             at 127.0.0.1 looks the same";

impl Session {
    /// The configuration as it should be.
    fn wanted_config(&self, name: &str) -> Result<Given, String> {
        let (Some(stack), Some(text)) = (&self.stack, self.proxy_configs.get(name)) else {
            return Err("its configuration could not be read".to_owned());
        };
        self.heeding(name, stack, text)
    }

    /// A configuration with what nginx heeds of it, and which certificate is meant by it.
    fn heeding(&self, name: &str, stack: &Arc<Stack>, text: &str) -> Result<Given, String> {
        let config = self.config_of(name, stack, text, 0)?;
        let certificate = match &self.certificate {
            Some(Ok(certificate)) => certificate.id.as_str(),
            _ => "",
        };
        let heeded = Heeded {
            text: format!("{certificate}\n{}", without_comments(&config)),
            looked_up: self.looked_up(stack, text),
        };
        Ok(Given {
            heeded,
            stack: stack.clone(),
            text: text.to_owned(),
        })
    }

    /// Which start was ready last of each service whose name nginx would not look up again.
    fn looked_up(&self, stack: &Stack, text: &str) -> BTreeMap<String, i128> {
        let named = routes::looked_up_once(stack, text);
        let served = named.into_iter().filter_map(|name| {
            let served = self.machines.get(&name)?.served?;
            Some((name, served))
        });
        served.collect()
    }

    /// The routes of that stack put into that text, with this number.
    fn config_of(
        &self,
        name: &str,
        stack: &Stack,
        text: &str,
        generation: u64,
    ) -> Result<String, String> {
        let Some(service) = stack.service(name) else {
            return Err("it is no longer declared".to_owned());
        };
        if let Some(Err(message)) = &self.certificate {
            return Err(format!("it has no certificate: {message}"));
        }
        let machine = self.machines.get(name);
        let image = machine.and_then(|machine| machine.last_image.as_ref());
        let version = image.and_then(|image| image.nginx.as_deref());
        routes::render(stack, service, text, generation, version).map_err(|error| error.to_string())
    }

    /// The certificate with its key, which nobody but nginx's own user reads.
    fn certificate_file(&self, name: &str) -> Option<PutFile> {
        let Some(Ok(certificate)) = &self.certificate else {
            return None;
        };
        let service = self.service(name)?;
        service.proxy.as_ref()?.tls.as_ref()?;
        Some(PutFile {
            path: certificate::PATH.to_owned(),
            content: certificate.pem.clone(),
            mode: 0o600,
            for_user: true,
            below: "/".to_owned(),
        })
    }

    /// What a proxy's container has to hold before it starts; nothing for other services.
    pub(super) fn proxy_files(&mut self, name: &str) -> Vec<PutFile> {
        if self
            .service(name)
            .is_none_or(|service| service.proxy.is_none())
        {
            return Vec::new();
        }
        self.generation += 1;
        let given = self.begins_with(name);
        let content = given.and_then(|given| {
            let content = self.config_of(name, &given.stack, &given.text, self.generation)?;
            Ok((given, content))
        });
        let mut files = routes::state_files(&self.route_states());
        let given = match content {
            Ok((given, content)) => {
                files.push(PutFile::text(routes::CONFIG_PATH.to_owned(), content));
                files.extend(self.certificate_file(name));
                Some(self.numbered(name, given))
            }
            Err(message) => {
                self.warn(Some(name), message);
                None
            }
        };
        if let Some(machine) = self.machines.get_mut(name) {
            machine.routing.begins(given);
        }
        files
    }

    /// What is wanted; where nginx has found a mistake in that, the last one that it worked with.
    fn begins_with(&mut self, name: &str) -> Result<Given, String> {
        let wanted = self.wanted_config(name);
        let routing = self.machines.get(name).map(|machine| &machine.routing);
        let instead = routing.and_then(|routing| routing.instead_of(wanted.as_ref().ok()));
        let Some(good) = instead.cloned() else {
            return wanted;
        };
        if let Err(message) = wanted {
            self.warn(Some(name), message);
        }
        self.heeding(name, &good.stack, &good.text)
    }

    /// The container was started with the files of [`Session::proxy_files`].
    pub(super) fn note_proxy_files(&mut self, name: &str) {
        let is_proxy = self
            .service(name)
            .is_some_and(|service| service.proxy.is_some());
        if !is_proxy {
            return;
        }
        self.told_proxy = None;
        if let Some(machine) = self.machines.get_mut(name) {
            machine.routing.started();
        }
    }

    /// With the number that it was just given.
    fn numbered(&self, name: &str, given: Given) -> (Given, Number) {
        let proxy = given.stack.service(name);
        let number = Number {
            generation: self.generation,
            url: proxy.map_or_else(String::new, |proxy| routes::number_url(proxy, &given.text)),
        };
        (given, number)
    }

    /// What its process has begun with counts once it has said so itself; whether it is being asked.
    pub(super) fn reads_back(&mut self, name: &str) -> bool {
        let Some(machine) = self.machines.get(name) else {
            return false;
        };
        let asked = machine.routing.unread().zip(machine.container_id());
        let Some((Number { generation, url }, container)) = asked else {
            return false;
        };
        if machine.attached == Some(Transport::Archive) {
            // There is nobody inside who could ask.
            self.on_proxy_read(name, generation);
            return false;
        }
        self.drop_busy(name);
        let Some(machine) = self.machines.get_mut(name) else {
            return false;
        };
        // It is well, whatever it failed of before.
        machine.failed = None;
        machine.crashed = None;
        if machine.attached.is_none() {
            // Whoever could ask has just gone; it is probed again once there is another one.
            return true;
        }
        let op = self.begin(name, Doing::ProxyRead);
        self.emit(Effect::ProxyRead {
            op,
            container,
            generation,
            url,
        });
        true
    }

    pub(super) fn on_proxy_read(&mut self, name: &str, generation: u64) {
        let machine = self.machines.get_mut(name);
        if machine.is_some_and(|machine| machine.routing.read()) {
            self.notice(Some(name), None, NoticeEvent::RoutesApplied { generation });
        }
    }

    /// It serves, though not as it was to: nobody is to lose what runs for that.
    pub(super) fn on_proxy_other(&mut self, name: &str, answer: &str) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.routing.other();
        }
        let file = routes::CONFIG_PATH;
        let message = format!(
            "nginx has not begun with the {file} of devrun: asked for its number, it said \"{answer}\"; it is given it again"
        );
        self.warn(Some(name), message);
        self.becomes_ready(name);
    }

    pub(super) fn proxy_config_differs(&self, name: &str) -> bool {
        let Some(machine) = self.machines.get(name) else {
            return false;
        };
        let wanted = self.wanted_config(name);
        wanted.is_ok_and(|wanted| !machine.routing.is_last(&wanted.heeded))
    }

    /// Whether nginx is to be given another configuration now.
    pub(super) fn routes_are_due(&self, name: &str) -> bool {
        let rests = |machine: &Machine| machine.routing.rests(self.now);
        !self.machines.get(name).is_some_and(rests) && self.proxy_config_differs(name)
    }

    /// A proxy that ends again and again, perhaps because of a configuration that is mended by now,
    /// which the engine knows nothing of.
    pub(super) fn begins_otherwise(&self, name: &str) -> bool {
        let unproved = |machine: &Machine| machine.routing.is_unproved();
        self.machines.get(name).is_some_and(unproved) && self.proxy_config_differs(name)
    }

    pub(super) fn apply_proxy_config(&mut self, name: &str, container: String) {
        let Ok(given) = self.wanted_config(name) else {
            return;
        };
        self.generation += 1;
        let generation = self.generation;
        let Ok(config) = self.config_of(name, &given.stack, &given.text, generation) else {
            return;
        };
        let certificate = self.certificate_file(name);
        let (given, number) = self.numbered(name, given);
        let url = number.url.clone();
        if let Some(machine) = self.machines.get_mut(name) {
            machine.routing.begins(Some((given, number)));
        }
        let op = self.begin(name, Doing::ProxyApply);
        self.emit(Effect::ProxyApply {
            op,
            container,
            config,
            certificate,
            generation,
            url,
        });
    }

    pub(super) fn on_proxy_applied(&mut self, name: &str, generation: u64) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.routing.taken();
        }
        let cause = self.cause_of(name);
        self.notice(Some(name), cause, NoticeEvent::RoutesApplied { generation });
    }

    /// nginx goes on with the old one. In what it found a mistake, that is not given to it again
    /// until it changes.
    pub(super) fn on_proxy_refused(&mut self, name: &str, failure: Failure) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(name) else {
            return;
        };
        let mut message = failure.message;
        let said = failure.details.first();
        let why = said.map_or_else(|| message.clone(), |said| format!("{message}: {said}"));
        if failure.impossible {
            machine.routing.refused(why);
        } else if machine.routing.not_taken(why, now) {
            message.push_str("; it is tried again");
        } else if machine.routing.is_other() {
            message.push_str("; ");
            message.push_str(READS_ANOTHER);
        } else if let Some(hint) = failure.hint {
            message.push_str("; ");
            message.push_str(&hint);
        }
        for line in failure.details {
            message.push('\n');
            message.push_str(&line);
        }
        self.warn(Some(name), message);
    }

    /// What nginx says of its configuration names lines of the person's files; others say what they say.
    pub(super) fn in_lines_of_people(&self, name: &str, lines: Vec<String>) -> Vec<String> {
        let wanted = self.wanted_config(name);
        let config =
            wanted.and_then(|it| self.config_of(name, &it.stack, &it.text, self.generation));
        match config {
            Ok(config) => routes::explain(&config, routes::CONFIG_PATH, &lines.join("\n")),
            Err(_) => lines,
        }
    }

    /// Tells the proxy what has changed about the services behind it.
    pub(super) fn tell_proxy(&mut self) {
        let Some(container) = self.proxy_container() else {
            return;
        };
        let states = self.route_states();
        let now = Some((container.clone(), states.clone()));
        if self.told_proxy != now {
            self.told_proxy = now;
            self.emit(Effect::ProxyStates { container, states });
        }
    }

    /// The route by which a service gets requests: as it is declared, else as the configuration says
    /// that nginx works with, since another one may yet be refused.
    pub(super) fn route_to<'a>(&'a self, service: &'a Service) -> Option<&'a Route> {
        let at_work = || {
            let stack = self.stack.as_ref()?;
            let proxy = stack.services.iter().find(|it| it.proxy.is_some())?;
            self.machines.get(&proxy.name)?.routing.route_to(service)
        };
        service.routes.first().or_else(at_work)
    }

    /// The proxy's container, once its agent can be talked to; that it is compared once more is in
    /// nobody's way.
    fn proxy_container(&self) -> Option<String> {
        let stack = self.stack.as_ref()?;
        let service = stack
            .services
            .iter()
            .find(|service| service.proxy.is_some())?;
        let machine = self.machines.get(&service.name)?;
        (machine.running() && machine.answered)
            .then(|| machine.container_id())
            .flatten()
    }

    /// Of several replicas one that is ready, if there is one.
    fn one_that_serves<'a>(&self, stack: &'a Stack, first: &'a Service) -> &'a Service {
        let ready = |service: &&Service| {
            let machine = self.machines.get(&service.name);
            machine.is_some_and(Machine::serves)
        };
        stack
            .members(first.declared_as())
            .find(ready)
            .unwrap_or(first)
    }

    fn route_states(&self) -> Vec<RouteState> {
        let Some(stack) = &self.stack else {
            return Vec::new();
        };
        stack
            .services
            .iter()
            .filter(|service| self.route_to(service).is_some())
            .filter(|service| service.leads())
            .filter_map(|first| self.route_state(stack, first))
            .collect()
    }

    fn route_state(&self, stack: &Stack, first: &Service) -> Option<RouteState> {
        let service = self.one_that_serves(stack, first);
        let machine = self.machines.get(&service.name)?;
        let Facts { state, reason } = self.told_facts(service, machine);
        let building = matches!(machine.image, ImageState::Busy(_));
        let all = || {
            let members = stack.members(first.declared_as());
            members.filter_map(|member| self.machines.get(&member.name))
        };
        let doubled = || {
            let mut members = stack.members(first.declared_as());
            members.any(|member| self.is_doubled(&member.name))
        };
        let successor = || {
            let mut members = stack.members(first.declared_as());
            let coming = |next: &Machine| !self.hopeless(next, 0);
            members.any(|member| self.successor(&member.name).is_some_and(coming))
        };
        // Nothing comes to one that is about to end; the name stands for all of them.
        let ready = machine.serves() && !all().any(Machine::gives_way);
        let serving = all().filter(|_| ready).filter(|member| member.serves());
        Some(RouteState {
            service: service.declared_as().to_owned(),
            ready,
            state: state.word(),
            reason: match reason {
                _ if machine.serves() => String::new(),
                Some(reason) => with_last_words(reason, machine),
                None if building => "its image is being built".to_owned(),
                None => String::new(),
            },
            lines: match machine.failure() {
                _ if machine.serves() => Vec::new(),
                Some(failure) => failure.details.clone(),
                None if building => machine.build_step.iter().cloned().collect(),
                None => Vec::new(),
            },
            doubled: doubled(),
            hold: match ready || all().any(|member| self.is_coming(member)) || successor() {
                true => service.update.hold,
                false => Duration::ZERO,
            },
            containers: serving.filter_map(Machine::container_id).collect(),
        })
    }

    /// A failure is told once its last words are known, there as everywhere.
    fn told_facts(&self, service: &Service, machine: &Machine) -> Facts {
        let facts = self.facts(service, machine);
        let is_new = facts.state == State::Failed && machine.shown.state != State::Failed;
        if machine.doing() != Some(Doing::Explain) || !is_new {
            return facts;
        }
        Facts {
            state: match machine.was_ready {
                true => State::Updating,
                false => State::Starting,
            },
            reason: Some("it failed, its last words are being read".to_owned()),
        }
    }

    /// It is on its way, so that waiting for it makes sense.
    fn is_coming(&self, machine: &Machine) -> bool {
        machine.wanted == Wanted::Run
            && self.ending.is_none()
            && !machine.completed
            && (machine.failure().is_none() || machine.fell)
            && !self.hopeless(machine, 0)
    }
}

impl Machine {
    /// Requests can be passed to it.
    pub(super) fn serves(&self) -> bool {
        self.ready && self.running()
    }

    /// Its process is about to end by what we do.
    fn gives_way(&self) -> bool {
        let ends = matches!(
            self.doing(),
            Some(Doing::Restart | Doing::Stop | Doing::Create)
        );
        ends && self.running()
    }
}

/// The comments say where routes are declared, and a line more above them makes them no others.
fn without_comments(config: &str) -> String {
    let heeded = |line: &&str| !line.trim_start().starts_with('#');
    config.lines().filter(heeded).collect::<Vec<_>>().join("\n")
}

/// Whoever looks at the page wants to know what the program said, not only that it failed.
fn with_last_words(reason: String, machine: &Machine) -> String {
    let said = machine.failure().and_then(|failure| {
        let lines = failure.details.iter().rev();
        lines.map(|line| line.trim()).find(|line| !line.is_empty())
    });
    match said {
        Some(said) => format!("{reason}: {said}"),
        None => reason,
    }
}
