//! The line being typed, and where in it.

/// Text with a cursor between its characters.
#[derive(Default, Debug)]
pub(super) struct Input {
    chars: Vec<char>,
    cursor: usize,
}

impl Input {
    /// The text before the cursor, and the rest.
    pub(super) fn halves(&self) -> (String, String) {
        let (before, after) = self.chars.split_at(self.cursor);
        (before.iter().collect(), after.iter().collect())
    }

    /// The whole, leaving nothing.
    pub(super) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.chars).into_iter().collect()
    }

    /// Control characters become spaces; what would be too long to send is dropped.
    pub(super) fn insert(&mut self, c: char) {
        if self.chars.len() < CHARS {
            self.chars.insert(self.cursor, if c.is_control() { ' ' } else { c });
            self.cursor += 1;
        }
    }

    pub(super) fn backspace(&mut self) {
        if self.cursor > 0 {
            self.cursor -= 1;
            self.chars.remove(self.cursor);
        }
    }

    pub(super) fn delete(&mut self) {
        if self.cursor < self.chars.len() {
            self.chars.remove(self.cursor);
        }
    }

    pub(super) const fn left(&mut self) {
        self.cursor = self.cursor.saturating_sub(1);
    }

    pub(super) fn right(&mut self) {
        self.cursor = (self.cursor + 1).min(self.chars.len());
    }

    pub(super) const fn home(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.chars.len();
    }
}

/// As many bytes as a message may have; characters of more bytes are refused when they are sent.
const CHARS: usize = homing_proto::limits::CONTENT_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_happens_at_the_cursor() {
        let mut input = Input::default();
        "grüß".chars().for_each(|c| input.insert(c));
        input.left();
        input.backspace();
        input.insert('u');
        assert_eq!(input.halves(), ("gru".to_owned(), "ß".to_owned()));
        input.delete();
        input.delete();
        input.home();
        input.backspace();
        input.right();
        input.end();
        input.right();
        assert_eq!(input.take(), "gru");
        assert_eq!(input.halves(), (String::new(), String::new()));
    }
}
