//! How two texts differ, line by line.

/// Lines around a difference that are told too.
const CONTEXT: usize = 1;
/// Texts of more lines than this are not compared line by line: the table of it would be too large.
const MOST: usize = 2_000;

/// What one text has to lose (`-`) and to gain (`+`) to become the other, with a line of context; empty when they are the
/// same. What lies between is `...`.
pub fn lines(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let all = script(&before, &after);
    let is_near = |at: usize| {
        let from = at.saturating_sub(CONTEXT);
        let to = (at + CONTEXT + 1).min(all.len());
        all[from..to].iter().any(|(sign, _)| *sign != ' ')
    };
    let mut out = Vec::new();
    let mut last = None;
    for (at, (sign, line)) in all.iter().enumerate().filter(|(at, _)| is_near(*at)) {
        if last.is_some_and(|last| last + 1 < at) {
            out.push("...".to_owned());
        }
        last = Some(at);
        out.push(format!("{sign} {line}"));
    }
    out
}

/// All lines of both with their signs, in order.
fn script<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<(char, &'a str)> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = before.iter().zip(after).take_while(same).count();
    let (old, new) = (&before[head..], &after[head..]);
    let tail = old.iter().rev().zip(new.iter().rev());
    let tail = tail.take_while(same).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let mut out: Vec<(char, &str)> = before[..head].iter().map(|line| (' ', *line)).collect();
    if old.len() > MOST || new.len() > MOST {
        out.extend(old.iter().map(|line| ('-', *line)));
        out.extend(new.iter().map(|line| ('+', *line)));
    } else {
        between(old, new, &mut out);
    }
    out.extend(
        before[before.len() - tail..]
            .iter()
            .map(|line| (' ', *line)),
    );
    out
}

/// By the longest common subsequence of lines.
fn between<'a>(old: &[&'a str], new: &[&'a str], out: &mut Vec<(char, &'a str)>) {
    let width = new.len() + 1;
    // longest[i * width + j]: of old[i..] and new[j..].
    let mut longest = vec![0u16; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i * width + j] = match old[i] == new[j] {
                true => longest[(i + 1) * width + j + 1] + 1,
                false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let has_both = i < old.len() && j < new.len();
        if has_both && old[i] == new[j] {
            out.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            out.push(('-', old[i]));
            i += 1;
        } else {
            out.push(('+', new[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_have_their_neighbours() {
        for (before, after, expected) in [
            ("a b c", "a b c", ""),
            ("a b c d", "a b x d", " b|-c|+x| d"),
            ("a b", "a b c", " b|+c"),
            ("a b c", "b c", "-a| b"),
            ("a b c d e f g", "x b c d e f y", "-a|+x| b|...| f|-g|+y"),
            ("", "a", "+a"),
            ("a", "", "-a"),
            // What both have in the middle is not told as lost and gained.
            ("1 k k 2", "3 k k 4", "-1|+3| k| k|-2|+4"),
        ] {
            let text = |words: &str| words.replace(' ', "\n");
            let found = lines(&text(before), &text(after));
            let found: Vec<String> = found
                .iter()
                .map(|line| match line.as_str() {
                    "..." => line.clone(),
                    line => format!("{}{}", &line[..1], &line[2..]),
                })
                .collect();
            assert_eq!(found.join("|"), expected, "{before} / {after}");
        }
    }
}
