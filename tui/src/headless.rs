//! Without a screen: `--snapshot`, `--exec`, `--script` and `--follow`.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use aurora_tui_model::actions::{Guard, Progress};
use aurora_tui_model::desk::Of;
use aurora_tui_model::event::Event;
use aurora_tui_model::key::{Code, Key};
use aurora_tui_model::rounds::Campaign;
use aurora_tui_model::screen;
use aurora_tui_model::state::{Detail, Level, LinkState, Mode, State};
use aurora_tui_model::{command, pages, text};
use tokio::time::Instant;

use crate::args::Form;
use crate::crew::Crew;
use crate::data::Wish;
use crate::follow::Follower;
use crate::listing;
use crate::output::as_text;
use crate::paint::paint;
use crate::picture;

/// Commands that begin maintenance in rounds or go on with it.
const ROUNDS: [&str; 2] = ["host-rounds", "rounds-resume"];

/// Exit codes.
pub(crate) const DONE: u8 = 0;
pub(crate) const FAILED: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const NO_DATA: u8 = 3;
pub(crate) const UNKNOWN: u8 = 4;
pub(crate) const NO_TERMINAL: u8 = 5;

/// What to do.
pub(crate) struct Errand {
    pub(crate) exec: Option<String>,
    /// A file's text, a command line a line.
    pub(crate) script: Option<String>,
    /// Whether to go on and tell what changes.
    pub(crate) follow: bool,
    pub(crate) open: Option<String>,
    pub(crate) snapshot: Option<Form>,
    /// Whether a size was asked for: then text is a frame of that size, else a table with all its rows.
    pub(crate) sized: bool,
    pub(crate) yes: bool,
    pub(crate) confirm: Option<String>,
    pub(crate) timeout: Duration,
}

/// A workbench without a screen.
pub(crate) struct Runner {
    pub(crate) crew: Crew,
    pub(crate) deadline: Instant,
    timeout: Duration,
    /// Whether it is to end, and a local cluster to be stopped with it.
    pub(crate) quit: Option<bool>,
}

