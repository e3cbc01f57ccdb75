//! One message of the simple protocol: our statements and the user's, and which is which.

use std::pin::pin;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_postgres::SimpleQueryMessage;

use super::failure::Place;
use crate::database::connection::Session;
use crate::database::server_error::ServerError;
use crate::revision::Script;

/// How much of a COPY's data is handed over at once.
const CHUNK: usize = 64 * 1024;

/// Statements that are sent together; the server answers each in turn and stops at an error.
#[derive(Debug, Default)]
pub(super) struct Message {
    text: String,
    characters: usize,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    /// The statement's first character in the message, from 0.
    start: usize,
    owner: Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Castoff,
    Guard,
    /// The statement of the script with this index.
    User(usize),
}

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn own<S: AsRef<str>>(&mut self, statements: impl IntoIterator<Item = S>) {
        for statement in statements {
            self.push(statement.as_ref(), Owner::Castoff);
        }
    }

    pub(super) fn guards(&mut self, statements: &[String]) {
        for statement in statements {
            self.push(statement, Owner::Guard);
        }
    }

    pub(super) fn user(&mut self, index: usize, statement: &str) {
        self.push(statement, Owner::User(index));
    }

    fn push(&mut self, statement: &str, owner: Owner) {
        self.parts.push(Part { start: self.characters, owner });
        // The line end guards against a comment at the statement's end.
        for piece in [statement, "\n;\n"] {
            self.text.push_str(piece);
            self.characters += piece.chars().count();
        }
    }

    /// Sends it; says whether a row said `confirmation`, or which error came after how many
    /// completed statements.
    pub(super) async fn send(
        &self,
        session: &Session,
        confirmation: &str,
    ) -> Result<bool, (ServerError, usize)> {
        let mut completed = 0;
        let fail = |error, completed| (session.explain(error), completed);
        let stream = session.client().simple_query_raw(&self.text).await;
        let mut stream = pin!(stream.map_err(|error| fail(error, completed))?);
        let mut confirmed = false;
        while let Some(message) = stream.next().await {
            match message.map_err(|error| fail(error, completed))? {
                SimpleQueryMessage::CommandComplete(_) => completed += 1,
                SimpleQueryMessage::Row(row) => {
                    confirmed |= row.len() == 1 && row.get(0) == Some(confirmation);
                }
                SimpleQueryMessage::RowDescription(_) | _ => {}
            }
        }
        Ok(confirmed)
    }

    pub(super) fn is_guard(&self, statement: usize) -> bool {
        self.parts.get(statement).is_some_and(|part| part.owner == Owner::Guard)
    }

    /// Where in the script an error is: at the server's position, else at the statement that
    /// did not complete.
    pub(super) fn place(
        &self,
        script: &Script,
        error: &ServerError,
        completed: usize,
    ) -> Option<Place> {
        if let Some(position) = error.position {
            let character = position.saturating_sub(1);
            let part = self.parts.iter().rev().find(|part| part.start <= character)?;
            let Owner::User(index) = part.owner else { return None };
            let range = script.statements()[index].range();
            let statement = &script.text()[range.clone()];
            let offset = byte_offset(statement, Some(character - part.start + 1))?;
            return Some(Place::at(script, range.start + offset));
        }
        match self.parts.get(completed)?.owner {
            Owner::User(index) => Some(Place::at(script, script.statements()[index].range().start)),
            Owner::Castoff | Owner::Guard => None,
        }
    }
}

/// The byte where the server's `position` (in characters, from 1) is.
pub(super) fn byte_offset(text: &str, position: Option<usize>) -> Option<usize> {
    let character = position?.checked_sub(1)?;
    Some(text.char_indices().nth(character).map_or(text.len(), |(offset, _)| offset))
}

/// The byte of a COPY's data at which the line begins that an error is in. The server says it in
/// the context alone, in its own language: `COPY orders, line 2, column id: "x"`.
pub(super) fn copied_line(data: &str, error: &ServerError) -> Option<usize> {
    let context = error.context.as_deref()?.strip_prefix("COPY ")?;
    let number: usize =
        context.split([',', ':', '\n']).nth(1)?.split_whitespace().last()?.parse().ok()?;
    let before = data.split_inclusive('\n').take(number.checked_sub(1)?);
    Some(before.map(str::len).sum()).filter(|start| *start < data.len())
}

/// Runs a `COPY … FROM stdin` with its data.
pub(super) async fn copy(
    session: &Session,
    statement: &str,
    data: &[u8],
) -> Result<(), ServerError> {
    let run = async {
        let mut sink = pin!(session.client().copy_in::<_, Bytes>(statement).await?);
        for chunk in data.chunks(CHUNK) {
            sink.send(Bytes::copy_from_slice(chunk)).await?;
        }
        sink.finish().await
    };
    run.await.map(|_| ()).map_err(|error| session.explain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_copied_data_is_found_in_any_language() {
        let line = |context: &str| {
            let context = Some(context.to_owned());
            copied_line("1\n22\n333\n", &ServerError { context, ..ServerError::local("") })
        };
        assert_eq!(line("COPY a, line 1"), Some(0));
        assert_eq!(line("COPY a, line 3: \"333\""), Some(5));
        assert_eq!(line("COPY a, Zeile 2, Spalte n: »22«"), Some(2));
        for other in ["COPY a, line 4", "COPY a, line 0", "COPY a", "PL/pgSQL f(), line 1", ""] {
            assert_eq!(line(other), None, "{other}");
        }
    }
}
