//! The table of commands.

/// What a command does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Moves or shows.
    Shows,
    /// Changes the cluster, after a question.
    Changes,
}

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table below says what each one does")]
pub enum Verb {
    /// A view of the cluster that needs no object: the one of the command's name.
    List,
    Instances,
    Task,
    Why,
    Timeline,
    Config,
    Diff,
    Sandbox,
    File,
    Logs,
    Earlier,
    Later,
    Moment,
    Tails,
    Merge,
    Together,
    At,
    Since,
    Until,
    Run,
    Fields,
    Labels,
    Histogram,
    NextProblem,
    PreviousProblem,
    Save,
    Pager,
    Editor,
    Host,
    Update,
    Cluster,
    Related,
    Bookmark,
    Forget,
    Help,
    Open,
    Down,
    Up,
    First,
    Last,
    PageDown,
    PageUp,
    HalfPageDown,
    HalfPageUp,
    ScrollLeft,
    ScrollRight,
    Enter,
    Back,
    Previous,
    Forward,
    SplitRight,
    SplitDown,
    Focus,
    Resize,
    Close,
    Pin,
    LinkPane,
    TabNew,
    TabNext,
    TabPrevious,
    Tab,
    Layout,
    LayoutSave,
    NextPane,
    Zoom,
    Newest,
    NextProcess,
    Prompt,
    Filter,
    Convert,
    SearchNext,
    SearchPrevious,
    Sort,
    NextSort,
    Reverse,
    Problems,
    Follow,
    Offset,
    Mark,
    MarkRange,
    Unmark,
    Copy,
    Actions,
    Change,
    RoundsStop,
    RoundsResume,
    RoundsForget,
    Shell,
    Examples,
    Mouse,
    Redraw,
    Suspend,
    Cancel,
    Quit,
}

impl Verb {
    /// Whether it leaves everything that tables are made of as it is.
    pub(crate) fn only_moves(self) -> bool {
        use Verb::*;
        matches!(
            self,
            Down | Up
                | First
                | Last
                | PageDown
                | PageUp
                | HalfPageDown
                | HalfPageUp
                | ScrollLeft
                | ScrollRight
                | Mark
                | MarkRange
                | Unmark
                | Prompt
                | Filter
                | Sort
                | NextSort
                | Reverse
                | Problems
                | Copy
                | Redraw
        )
    }
}

/// A command as the table describes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Which.
    pub verb: Verb,
    /// Its arguments, for help.
    pub args: &'static str,
    /// How many words come before the filter, at least and at most.
    pub words: (usize, usize),
    /// Whether a filter may follow.
    pub filter: bool,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What it does to the world.
    pub weight: Weight,
}

macro_rules! commands {
    ($($name:literal $verb:ident $args:literal ($min:literal, $max:literal) $filter:literal $weight:ident $summary:literal;)*) => {
        /// Every command.
        pub const COMMANDS: &[Spec] = &[$(Spec {
            name: $name, verb: Verb::$verb, args: $args, words: ($min, $max), filter: $filter,
            summary: $summary, weight: Weight::$weight,
        },)*];
    };
}