/// Runs the errand and says what to exit with. Data goes to `out`, everything else to `err`.
pub(crate) async fn run(
    crew: Crew,
    errand: Errand,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> anyhow::Result<u8> {
    let lines = errand.lines();
    for line in &lines {
        if let Err(fault) = command::parse(&line.text) {
            writeln!(err, "aurora-tui: {line}: {fault}")?;
            return Ok(USAGE);
        }
    }
    let mut runner = Runner::new(crew, errand.timeout);
    let mut code = DONE;
    let answers = errand.script.is_some() && errand.snapshot == Some(Form::Json);
    for line in lines {
        code = match runner.settled().await {
            Ok(()) => runner.line(&line.text, &errand, err).await?,
            Err(waiting) => {
                writeln!(err, "aurora-tui: {waiting}")?;
                NO_DATA
            }
        };
        if answers {
            runner.answer(&line, code, out).await?;
        }
        if code != DONE {
            if let Some(number) = line.number {
                writeln!(
                    err,
                    "aurora-tui: stopped at line {number}: {}",
                    line.text.trim()
                )?;
            }
            return Ok(code);
        }
    }
    if errand.follow {
        return runner.follow(errand.snapshot, out, err).await;
    }
    let shows = match errand.script {
        Some(_) => errand.snapshot.is_some() && !answers,
        None => errand.snapshot.is_some() || runner.state().changes.is_empty(),
    };
    if !shows {
        return Ok(code);
    }
    if let Err(waiting) = runner.settled().await {
        writeln!(err, "aurora-tui: {waiting}")?;
        code = NO_DATA;
    }
    runner.crew.settle();
    if let Some(gone) = screen::gone(runner.state()).filter(|_| code == DONE) {
        writeln!(err, "aurora-tui: {gone}")?;
        code = FAILED;
    }
    let form = errand.snapshot.unwrap_or(Form::Text);
    if let Some(rows) = runner.all_rows(form, errand.sized) {
        return Ok(match listing::write(&mut runner, rows, out).await? {
            Ok(()) => code,
            Err(missing) => {
                writeln!(err, "aurora-tui: {missing}")?;
                NO_DATA
            }
        });
    }
    let (state, look) = (runner.crew.state(), runner.crew.look());
    let frame = || paint(state, &screen::screen(state), look).0;
    match form {
        Form::Text if !errand.sized && state.view.place.is_sheet() => {
            let mut lines = screen::sheet(state).into_iter();
            lines.try_for_each(|line| writeln!(out, "{line}"))?;
        }
        Form::Text => out.write_all(as_text(&frame()).as_bytes())?,
        Form::Ansi => out.write_all(picture::ansi(&frame()).as_bytes())?,
        Form::Svg => {
            out.write_all(picture::svg(&frame(), look.theme.name.ends_with("light")).as_bytes())?
        }
        Form::Json => {
            serde_json::to_writer_pretty(&mut *out, &screen::snapshot(state))
                .context("cannot write the snapshot")?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(code)
}

/// A command of an errand.
struct Command {
    text: String,
    /// Its line in a script.
    number: Option<usize>,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.number {
            write!(f, "line {number}: ")?;
        }
        write!(f, "`{}`", self.text.trim())
    }
}

impl Errand {
    /// All commands: the link's, those of `--exec`, those of the script. What begins with # is for readers.
    fn lines(&self) -> Vec<Command> {
        let command = |number: Option<usize>| move |text: String| Command { text, number };
        let open = self.open.iter().map(|link| format!("open {link}"));
        let exec = self.exec.iter().flat_map(|text| command::split(text));
        let mut out: Vec<Command> = open.chain(exec).map(command(None)).collect();
        for (at, line) in self.script.iter().flat_map(|text| text.lines()).enumerate() {
            if !line.trim_start().starts_with('#') {
                out.extend(command::split(line).into_iter().map(command(Some(at + 1))));
            }
        }
        out
    }
}

impl Runner {
    pub(crate) fn new(crew: Crew, timeout: Duration) -> Runner {
        let mut runner = Runner {
            crew,
            deadline: Instant::now() + timeout,
            timeout,
            quit: None,
        };
        runner.now();
        runner
    }

    /// Waits anew for as long as was asked for.
    pub(crate) fn renew(&mut self) {
        self.deadline = Instant::now() + self.timeout;
    }

    fn now(&mut self) {
        let now_ms = self.crew.now_ms();
        self.take(Event::Tick(now_ms));
    }

    /// Tells what a command of a script led to.
    async fn answer(
        &mut self,
        line: &Command,
        code: u8,
        out: &mut (dyn Write + Send),
    ) -> std::io::Result<()> {
        // What is missing stands in the answer.
        let settled = self.settled().await;
        self.crew.settle();
        let changes = self
            .state()
            .changes
            .iter()
            .map(|change| text::clean(&change.describe()));
        let answer = serde_json::json!({
            "version": 1,
            "line": line.number,
            "command": line.text.trim(),
            "code": code,
            "missing": settled.err(),
            "changes": changes.collect::<Vec<_>>(),
            "snapshot": screen::snapshot(self.state()),
        });
        writeln!(out, "{answer}")?;
        out.flush()
    }

    /// Tells what changes until nobody reads it, or the source ends.
    async fn follow(
        &mut self,
        form: Option<Form>,
        out: &mut (dyn Write + Send),
        err: &mut (dyn Write + Send),
    ) -> anyhow::Result<u8> {
        if let Err(waiting) = self.settled().await {
            writeln!(err, "aurora-tui: {waiting}")?;
            return Ok(NO_DATA);
        }
        if matches!(&self.state().view.detail, Detail::Logs(logs) if logs.merged.is_some()) {
            // Lines are told as they come, each with its source.
            self.take(Event::Run("merge".to_owned()));
        }
        let mut follower = Follower::new(self.state(), form == Some(Form::Json));
        loop {
            self.crew.settle();
            follower.tell(self.state(), out)?;
            self.renew();
            if !self.step().await {
                return Ok(DONE);
            }
            while let Some(heard) = self.crew.next_now() {
                self.hear(heard);
            }
        }
    }

    pub(crate) fn take(&mut self, event: Event) {
        self.hear((Of::Outside, event));
    }

    fn hear(&mut self, (of, event): (Of, Event)) {
        for wish in self.crew.take(of, event) {
            // What else is left is about a terminal, and there is none.
            if let Wish::Quit { stop_cluster } = wish {
                self.quit = Some(stop_cluster);
            }
        }
    }

    /// Whether what a command does is not known yet.
    fn is_busy(&self) -> bool {
        let state = self.state();
        let campaign = state.campaign.as_ref();
        state.awaiting.is_some()
            || state.is_seeking()
            || state.launching
            || state.saving > 0
            || campaign.is_some_and(Campaign::is_claiming)
    }

    pub(crate) fn state(&self) -> &State {
        self.crew.state()
    }

    /// Waits for the next event or the deadline; false when that has passed.
    pub(crate) async fn step(&mut self) -> bool {
        let tick = (Instant::now() + Duration::from_millis(250)).min(self.deadline);
        tokio::select! {
            heard = self.crew.next() => match heard {
                Some(heard) => self.hear(heard),
                None => return false,
            },
            () = tokio::time::sleep_until(tick) => self.now(),
        }
        Instant::now() < self.deadline
    }

    /// Waits until the view has its data.
    pub(crate) async fn settled(&mut self) -> Result<(), String> {
        loop {
            // Everything that is here already comes first: a snapshot is of the newest state.
            while let Some(heard) = self.crew.next_now() {
                self.hear(heard);
            }
            self.crew.settle();
            let Some(what) = self.state().waiting_for() else {
                return Ok(());
            };
            if !self.step().await {
                let why = match &self.state().link {
                    LinkState::Down(_, why) | LinkState::Unauthorised(_, why) => format!(": {why}"),
                    _ => String::new(),
                };
                return Err(format!(
                    "no data: waited {} s for {what}{why}",
                    self.timeout.as_secs()
                ));
            }
        }
    }

    /// How all rows of the view are written, when it is a table that is not to be a picture.
    fn all_rows(&self, form: Form, sized: bool) -> Option<listing::Form> {
        let state = self.state();
        match form {
            Form::Text if !sized && listing::is_table(state) => Some(listing::Form::lines()),
            Form::Json if pages::is_paged(state) => Some(listing::Form::objects()),
            Form::Text | Form::Json | Form::Ansi | Form::Svg => None,
        }
    }

    /// Waits for the rows that were asked for; a scheduler in trouble is asked again until the deadline.
    pub(crate) async fn rows(&mut self) -> Result<(), String> {
        self.now();
        self.settled().await?;
        while pages::is_loading(self.state()) {
            if !self.step().await {
                let why = self.state().view.trouble.clone();
                return Err(why.unwrap_or_else(|| "they did not come".to_owned()));
            }
        }
        self.crew.settle();
        Ok(())
    }

    /// Waits until maintenance in rounds is over or stands still.
    async fn rounds(&mut self, err: &mut (dyn Write + Send)) -> std::io::Result<u8> {
        self.renew();
        let mut said = String::new();
        loop {
            let Some(campaign) = &self.state().campaign else {
                let refused = self.state().notice.as_ref();
                let refused = refused.filter(|notice| notice.level == Level::Bad);
                if let Some(notice) = refused {
                    writeln!(err, "aurora-tui: {}", notice.text)?;
                    return Ok(FAILED);
                }
                writeln!(err, "the rounds are done")?;
                return Ok(DONE);
            };
            let now = campaign.describe();
            let stopped = campaign.stopped.is_some();
            if now != said {
                writeln!(err, "{}", text::clean(&now))?;
                said = now;
            }
            if stopped {
                return Ok(FAILED);
            }
            if !self.step().await {
                writeln!(
                    err,
                    "aurora-tui: they are not over after {} s; --timeout waits longer, and `rounds-resume` goes on",
                    self.timeout.as_secs()
                )?;
                return Ok(UNKNOWN);
            }
        }
    }

    /// Runs one command and whatever it asks.
    async fn line(
        &mut self,
        line: &str,
        errand: &Errand,
        err: &mut (dyn Write + Send),
    ) -> std::io::Result<u8> {
        self.crew.state_mut().notice = None;
        let before = self.state().changes.len();
        self.take(Event::Run(line.to_owned()));
        while self.is_busy() {
            if !self.step().await {
                writeln!(
                    err,
                    "aurora-tui: `{}` did not get further within {} s",
                    line.trim(),
                    self.timeout.as_secs()
                )?;
                return Ok(NO_DATA);
            }
        }
        if let Mode::Confirm(plan, ..) = &self.state().mode {
            let (typed, needed) = match plan.guard() {
                Guard::Yes => (errand.yes.then(|| "y".to_owned()), "--yes".to_owned()),
                Guard::Type(text) => (
                    errand.confirm.clone().filter(|typed| *typed == text),
                    format!("--confirm {text}"),
                ),
            };
            writeln!(
                err,
                "{} {} on {}",
                plan.action.name(),
                plan.whole_object(),
                plan.cluster
            )?;
            for sentence in plan.consequence() {
                writeln!(err, "  {}", text::clean(&sentence))?;
            }
            for line in plan.details() {
                writeln!(err, "    {}", text::clean(&line))?;
            }
            if plan.lacks_reason() {
                writeln!(
                    err,
                    "aurora-tui: nothing was changed; {} takes a reason: reason=\"…\" after the command",
                    plan.cluster
                )?;
                return Ok(FAILED);
            }
            let Some(typed) = typed else {
                writeln!(err, "aurora-tui: nothing was changed; {needed} says yes")?;
                return Ok(FAILED);
            };
            let enter = matches!(plan.guard(), Guard::Type(_));
            for c in typed.chars() {
                self.take(Event::Key(Key::plain(Code::Char(c))));
            }
            if enter {
                self.take(Event::Key(Key::plain(Code::Enter)));
            }
        }
        if let Mode::Form(form) = std::mem::take(&mut self.crew.state_mut().mode) {
            writeln!(
                err,
                "aurora-tui: `{}` needs what its form asks for ({})",
                line.trim(),
                form.title
            )?;
            return Ok(USAGE);
        }
        // A yes may have begun something that is not certain at once.
        while self.is_busy() && self.step().await {}
        let notice = self.state().notice.as_ref();
        if notice.is_none_or(|notice| notice.level != Level::Bad)
            && self.state().campaign.is_some()
            && ROUNDS
                .iter()
                .any(|verb| line.trim_start().starts_with(verb))
        {
            return self.rounds(err).await;
        }
        if self.state().changes.len() == before {
            return match &self.state().notice {
                Some(notice) if notice.level == Level::Bad => {
                    writeln!(err, "aurora-tui: {}", notice.text)?;
                    Ok(FAILED)
                }
                _ => Ok(DONE),
            };
        }
        self.renew();
        while self
            .state()
            .changes
            .last()
            .is_some_and(|change| !change.progress.is_over())
        {
            if !self.step().await {
                break;
            }
        }
        let Some(change) = self.state().changes.last() else {
            return Ok(FAILED);
        };
        writeln!(err, "{}", text::clean(&change.describe()))?;
        Ok(match &change.progress {
            Progress::Confirmed => DONE,
            Progress::Refused(_) | Progress::NoEffect(_) => FAILED,
            Progress::Sent | Progress::Accepted | Progress::NotYet(_) | Progress::Unknown(_) => {
                UNKNOWN
            }
        })
    }
}
