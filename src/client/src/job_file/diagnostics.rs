//! What is wrong with a job file, for people.

use aurora_api::eval::Diagnostic;

/// All diagnostics, one after the other.
pub fn render_all(diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> = diagnostics.iter().map(render).collect();
    lines.join("\n")
}

/// `file:line:column: message`, then the field and what to do about it.
pub fn render(diagnostic: &Diagnostic) -> String {
    let known = diagnostic.line.is_some();
    let said = |file: &String| diagnostic.message.contains(file);
    let place = match &diagnostic.file {
        Some(file) if known || !said(file) => place(file, diagnostic),
        _ => String::new(),
    };
    place + &what(diagnostic)
}

/// `file:line:column: severity: message`, as compilers say it; the file is always named.
pub fn render_as(severity: &str, diagnostic: &Diagnostic) -> String {
    let file = diagnostic.file.as_deref().unwrap_or_default();
    format!(
        "{}{severity}: {}",
        place(file, diagnostic),
        what(diagnostic)
    )
}

fn place(file: &str, diagnostic: &Diagnostic) -> String {
    let mut text = file.to_owned();
    for number in [diagnostic.line, diagnostic.column].into_iter().flatten() {
        text.push_str(&format!(":{number}"));
    }
    text + ": "
}

fn what(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.message.clone();
    if let Some(field) = &diagnostic.field
        && !diagnostic.message.contains(field)
    {
        text.push_str(&format!(" (in {field})"));
    }
    let said = |what: &String| diagnostic.message.contains(what.trim_matches('\''));
    if let Some(found) = diagnostic.found.as_ref().filter(|found| !said(found)) {
        text.push_str(&format!("\n  found: {found}"));
    }
    if let Some(allowed) = &diagnostic.allowed {
        text.push_str(&format!("\n  allowed: {allowed}"));
    }
    if let Some(hint) = &diagnostic.hint {
        text.push_str(&format!("\n  {hint}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use aurora_api::eval::DiagnosticKind;

    use super::*;

    #[test]
    fn diagnostics_name_the_place() {
        let mut diagnostic = Diagnostic {
            kind: DiagnosticKind::Evaluation,
            message: "name 'x' is not defined".into(),
            file: Some("hello.aurora".into()),
            line: Some(12),
            ..Diagnostic::default()
        };
        assert_eq!(
            render(&diagnostic),
            "hello.aurora:12: name 'x' is not defined"
        );
        diagnostic.column = Some(3);
        diagnostic.field = Some("jobs[0]".into());
        diagnostic.hint = Some("define x".into());
        assert_eq!(
            render(&diagnostic),
            "hello.aurora:12:3: name 'x' is not defined (in jobs[0])\n  define x"
        );
        diagnostic.found = Some("'x'".into());
        diagnostic.allowed = Some("a number".into());
        assert_eq!(
            render(&diagnostic),
            "hello.aurora:12:3: name 'x' is not defined (in jobs[0])\n  allowed: a number\n  define x"
        );
        diagnostic.found = Some("nothing".into());
        assert_eq!(
            render(&diagnostic),
            "hello.aurora:12:3: name 'x' is not defined (in jobs[0])\n  \
             found: nothing\n  allowed: a number\n  define x"
        );
    }
}
