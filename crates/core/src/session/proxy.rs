//! The proxy's configuration and what it has to know of the services.

use std::time::Duration;

use super::Session;
use super::machine::{Doing, ImageState, Machine, Wanted};
use super::shown::Facts;
use super::state::State;
use crate::certificate;
use crate::effect::{Effect, PutFile, RouteState};
use crate::event::Failure;
use crate::notice::NoticeEvent;
use crate::routes;
use devrun_stack::{Service, Stack};

impl Session {
    /// The configuration as it should be, with this number.
    fn proxy_config(&self, name: &str, generation: u64) -> Result<String, String> {
        let (Some(stack), Some(text)) = (&self.stack, self.proxy_configs.get(name)) else {
            return Err("its configuration could not be read".to_owned());
        };
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

    /// The certificate with its key, which nobody but nginx's own user reads where that is root.
    fn certificate_file(&self, name: &str) -> Option<PutFile> {
        let Some(Ok(certificate)) = &self.certificate else {
            return None;
        };
        let service = self.service(name)?;
        service.proxy.as_ref()?.tls.as_ref()?;
        let image = self.machines.get(name)?.last_image.as_ref();
        let user = service.settings.user.as_deref();
        let user = user.or(image.map(|image| image.user.as_str()));
        let user = user.unwrap_or_default().split(':').next();
        let mode = match user {
            None | Some("" | "0" | "root") => 0o600,
            Some(_) => 0o644,
        };
        Some(PutFile {
            path: certificate::PATH.to_owned(),
            content: certificate.pem.clone(),
            mode,
            below: "/".to_owned(),
        })
    }

    /// What nginx heeds of its configuration, and which certificate is meant by it.
    fn heeded(&self, name: &str) -> Option<String> {
        let config = self.proxy_config(name, 0).ok()?;
        let certificate = match &self.certificate {
            Some(Ok(certificate)) => certificate.id.as_str(),
            _ => "",
        };
        Some(format!("{certificate}\n{}", without_comments(&config)))
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
        self.note_applying(name);
        let mut files = routes::state_files(&self.route_states());
        match self.proxy_config(name, self.generation) {
            Ok(content) => {
                files.push(PutFile::text(routes::CONFIG_PATH.to_owned(), content));
                files.extend(self.certificate_file(name));
            }
            Err(message) => self.warn(Some(name), message),
        }
        files
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
        self.note_applied(name);
        let generation = self.generation;
        self.notice(Some(name), None, NoticeEvent::RoutesApplied { generation });
    }

    pub(super) fn proxy_config_differs(&self, name: &str) -> bool {
        let applied = self.machines.get(name).map(|machine| &machine.applied);
        self.heeded(name)
            .is_some_and(|config| applied.is_some_and(|applied| applied.as_ref() != Some(&config)))
    }

    pub(super) fn apply_proxy_config(&mut self, name: &str, container: String) {
        self.generation += 1;
        let generation = self.generation;
        let Ok(config) = self.proxy_config(name, generation) else {
            return;
        };
        let certificate = self.certificate_file(name);
        self.note_applying(name);
        let op = self.begin(name, Doing::ProxyApply);
        self.emit(Effect::ProxyApply {
            op,
            container,
            config,
            certificate,
            generation,
        });
    }

    /// What it is being given is remembered now: by the time it has it, something else may be wanted.
    fn note_applying(&mut self, name: &str) {
        let config = self.heeded(name);
        if let Some(machine) = self.machines.get_mut(name) {
            machine.applying = config;
        }
    }

    fn note_applied(&mut self, name: &str) {
        if let Some(machine) = self.machines.get_mut(name) {
            machine.applied = machine.applying.take();
        }
    }

    pub(super) fn on_proxy_applied(&mut self, name: &str, generation: u64) {
        self.note_applied(name);
        let cause = self.cause_of(name);
        self.notice(Some(name), cause, NoticeEvent::RoutesApplied { generation });
    }

    /// nginx refused it and goes on with the old one; it is not asked again until it changes.
    pub(super) fn on_proxy_refused(&mut self, name: &str, failure: Failure) {
        self.note_applied(name);
        let mut message = failure.message;
        for line in failure.details {
            message.push('\n');
            message.push_str(&line);
        }
        self.warn(Some(name), message);
    }

    /// What nginx says of its configuration names lines of the person's files; others say what they say.
    pub(super) fn in_lines_of_people(&self, name: &str, lines: Vec<String>) -> Vec<String> {
        match self.proxy_config(name, self.generation) {
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
            .filter(|service| !service.routes.is_empty())
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
            members.any(|member| self.successor(&member.name).is_some())
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
