//! What saves lead to: plans, builds, and how they end.

use devrun_core::notice::RuledOut;

use super::words::{self, became_ready, done, large, seconds};
use super::{BAD, DIM, GOOD, Image, Lines, Told, Volume};

/// A step of a build is cut so that its line fits most terminals.
const LINE: usize = 100;

impl Lines {
    pub(super) fn build_started(&mut self, service: &str, reason: &str) -> Vec<String> {
        let announced = self.entry(service).rebuild;
        let text = match self.settled {
            true => format!("building ({reason})"),
            false => "building".to_owned(),
        };
        if self.volume == Volume::Verbose {
            return self.if_verbose(service, "building", &format!("({reason})"));
        }
        self.entry(service).making = (!announced).then_some(text);
        Vec::new()
    }

    pub(super) fn build_step(
        &mut self,
        service: &str,
        name: &str,
        cached: bool,
        took: Option<f64>,
    ) -> Vec<String> {
        let making = self.entry(service).making.take_if(|_| !cached);
        let mut lines: Vec<String> = Vec::new();
        if let Some(making) = making {
            let (word, rest) = making.split_once(' ').unwrap_or((&making, ""));
            lines.push(self.row(service, super::BUSY, word, rest));
        }
        let own = !cached && !name.starts_with("[internal]");
        let long = own && took.is_some_and(|took| took >= words::WORTH_A_LINE);
        if !long && self.volume != Volume::Verbose {
            return lines;
        }
        let took = match (cached, took) {
            (true, _) => "cached".to_owned(),
            (false, Some(took)) => seconds(took),
            (false, None) => "begins".to_owned(),
        };
        let name = words::step(name, LINE.saturating_sub(self.sheet.width + 30));
        let name = format!("{DIM}{name}{DIM:#}");
        lines.push(self.timed(service, DIM, "build", &took, &name));
        lines
    }

    pub(super) fn build_done(&mut self, service: &str, outcome: &str, image: &str) -> Vec<String> {
        let told = self.entry(service);
        told.making = None;
        if told.image == Image::Failed && outcome != "failed" {
            told.image = Image::There;
        }
        self.if_verbose(service, "image", &format!("{outcome} {image}"))
    }

    /// What a comparison found is a step on the way, unless the reader asked for it.
    pub(super) fn compared(
        &self,
        service: &str,
        (compared, changed, refused): (usize, usize, usize),
        paths: &[String],
        took: Option<f64>,
    ) -> Vec<String> {
        let took = took.map_or_else(String::new, |took| format!(" in {}", seconds(took)));
        let mut text = format!("{}{took}", words::compared(compared, changed, refused));
        if !paths.is_empty() {
            text.push_str(": ");
            text.push_str(&words::first(paths, changed));
        }
        self.if_verbose(service, "compared", &text)
    }

    pub(super) fn planned(
        &mut self,
        service: &str,
        action: &str,
        why: &str,
        ruled_out: &[RuledOut],
    ) -> Vec<String> {
        let mut lines = self.chosen(service, action, why);
        if self.volume == Volume::Verbose {
            let said: Vec<String> = ruled_out.iter().map(RuledOut::said).collect();
            lines.extend(self.details(&said));
        }
        lines
    }

    fn chosen(&mut self, service: &str, action: &str, why: &str) -> Vec<String> {
        let verbose = self.volume == Volume::Verbose;
        let rebuilds = large(action) == Some("rebuild");
        // A new image needs a new container: that goes without saying.
        let told = !rebuilds && self.entry(service).rebuild;
        if (told || large(action).is_none()) && !verbose {
            return Vec::new();
        }
        self.entry(service).rebuild |= rebuilds;
        let action = match large(action) {
            Some(word) if !verbose => word.to_owned(),
            _ => action.replace('+', ", "),
        };
        let text = match words::reason(why) {
            _ if verbose => format!("{action} ({why})"),
            (Some(path), rule) => format!("{path} → {action} ({rule})"),
            (None, rule) => format!("{action} ({rule})"),
        };
        match self.settled {
            true => vec![self.dated(service, &text)],
            false => {
                let width = self.sheet.width;
                vec![format!("  {service:width$}  {DIM}{text}{DIM:#}")]
            }
        }
    }

