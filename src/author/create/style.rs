//! How the revisions of a folder are named, and what the next one is called by that.

use crate::author::create::Moment;

/// How long a slug may be, as Alembic has it.
const SLUG: usize = 40;

/// How many digits Alembic's ids have.
const ALEMBIC: usize = 12;

/// What the ids of a folder look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Style {
    /// Numbers of at least so many digits, behind the same letters (or none).
    Number { prefix: String, width: usize },
    /// The time, in so many digits: from the year on, or since 1970.
    Time { digits: usize, since_1970: bool },
    /// Alembic's: random hexadecimal digits.
    Random,
}

impl Style {
    /// The style of a folder with these ids, of which `last` is the newest.
    pub(super) fn of(last: Option<&str>, ids: &[&str]) -> Self {
        let Some(last) = last else { return Self::Number { prefix: String::new(), width: 4 } };
        let is_alembics = |id: &str| {
            id.len() == ALEMBIC && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let has_letter = |id: &str| id.bytes().any(|b| b.is_ascii_lowercase());
        if is_alembics(last) && ids.iter().any(|id| is_alembics(id) && has_letter(id)) {
            return Self::Random;
        }
        let prefix = last.trim_end_matches(|c: char| c.is_ascii_digit());
        let width = last.len() - prefix.len();
        if width == 0 {
            return Self::Random;
        }
        if prefix.is_empty() && is_time(last) {
            return Self::Time { digits: width, since_1970: !is_date(last) };
        }
        Self::Number { prefix: prefix.to_owned(), width }
    }

    /// The id that comes after all of these.
    pub(super) fn next(
        &self,
        ids: &[&str],
        moment: &Moment,
        random: &mut dyn FnMut() -> u64,
    ) -> String {
        match self {
            Self::Number { prefix, width } => {
                let numbers = ids.iter().filter_map(|id| id.strip_prefix(prefix.as_str()));
                let zero = "0".repeat(*width);
                // Some went from the time to numbers.
                let last = greatest(numbers.filter(|number| !is_time(number)));
                format!("{prefix}{}", increment(last.unwrap_or(&zero)))
            }
            Self::Time { digits, since_1970 } => {
                let now = if *since_1970 { moment.since_1970() } else { moment.digits() };
                let now = now.get(..*digits).unwrap_or(&now).to_owned();
                match greatest(ids.iter().copied().filter(|id| id.len() == *digits)) {
                    // Several within one tick, or somebody's clock is ahead.
                    Some(last) if last >= now.as_str() => increment(last),
                    Some(_) | None => now,
                }
            }
            Self::Random => loop {
                let id = format!("{:012x}", random() >> 16);
                // Of digits alone it would look like a number.
                if id.bytes().any(|byte| byte.is_ascii_lowercase()) {
                    return id;
                }
            },
        }
    }
}

/// The greatest of those that are numbers.
fn greatest<'a>(ids: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let is_number = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let size = |id: &&'a str| {
        let digits = id.trim_start_matches('0');
        (digits.len(), digits)
    };
    ids.filter(is_number).max_by_key(size)
}

/// A number and one, in as many digits unless it needs one more.
fn increment(number: &str) -> String {
    let kept = number.trim_end_matches('9');
    let nines = number.len() - kept.len();
    let zeros = "0".repeat(nines);
    match kept.split_at_checked(kept.len().saturating_sub(1)) {
        Some((head, digit)) if !digit.is_empty() => {
            let digit = digit.parse::<u8>().unwrap_or_default() + 1;
            format!("{head}{digit}{zeros}")
        }
        _ => format!("1{zeros}"),
    }
}

/// Whether these digits are a time: a date, or the seconds or milliseconds since 1970.
fn is_time(digits: &str) -> bool {
    is_date(digits) || matches!(digits.len(), 10 | 13) && digits.starts_with('1')
}

/// Whether these digits are a day of these centuries, with or without the time of day.
fn is_date(digits: &str) -> bool {
    let part = |start: usize, most: u32| {
        digits.get(start..start + 2).is_none_or(|part| part.parse().is_ok_and(|it: u32| it <= most))
    };
    matches!(digits.len(), 8 | 12 | 14 | 17)
        && ("1970".."2200").contains(&&digits[..4])
        && &digits[4..6] != "00"
        && &digits[6..8] != "00"
        && part(4, 12)
        && part(6, 31)
        && part(8, 23)
        && part(10, 59)
        && part(12, 60)
}

/// A message as a part of a file's name; cut between words.
pub(super) fn slug(message: &str) -> String {
    let mut slug = String::new();
    let lower = message.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let length = slug.chars().count() + word.chars().count() + usize::from(!slug.is_empty());
        if length > SLUG && !slug.is_empty() {
            break;
        }
        if !slug.is_empty() {
            slug.push('_');
        }
        slug.extend(word.chars().take(SLUG));
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(ids: &[&str]) -> String {
        let mut numbers = [0x1234_5678_9012_0000_u64, 0xabcd_ef01_2345_0000].into_iter();
        let moment = Moment::new("2026-11-21T18:31:05.250Z", 1_795_285_865_250);
        Style::of(ids.last().copied(), ids).next(ids, &moment, &mut || numbers.next().unwrap())
    }

    #[test]
    fn the_next_id_is_in_the_style_of_the_folder() {
        for (ids, expected) in [
            (&[][..], "0001"),
            (&["0001"], "0002"),
            (&["0001", "0009"], "0010"),
            (&["9999"], "10000"),
            (&["9999", "10000"], "10001"),
            (&["1", "2", "9"], "10"),
            (&["000001"], "000002"),
            // A merge after 5 and 6, of which 6 was merged last.
            (&["0006", "0005"], "0007"),
            (&["V007", "V008"], "V009"),
            (&["r9"], "r10"),
            (&["2024-01-09"], "2024-01-10"),
            // Some went from the time to numbers.
            (&["20240131120000", "0001"], "0002"),
            (&["20240131120000"], "20261121183105"),
            (&["0001", "20240131120000"], "20261121183105"),
            (&["202401311200"], "202611211831"),
            (&["20240131"], "20261121"),
            (&["20261121"], "20261122"),
            (&["20240131120000123"], "20261121183105250"),
            (&["1700000000"], "1795285865"),
            (&["1700000000000"], "1795285865250"),
            (&["20261121183105"], "20261121183106"),
            (&["29990131120000"], "29990131120001"),
            // No date: the numbers of who likes many digits.
            (&["20249931120000"], "20249931120001"),
            (&["0000000001"], "0000000002"),
            (&["4f1c2a9b7d30"], "abcdef012345"),
            // Digits alone by chance.
            (&["4f1c2a9b7d30", "202401311200"], "abcdef012345"),
            (&["initial"], "abcdef012345"),
        ] {
            assert_eq!(next(ids), expected, "{ids:?}");
        }
    }

    #[test]
    fn a_slug_is_made_of_whole_words() {
        for (message, expected) in [
            ("add the customer's e-mail", "add_the_customer_s_e_mail"),
            ("  Add  x!  ", "add_x"),
            ("!!!", ""),
            ("Straße löschen", "straße_löschen"),
            ("../../etc/passwd.up", "etc_passwd_up"),
            (
                "a message that goes on for longer than a name of a file should",
                "a_message_that_goes_on_for_longer_than_a",
            ),
        ] {
            assert_eq!(slug(message), expected);
        }
        assert_eq!(slug(&"x".repeat(60)).len(), 40);
    }
}
