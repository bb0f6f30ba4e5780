//! Lines from stdin, bounded, on a thread of their own.

use std::io::{self, BufRead, Read as _};

use tokio::sync::mpsc;

/// What a line was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its bytes, without the end.
    Whole(Vec<u8>),
    /// Longer than [`LINE_BYTES`]; it was passed over.
    TooLong,
}

/// The lines of stdin; the channel ends with it.
///
/// The thread may sit in a read for ever. It holds nothing, and ends with the process.
pub(crate) fn stdin() -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Ok(Some(line)) = read(&mut input) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn read(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let bound = LINE_BYTES + 2;
    let read = input.by_ref().take(bound as u64).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if read == bound {
        input.skip_until(b'\n')?;
    }
    Ok(Some(if line.len() > LINE_BYTES { Line::TooLong } else { Line::Whole(line) }))
}

/// A message's content with every byte escaped, a token, and what stands around them fit well.
pub(crate) const LINE_BYTES: usize = 256 * 1024;

/// Lines read ahead.
const WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_over_the_bound_is_told_and_the_next_one_is_read() {
        let mut input = vec![b'a'; LINE_BYTES + 10];
        input.extend_from_slice(b"\nnext\nlast");
        let mut input = input.as_slice();
        assert_eq!(read(&mut input).unwrap(), Some(Line::TooLong));
        assert_eq!(read(&mut input).unwrap(), Some(Line::Whole(b"next".to_vec())));
        assert_eq!(read(&mut input).unwrap(), Some(Line::Whole(b"last".to_vec())));
        assert_eq!(read(&mut input).unwrap(), None);
    }

    #[test]
    fn a_line_of_exactly_the_bound_is_whole() {
        let mut input = vec![b'a'; LINE_BYTES];
        input.push(b'\n');
        let line = read(&mut input.as_slice()).unwrap();
        assert_eq!(line, Some(Line::Whole(vec![b'a'; LINE_BYTES])));
    }
}