commands! {
    "jobs" List "[FILTER]" (0, 0) true Shows "all jobs";
    "instances" Instances "[JOB] [FILTER]" (0, 1) true Shows "a job's instances";
    "task" Task "[JOB/INSTANCE | TASK]" (0, 1) false Shows "a task: processes, ports, resources, events";
    "why" Why "[JOB/INSTANCE | TASK]" (0, 1) false Shows "why a task waits or failed";
    "timeline" Timeline "[JOB[/INSTANCE] | TASK] [FILTER]" (0, 1) true Shows "what happened to a job's tasks, or to one instance";
    "config" Config "[JOB[/INSTANCE] | TASK]" (0, 1) false Shows "the configuration of a job's instances, or of a task";
    "diff" Diff "[JOB [UPDATE]]" (0, 2) false Shows "how a job's instances differ, or what an update changes";
    "sandbox" Sandbox "[JOB/INSTANCE | TASK] [PATH]" (0, 2) false Shows "files of a task's sandbox";
    "file" File "JOB/INSTANCE | TASK PATH" (2, 2) false Shows "a file of a task's sandbox";
    "logs" Logs "[JOB/INSTANCE | TASK] [PROCESS]" (0, 2) false Shows "output of a process, stdout and stderr";
    "earlier" Earlier "[DURATION]" (0, 1) false Shows "look back: the whole screen as it was 10s, 5m or 1h before";
    "later" Later "[DURATION]" (0, 1) false Shows "forth again, up to now";
    "moment" Moment "TIME | now" (1, 1) false Shows "the whole screen as it was then: 14:05, 10m (ago), -5m";
    "tails" Tails "[JOB[/INSTANCES]] [PROCESS]" (0, 2) false Shows "output of several instances, by time";
    "merge" Merge "" (0, 0) false Shows "outputs as one by time, or side by side";
    "together" Together "" (0, 0) false Shows "panes of output scroll together by time, or each by itself";
    "at" At "TIME" (1, 1) false Shows "output of that time: 14:05, 10m (ago), +5m, -5m";
    "since" Since "[TIME]" (0, 1) false Shows "hide what is older; alone: show it again";
    "until" Until "[TIME]" (0, 1) false Shows "hide what is newer; alone: show it again";
    "run" Run "N | older | newer | newest" (1, 1) false Shows "output of another run of the process";
    "fields" Fields "[NAME]..." (0, 20) false Shows "structured lines by their fields, or as written";
    "labels" Labels "" (0, 0) false Shows "name the sources of merged lines in full, in short, not at all";
    "histogram" Histogram "" (0, 0) false Shows "a strip of lines over time by level, or none";
    "next-problem" NextProblem "" (0, 0) false Shows "to the next warning or error";
    "previous-problem" PreviousProblem "" (0, 0) false Shows "to the previous warning or error";
    "save" Save "FILE [plain | ansi | json]" (1, 2) false Shows "write the lines to a new file";
    "pager" Pager "" (0, 0) false Shows "the lines in $PAGER, with their colours";
    "editor" Editor "" (0, 0) false Shows "the lines in $EDITOR, as a copy that is gone afterwards";
    "offers" List "[FILTER]" (0, 0) true Shows "what hosts offer and no task uses yet";
    "hosts" List "[FILTER]" (0, 0) true Shows "hosts and their maintenance";
    "host" Host "[HOST]" (0, 1) false Shows "a host's tasks";
    "quotas" List "[FILTER]" (0, 0) true Shows "quotas of roles";
    "roles" List "[FILTER]" (0, 0) true Shows "roles: jobs, problems, quota";
    "crons" List "[FILTER]" (0, 0) true Shows "cron jobs and what came of their latest minute";
    "updates" List "[FILTER]" (0, 0) true Shows "updates of jobs";
    "update" Update "[JOB [ID]]" (0, 2) false Shows "one update: its instances batch by batch";
    "maintenance" List "[FILTER]" (0, 0) true Shows "hosts in maintenance";
    "audit" List "[FILTER]" (0, 0) true Shows "who changed what, as the scheduler has it";
    "journal" List "[FILTER]" (0, 0) true Shows "what was done from here";
    "find" List "[FILTER]" (0, 0) true Shows "any object by its name";
    "related" Related "[KIND NAME]" (0, 2) false Shows "what belongs to this";
    "bookmarks" List "[FILTER]" (0, 0) true Shows "places that were kept";
    "bookmark" Bookmark "[NAME]" (0, 1) false Shows "keep this place";
    "forget" Forget "[NAME]" (0, 1) false Shows "forget a place that was kept";
    "metrics" List "[FILTER]" (0, 0) true Shows "what the scheduler counts, with its last values";
    "sla" List "[FILTER]" (0, 0) true Shows "service levels of the cluster and of jobs";
    "events" List "[FILTER]" (0, 0) true Shows "what changed on the cluster since the workbench looks";
    "backups" List "[FILTER]" (0, 0) true Shows "backups of the scheduler's state, and the way back to one";
    "storage" List "[FILTER]" (0, 0) true Shows "the scheduler's log and state, as it counts them";
    "settings" List "[FILTER]" (0, 0) true Shows "how the workbench is set up";
    "clusters" List "[FILTER]" (0, 0) true Shows "clusters that are configured or open, and how they are";
    "cluster" Cluster "NAME" (1, 1) false Shows "another cluster; it is opened beside the others";
    "help" Help "[FILTER]" (0, 0) true Shows "keys and commands of this place";
    "open" Open "LINK" (1, 1) false Shows "a link";
    "down" Down "" (0, 0) false Shows "down";
    "up" Up "" (0, 0) false Shows "up";
    "first" First "" (0, 0) false Shows "to the beginning";
    "last" Last "" (0, 0) false Shows "to the end; follow a log";
    "page-down" PageDown "" (0, 0) false Shows "a page down";
    "page-up" PageUp "" (0, 0) false Shows "a page up";
    "half-page-down" HalfPageDown "" (0, 0) false Shows "half a page down";
    "half-page-up" HalfPageUp "" (0, 0) false Shows "half a page up";
    "scroll-left" ScrollLeft "" (0, 0) false Shows "see what is to the left";
    "scroll-right" ScrollRight "" (0, 0) false Shows "see what is to the right";
    "enter" Enter "" (0, 0) false Shows "into the selected object";
    "back" Back "" (0, 0) false Shows "out; first drops the filter";
    "previous" Previous "" (0, 0) false Shows "to the last view and back again";
    "forward" Forward "" (0, 0) false Shows "to the view that `back` has left";
    "split-right" SplitRight "" (0, 0) false Shows "another pane at the right";
    "split-down" SplitDown "" (0, 0) false Shows "another pane below";
    "focus" Focus "next | left | right | up | down" (1, 1) false Shows "give the keys to another pane";
    "resize" Resize "wider | narrower | taller | lower" (1, 1) false Shows "make this pane larger or smaller";
    "close" Close "" (0, 0) false Shows "close this pane, or its tab";
    "pin" Pin "" (0, 0) false Shows "this pane keeps its place, or moves again";
    "link-pane" LinkPane "" (0, 0) false Shows "this pane shows what is selected in the others";
    "tab-new" TabNew "" (0, 0) false Shows "another tab";
    "tab-next" TabNext "" (0, 0) false Shows "the next tab";
    "tab-previous" TabPrevious "" (0, 0) false Shows "the previous tab";
    "tab" Tab "NUMBER | last" (1, 1) false Shows "a tab by its number";
    "layout" Layout "NAME" (1, 1) false Shows "tabs and panes as they were kept";
    "layout-save" LayoutSave "NAME" (1, 1) false Shows "keep these tabs and panes";
    "next-pane" NextPane "" (0, 0) false Shows "to the next pane";
    "zoom" Zoom "" (0, 0) false Shows "one pane alone, or all";
    "newest" Newest "" (0, 0) false Shows "the task that runs this instance now";
    "next-process" NextProcess "" (0, 0) false Shows "the next process of this task";
    "prompt" Prompt "" (0, 0) false Shows "type a command";
    "filter" Filter "[FILTER]" (0, 0) true Shows "show only what matches";
    "convert" Convert "" (0, 0) false Shows "search with context, or hide what does not match";
    "search-next" SearchNext "" (0, 0) false Shows "next line that matches";
    "search-previous" SearchPrevious "" (0, 0) false Shows "previous line that matches";
    "sort" Sort "[-]COLUMN" (1, 1) false Shows "sort by a column, - for descending";
    "next-sort" NextSort "" (0, 0) false Shows "sort by the next column";
    "reverse" Reverse "" (0, 0) false Shows "turn the order around";
    "problems" Problems "" (0, 0) false Shows "only problems, or all";
    "follow" Follow "" (0, 0) false Shows "follow the end, or stop";
    "offset" Offset "BYTES | N% | end" (1, 1) false Shows "read a file or output from there";
    "mark" Mark "" (0, 0) false Shows "mark the row, or unmark it";
    "mark-range" MarkRange "" (0, 0) false Shows "mark all from the last mark to here";
    "unmark" Unmark "" (0, 0) false Shows "forget all marks";
    "copy" Copy "name | link | screen | row | cli | line | lines" (1, 1) false Shows "copy to the clipboard";
    "actions" Actions "" (0, 0) false Shows "what can be done to this";
    "kill" Change "[JOB[/INSTANCES]] [reason=TEXT]" (0, 1) false Changes "end instances for good";
    "restart" Change "[JOB[/INSTANCES]] [reason=TEXT]" (0, 1) false Changes "end instances and start them again";
    "cron-start" Change "[JOB]" (0, 1) false Changes "launch a cron job now";
    "cron-deschedule" Change "[JOB]" (0, 1) false Changes "take a cron job's schedule away";
    "cron-schedule" Change "[FILE [JOB]]" (0, 2) false Changes "make a cron job what a job file says; in a form without a file";
    "job-create" Change "[FILE [JOB]]" (0, 2) false Changes "create a job of a job file; in a form without a file";
    "update-start" Change "[FILE [JOB[/INSTANCES]]] [reason=TEXT]" (0, 2) false Changes "make a job what a job file says; in a form without a file";
    "update-pause" Change "[JOB] [reason=TEXT]" (0, 1) false Changes "stop an update until it is resumed";
    "update-resume" Change "[JOB] [reason=TEXT]" (0, 1) false Changes "let a paused update go on";
    "update-rollback" Change "[JOB] [reason=TEXT]" (0, 1) false Changes "turn an update around";
    "update-abort" Change "[JOB] [reason=TEXT]" (0, 1) false Changes "end an update where it is";
    "update-pulse" Change "[JOB]" (0, 1) false Changes "tell an update that all is well";
    "host-maintenance" Change "[HOST]..." (0, 100) false Changes "give hosts new tasks only where nothing else is free";
    "host-drain" Change "[HOST]..." (0, 100) false Changes "move all tasks away from hosts";
    "host-activate" Change "[HOST]..." (0, 100) false Changes "let hosts take tasks again";
    "host-rounds" Change "[HOST | @ATTRIBUTE=VALUE]... [by=ATTRIBUTE] [size=N] [then=COMMAND] [stay]" (0, 1000) false Changes "drain hosts group by group, run a command for each, activate them";
    "rounds-stop" RoundsStop "" (0, 0) false Shows "stop maintenance in rounds after this step";
    "rounds-resume" RoundsResume "" (0, 0) false Shows "go on with rounds that were stopped";
    "rounds-forget" RoundsForget "" (0, 0) false Shows "forget rounds that were stopped";
    "shell" Shell "[JOB/INSTANCE | TASK]" (0, 1) false Shows "a shell in a task's sandbox";
    "quota-set" Change "[ROLE [CPUS RAM DISK]]" (0, 4) false Changes "give a role another quota; in a form without amounts";
    "task-force" Change "[JOB/INSTANCE | TASK] [STATUS]" (0, 2) false Changes "take a task for something else, whatever it is";
    "prune" Change "[JOB]" (0, 1) false Changes "forget the ended tasks of a job";
    "reconcile-explicit" Change "" (0, 0) false Changes "have Mesos tell about each task";
    "reconcile-implicit" Change "" (0, 0) false Changes "have Mesos tell all tasks that it has";
    "backup-perform" Change "" (0, 0) false Changes "write the scheduler's state into a backup";
    "backup-stage" Change "[BACKUP]" (0, 1) false Changes "load a backup, to look at it and go back to it";
    "backup-delete" Change "[JOB]" (0, 1) false Changes "take a job's tasks out of the staged backup";
    "backup-unload" Change "" (0, 0) false Changes "drop the staged backup";
    "backup-commit" Change "" (0, 0) false Changes "make the staged backup the scheduler's state";
    "examples" Examples "" (0, 0) false Shows "launch the example jobs (on an empty cluster)";
    "mouse" Mouse "" (0, 0) false Shows "use the mouse, or leave it to the terminal";
    "redraw" Redraw "" (0, 0) false Shows "draw everything anew";
    "suspend" Suspend "" (0, 0) false Shows "back to the shell; `fg` returns";
    "cancel" Cancel "" (0, 0) false Shows "cancel; twice: quit";
    "quit" Quit "" (0, 0) false Shows "quit";
}

/// Short forms.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("q", "quit"),
    ("job", "instances"),
    ("tasks", "instances"),
    ("log", "logs"),
    ("h", "help"),
    ("files", "sandbox"),
];

/// A command by its name or short form.
pub fn spec(name: &str) -> Option<&'static Spec> {
    let name = ALIASES
        .iter()
        .find(|(short, _)| *short == name)
        .map_or(name, |(_, long)| long);
    COMMANDS.iter().find(|spec| spec.name == name)
}