    pub(super) fn updated(
        &mut self,
        service: &str,
        action: &str,
        paths: &str,
        took: Option<f64>,
    ) -> Vec<String> {
        let now = self.time_of_day();
        let verbose = self.volume == Volume::Verbose;
        let told = self.entry(service);
        told.rebuild = false;
        let mended = told.image == Image::There;
        if mended {
            told.image = Image::Well;
        }
        let unchanged = action == "unchanged";
        if unchanged && !mended && !verbose {
            return Vec::new();
        }
        let serving = told.serving();
        if !unchanged {
            told.live = now;
        }
        let ready = if became_ready(action) {
            told.away = false;
            ", ready"
        } else {
            ""
        };
        let again = match mended && ready.is_empty() {
            true => format!(", {serving} is {GOOD}up to date again{GOOD:#}"),
            false => String::new(),
        };
        let took = took.map_or_else(String::new, |took| format!(" in {}", seconds(took)));
        let paths = arrow(paths);
        vec![self.dated(
            service,
            &format!("{paths}{}{ready}{took}{again}", done(action)),
        )]
    }

    /// What could not be brought over was told before.
    pub(super) fn incomplete(&mut self, service: &str, action: &str, paths: &str) -> Vec<String> {
        self.entry(service).rebuild = false;
        let paths = arrow(paths);
        let text = match action {
            "" => format!("{paths}{BAD}not synced{BAD:#}"),
            action => format!("{paths}{}, {BAD}not all of it{BAD:#}", done(action)),
        };
        vec![self.dated(service, &text)]
    }

    pub(super) fn mended(&mut self, service: &str, count: usize, paths: &[String]) -> Vec<String> {
        let named = paths.join(", ");
        let more = match count.saturating_sub(paths.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        vec![self.dated(service, &format!("live now: {named}{more}"))]
    }

    pub(super) fn update_failed(
        &mut self,
        service: &str,
        action: &str,
        paths: &str,
        details: &[String],
    ) -> Vec<String> {
        self.entry(service).rebuild = false;
        let build = action.ends_with("build failed");
        if build && details.is_empty() {
            // Nothing runs: the state that follows says it with all it knows.
            return Vec::new();
        }
        let (head, details) = if build {
            let told = self.entry(service);
            told.image = Image::Failed;
            let serving = told.serving();
            let details = self.of_build(details);
            let head = format!("{BAD}build failed{BAD:#}, still serving {serving}");
            (head, details)
        } else {
            let action = if action.is_empty() {
                String::new()
            } else {
                format!("{action}, ")
            };
            let head = format!("{}{action}{BAD}failed{BAD:#}", arrow(paths));
            (head, details.to_vec())
        };
        let mut lines = vec![self.dated(service, &head)];
        lines.extend(self.details(&details));
        lines
    }
}

impl Lines {
    /// The failed step on one line, and what it said; not that it failed, and not how, where it
    /// said so itself.
    pub(super) fn of_build(&self, details: &[String]) -> Vec<String> {
        let said = |line: &&String| {
            !line.starts_with("its build failed") && !line.starts_with("exit code: ")
        };
        let mut said: Vec<String> = details.iter().filter(said).cloned().collect();
        if let Some(first) = said.first_mut()
            && let Some((place, step)) = first.split_once("  ")
        {
            let room = LINE.saturating_sub(self.sheet.width + 13 + place.len());
            *first = format!("{place}  {}", words::step(step, room));
        }
        match said.len() {
            0 | 1 => details.to_vec(),
            _ => said,
        }
    }
}

impl Told {
    fn serving(&self) -> String {
        match &self.live {
            Some(time) => format!("the version of {time}"),
            None => "the version before".to_owned(),
        }
    }
}

fn arrow(paths: &str) -> String {
    match paths {
        "" => String::new(),
        paths => format!("{paths} → "),
    }
}
