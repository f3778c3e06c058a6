//! What must hold once the world of the simulation has come to rest.

use std::collections::BTreeSet;

use super::simulation::Simulation;
use super::world::{Body, CAPACITY, Files, TASKS, host_path, is_code};
use crate::live::Live;
use crate::session::State;

impl Simulation {
    /// Everything that is wanted serves what is on the host now.
    pub(super) fn check_live(&self) {
        let view = self.session.view();
        if !view.settled {
            self.fail(&format!("not settled: {view:#?}"));
        }
        let declared = |one: &&Body| view.services.iter().any(|it| it.name == one.spec.service);
        if let Some(left) = self.world.containers.iter().find(|one| !declared(one)) {
            self.fail(&format!("{} is there, and not declared", left.id));
        }
        self.check_routes_live();
        for service in &view.services {
            let name = &service.name;
            if service.pending > 0 {
                self.fail(&format!("{name} still has saves to bring over"));
            }
            let good = match service.state {
                State::Done => TASKS.contains(&name.as_str()),
                state => state == State::Ready,
            };
            if !good {
                self.fail(&format!("{name} is not ready: {service:#?}"));
            }
            if TASKS.contains(&name.as_str()) {
                self.check_task(name);
            } else {
                self.check_container(name, service.container.as_deref());
            }
        }
    }

    fn check_container(&self, name: &str, known: Option<&str>) {
        let world = &self.world;
        let mut found = world
            .containers
            .iter()
            .filter(|one| one.spec.service == name);
        let Some(container) = found.next() else {
            self.fail(&format!("{name} has no container"));
        };
        if let Some(other) = found.next() {
            self.fail(&format!(
                "{name} has two containers: {container:#?} {other:#?}"
            ));
        }
        let called = world.stack.service(name).map(|it| &it.container_name);
        if called != Some(&container.spec.name) {
            self.fail(&format!("{name} is called {}", container.spec.name));
        }
        if !container.running || known != Some(&container.id) {
            self.fail(&format!(
                "{name} is believed to be {known:?}: {container:#?}"
            ));
        }
        let declared = world
            .stack
            .service(name)
            .map(|service| &service.environment);
        if declared != Some(&container.spec.environment) {
            self.fail(&format!("{name} has an old environment"));
        }
        if name == "backend" {
            self.check_read(name, "models/a.json", &container.around);
        }
        let limits = world.stack.service(name).map(Live::of_service);
        if limits.map(|live| live.within(CAPACITY)) != Some(container.live) {
            self.fail(&format!("{name} has old limits: {:?}", container.live));
        }
        for (path, version) in &world.host {
            let shown = path.display();
            if world.rules.covers(name, path) {
                if container.files.get(path) != Some(version) {
                    self.fail(&format!("{name} has an old {shown}, not {version}"));
                }
                if is_code(path) && container.loaded.get(path) != Some(version) {
                    self.fail(&format!(
                        "{name} still works with an old {shown}, not {version}"
                    ));
                }
                if path.ends_with("package.json") && container.installed != *version {
                    self.fail(&format!(
                        "{name} has not installed {shown}, version {version}"
                    ));
                }
            }
            if world.rules.image_input(name, path)
                && world.images[&container.spec.image_id].get(path) != Some(version)
            {
                self.fail(&format!(
                    "{name} was built from an old {shown}, not {version}"
                ));
            }
        }
    }

    /// It was run to its end with what is on the host now.
    fn check_task(&self, name: &str) {
        let Some(container) = self.world.of_service(name) else {
            self.fail(&format!("{name} has no container"));
        };
        if container.running || container.exit_code != Some(0) {
            self.fail(&format!("{name} was not run to its end: {container:#?}"));
        }
        let reads = match name {
            "migrate" => ("schema/1.sql", &container.loaded),
            "index" => ("models/a.json", &container.around),
            _ => return,
        };
        self.check_read(name, reads.0, reads.1);
    }

    fn check_read(&self, name: &str, path: &str, read: &Files) {
        let path = host_path(path);
        if read.get(&path) != self.world.host.get(&path) {
            self.fail(&format!(
                "{name} has read an old {}: {read:?}",
                path.display()
            ));
        }
    }

    /// Nothing that is declared runs any more; of these the session could not know.
    pub(super) fn check_down(&self, unheard: &BTreeSet<String>) {
        let declared = |name: &str| self.world.stack.service(name).is_some();
        let left = self
            .world
            .containers
            .iter()
            .filter(|one| !unheard.contains(&one.id))
            .find(|one| (one.running || one.restarting) && declared(&one.spec.service));
        if let Some(left) = left {
            self.fail(&format!("{} still runs", left.id));
        }
    }
}
