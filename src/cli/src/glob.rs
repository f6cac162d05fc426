//! Shell patterns as Python's `fnmatch` has them: `*`, `?`, `[abc]`, `[a-c]`, `[!abc]`; a bracket that is not closed is
//! itself.

/// Whether all of `text` matches `pattern`.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // The last star seen and how much of the text it has taken; going back to it is all the backtracking there is.
    let mut star: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
            continue;
        }
        match one(&pattern, p, text[t]) {
            Some(next) => {
                p = next;
                t += 1;
            }
            None => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Matches one character at `pattern[at]`; the place after it.
fn one(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match *pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => match class(pattern, at) {
            Some((set, negated, next)) => (in_set(set, c) != negated).then_some(next),
            None => (c == '[').then_some(at + 1),
        },
        literal => (literal == c).then_some(at + 1),
    }
}

fn class(pattern: &[char], at: usize) -> Option<(&[char], bool, usize)> {
    let negated = pattern.get(at + 1) == Some(&'!');
    let begin = at + 1 + usize::from(negated);
    // A bracket right at the beginning belongs to the set.
    let end = (begin + 1..pattern.len()).find(|i| pattern[*i] == ']')?;
    Some((&pattern[begin..end], negated, end + 1))
}

fn in_set(set: &[char], c: char) -> bool {
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == '-' {
            if (set[at]..=set[at + 2]).contains(&c) {
                return true;
            }
            at += 3;
        } else {
            if set[at] == c {
                return true;
            }
            at += 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn as_fnmatch_does() {
        // Each line was tried with CPython 3.11's fnmatch.fnmatchcase.
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("[!ab]x", "cx", true),
            ("[a-c]*", "bzz", true),
            ("[a-c]*", "dzz", false),
            ("[]a]", "]", true),
            ("[a", "[a", true),
            ("a**b", "ab", true),
            ("*a*b*a*", "xbayba", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
