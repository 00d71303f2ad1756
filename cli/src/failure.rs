//! How the program ends when it can't do what was asked.

use std::fmt;

/// An exit code, and the one line that says why.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    message: String,
}

impl Failure {
    /// The command line or an input file is wrong, or there is no adapter.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// The request was right, and something went wrong.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// Adds the word that was probably meant, if there is one.
    pub fn hint(mut self, meant: Option<&str>) -> Self {
        if let Some(meant) = meant {
            self.message = format!("{}, did you mean {meant}?", self.message);
        }
        self
    }
}

impl fmt::Display for Failure {
    /// In one line, whatever file names, drivers and parsers put into the message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.message.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        f.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}
