//! What operators have to prove before they may ask: a token, a certificate. Made from the configuration and replaced whole, so
//! that both can be changed while the gateway serves.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::config::model::{self, Config};
use crate::config::{KeyPath, Problem};
use crate::tls::{self, TlsError};

/// Characters of a token.
const SHORTEST: usize = 16;
const LONGEST: usize = 1024;

/// What is asked of operators.
#[derive(Debug)]
pub struct Operators {
    settings: model::Admin,
    /// What requests have to bring; none: nothing.
    pub token: Option<Token>,
    /// None: plain TCP.
    pub tls: Option<Arc<tls::Server>>,
}

/// A password. It is never printed.
#[derive(PartialEq, Eq)]
pub struct Token(Box<str>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Reads one; white space at its end does not belong to it.
    fn read(file: &Path) -> Result<Self, String> {
        let text =
            std::fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        let token = text.trim_end();
        let fits = (SHORTEST..=LONGEST).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        match fits {
            true => Ok(Self(token.into())),
            false => Err(format!("{} has no token: 16 to 1024 visible characters without spaces", file.display())),
        }
    }

    /// Whether `said` is it. Takes as long whatever of it is wrong.
    pub fn is(&self, said: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), said.as_bytes()).is_ok()
    }
}

impl Operators {
    /// Reads the files of `[admin]`; none where there is none. `before` comes back where nothing has changed.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn build(config: &Config, before: Option<&Arc<Self>>) -> Result<Option<Arc<Self>>, Vec<Problem>> {
        let Some(settings) = &config.admin else { return Ok(None) };
        let at = KeyPath::root().key("admin");
        let mut problems = Vec::new();
        let token = settings.token_file.as_ref().map(|file| Token::read(file));
        let token = token.transpose().unwrap_or_else(|error| {
            problems.push(config.places.problem(&at.key("token-file"), error));
            None
        });
        let tls = settings.tls.as_ref().map(|tls| {
            let before = before.and_then(|before| before.tls.as_ref());
            tls::Server::load(tls, false, true, before)
        });
        let tls = tls.transpose().unwrap_or_else(|error| {
            problems.push(config.places.problem(&place_of(settings, &error, &at.key("tls")), error.to_string()));
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let made = Self { settings: settings.clone(), token, tls };
        Ok(Some(match before.filter(|before| made.is_as(before)) {
            Some(before) => before.clone(),
            None => Arc::new(made),
        }))
    }

    fn is_as(&self, before: &Self) -> bool {
        let same_tls = match (&self.tls, &before.tls) {
            (Some(tls), Some(before)) => Arc::ptr_eq(tls, before),
            (None, None) => true,
            _ => false,
        };
        same_tls && self.token == before.token && self.settings == before.settings
    }
}

/// The key that names the file to mend.
fn place_of(settings: &model::Admin, error: &TlsError, at: &KeyPath) -> KeyPath {
    let files = settings.tls.iter().flat_map(|tls| &tls.certificates);
    let file = error.file();
    for pair in files {
        if file == Some(pair.certificate.as_path()) {
            return at.key("certificate");
        }
        if file == Some(pair.key.as_path()) {
            return at.key("key");
        }
    }
    at.key("client-ca")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_line_that_is_long_enough() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        for (text, is_good) in [
            ("0123456789abcdef", true),
            ("0123456789abcdef\r\n", true),
            ("0123456789abcde", false),
            ("0123456789 abcdef", false),
            ("0123456789abcdef\n0123456789abcdef\n", false),
            ("", false),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(Token::read(&file).is_ok(), is_good, "{text:?}");
        }
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let token = Token::read(&file).unwrap();
        assert!(token.is("0123456789abcdef") && !token.is("0123456789abcdeF") && !token.is(""));
        assert_eq!(format!("{token:?}"), "Token");
    }
}
