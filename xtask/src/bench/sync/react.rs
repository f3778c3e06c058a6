//! A component of React is saved: how long until the browser shows it, by Vite's hot replacement.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::browser::Browser;
use super::super::figures::Figures;
use super::super::ground::{Ground, Programs, write};
use super::super::{Error, PATIENCE, pause, side as failure};
use super::pair::{Pair, Plan, Side};
use super::{image, told};
use crate::run;

const IMAGE: &str = "devrun-bench-react";
const PORTS: [u16; 3] = [18986, 18987, 5173];
const PLAN: Plan<'_> = Plan {
    name: "react",
    image: IMAGE,
    command: &["npm", "run", "dev"],
    folders: &[("src", false)],
    cpus: None,
    ports: Some(PORTS),
};
/// Saves in a round.
const SAVES: usize = 4;
/// Vite passes over a save within 50 ms of the one before.
const GAP: Duration = Duration::from_millis(400);

/// A page that shows nothing for so long is loaded again.
const AGAIN: Duration = Duration::from_secs(5);

/// Notes when a heading is about to be painted for the first time, by the clock.
const OBSERVER: &str = "\
window.shown = {};
const look = () => {
  const text = document.querySelector('h1')?.textContent;
  if (text && !(text in window.shown)) {
    window.shown[text] = 0;
    requestAnimationFrame(() => {
      window.shown[text] = performance.timeOrigin + performance.now();
    });
  }
};
new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
look();";

pub(super) fn run(programs: &Programs, rounds: usize, figures: &mut Figures) -> Result<(), Error> {
    image::derived(programs, "frontend", "react", IMAGE)?;
    let ground = Ground::new(PLAN.name)?;
    let mut pair = Pair::start(programs, &ground, PLAN, |tree| {
        let from = run::root().join("benches/sync/react/src");
        let mut copy = Command::new("cp");
        run::quiet("copy", copy.arg("-r").arg(from).arg(tree))
            .map_err(|error| failure("cp", &error.to_string()))
    })?;
    let pages = [("devrun", PORTS[0]), ("compose", PORTS[1])];
    let pages = pages.map(|(name, port)| page(&ground.path().join(name), port));
    let [ours, theirs] = pages;
    let (ours, theirs) = (ours?, theirs?);
    for (side, page) in [(&pair.ours, &ours), (&pair.theirs, &theirs)] {
        // The first one makes Vite compile what the others find compiled.
        save(side, page, "warm")?;
    }
    let both = pair.rounds(rounds, |side, round| {
        let page = if side.is_devrun() { &ours } else { &theirs };
        let saves = 0..SAVES;
        saves
            .map(|number| save(side, page, &format!("{round}-{number}")))
            .collect()
    })?;
    let work = "a React component saved until the browser shows it";
    let (median, _) = told(figures, work, &both, "150 ms");
    figures.at_most("sync.react.ms", median, 150.0);
    Ok(())
}

/// The page of a side, loaded and observed.
fn page(folder: &Path, port: u16) -> Result<Browser, Error> {
    let folder = folder.join("browser");
    fs::create_dir_all(&folder).map_err(|error| super::super::ground::file(&folder, error))?;
    let browser = Browser::open(&folder)?;
    let begin = Instant::now();
    let url = format!("http://localhost:{port}/");
    let mut loaded = None;
    loop {
        // Vite may still be starting; what it answers then is loaded again.
        if loaded.is_none_or(|at: Instant| at.elapsed() > AGAIN) && browser.go(&url).is_ok() {
            loaded = Some(Instant::now());
        }
        if loaded.is_some() && shown(&browser, "first")?.is_some() {
            return Ok(browser);
        }
        if begin.elapsed() > PATIENCE {
            let page = browser.script("return document.documentElement.innerText")?;
            return Err(failure(
                &url,
                &format!("does not show what it should, but: {page}"),
            ));
        }
        pause(Duration::from_millis(100));
    }
}

/// When the page showed that text, in milliseconds of the clock.
fn shown(browser: &Browser, text: &str) -> Result<Option<f64>, Error> {
    let observe =
        format!("if (!window.shown) {{ {OBSERVER} }} return window.shown[{text:?}] || null;");
    let answer = browser.script(&observe)?;
    Ok(answer.as_f64())
}

fn save(side: &Side, browser: &Browser, tag: &str) -> Result<f64, Error> {
    let path = side.tree.join("src/App.jsx");
    let text = format!("export default function App() {{\n  return <h1>{tag}</h1>;\n}}\n");
    // Of a page that was loaded again nothing is left: it must not count as replaced.
    browser.script("window.mark = true;")?;
    write(&path, &text)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let saved = since.unwrap_or_default().as_secs_f64() * 1000.0;
    let begin = Instant::now();
    let at = loop {
        if let Some(at) = shown(browser, tag)? {
            break at;
        }
        if begin.elapsed() > PATIENCE {
            let what = format!(
                "the page of {} does not show what was saved",
                side.tool.name()
            );
            return Err(failure("the browser", &what));
        }
        pause(Duration::from_millis(5));
    };
    if browser.script("return window.mark === true;")? != true {
        return Err(failure(
            "the browser",
            "the page was loaded again, not replaced in part",
        ));
    }
    pause(GAP);
    Ok(at - saved)
}
